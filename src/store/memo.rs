//! What is known of files outside the store: inputs that were hashed, outputs that were written.

use std::fs::File;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::Digest;
use crate::store::error::{Error, io_error};
use crate::store::index::ask::{Index, MemoRow};
use crate::store::object::proof::Proof;

/// A file that changed so lately may change again within one tick of the file system's clock, and
/// look the same.
const SETTLED_NS: i64 = 2_000_000_000;

/// Returns the digest of an opened file, if it still looks as it did when it was hashed.
///
/// By fstat of the descriptor: a stat by path may be a minute old on a network file system.
pub fn digest(index: &dyn Index, path: &Path, file: &File) -> Result<Option<Digest>, Error> {
    let now = look(path, file)?;
    Ok(index.memo(path)?.filter(|row| row.proof == now).map(|row| row.digest))
}

/// Remembers the digest of a file that was read whole, or written, since it looked like `before`.
///
/// Says whether it did: not when the file changed meanwhile, and not when it changed within the last
/// two seconds.
pub fn remember(
    index: &dyn Index,
    path: &Path,
    file: &File,
    before: &Proof,
    digest: Digest,
) -> Result<bool, Error> {
    let after = look(path, file)?;
    if after != *before || !is_settled(&after, now_ns()) {
        return Ok(false);
    }
    index.remember(path, Some(&MemoRow { proof: after, digest }))?;
    Ok(true)
}

/// Forgets a file whose bytes turned out to be others.
pub fn forget(index: &dyn Index, path: &Path) -> Result<(), Error> {
    Ok(index.remember(path, None)?)
}

/// Returns what an opened file looks like.
pub fn look(path: &Path, file: &File) -> Result<Proof, Error> {
    Ok(Proof::of(&file.metadata().map_err(io_error("examine", path))?))
}

fn is_settled(proof: &Proof, now_ns: i64) -> bool {
    // A time in the future is a clock that was set back: nothing is known then.
    [proof.mtime_ns, proof.ctime_ns].iter().all(|time| time.saturating_add(SETTLED_NS) <= now_ns)
}

/// Returns nanoseconds since 1970.
pub(in crate::store) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::index::scan::Scan;

    #[test]
    fn a_file_that_just_changed_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        let before = look(&path, &file).unwrap();
        let index = Scan::new();
        assert!(!remember(&index, &path, &file, &before, Digest::of(b"x")).unwrap());
        assert_eq!(digest(&index, &path, &file).unwrap(), None);
    }

    #[test]
    fn a_row_answers_while_the_file_looks_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        let index = Scan::new();
        let proof = look(&path, &file).unwrap();
        index.remember(&path, Some(&MemoRow { proof, digest: Digest::of(b"x") })).unwrap();
        assert_eq!(digest(&index, &path, &file).unwrap(), Some(Digest::of(b"x")));
        let long_ago = std::fs::FileTimes::new().set_modified(UNIX_EPOCH);
        file.set_times(long_ago).unwrap();
        assert_eq!(digest(&index, &path, &file).unwrap(), None);
    }

    #[test]
    fn two_seconds_are_enough() {
        let proof = Proof { inode: 1, size: 1, mtime_ns: 5, ctime_ns: 7 };
        assert!(is_settled(&proof, 7 + SETTLED_NS));
        assert!(!is_settled(&proof, 6 + SETTLED_NS));
        assert!(!is_settled(&proof, 0));
    }
}
