//! Which files a program sees: all that its user may read, or those below some folders only.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::beneath::Beneath;
use crate::app::listing;
use crate::exec::inputs::Open;

/// The file system as programs see it. Every file that a program names is opened here.
#[derive(Clone, Debug)]
pub enum World {
    /// All files; relative paths count from this folder.
    All(PathBuf),
    /// Nothing but what lies below some folders.
    Below(Arc<Beneath>),
}

impl World {
    /// Opens a regular file; returns it with the path under which the memo of files knows it.
    pub fn file(&self, path: &Path) -> io::Result<(File, PathBuf)> {
        match self {
            Self::All(cwd) => {
                let full = cwd.join(path);
                let meta = fs::metadata(&full)?;
                if !meta.is_file() {
                    // Opening a pipe may wait for ever, and what it gives can be read once only.
                    return Err(io::Error::other(if meta.is_dir() {
                        "it is a folder"
                    } else {
                        "it is a pipe or device: write it to a file first"
                    }));
                }
                Ok((File::open(&full)?, full))
            }
            Self::Below(roots) => roots.file(path),
        }
    }

    /// Lists the folder `root`, as [`listing::list`] does; with `full`, by absolute paths.
    pub fn list(
        &self,
        root: &Path,
        pattern: &str,
        recursive: bool,
        full: bool,
    ) -> io::Result<Vec<String>> {
        let (names, root) = match self {
            Self::All(cwd) => {
                let folder = cwd.join(root);
                if !fs::metadata(&folder)?.is_dir() {
                    return Err(io::Error::other("it is no folder"));
                }
                let names = listing::list(&folder, pattern, recursive)?;
                (names, if full { folder.canonicalize()? } else { folder })
            }
            Self::Below(roots) => {
                (roots.list(root, pattern, recursive)?, Path::new("/").join(root))
            }
        };
        if !full {
            return Ok(names);
        }
        let whole = |name: String| root.join(name).into_os_string().into_string().ok();
        Ok(names.into_iter().filter_map(whole).collect())
    }

    /// Returns the names of the folders in a folder, in no order.
    pub fn folders(&self, root: &Path) -> io::Result<Vec<String>> {
        match self {
            Self::All(cwd) => {
                let mut names = Vec::new();
                for entry in cwd.join(root).read_dir()? {
                    let entry = entry?;
                    if let Ok(name) = entry.file_name().into_string()
                        && entry.path().is_dir()
                    {
                        names.push(name);
                    }
                }
                Ok(names)
            }
            Self::Below(roots) => roots.folders(root),
        }
    }

    /// Says whether a path leads to anything.
    pub fn has(&self, path: &Path) -> bool {
        match self {
            Self::All(cwd) => cwd.join(path).exists(),
            Self::Below(roots) => roots.file(path).is_ok(),
        }
    }

    /// Returns what tells one file from another whatever its path.
    pub fn identity(&self, path: &Path) -> Option<String> {
        let meta = match self {
            Self::All(cwd) => fs::metadata(cwd.join(path)).ok()?,
            Self::Below(roots) => roots.file(path).ok()?.0.metadata().ok()?,
        };
        Some(format!("{}:{}", meta.dev(), meta.ino()))
    }

    /// Returns the working directory that programs are told of.
    pub fn cwd(&self) -> &Path {
        match self {
            Self::All(cwd) => cwd,
            Self::Below(_) => Path::new("/"),
        }
    }
}

impl Open for World {
    fn open(&self, path: &Path) -> io::Result<File> {
        Ok(self.file(path)?.0)
    }
}
