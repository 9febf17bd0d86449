//! A directory of groups, which any launcher works through: `todo/`, `taken/`, `done/`.
//!
//! A group is the file `KEY.json`, and who renames it from `todo/` into `taken/` has it. What its worker says goes
//! line by line into `taken/KEY.ndjson`, which is locked as long as somebody is at it; at the end both go to `done/`.
//! A lock that is free before the worker's exit was written says that the taker is gone. The run that hands groups
//! out holds `driver.lock`; without one, takers put back what others left behind, so that a spool can be worked
//! through again by hand: move `done/*.json` to `todo/`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::remote::bridge;
use crate::remote::error::Error;
use crate::remote::group::{Group, LONGEST};
use crate::remote::transport::{Message, Order, Transport};
use crate::store::lock::{self, Lock};
use crate::store::object::disk;

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A group that is taken and of which nothing was ever said is lost after this.
const SILENT: Duration = Duration::from_secs(30);
/// How long it is waited for the lock of a run.
const PATIENCE: Duration = Duration::from_millis(500);
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

    fn file(&self, folder: &str, key: &str, suffix: &str) -> PathBuf {
        self.root.join(folder).join(format!("{key}.{suffix}"))
    }

    /// Returns the keys of the groups in a folder, in the order of their names.
    fn keys(&self, folder: &str) -> Result<Vec<String>, Error> {
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

    fn moves(&self, key: &str, suffix: &str, from: &str, to: &str) -> Result<bool, Error> {
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

/// A spool as a transport: the run's end of it.
pub struct Feed {
    spool: Spool,
    #[expect(dead_code, reason = "it says that groups are looked after")]
    lock: Lock,
    out: BTreeMap<String, Watched>,
    messages: VecDeque<Message>,
    is_ended: bool,
}

/// A group that was handed out.
#[derive(Default)]
struct Watched {
    events: Option<File>,
    /// What was read of a line that is not there yet to its end.
    begun: Vec<u8>,
    taken: Option<Instant>,
}

impl Feed {
    /// Begins to hand out groups through a directory.
    pub fn new(root: &Path) -> Result<Self, Error> {
        let spool = Spool::at(root)?;
        let path = root.join("driver.lock");
        let begin = Instant::now();
        let lock = loop {
            let lock = Lock::try_exclusive(&path);
            match lock.map_err(|source| Error::Write { path: path.clone(), source })? {
                Some(lock) => break lock,
                // A taker that looks whether it is held holds it for that moment.
                None if begin.elapsed() < PATIENCE => thread::sleep(LOOK / 10),
                None => return Err(Error::Busy { path: root.to_owned() }),
            }
        };
        Ok(Self { spool, lock, out: BTreeMap::new(), messages: VecDeque::new(), is_ended: false })
    }

    /// Reads what workers have said since.
    fn look(&mut self) -> Result<(), Error> {
        let taken: BTreeSet<String> = self.spool.keys("taken")?.into_iter().collect();
        let keys: Vec<String> = self.out.keys().cloned().collect();
        for key in keys {
            let Some(watched) = self.out.get_mut(&key) else { continue };
            if watched.events.is_none() {
                let places =
                    ["taken", "done"].map(|folder| self.spool.file(folder, &key, "ndjson"));
                watched.events = places
                    .iter()
                    .find_map(|path| OpenOptions::new().read(true).write(true).open(path).ok());
                if watched.events.is_some() {
                    self.messages.push_back(Message::Accepted(key.clone()));
                }
            }
            let Some(events) = &watched.events else {
                if taken.contains(&key) {
                    let since = *watched.taken.get_or_insert_with(Instant::now);
                    if since.elapsed() > SILENT {
                        self.give_up(&key, "its taker said nothing")?;
                    }
                }
                continue;
            };
            // The lock first: what is written before it is given back is read afterwards.
            let has_begun = events.metadata().is_ok_and(|meta| meta.len() > 0);
            let is_free = has_begun && lock::try_lock(events).unwrap_or(false);
            let is_over = drain(&key, watched, &mut self.messages);
            if is_over {
                self.out.remove(&key);
            } else if is_free {
                self.give_up(&key, "its taker is gone")?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, key: &str, reason: &str) -> Result<(), Error> {
        self.out.remove(key);
        self.spool.moves(key, "json", "taken", "done")?;
        self.spool.moves(key, "ndjson", "taken", "done")?;
        self.messages.push_back(Message::Lost(key.to_owned(), reason.to_owned()));
        Ok(())
    }
}

/// Passes on all whole lines; says whether the worker's exit was among them.
fn drain(key: &str, watched: &mut Watched, messages: &mut VecDeque<Message>) -> bool {
    let Some(file) = &mut watched.events else { return false };
    // What cannot be read now, as when a name is stale on a network file system, is read later.
    file.read_to_end(&mut watched.begun).ok();
    let mut is_over = false;
    while let Some(at) = watched.begun.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = watched.begun.drain(..=at).collect();
        let line = String::from_utf8_lossy(&line);
        let Ok(mut json) = serde_json::from_str::<serde_json::Value>(line.trim()) else { continue };
        json["key"] = key.into();
        if let Ok(Some(message)) = bridge::message(&json.to_string()) {
            is_over |= matches!(message, Message::Exit(..));
            messages.push_back(message);
        }
    }
    is_over
}

impl Transport for Feed {
    fn run(&mut self, order: &Order) -> Result<(), Error> {
        let key = &order.key;
        for suffix in ["json", "ndjson"] {
            // An earlier run's: its end is not this one's.
            disk::remove(&self.spool.file("done", key, suffix))?;
        }
        self.out.insert(key.clone(), Watched::default());
        let text = order.group.json().to_string();
        Ok(disk::replace(&self.spool.file("todo", key, "json"), text.as_bytes())?)
    }

    fn cancel(&mut self, key: &str) -> Result<(), Error> {
        self.out.remove(key);
        disk::remove(&self.spool.file("todo", key, "json"))?;
        // Whoever runs it looks for this file.
        if self.spool.file("taken", key, "json").exists() {
            disk::replace(&self.spool.file("taken", key, "cancel"), b"")?;
        }
        Ok(())
    }

    fn receive(&mut self, patience: Duration) -> Result<Option<Message>, Error> {
        let begin = Instant::now();
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            self.look()?;
            if self.messages.is_empty() {
                let left = patience.saturating_sub(begin.elapsed());
                if left.is_zero() {
                    return Ok(None);
                }
                thread::sleep(left.min(LOOK));
            }
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        for key in self.out.keys().cloned().collect::<Vec<_>>() {
            // What cannot be taken back is run for nothing, which is no harm.
            self.cancel(&key).ok();
        }
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
    use crate::remote::event::Event;
    use crate::remote::group::tests::group;

    const LONG: Duration = Duration::from_secs(60);

    fn order(cases: usize) -> Order {
        let group = group(cases);
        let (key, needs) = (group.key(), BTreeMap::new());
        Order { key, group, needs, near: Vec::new(), avoid: Vec::new() }
    }

    #[test]
    fn what_is_taken_is_run_once_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut feed = Feed::new(folder.path()).unwrap();
        assert!(matches!(Feed::new(folder.path()), Err(Error::Busy { .. })));
        let spool = Spool::at(folder.path()).unwrap();
        assert!(spool.is_driven().unwrap());
        let (one, two) = (order(1), order(2));
        feed.run(&one).unwrap();
        feed.run(&two).unwrap();
        assert_eq!(spool.waiting().unwrap(), 2);
        let mut first = spool.take().unwrap().unwrap();
        let second = spool.take().unwrap().unwrap();
        assert!(first.key != second.key && spool.take().unwrap().is_none());
        assert_eq!(read(&first.path()).unwrap().key(), first.key);
        let alive = Event::Alive { done: 0, of: 1 };
        first.line(&alive.line()).unwrap();
        let key = first.key.clone();
        first.end(0).unwrap();
        let lost = second.key.clone();
        drop(second);
        let mut said = Vec::new();
        while said.len() < 5 {
            said.push(feed.receive(LONG).unwrap().unwrap());
        }
        assert!(said.contains(&Message::Worker(key.clone(), alive)));
        assert!(said.contains(&Message::Exit(key.clone(), 0)));
        assert!(said.contains(&Message::Lost(lost, "its taker is gone".to_owned())));
        assert!(folder.path().join(format!("done/{key}.json")).exists());
        assert_eq!(feed.receive(Duration::ZERO).unwrap(), None);
        // A second pass is run again, and not answered by the first.
        let again = if one.key == key { &one } else { &two };
        feed.run(again).unwrap();
        assert_eq!(feed.receive(Duration::from_millis(1)).unwrap(), None);
        spool.take().unwrap().unwrap().end(1).unwrap();
        assert_eq!(feed.receive(LONG).unwrap(), Some(Message::Accepted(key.clone())));
        assert_eq!(feed.receive(LONG).unwrap(), Some(Message::Exit(key, 1)));
    }

    #[test]
    fn what_nobody_wants_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut feed = Feed::new(folder.path()).unwrap();
        let spool = Spool::at(folder.path()).unwrap();
        feed.run(&order(1)).unwrap();
        let taken = spool.take().unwrap().unwrap();
        feed.run(&order(2)).unwrap();
        feed.end();
        assert_eq!(spool.waiting().unwrap(), 0);
        assert!(taken.is_cancelled());
        drop(taken);
        let left: Vec<_> = spool.keys("taken").unwrap();
        assert_eq!(left.len(), 1, "the group, for whoever looks what happened");
    }

    #[test]
    fn without_a_run_what_others_left_is_put_back_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path()).unwrap();
        let mut feed = Feed::new(folder.path()).unwrap();
        feed.run(&order(1)).unwrap();
        let taken = spool.take().unwrap().unwrap();
        assert_eq!(spool.put_back().unwrap(), 0, "a run looks after it");
        drop(feed);
        assert_eq!(spool.put_back().unwrap(), 0, "somebody is at it");
        drop(taken);
        for attempt in 1..LEFT {
            assert_eq!(spool.put_back().unwrap(), 1);
            let taken = spool.take().unwrap().unwrap();
            assert_eq!(read(&taken.path()).unwrap().attempt, attempt);
        }
        assert_eq!((spool.put_back().unwrap(), spool.waiting().unwrap()), (0, 0));
        // Who was asked to end puts it back himself.
        let text = group(1).json().to_string();
        std::fs::write(folder.path().join("todo/vox-1.json"), text).unwrap();
        spool.take().unwrap().unwrap().end(143).unwrap();
        assert_eq!(spool.waiting().unwrap(), 1);
    }
}
