//! Advisory file locks: held for moments, given back by the system when their process dies.
//!
//! They are locks of open files (flock), so two openings inside one process exclude each other too.
//! The order in which a process takes them is `gc.want`, `gc.lock`, `log.lock`, then those of `SQLite`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::store::fault::{self, Effect};
use crate::store::share;

/// How often a lock file is looked for that others make and remove meanwhile.
const TRIES: usize = 1000;

/// A lock; dropped, it is given back.
#[must_use = "a dropped lock is given back"]
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Waits until nobody else holds the lock at all.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        Ok(Self { file })
    }

    /// Waits until nobody holds the lock exclusively.
    pub fn shared(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        fs2::FileExt::lock_shared(&file)?;
        Ok(Self { file })
    }

    /// Takes the lock exclusively, or says `None` when somebody holds it.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        Ok(try_lock(&file)?.then_some(Self { file }))
    }

    /// Returns the locked file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Locks an open file exclusively without waiting; false when somebody else holds it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Takes the lock by which sealers and the collector exclude each other, as a sealer.
///
/// `gc.want` is a turnstile: the collector takes it exclusively before `gc.lock`, and a sealer passes
/// it shared. Without it eight sealers kept the collector out for as long as they ran, because flock
/// is not fair.
pub fn sealing(local: &Path) -> io::Result<Lock> {
    let turnstile = Lock::shared(&local.join("gc.want"))?;
    let lock = Lock::shared(&local.join("gc.lock"))?;
    drop(turnstile);
    Ok(lock)
}

/// Takes the same lock as the collector: alone, and before any sealer that comes later.
pub fn collecting(local: &Path) -> io::Result<Lock> {
    let turnstile = Lock::exclusive(&local.join("gc.want"))?;
    let lock = Lock::exclusive(&local.join("gc.lock"))?;
    drop(turnstile);
    Ok(lock)
}

/// Takes the lock of the collector, or says `None` when anybody seals or collects just now.
pub fn try_collecting(local: &Path) -> io::Result<Option<Lock>> {
    let Some(turnstile) = Lock::try_exclusive(&local.join("gc.want"))? else { return Ok(None) };
    let lock = Lock::try_exclusive(&local.join("gc.lock"))?;
    drop(turnstile);
    Ok(lock)
}

/// Opens a file to be locked or written, made when it is missing; in a shared folder for its group.
pub fn open(path: &Path) -> io::Result<File> {
    let mut there = OpenOptions::new();
    there.read(true).write(true);
    let mut new = there.clone();
    new.create_new(true).mode(0o644);
    let mut opened = there.open(path);
    for _ in 0..TRIES {
        match &opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => break,
        }
        match fault::effect(Effect::Create(path), || new.open(path)) {
            Ok(file) => {
                if let Some(folder) = path.parent() {
                    share::settle(folder, &file, share::OWNED)?;
                }
                return Ok(file);
            }
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        opened = there.open(path);
    }
    opened
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let shared = Lock::shared(&path).unwrap();
        let second = Lock::shared(&path).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop((shared, second));
        let held = Lock::try_exclusive(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
    }

    #[test]
    fn the_collector_gets_in_between_sealers_that_never_leave_together() {
        use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let (stop, inside) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        let lock = sealing(dir.path()).unwrap();
                        inside.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(3));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
            for _ in 0..10 {
                let lock = collecting(dir.path()).unwrap();
                assert_eq!(inside.load(Ordering::SeqCst), 0);
                drop(lock);
            }
            stop.store(true, Ordering::SeqCst);
        });
        let lock = try_collecting(dir.path()).unwrap();
        assert!(lock.is_some() && try_collecting(dir.path()).unwrap().is_none());
    }

    #[test]
    fn sealers_pass_the_turnstile_together() {
        let dir = tempfile::tempdir().unwrap();
        let first = sealing(dir.path()).unwrap();
        let second = sealing(dir.path()).unwrap();
        assert!(Lock::try_exclusive(&dir.path().join("gc.want")).unwrap().is_some());
        assert!(Lock::try_exclusive(&dir.path().join("gc.lock")).unwrap().is_none());
        drop((first, second));
    }
}
