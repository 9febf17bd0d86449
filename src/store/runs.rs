//! Runs that are going on: what they need is not evicted under them.
//!
//! A file below `local/runs/` that its run keeps locked. It says the goals, one `NODE LABEL` a line;
//! the lock dies with the run, so a file that can be locked is a run that ended.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::id::{Digest, NodeId};
use crate::store::error::{Error, io_error};
use crate::store::fault::{self, Effect};
use crate::store::index::ask::{Index, RunRow};
use crate::store::lock::Lock;
use crate::store::memo::now_ns;
use crate::store::object::disk;
use crate::store::writer;

/// A run that is going on; dropped, it is over.
#[must_use = "a dropped run is over"]
pub struct Live {
    row: RunRow,
    index: Arc<dyn Index>,
    file: Option<(PathBuf, Lock)>,
}

impl Live {
    /// Begins a run with these goals: label and node. In memory (no folder) only its row is kept.
    pub(in crate::store) fn begin(
        folder: Option<&Path>,
        index: Arc<dyn Index>,
        goals: Vec<(String, NodeId)>,
    ) -> Result<Self, Error> {
        let name = hex::encode(writer::random()?);
        let file = match folder {
            Some(folder) => {
                let path = folder.join(&name);
                let lock = lock_at(&path)?;
                let mut text = Vec::new();
                for (label, node) in &goals {
                    let label = label.escape_default();
                    writeln!(text, "{node} {label}").map_err(io_error("write", &path))?;
                }
                fault::effect(Effect::Write(&path, 0, &text), || lock.file().write_all(&text))
                    .map_err(io_error("write", &path))?;
                Some((path, lock))
            }
            None => None,
        };
        let began = (now_ns() / 1_000_000_000) as u64;
        let row = RunRow { name, began, goals };
        index.begin(&row)?;
        Ok(Self { row, index, file })
    }

    /// Returns the run's name.
    pub fn name(&self) -> &str {
        &self.row.name
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A row or file that stays is that of a run that nobody keeps locked.
        self.index.forget(&self.row.name).ok();
        if let Some((path, lock)) = self.file.take() {
            fault::effect(Effect::Remove(&path), || fs::remove_file(&path)).ok();
            drop(lock);
        }
    }
}

/// Locks the file of a run, which may be taken for one of the dead until it is locked.
fn lock_at(path: &Path) -> Result<Lock, Error> {
    loop {
        let lock = Lock::exclusive(path).map_err(io_error("lock", path))?;
        let ours = lock.file().metadata().map_err(io_error("examine", path))?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(lock),
            _ => {}
        }
    }
}

/// Returns the goals of all runs that are going on, this process' too.
pub fn live(folder: &Path) -> Result<Vec<NodeId>, Error> {
    let mut goals = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(goals),
        Err(error) => return Err(io_error("list", folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(io_error("list", folder))?.path();
        // Opened first: the lock would make a file anew that vanished since it was listed.
        let Ok(file) = fs::File::open(&path) else { continue };
        if crate::store::lock::try_lock(&file).map_err(io_error("lock", &path))? {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let nodes = text.lines().filter_map(|line| Digest::parse(line.split(' ').next()?));
        goals.extend(nodes.map(NodeId));
    }
    Ok(goals)
}

/// Removes what runs left behind that were killed: their files, and their rows.
pub fn bury(folder: &Path, index: &dyn Index) -> Result<u64, Error> {
    let mut buried = 0;
    for entry in disk::entries(folder)? {
        let name = entry.file_name();
        let is_run = |name: &&str| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(name) = name.to_str().filter(is_run) else { continue };
        let path = entry.path();
        let Ok(file) = fs::File::open(&path) else { continue };
        // Removed while it is locked: nobody takes it for a run that begins.
        if crate::store::lock::try_lock(&file).map_err(io_error("lock", &path))?
            && disk::remove_plain(&path)?.is_some()
        {
            index.forget(name)?;
            buried += 1;
        }
    }
    Ok(buried)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::index::scan::Scan;

    #[test]
    fn goals_are_live_as_long_as_their_run() {
        let dir = tempfile::tempdir().unwrap();
        let index: Arc<dyn Index> = Arc::new(Scan::new());
        let node = NodeId(Digest::of(b"a"));
        let goals = vec![("x\ny".to_owned(), node)];
        let run = Live::begin(Some(dir.path()), index.clone(), goals).unwrap();
        assert_eq!(live(dir.path()).unwrap(), [node]);
        assert_eq!(index.runs().unwrap().len(), 1);
        drop(run);
        assert_eq!(live(dir.path()).unwrap(), []);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(index.runs().unwrap().is_empty());
    }

    #[test]
    fn a_file_without_a_lock_is_a_run_that_died() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dead"), format!("{} x\n", Digest::of(b"a"))).unwrap();
        assert_eq!(live(dir.path()).unwrap(), []);
        // Only what has a run's name is buried, and only if nobody runs.
        let index: Arc<dyn Index> = Arc::new(Scan::new());
        fs::write(dir.path().join("0123456789abcdef0123456789abcdef"), "").unwrap();
        let run = Live::begin(Some(dir.path()), index.clone(), Vec::new()).unwrap();
        assert_eq!(bury(dir.path(), &*index).unwrap(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        drop(run);
    }
}
