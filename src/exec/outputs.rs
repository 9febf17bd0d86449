//! Files that goals save.

use std::io;
use std::path::Path;

use crate::id::Digest;

/// Where goals are saved; `app` knows folders and the memo of files.
pub trait Outputs: Send + Sync {
    /// Says whether a goal's path (as the program writes it) holds a file of this digest.
    fn lies(&self, path: &Path, digest: Digest) -> io::Result<bool>;

    /// Makes a goal's path hold these bytes, or leaves it as it was.
    fn publish(&self, path: &Path, bytes: &[u8], digest: Digest) -> io::Result<()>;
}

/// No files: whoever prints only needs none.
pub struct NoOutputs;

impl Outputs for NoOutputs {
    fn lies(&self, _: &Path, _: Digest) -> io::Result<bool> {
        Ok(false)
    }

    fn publish(&self, _: &Path, _: &[u8], _: Digest) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
