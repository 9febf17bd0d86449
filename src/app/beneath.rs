//! Files below some folders and no others, whatever a program calls them.
//!
//! For programs that come over the network. The folders are opened once; every path is resolved by the
//! kernel from there, beneath it, without following any link, and what is opened is looked at again. All
//! that is not a regular file there is "not found", whether it exists elsewhere or not.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The folders, tried in the order in which they were given.
#[derive(Debug)]
pub struct Beneath {
    roots: Vec<Root>,
    /// The largest file that is opened.
    limit: u64,
}

#[derive(Debug)]
struct Root {
    folder: File,
    path: PathBuf,
}

/// The most names that a listing gives, so that nobody makes the server walk a whole disk.
const NAMES: usize = 100_000;

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Beneath {
    /// Opens the folders; files above `limit` bytes are "not found" too.
    pub fn new(folders: &[PathBuf], limit: u64) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let folder = File::open(path)?;
            if !folder.metadata()?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            Ok(Root { folder, path: path.canonicalize()? })
        };
        if cfg!(not(target_os = "linux")) {
            let message = "files can be confined to folders on Linux only";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(Self { roots: folders.iter().map(open).collect::<io::Result<_>>()?, limit })
    }

    /// Opens a regular file; returns it with its path in the file system.
    pub fn file(&self, path: &Path) -> io::Result<(File, PathBuf)> {
        let path = inside(path);
        for root in &self.roots {
            if let Ok(file) = root.open(path)
                && let Ok(meta) = file.metadata()
                && meta.is_file()
                && meta.len() <= self.limit
            {
                return Ok((file, root.path.join(path)));
            }
        }
        Err(missing())
    }

    /// Lists what matches below the first folder of that name, sorted; links are left out.
    pub fn list(&self, folder: &Path, pattern: &str, recursive: bool) -> io::Result<Vec<String>> {
        let matcher = crate::app::listing::Matcher::new(pattern, recursive)?;
        let folder = inside(folder);
        let root = self.root_of(folder)?;
        let mut names = Vec::new();
        let mut waiting = vec![(PathBuf::new(), 1)];
        while let Some((below, depth)) = waiting.pop() {
            let Ok(entries) = root.entries(&folder.join(&below)) else { continue };
            for (name, is_folder) in entries {
                let path = below.join(&name);
                let Some(text) = path.to_str() else { continue };
                if matcher.matches(text) {
                    names.push(text.to_owned());
                }
                if names.len() + waiting.len() > NAMES {
                    return Err(io::Error::other("it holds too many files to list"));
                }
                if is_folder && depth < matcher.depth() {
                    waiting.push((path, depth + 1));
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the names of the folders in a folder, in no order.
    pub fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = inside(folder);
        let entries = self.root_of(folder)?.entries(folder)?;
        Ok(entries.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| name).collect())
    }

    fn root_of(&self, folder: &Path) -> io::Result<&Root> {
        let is_there = |root: &&Root| {
            let found = root.open(folder).and_then(|file| file.metadata());
            found.is_ok_and(|meta| meta.is_dir())
        };
        self.roots.iter().find(is_there).ok_or_else(missing)
    }
}

/// Returns a path as counted from a root: `/x` and `x` are the same file.
fn inside(path: &Path) -> &Path {
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(target_os = "linux")]
impl Root {
    /// Opens what lies at a path; a pipe is opened without waiting for its other end.
    fn open(&self, path: &Path) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = loop {
            // A rename beside it makes the kernel give up: it is asked again.
            match openat2(&self.folder, path, flags, Mode::empty(), resolve) {
                Err(rustix::io::Errno::AGAIN) => {}
                other => break other,
            }
        };
        Ok(File::from(opened?))
    }

    /// Returns the files and folders in a folder, with whether each is a folder.
    fn entries(&self, folder: &Path) -> io::Result<Vec<(String, bool)>> {
        use rustix::fs::{AtFlags, Dir, FileType, statat};
        let opened = self.open(folder)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let meta = statat(&opened, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                    meta.map_or(FileType::Unknown, |meta| FileType::from_raw_mode(meta.st_mode))
                }
                kind => kind,
            };
            match kind {
                FileType::Directory => entries.push((name.to_owned(), true)),
                FileType::RegularFile => entries.push((name.to_owned(), false)),
                _ => {}
            }
            if entries.len() > NAMES {
                return Err(io::Error::other("it holds too many files to list"));
            }
        }
        Ok(entries)
    }
}

