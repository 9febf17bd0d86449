//! Files that goals save: made whole or not at all, and not made again when they are there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::exec::outputs::Outputs;
use crate::id::Digest;
use crate::store::memo;
use crate::store::open::Store;

/// The folder that the relative `save` paths of one case go below.
pub struct Folder {
    root: PathBuf,
    store: Arc<Store>,
}

impl Folder {
    /// Takes the folder; it is made when something is saved.
    pub fn new(root: &Path, store: Arc<Store>) -> Self {
        Self { root: root.to_owned(), store }
    }

    /// Returns where a goal's path lies.
    pub fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

impl Outputs for Folder {
    fn lies(&self, path: &Path, digest: Digest) -> io::Result<bool> {
        let path = self.place(path);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Ok(false);
        }
        if let Ok(Some(known)) = self.store.memo(&path, &file) {
            return Ok(known == digest);
        }
        // Not settled when it was written, or not written by us: its bytes tell.
        let Ok(before) = memo::look(&path, &file) else { return Ok(false) };
        let known = Digest::of(&fs::read(&path)?);
        // The memo is a help: a read-only store has none.
        self.store.remember(&path, &file, &before, known).ok();
        Ok(known == digest)
    }

    fn publish(&self, path: &Path, bytes: &[u8], digest: Digest) -> io::Result<()> {
        let path = self.place(path);
        replace(&path, bytes)?;
        if let Ok(file) = File::open(&path)
            && let Ok(before) = memo::look(&path, &file)
        {
            self.store.remember(&path, &file, &before, digest).ok();
        }
        Ok(())
    }
}

/// No place: every goal counts as saved, and nothing is written.
pub struct Nowhere;

impl Outputs for Nowhere {
    fn lies(&self, _: &Path, _: Digest) -> io::Result<bool> {
        Ok(true)
    }

    fn publish(&self, _: &Path, _: &[u8], _: Digest) -> io::Result<()> {
        Ok(())
    }
}

/// Makes `path` hold `bytes`, or leaves it as it was: a temporary beside it, synced, then renamed.
///
/// Missing folders are made. The mode is that of any new file, or of the file that was there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mode = match fs::metadata(path) {
        Ok(meta) => meta.permissions().mode(),
        Err(_) => 0o666,
    };
    let mut temp = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(fs::Permissions::from_mode(mode & 0o777))
        .tempfile_in(folder)?;
    temp.write_all(bytes)?;
    temp.as_file().sync_data()?;
    temp.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_known_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path(), Store::memory().unwrap());
        let path = Path::new("deep/x.bin");
        let digest = Digest::of(b"one");
        assert!(!folder.lies(path, digest).unwrap());
        folder.publish(path, b"one", digest).unwrap();
        assert!(folder.lies(path, digest).unwrap());
        fs::write(root.path().join(path), b"two").unwrap();
        assert!(!folder.lies(path, digest).unwrap());
        let names: Vec<_> = fs::read_dir(root.path().join("deep")).unwrap().collect();
        assert_eq!(names.len(), 1);
    }
}
