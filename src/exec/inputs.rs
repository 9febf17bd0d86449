//! The contents of input files, read whole, once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::Digest;
use crate::pool::Block;

/// The bytes of a file in pooled memory.
pub struct Content {
    block: Block,
    len: usize,
}

impl Content {
    /// Reads all of an opened file.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let expected = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut block = Block::take(expected + 1);
        let mut len = 0;
        loop {
            let bytes = block.bytes_mut();
            if len == bytes.len() {
                // It grew, or is something whose size nobody knows.
                let mut larger = Block::take(bytes.len() * 2);
                larger.bytes_mut()[..len].copy_from_slice(bytes);
                block = larger;
                continue;
            }
            match file.read(&mut bytes[len..]) {
                Ok(0) => return Ok(Self { block, len }),
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the whole file at a path.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::read(&mut File::open(path)?)
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.block.bytes()[..self.len]
    }
}

/// Opens the input files of a run, as planning does.
pub trait Open: Send + Sync {
    /// Opens what a plan names by this path.
    fn open(&self, path: &Path) -> io::Result<File>;
}

/// Opens whatever the process may.
pub struct Anything;

impl Open for Anything {
    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }
}

/// Contents that planning has read and hashed, so that a cold run reads each file once.
///
/// A run takes a content out when the last node that reads it has run.
pub struct Inputs {
    contents: Mutex<HashMap<Digest, Arc<Content>>>,
    open: Arc<dyn Open>,
}

impl Inputs {
    /// Begins without contents.
    pub fn new(open: Arc<dyn Open>) -> Self {
        Self { contents: Mutex::default(), open }
    }

    /// Returns what opens the files.
    pub fn opener(&self) -> &Arc<dyn Open> {
        &self.open
    }

    /// Hands in a content under the digest that the caller computed from it.
    pub fn put(&self, digest: Digest, content: Content) -> Arc<Content> {
        self.contents().entry(digest).or_insert_with(|| Arc::new(content)).clone()
    }

    /// Returns a content.
    pub fn get(&self, digest: Digest) -> Option<Arc<Content>> {
        self.contents().get(&digest).cloned()
    }

    /// Forgets a content.
    pub fn forget(&self, digest: Digest) {
        let forgotten = self.contents().remove(&digest);
        drop(forgotten);
    }

    fn contents(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Content>>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, 63, 64, 5000] {
            let path = dir.path().join(len.to_string());
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Content::open(&path).unwrap().bytes(), bytes);
        }
        assert!(Content::open(&dir.path().join("none")).is_err());
    }
}
