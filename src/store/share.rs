//! Folders that a group shares: whoever writes there leaves what the others can read and replace.
//!
//! A folder says so itself, by its mode: set-group-id and writable for its group, as `vox init
//! --shared group` makes it. What is made in it gets the same rights whatever the umask says; folders
//! inherit the bit from the system. What others made is never changed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::store::fault::{self, Effect};

/// Set-group-id, and writable for the group.
const SHARED: u32 = 0o2020;
/// What a shared folder is made with.
const FOLDER: u32 = 0o2775;
/// What a shared file is made with that its owner may change, as `0644` is without sharing.
pub const OWNED: u32 = 0o664;

/// Says whether a folder is shared.
pub fn is_shared(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.is_dir() && found.mode() & SHARED == SHARED)
}

/// Gives a file that was just made in a folder its rights there.
pub fn settle(folder: &Path, file: &File, mode: u32) -> io::Result<()> {
    if is_shared(folder) { file.set_permissions(fs::Permissions::from_mode(mode)) } else { Ok(()) }
}

/// Makes a folder and those above it that are missing; below a shared one all are.
pub fn create(folder: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    for made in missing.iter().rev() {
        match fault::effect(Effect::Folder(made), || fs::create_dir(made)) {
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && made.is_dir() => {}
            done => done?,
        }
        if made.parent().is_some_and(is_shared) {
            match share(made) {
                // Somebody else made it meanwhile, and has shared it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// Makes a folder of this process' user a shared one.
pub fn share(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_in_a_shared_folder_is_shared() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        create(&plain).unwrap();
        assert!(!is_shared(&plain));
        let file = File::create(plain.join("file")).unwrap();
        let before = mode(&plain.join("file"));
        settle(&plain, &file, OWNED).unwrap();
        assert_eq!(mode(&plain.join("file")), before);
        let shared = folder.path().join("shared");
        create(&shared).unwrap();
        share(&shared).unwrap();
        create(&shared.join("a/b")).unwrap();
        assert_eq!((mode(&shared.join("a")), mode(&shared.join("a/b"))), (FOLDER, FOLDER));
        let file = File::create(shared.join("a/file")).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        settle(&shared.join("a"), &file, OWNED).unwrap();
        assert_eq!(mode(&shared.join("a/file")), OWNED);
    }
}