#[cfg(not(target_os = "linux"))]
impl Root {
    fn open(&self, _: &Path) -> io::Result<File> {
        Err(missing())
    }

    fn entries(&self, _: &Path) -> io::Result<Vec<(String, bool)>> {
        Err(missing())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that may be read, beside one that may not, with every way out that we know.
    fn world() -> (tempfile::TempDir, Beneath) {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["open/deep", "more", "shut"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("open/a.nii"), "a").unwrap();
        fs::write(at("open/deep/b.nii"), "b").unwrap();
        fs::write(at("more/a.nii"), "second").unwrap();
        fs::write(at("more/c.nii"), "c").unwrap();
        fs::write(at("open/large.nii"), vec![0; 100]).unwrap();
        fs::write(at("shut/secret"), "secret").unwrap();
        symlink(at("shut"), at("open/out")).unwrap();
        symlink(at("shut/secret"), at("open/link")).unwrap();
        symlink("a.nii", at("open/near")).unwrap();
        let fifo = rustix::fs::mknodat(
            rustix::fs::CWD,
            at("open/pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        );
        fifo.unwrap();
        let beneath = Beneath::new(&[at("open"), at("more")], 99).unwrap();
        (dir, beneath)
    }

    #[test]
    fn files_below_the_folders_open_and_nothing_else() {
        let (dir, beneath) = world();
        let read = |path: &str| {
            let mut text = String::new();
            beneath.file(Path::new(path)).map(|(mut file, _)| {
                file.read_to_string(&mut text).unwrap();
                text
            })
        };
        assert_eq!(read("a.nii").unwrap(), "a");
        assert_eq!(read("/a.nii").unwrap(), "a");
        assert_eq!(read("deep/../a.nii").unwrap(), "a");
        assert_eq!(read("deep/b.nii").unwrap(), "b");
        assert_eq!(read("c.nii").unwrap(), "c");
        let secret = dir.path().join("shut/secret");
        let none = [
            "../shut/secret",
            "deep/../../shut/secret",
            "out/secret",
            "link",
            "near",
            "pipe",
            "deep",
            "",
            ".",
            "large.nii",
            "none",
            "/proc/self/environ",
            "/dev/null",
            "a.nii/x",
            "a.nii\0",
            secret.to_str().unwrap(),
        ];
        for path in none {
            let error = read(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
            assert_eq!(error.to_string(), missing().to_string(), "{path}");
        }
    }

    #[test]
    fn listings_know_no_links_and_stay_below() {
        let (_dir, beneath) = world();
        let list = |root: &str, pattern: &str, recursive| {
            beneath.list(Path::new(root), pattern, recursive).map_err(|error| error.kind())
        };
        assert_eq!(list("", "*", false).unwrap(), ["a.nii", "deep", "large.nii"]);
        assert_eq!(list("/", "*.nii", true).unwrap(), ["a.nii", "deep/b.nii", "large.nii"]);
        assert_eq!(list("deep", "*", false).unwrap(), ["b.nii"]);
        for root in ["out", "..", "deep/../..", "/etc", "a.nii", "none"] {
            assert_eq!(list(root, "*", false), Err(io::ErrorKind::NotFound), "{root}");
        }
        assert_eq!(beneath.folders(Path::new("")).unwrap(), ["deep"]);
    }

    #[test]
    fn a_root_must_be_a_folder() {
        let (dir, _) = world();
        assert!(Beneath::new(&[dir.path().join("open/a.nii")], 1).is_err());
        assert!(Beneath::new(&[dir.path().join("none")], 1).is_err());
    }
}
