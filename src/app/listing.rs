//! What a folder holds, for `dir`.

use std::io;
use std::path::Path;

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

/// Lists what matches `pattern` below `root`, sorted bytewise, with `/` between parts.
///
/// `* ? [a-z] [!a]` match within one part, `**` any number of folders; dot names count. `recursive`
/// matches below every folder. Links to folders are listed, not walked into. Names that are no
/// Unicode cannot be written in a program and are left out.
pub fn list(root: &Path, pattern: &str, recursive: bool) -> io::Result<Vec<String>> {
    let compiled = Pattern::new(pattern)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let deep = recursive || pattern.contains("**");
    let depth = if deep { usize::MAX } else { pattern.split('/').count() };
    let mut names = Vec::new();
    for entry in WalkDir::new(root).min_depth(1).max_depth(depth) {
        let entry = match entry {
            Ok(entry) => entry,
            // A folder below that may not be entered, or went away, lists as empty; the root does not.
            Err(error) if error.depth() > 0 => continue,
            Err(error) => return Err(error.into()),
        };
        let Ok(relative) = entry.path().strip_prefix(root) else { continue };
        let Some(name) = relative.to_str() else { continue };
        let matches = |name: &str| compiled.matches_with(name, options);
        let found = matches(name)
            || recursive && name.match_indices('/').any(|(at, _)| matches(&name[at + 1..]));
        if found {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn globs_match_within_parts_and_recursion_below_every_folder() {
        let root = tempfile::tempdir().unwrap();
        for file in ["b.txt", "a.txt", ".c.txt", "d/e.txt", "d/f/g.txt", "d/h.nii"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let check = |pattern: &str, recursive: bool, expected: &[&str]| {
            assert_eq!(list(root.path(), pattern, recursive).unwrap(), expected, "{pattern}");
        };
        check("*", false, &[".c.txt", "a.txt", "b.txt", "d"]);
        check("[!b].txt", false, &["a.txt"]);
        check("*/*.txt", false, &["d/e.txt"]);
        check("**/*.txt", false, &[".c.txt", "a.txt", "b.txt", "d/e.txt", "d/f/g.txt"]);
        check("*.txt", true, &[".c.txt", "a.txt", "b.txt", "d/e.txt", "d/f/g.txt"]);
        check("f/*", true, &["d/f/g.txt"]);
        assert!(list(&root.path().join("none"), "*", false).is_err());
        assert!(list(root.path(), "[", false).is_err());
    }
}
