//! What a folder holds, for `dir`.

use std::io;
use std::path::Path;

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

/// A compiled pattern.
pub struct Matcher {
    pattern: Pattern,
    recursive: bool,
}

impl Matcher {
    const OPTIONS: MatchOptions = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };

    /// Compiles; a pattern that is none is an error of kind `InvalidInput`.
    pub fn new(pattern: &str, recursive: bool) -> io::Result<Self> {
        let pattern = Pattern::new(pattern)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        Ok(Self { pattern, recursive })
    }

    /// Returns how many folders deep a match may lie.
    pub fn depth(&self) -> usize {
        let text = self.pattern.as_str();
        let deep = self.recursive || text.contains("**");
        if deep { usize::MAX } else { text.split('/').count() }
    }

    /// Says whether a name, relative to the folder that is listed, matches.
    pub fn matches(&self, name: &str) -> bool {
        let matches = |name: &str| self.pattern.matches_with(name, Self::OPTIONS);
        matches(name)
            || self.recursive && name.match_indices('/').any(|(at, _)| matches(&name[at + 1..]))
    }
}

/// Lists what matches `pattern` below `root`, sorted bytewise, with `/` between parts.
///
/// `* ? [a-z] [!a]` match within one part, `**` any number of folders; dot names count. `recursive`
/// matches below every folder. Links to folders are listed, not walked into. Names that are no
/// Unicode cannot be written in a program and are left out.
pub fn list(root: &Path, pattern: &str, recursive: bool) -> io::Result<Vec<String>> {
    let matcher = Matcher::new(pattern, recursive)?;
    let mut names = Vec::new();
    for entry in WalkDir::new(root).min_depth(1).max_depth(matcher.depth()) {
        let entry = match entry {
            Ok(entry) => entry,
            // A folder below that may not be entered, or went away, lists as empty; the root does not.
            Err(error) if error.depth() > 0 => continue,
            Err(error) => return Err(error.into()),
        };
        let Ok(relative) = entry.path().strip_prefix(root) else { continue };
        let Some(name) = relative.to_str() else { continue };
        if matcher.matches(name) {
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
