//! A counter before every durable effect, and a recorder of them.
//!
//! Everything below the store that changes the file system goes through [`effect`], the files of
//! `SQLite` excepted. With the feature `fault`, `VOX_CRASH_AT=n` aborts the process before its nth
//! effect; a test walks n upward until the process survives. `VOX_RECORD=FILE` writes down every
//! effect that succeeded, in order; a test replays what a power cut leaves behind each. Without the
//! feature nothing of this is compiled.

use std::io;
use std::path::Path;

/// A change of the file system.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// A folder is made.
    Folder(&'a Path),
    /// A file is made, without bytes.
    Create(&'a Path),
    /// Room is taken for so many bytes of a file.
    Reserve(&'a Path, u64),
    /// Bytes are written at an offset.
    Write(&'a Path, u64, &'a [u8]),
    /// A file gets another length.
    Resize(&'a Path, u64),
    /// The bytes of a file become durable.
    Sync(&'a Path),
    /// The entries of a folder become durable.
    SyncFolder(&'a Path),
    /// Everything on the file system of a folder becomes durable.
    SyncAll(&'a Path),
    /// A file gets another name.
    Rename(&'a Path, &'a Path),
    /// A file goes.
    Remove(&'a Path),
}

/// Counts one durable effect that is about to happen.
#[inline]
pub fn step() {
    #[cfg(feature = "fault")]
    counted::step();
}

/// Has an effect on the file system: counted before, written down when it succeeded.
#[inline]
pub fn effect<T>(effect: Effect<'_>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(feature = "fault")]
    {
        // A file with room and one without are alike to whoever comes after a stop.
        if !matches!(effect, Effect::Reserve(..)) {
            counted::step();
        }
        counted::record(effect, act)
    }
    #[cfg(not(feature = "fault"))]
    {
        let _ = effect;
        act()
    }
}

#[cfg(feature = "fault")]
mod counted {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write as _};
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::Effect;

    static STEPS: AtomicU64 = AtomicU64::new(0);
    static CRASH_AT: OnceLock<Option<u64>> = OnceLock::new();
    static RECORD: OnceLock<Option<Mutex<File>>> = OnceLock::new();

    #[expect(clippy::disallowed_methods, reason = "only tests build this, and set it")]
    pub(super) fn step() {
        let crash_at =
            CRASH_AT.get_or_init(|| std::env::var("VOX_CRASH_AT").ok()?.trim().parse().ok());
        let steps = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
        if crash_at.is_some_and(|at| steps >= at) {
            std::process::abort();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "only tests build this, and set it")]
    fn open() -> Option<Mutex<File>> {
        let path = std::env::var_os("VOX_RECORD")?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        Some(Mutex::new(file.expect("the test gave a path that can be written")))
    }

    /// One effect at a time, so that the order of the lines is that of the effects.
    pub(super) fn record<T>(
        effect: Effect<'_>,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(record) = RECORD.get_or_init(open) else { return act() };
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act()?;
        record.write_all(&written(effect)).expect("the record of effects can be written");
        Ok(done)
    }

    /// One line, `KIND PATH OTHER NUMBER LEN` with tabs between, and LEN bytes behind it.
    fn written(effect: Effect<'_>) -> Vec<u8> {
        let none = Path::new("");
        let (kind, path, other, number, bytes): (&str, &Path, &Path, u64, &[u8]) = match effect {
            Effect::Folder(path) => ("folder", path, none, 0, &[]),
            Effect::Create(path) => ("create", path, none, 0, &[]),
            Effect::Reserve(path, len) => ("reserve", path, none, len, &[]),
            Effect::Write(path, at, bytes) => ("write", path, none, at, bytes),
            Effect::Resize(path, len) => ("resize", path, none, len, &[]),
            Effect::Sync(path) => ("sync", path, none, 0, &[]),
            Effect::SyncFolder(path) => ("sync-folder", path, none, 0, &[]),
            Effect::SyncAll(path) => ("sync-all", path, none, 0, &[]),
            Effect::Rename(from, to) => ("rename", from, to, 0, &[]),
            Effect::Remove(path) => ("remove", path, none, 0, &[]),
        };
        let (path, other) = (path.display(), other.display());
        let mut line = format!("{kind}\t{path}\t{other}\t{number}\t{}\n", bytes.len()).into_bytes();
        line.extend_from_slice(bytes);
        line
    }
}
