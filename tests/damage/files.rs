//! Whole files, and what a run makes of it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vox::app::config::{Config, Flags};
use vox::app::context::{Access, Context};
use vox::app::environment::Environment;
use vox::app::run::{self, Silent, Spec};
use vox::app::upkeep;
use vox::app::world::World;
use vox::exec::drive::Options;
use vox::exec::event::Outcome;
use vox::exec::keep::Keep;
use vox::kernel::format::nifti;
use vox::pool::Buffer;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::text;
use vox::value::volume::Volume;

const PROGRAM: &str = "\
load f = \"f.nii\"
let bright = f >. 300
let wide = near(near(bright))
save \"wide.nii\" wide
save \"far.nii\" f *. 2
print \"volume\" volume(wide)
print \"most\" max(f)
";

/// A folder with an image, a program and a filled store, and all files of that store.
struct Small {
    folder: tempfile::TempDir,
    whole: BTreeMap<PathBuf, Vec<u8>>,
    right: Vec<String>,
}

impl Small {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let grid = Arc::new(Grid::plain(&[16, 16, 12]).unwrap());
        let voxels: Vec<f32> = (0..16 * 16 * 12).map(|n| (n * 7919 % 1009) as f32).collect();
        let volume = Value::Volume(Volume::f32(grid, Buffer::copied(&voxels)));
        fs::write(folder.path().join("f.nii"), nifti::write::write(&volume).unwrap()).unwrap();
        let mut small = Self { folder, whole: BTreeMap::new(), right: Vec::new() };
        small.right = small.goals("the first run");
        let root = small.root();
        small.whole = walkdir::WalkDir::new(&root)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap()))
            .collect();
        small
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn environment(&self) -> (Environment, Config) {
        let cwd = self.folder.path().to_owned();
        let environment = Environment { home: Some(cwd.clone()), cwd, ..Environment::default() };
        let flags = Flags { store: Some(self.root()), ..Flags::default() };
        let config = Config::gather(&flags, &environment).unwrap();
        (environment, config)
    }

    /// Runs the program here and returns all goals in words, saved files by their bytes.
    fn goals(&self, what: &str) -> Vec<String> {
        let (environment, config) = self.environment();
        let context = Context::join(environment, config, Access::Write)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        for name in ["wide.nii", "far.nii"] {
            fs::remove_file(self.folder.path().join("out").join(name)).ok();
        }
        let spec = Spec {
            program: "p.imgql".into(),
            text: PROGRAM.to_owned(),
            dialect: None,
            // Whole, because the test is not run in that folder.
            inputs: BTreeMap::from([(
                "f".to_owned(),
                self.folder.path().join("f.nii").to_str().unwrap().to_owned(),
            )]),
            settings: Vec::new(),
            raw: Vec::new(),
            imports: None,
            output: Some("out".into()),
            world: World::All(self.folder.path().to_owned()),
            writes: true,
            nodes: None,
            rehash: false,
            options: Options { keep: Keep::All, ..Options::default() },
        };
        let answer = run::run(&context, &spec, None, &mut Silent)
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let words = answer.goals.iter().map(|(_, outcome)| match outcome {
            Outcome::Value(value) => text::show(value).unwrap(),
            Outcome::Saved { path, .. } => {
                let name = path.file_name().unwrap();
                let bytes = fs::read(self.folder.path().join("out").join(name)).unwrap();
                vox::id::Digest::of(&bytes).hex()
            }
            Outcome::Failed(failure) => panic!("{what}: {failure}"),
        });
        words.collect()
    }

    fn restore(&self) {
        fs::remove_dir_all(self.root()).unwrap();
        for (path, bytes) in &self.whole {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Says whether the store is clean by `vox verify`.
    fn is_clean(&self) -> bool {
        let (environment, config) = self.environment();
        upkeep::verify(&environment, &config).unwrap().report.is_clean()
    }

    /// Runs over a damaged store, compares, and puts the store back.
    fn holds(&self, what: &str, noticed: Option<bool>) {
        if let Some(noticed) = noticed {
            assert_eq!(!self.is_clean(), noticed, "{what}");
        }
        assert_eq!(self.goals(what), self.right, "{what}");
        // What was put aside was computed again.
        assert_eq!(self.goals(what), self.right, "{what}");
        self.restore();
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).ok();
    fs::write(path, bytes).unwrap();
}

#[test]
fn no_damaged_file_gives_a_wrong_goal() {
    let small = Small::new();
    assert!(small.is_clean());
    let objects: Vec<&PathBuf> = small
        .whole
        .keys()
        .filter(|path| path.parent().unwrap().file_name().unwrap().len() == 2)
        .collect();
    assert!(objects.len() >= 2, "{objects:?}");
    for (path, bytes) in &small.whole {
        let name = path.strip_prefix(small.root()).unwrap();
        let is_shared = name.starts_with("objects");
        let is_settings = name.ends_with("vox-store.toml");
        let what = |how: &str| format!("{how}: {}", name.display());
        fs::remove_file(path).unwrap();
        small.holds(&what("removed"), Some(false));
        if bytes.is_empty() || name.to_string_lossy().contains("index.") {
            continue;
        }
        // A settings file that says nothing sensible is refused, by name; nothing is computed.
        let holds = |how: &str, bad: &[u8]| {
            put(path, bad);
            if is_settings {
                let (environment, config) = small.environment();
                let joined = Context::join(environment, config, Access::Write);
                match joined {
                    Err(error) => {
                        assert!(error.to_string().contains("vox-store.toml"), "{error}");
                        small.restore();
                    }
                    Ok(context) => {
                        drop(context);
                        small.holds(&what(how), None);
                    }
                }
            } else {
                small.holds(&what(how), Some(is_shared));
            }
        };
        for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            holds(&format!("cut to {len}"), &bytes[..len]);
        }
        holds("with garbage behind", &[bytes, &[7; 100][..]].concat());
        holds("all zeros", &vec![0; bytes.len()]);
    }
    // Two objects in each other's place; and one's bytes under the other's name, dated back.
    let (one, two) = (objects[0], objects[1]);
    put(one, &small.whole[two]);
    put(two, &small.whole[one]);
    small.holds("swapped", Some(true));
    let modified = fs::metadata(one).unwrap().modified().unwrap();
    put(one, &small.whole[two]);
    File::options()
        .write(true)
        .open(one)
        .unwrap()
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    small.holds("brought back", Some(true));
    // All objects and no log; the log and no objects.
    for path in &objects {
        fs::remove_file(path).unwrap();
    }
    small.holds("without objects", Some(false));
    fs::remove_dir_all(small.root().join("objects/log")).unwrap();
    small.holds("without the log", Some(false));
    fs::remove_dir_all(small.root().join("local")).unwrap();
    small.holds("without local", Some(false));
}
