//! Which cases a folder holds, and which file each input of a case is.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::world::World;

/// Where the files of an input are looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The input's name in the program.
    pub name: String,
    /// What the program says, if it says anything.
    pub default: Option<PathBuf>,
    /// `--in NAME=PATTERN`, if it was given.
    pub pattern: Option<String>,
}

/// One case: a folder, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The file of each input that was found.
    pub inputs: BTreeMap<String, PathBuf>,
    /// The inputs that were not found, with all places that were tried.
    pub missing: BTreeMap<String, Vec<PathBuf>>,
}

/// The cases of a folder, and the folders that are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    /// By name, bytewise.
    pub cases: Vec<Case>,
    /// Subfolders that hold none of the inputs, by name.
    pub skipped: Vec<String>,
}

/// Lists the cases below `root`: its immediate subfolders, without dot-folders and without those that
/// hold none of the inputs.
pub fn list(world: &World, root: &Path, wanted: &[Wanted]) -> io::Result<Cohort> {
    let mut names = world.folders(root)?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    let mut cohort = Cohort::default();
    for name in names {
        let folder = root.join(&name);
        let mut case = Case { name, inputs: BTreeMap::new(), missing: BTreeMap::new() };
        let mut holds = wanted.is_empty();
        for input in wanted {
            let places = places(input, &folder, &case.name);
            match places.iter().find(|path| world.has(path)) {
                Some(path) => {
                    holds |= path.starts_with(&folder);
                    case.inputs.insert(input.name.clone(), path.clone());
                }
                None => {
                    case.missing.insert(input.name.clone(), places);
                }
            }
        }
        if holds {
            cohort.cases.push(case);
        } else {
            cohort.skipped.push(case.name);
        }
    }
    Ok(cohort)
}

/// Returns where an input of a case may lie, best first.
fn places(input: &Wanted, folder: &Path, case: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(pattern) = &input.pattern {
        // Whoever names a pattern means it: nothing else is tried.
        return vec![folder.join(pattern.replace("{case}", case))];
    }
    if let Some(default) = input.default.as_ref().filter(|path| path.is_absolute()) {
        return vec![default.clone()];
    }
    for stem in [format!("{case}_{}", input.name), input.name.clone()] {
        for suffix in [".nii.gz", ".nii"] {
            places.push(folder.join(format!("{stem}{suffix}")));
        }
    }
    if let Some(default) = &input.default {
        places.push(folder.join(default));
    }
    places
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    fn wanted(name: &str, default: Option<&str>, pattern: Option<&str>) -> Wanted {
        Wanted {
            name: name.to_owned(),
            default: default.map(PathBuf::from),
            pattern: pattern.map(str::to_owned),
        }
    }

    #[test]
    fn each_input_is_the_first_that_exists() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for file in [
            "b/b_flair.nii.gz",
            "b/flair.nii",
            "b/scan.nii",
            "a/flair.nii",
            "a/deep/x.nii",
            "c/notes.txt",
            ".git/flair.nii",
            "d/other.nii",
        ] {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), "").unwrap();
        }
        let inputs =
            [wanted("flair", Some("scan.nii"), None), wanted("seg", None, Some("other.nii"))];
        let cohort = list(&World::All(root.path().to_owned()), root.path(), &inputs).unwrap();
        let names: Vec<&str> = cohort.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(cohort.skipped, ["c"]);
        assert_eq!(cohort.cases[0].inputs["flair"], at("a/flair.nii"));
        assert_eq!(cohort.cases[0].missing["seg"], [at("a/other.nii")]);
        assert_eq!(cohort.cases[1].inputs["flair"], at("b/b_flair.nii.gz"));
        assert_eq!(cohort.cases[2].inputs["seg"], at("d/other.nii"));
    }

    #[test]
    fn a_pattern_names_the_case_and_an_absolute_path_is_one_file_for_all() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("k")).unwrap();
        fs::write(root.path().join("k/k-T1.nii"), "").unwrap();
        let atlas = root.path().join("atlas.nii");
        fs::write(&atlas, "").unwrap();
        let inputs = [
            wanted("t1", None, Some("{case}-T1.nii")),
            wanted("atlas", Some(atlas.to_str().unwrap()), None),
        ];
        let cohort = list(&World::All(root.path().to_owned()), root.path(), &inputs).unwrap();
        assert_eq!(cohort.cases[0].inputs["atlas"], atlas);
        assert_eq!(cohort.cases[0].inputs["t1"], root.path().join("k/k-T1.nii"));
    }
}
