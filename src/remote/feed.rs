//! A spool as a transport: the end of the run that hands groups out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::remote::bridge;
use crate::remote::error::Error;
use crate::remote::spool::Spool;
use crate::remote::transport::{Message, Order, Transport};
use crate::store::lock::{self, Lock};
use crate::store::object::disk;

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A group that is taken and of which nothing was ever said is lost after this.
const SILENT: Duration = Duration::from_secs(30);
/// How long it is waited for the lock of a run.
const PATIENCE: Duration = Duration::from_millis(500);
/// Hands groups out through a directory.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::remote::event::Event;
    use crate::remote::group::tests::group;
    use crate::remote::spool::read;

    const LONG: Duration = Duration::from_secs(60);

    fn order(cases: usize) -> Order {
        let group = group(cases);
        let (key, needs) = (group.key(), BTreeMap::new());
        Order { key, group, needs, priority: 0, near: Vec::new(), avoid: Vec::new() }
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
}
