//! What lowering asks of the world; it opens nothing itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::id::Digest;
use crate::value::grid::Grid;

/// What a path holds.
#[derive(Clone, Debug)]
pub struct Found {
    /// All files that make it up, in the order that the format fixes.
    pub paths: Vec<PathBuf>,
    /// The digest of each.
    pub digests: Vec<Digest>,
    /// The word of the format, decided by content for images, else by name.
    pub format: String,
    /// Of an image.
    pub header: Option<Header>,
}

/// What the header of an image says.
#[derive(Clone, Debug)]
pub struct Header {
    /// Where the voxels lie.
    pub grid: Arc<Grid>,
    /// Images in the file: more than one in a 4-D file.
    pub frames: usize,
    /// Has it three or four components?
    pub colour: bool,
}

/// Why a path cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// Nothing is there.
    #[error("`{0}` is not there")]
    Missing(PathBuf),
    /// Something is there that cannot be read.
    #[error("could not read `{0}`: {1}")]
    Unreadable(PathBuf, String),
}

/// Answers questions about files.
///
/// For whoever implements one: relative paths count from the working directory of the run, and two
/// questions about one path during one lowering get one answer.
pub trait Files: Send + Sync {
    /// Finds what `path` holds, and sums it up.
    fn probe(&self, path: &Path) -> Result<Found, FileError>;

    /// Lists the folder `root`, sorted bytewise: what matches `glob`, relative to `root` or, with
    /// `full`, below its absolute path.
    fn list(
        &self,
        root: &Path,
        glob: &str,
        recursive: bool,
        full: bool,
    ) -> Result<Vec<String>, FileError>;

    /// Returns the text of an import, or `None` where there is no such file.
    fn import_text(&self, path: &Path) -> Result<Option<String>, FileError>;

    /// Returns what tells one file from another whatever its path (device and inode), or `None`
    /// where nothing is.
    fn identity(&self, path: &Path) -> Option<String>;
}
