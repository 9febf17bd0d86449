//! A directory of groups, which any launcher works through: `todo/`, `taken/`, `done/`.
//!
//! A group is the file `KEY.json`, and who renames it from `todo/` into `taken/` has it. What its worker says goes
//! line by line into `taken/KEY.ndjson`, which is locked as long as somebody is at it; at the end both go to `done/`.
//! A lock that is free before the worker's exit was written says that the taker is gone. The run that hands groups
//! out holds `driver.lock`; without one, takers put back what others left behind, so that a spool can be worked
//! through again by hand: move `done/*.json` to `todo/`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::remote::error::Error;
use crate::remote::group::{Group, LONGEST};
use crate::store::lock::{self, Lock};
use crate::store::object::disk;

/// A group that was left behind so often is not put back.
const LEFT: u32 = 3;

/// The directory.
#[derive(Clone, Debug)]
pub struct Spool {
    root: PathBuf,
}

impl Spool {
    /// Takes a directory; its folders are made.
    pub fn at(root: &Path) -> Result<Self, Error> {
        for folder in ["todo", "taken", "done"] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path).map_err(|source| Error::Write { path, source })?;
        }
        Ok(Self { root: root.to_owned() })
    }

    pub(in crate::remote) fn file(&self, folder: &str, key: &str, suffix: &str) -> PathBuf {
        self.root.join(folder).join(format!("{key}.{suffix}"))
    }

    /// Returns the keys of the groups in a folder, in the order of their names.
    pub(in crate::remote) fn keys(&self, folder: &str) -> Result<Vec<String>, Error> {
        let key = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".json").filter(|key| is_key(key))?.to_owned())
        };
        Ok(disk::entries(&self.root.join(folder))?.into_iter().filter_map(key).collect())
    }

    /// Returns how many groups nobody has taken.
    pub fn waiting(&self) -> Result<usize, Error> {
        Ok(self.keys("todo")?.len())
    }

    pub(in crate::remote) fn moves(
        &self,
        key: &str,
        suffix: &str,
        from: &str,
        to: &str,
    ) -> Result<bool, Error> {
        let name = format!("{key}.{suffix}");
        Ok(disk::set_aside(&self.file(from, key, suffix), &self.root.join(to), &name)?)
    }

    /// Says whether a run hands out groups just now.
    pub fn is_driven(&self) -> Result<bool, Error> {
        let path = self.root.join("driver.lock");
        let held = || Ok::<_, io::Error>(path.exists() && Lock::try_exclusive(&path)?.is_none());
        held().map_err(|source| Error::Read { path: path.clone(), source })
    }

    /// Takes a group, if there is one.
    pub fn take(&self) -> Result<Option<Taken>, Error> {
        for key in self.keys("todo")? {
            if !self.moves(&key, "json", "todo", "taken")? {
                // Somebody was quicker.
                continue;
            }
            let path = self.file("taken", &key, "ndjson");
            let failed = |source| Error::Write { path: path.clone(), source };
            let events =
                OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
            if !lock::try_lock(&events).map_err(failed)? {
                // Somebody is at the same group, which was handed out twice.
                continue;
            }
            events.set_len(0).map_err(failed)?;
            let mut taken = Taken { spool: self.clone(), key, events };
            // An empty file tells nobody whether its lock was ever held.
            taken.line(r#"{"event":"taken"}"#)?;
            return Ok(Some(taken));
        }
        Ok(None)
    }

    /// Puts back groups whose takers are gone, where no run looks after them; says how many.
    pub fn put_back(&self) -> Result<usize, Error> {
        let mut count = 0;
        if self.is_driven()? {
            return Ok(count);
        }
        for key in self.keys("taken")? {
            let path = self.file("taken", &key, "ndjson");
            let is_free = match OpenOptions::new().append(true).open(&path) {
                Ok(file) => lock::try_lock(&file).map_err(|source| Error::Read { path, source })?,
                // Its taker may just be about to make it.
                Err(_) => false,
            };
            if !is_free {
                continue;
            }
            let mut group = match self.read("taken", &key) {
                Ok(group) => group,
                Err(Error::Read { .. }) => continue,
                Err(error) => return Err(error),
            };
            group.attempt += 1;
            if group.attempt >= LEFT {
                self.moves(&key, "json", "taken", "done")?;
                self.moves(&key, "ndjson", "taken", "done")?;
                continue;
            }
            if self.moves(&key, "json", "taken", "todo")? {
                disk::replace(
                    &self.file("todo", &key, "json"),
                    group.json().to_string().as_bytes(),
                )?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn read(&self, folder: &str, key: &str) -> Result<Group, Error> {
        read(&self.file(folder, key, "json"))
    }
}

/// Reads a group from a file.
pub fn read(path: &Path) -> Result<Group, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST).read_to_end(&mut text).map_err(failed)?;
    Group::parse(&format!("`{}`", path.display()), &text)
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A group that is ours to run.
pub struct Taken {
    spool: Spool,
    /// Its key.
    pub key: String,
    events: File,
}

impl Taken {
    /// Returns the group's file.
    pub fn path(&self) -> PathBuf {
        self.spool.file("taken", &self.key, "json")
    }

    /// Passes on a line of its worker.
    pub fn line(&mut self, line: &str) -> Result<(), Error> {
        // In one write: whoever reads meanwhile waits for the end of the line.
        self.events.write_all(format!("{line}\n").as_bytes()).map_err(|source| Error::Write {
            path: self.spool.file("taken", &self.key, "ndjson"),
            source,
        })
    }

    /// Says whether nobody wants it any more.
    pub fn is_cancelled(&self) -> bool {
        self.spool.file("taken", &self.key, "cancel").exists()
    }

    /// Says how its worker ended, and gives it up: done, or, if it was asked to end and nobody looks after it, todo.
    pub fn end(mut self, code: i32) -> Result<(), Error> {
        let key = self.key.clone();
        self.line(&serde_json::json!({"event": "exit", "key": key, "code": code}).to_string())?;
        let goes_back = matches!(code, 130 | 143) && !self.spool.is_driven()?;
        self.spool.moves(&key, "json", "taken", if goes_back { "todo" } else { "done" })?;
        self.spool.moves(&key, "ndjson", "taken", "done")?;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        disk::remove(&self.spool.file("taken", &self.key, "cancel")).ok();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::remote::group::tests::group;

    #[test]
    fn without_a_run_what_others_left_is_put_back_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path()).unwrap();
        let driver = Lock::try_exclusive(&folder.path().join("driver.lock")).unwrap().unwrap();
        let text = group(1).json().to_string();
        std::fs::write(folder.path().join("todo/vox-0.json"), &text).unwrap();
        let taken = spool.take().unwrap().unwrap();
        assert_eq!(spool.put_back().unwrap(), 0, "a run looks after it");
        drop(driver);
        assert_eq!(spool.put_back().unwrap(), 0, "somebody is at it");
        drop(taken);
        for attempt in 1..LEFT {
            assert_eq!(spool.put_back().unwrap(), 1);
            let taken = spool.take().unwrap().unwrap();
            assert_eq!(read(&taken.path()).unwrap().attempt, attempt);
        }
        assert_eq!((spool.put_back().unwrap(), spool.waiting().unwrap()), (0, 0));
        // Who was asked to end puts it back himself.
        std::fs::write(folder.path().join("todo/vox-1.json"), text).unwrap();
        spool.take().unwrap().unwrap().end(143).unwrap();
        assert_eq!(spool.waiting().unwrap(), 1);
    }
}
