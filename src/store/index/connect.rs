//! Connections to the database: made, replaced, and held open for questions that follow each other.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::store::index::blame::is_busy;
use crate::store::index::error::Error;
use crate::store::index::schema;
use crate::store::lock::{Lock, open};

/// Whether the database may use a write-ahead log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Journal {
    /// On a local file system.
    Wal,
    /// Where processes share no memory.
    Rollback,
}

/// A connection, and the file that it was made to.
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) inode: u64,
    /// Since when a transaction is held for questions that follow each other, and what had been
    /// written by this process then.
    held: Option<(Instant, u64)>,
}

/// A transaction is held for so long: one for each question costs more than the question. So long a
/// row of another process may stay unseen, which is as if it had come that much later.
const HELD: Duration = Duration::from_millis(2);

impl Open {
    /// Holds a transaction that has seen all that this process wrote.
    pub(super) fn hold(&mut self, written: u64) -> rusqlite::Result<()> {
        match self.held {
            Some((since, seen)) if seen == written && since.elapsed() < HELD => Ok(()),
            _ => {
                self.let_go()?;
                self.connection.prepare_cached("begin")?.execute([])?;
                self.held = Some((Instant::now(), written));
                Ok(())
            }
        }
    }

    /// Ends the transaction that is held, if one is.
    pub(super) fn let_go(&mut self) -> rusqlite::Result<()> {
        if self.held.take().is_some() {
            self.connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(())
    }
}

/// Connects, and makes the tables of a new file; a file of another version is an error.
///
/// A process that comes just as the last other one leaves finds the database busy, and the library
/// does not wait there by itself.
pub(super) fn connect(path: &Path, journal: Journal) -> Result<Open, Error> {
    let begun = Instant::now();
    loop {
        match try_connect(path, journal) {
            Err(Error::Sql { source, .. })
                if is_busy(&source) && begun.elapsed() < schema::PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}

fn try_connect(path: &Path, journal: Journal) -> Result<Open, Error> {
    // Nobody is inside while somebody replaces the file: a new database beside an old write-ahead
    // log would be a broken one. And a new one is made alone: two that change its journal at once
    // stop each other.
    let is_made = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    let mut lock = lock(path, if is_made { Lock::shared } else { Lock::exclusive })?;
    let sql = |source| Error::Sql { path: path.to_owned(), source };
    if !is_made {
        // The library gives what it makes the rights of whoever comes first; its other files get
        // those of this one.
        open(path).map_err(|source| Error::Io { verb: "create", path: path.to_owned(), source })?;
    }
    let connection = Connection::open(path).map_err(sql)?;
    schema::set(&connection, journal == Journal::Wal).map_err(sql)?;
    if schema::is_empty(&connection).map_err(sql)? {
        if is_made {
            drop(lock);
            lock = lock_alone(path)?;
        }
        if schema::is_empty(&connection).map_err(sql)? {
            schema::create(&connection).map_err(sql)?;
        }
    }
    drop(lock);
    if !schema::is_current(&connection).map_err(sql)? {
        return Err(Error::Lost { path: path.to_owned() });
    }
    let inode = inode(path).unwrap_or_default();
    Ok(Open { connection, inode, held: None })
}

/// Removes a database that cannot be used, with what belongs to it.
pub(super) fn replace(path: &Path) -> Result<(), Error> {
    let alone = lock_alone(path)?;
    for ending in ["-wal", "-shm", "-journal", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let file = PathBuf::from(name);
        match std::fs::remove_file(&file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { verb: "remove", path: file, source });
            }
            _ => {}
        }
    }
    drop(alone);
    Ok(())
}

fn lock_alone(path: &Path) -> Result<Lock, Error> {
    lock(path, Lock::exclusive)
}

fn lock(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<Lock>) -> Result<Lock, Error> {
    let path = path.with_extension("lock");
    how(&path).map_err(|source| Error::Io { verb: "lock", path, source })
}

/// Returns which file lies at a path.
pub(super) fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}
