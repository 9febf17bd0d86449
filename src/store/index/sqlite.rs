//! Rows in `SQLite`, for all processes of this host at once.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::id::{BlobId, NodeId};
use crate::store::index::ask::{
    Change, Folder, Index, MemoRow, ObjectRow, RunRow, SegmentId, SegmentRow, Spot, Stamp, Table,
    Tally,
};
use crate::store::index::blame::{is_broken, is_busy, is_unusable};
use crate::store::index::census;
use crate::store::index::column::{digest, object_row, proof, segment_row, spot, writer};
use crate::store::index::error::Error;
use crate::store::index::schema;
use crate::store::index::tell;
use crate::store::lock::{Lock, open};

/// Whether the database may use a write-ahead log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Journal {
    /// On a local file system.
    Wal,
    /// Where processes share no memory.
    Rollback,
}

/// An index in a file of the database library's.
///
/// Two connections: a long transaction of the writer thread does not keep the driver from asking.
pub struct Sqlite {
    path: PathBuf,
    journal: Journal,
    reader: Mutex<Open>,
    writer: Mutex<Open>,
    /// How often this process wrote.
    written: AtomicU64,
}

/// A connection, and the file that it was made to.
struct Open {
    connection: Connection,
    inode: u64,
    /// Since when a transaction is held for questions that follow each other, and what had been
    /// written by this process then.
    held: Option<(Instant, u64)>,
}

/// A transaction is held for so long: one for each question costs more than the question. So long a
/// row of another process may stay unseen, which is as if it had come that much later.
const HELD: Duration = Duration::from_millis(2);

impl Open {
    /// Holds a transaction that has seen all that this process wrote.
    fn hold(&mut self, written: u64) -> rusqlite::Result<()> {
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
    fn let_go(&mut self) -> rusqlite::Result<()> {
        if self.held.take().is_some() {
            self.connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(())
    }
}

impl Sqlite {
    /// Opens an index; a missing one is made, one that is unusable is replaced by an empty one.
    pub fn open(path: &Path, journal: Journal) -> Result<Self, Error> {
        let writer = match connect(path, journal) {
            Err(Error::Lost { .. }) => {
                replace(path)?;
                connect(path, journal)?
            }
            Err(Error::Sql { source, .. }) if is_unusable(path, &source) => {
                replace(path)?;
                connect(path, journal)?
            }
            open => open?,
        };
        let reader = connect(path, journal)?;
        Ok(Self {
            path: path.to_owned(),
            journal,
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            written: AtomicU64::new(0),
        })
    }

    /// Runs a question; a database that turns out to be broken is replaced.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut open = guard(&self.reader);
        let asked = open.let_go().and_then(|()| ask(&open.connection));
        drop(open);
        asked.map_err(|source| self.judge(source))
    }

    /// Runs one of many questions that follow each other.
    fn glance<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        if self.journal == Journal::Rollback {
            // There a reader keeps writers out.
            return self.read(ask);
        }
        let mut open = guard(&self.reader);
        let written = self.written.load(Ordering::Acquire);
        let asked = open.hold(written).and_then(|()| ask(&open.connection));
        drop(open);
        asked.map_err(|source| self.judge(source))
    }

    /// Runs a change in one transaction.
    fn write<T>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut open = guard(&self.writer);
        let done = open
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let done = change(&transaction)?;
                transaction.commit()?;
                Ok(done)
            });
        self.written.fetch_add(1, Ordering::Release);
        drop(open);
        done.map_err(|source| self.judge(source))
    }

    /// Sorts what `SQLite` said: a broken file is replaced at once and reported as lost.
    fn judge(&self, source: rusqlite::Error) -> Error {
        let path = self.path.clone();
        if !is_broken(&path, &source) {
            return Error::Sql { path, source };
        }
        match self.renew(Renew::Replace) {
            Ok(()) => Error::Lost { path },
            Err(error) => error,
        }
    }

    fn renew(&self, how: Renew) -> Result<(), Error> {
        let (mut writer, mut reader) = (guard(&self.writer), guard(&self.reader));
        // Another thread or process may have replaced the file already.
        if matches!(how, Renew::Replace) && inode(&self.path) == Some(reader.inode) {
            replace(&self.path)?;
        }
        *writer = connect(&self.path, self.journal)?;
        *reader = connect(&self.path, self.journal)?;
        Ok(())
    }
}

/// What to do with the file at the path.
enum Renew {
    /// It is broken.
    Replace,
    /// It is somebody's new one, or missing.
    Keep,
}

impl Index for Sqlite {
    fn rest(&self) -> Result<(), Error> {
        self.read(|_| Ok(()))
    }

    fn spots(&self, table: Table, key: u64) -> Result<Vec<Spot>, Error> {
        self.glance(|connection| {
            let mut statement = connection.prepare_cached(select(table))?;
            let mut rows = statement.query([key as i64])?;
            let mut spots = Vec::new();
            while let Some(row) = rows.next()? {
                spots.push(spot(row)?);
            }
            spots.sort_unstable();
            // Told again, a segment's rows may lie in both tables.
            if table == Table::Small {
                spots.dedup_by_key(|spot| spot.segment);
            } else {
                spots.dedup();
            }
            Ok(spots)
        })
    }

    fn known(&self, table: Table, keys: &[u64]) -> Result<Vec<u64>, Error> {
        self.read(|connection| {
            // One transaction for all: each of its own costs as much as the question.
            let transaction = connection.unchecked_transaction()?;
            let mut statement = connection.prepare_cached(select(table))?;
            let mut known = Vec::new();
            for key in keys {
                if statement.exists([*key as i64])? {
                    known.push(*key);
                }
            }
            drop(statement);
            transaction.commit()?;
            Ok(known)
        })
    }

    fn segment(&self, id: SegmentId) -> Result<Option<SegmentRow>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "select id, writer, first, last, digest, inode, size, mtime, ctime, bad
                     from segment where id = ?",
                )?
                .query_row([id], segment_row)
                .optional()
                .map(|found| found.map(|(_, row)| row))
        })
    }

    fn segments(&self) -> Result<Vec<(SegmentId, SegmentRow)>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "select id, writer, first, last, digest, inode, size, mtime, ctime, bad
                     from segment order by writer, first, last, digest",
                )?
                .query_map([], segment_row)?
                .collect()
        })
    }

    fn stamps(&self) -> Result<HashMap<Folder, Stamp>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("select writer, number, mtime, ctime from folder")?
                .query_map([], |row| {
                    let folder = match (writer(row, 0), row.get(1)?) {
                        (Err(_), _) => Folder::Log,
                        (Ok(writer), -1i64) => Folder::Writer(writer),
                        (Ok(writer), number) => Folder::Segments(writer, number as u64),
                    };
                    Ok((folder, Stamp { mtime_ns: row.get(2)?, ctime_ns: row.get(3)? }))
                })?
                .collect()
        })
    }

    fn pins(&self) -> Result<Vec<Spot>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached("select segment, position from pin order by segment, position")?
                .query_map([], spot)?
                .collect()
        })
    }

    fn object(&self, id: BlobId) -> Result<Option<ObjectRow>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "select id, inode, size, mtime, ctime, used, uses, cost, until from object
                     where id = ?",
                )?
                .query_row([&id.0.0[..]], object_row)
                .optional()
        })
    }

    fn objects(&self, visit: &mut dyn FnMut(ObjectRow)) -> Result<(), Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select id, inode, size, mtime, ctime, used, uses, cost, until from object",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(object_row(row)?);
            }
            Ok(())
        })
    }

    fn objects_among(&self, ids: &[BlobId]) -> Result<Vec<ObjectRow>, Error> {
        self.read(|connection| census::among(connection, ids))
    }

    fn tally(&self, block: u64, now_ms: u64) -> Result<Tally, Error> {
        self.read(|connection| census::tally(connection, block, now_ms))
    }

    fn walked(&self) -> Result<Option<u64>, Error> {
        self.read(census::walked)
    }

    fn days(&self) -> Result<HashMap<SegmentId, u64>, Error> {
        self.read(census::days)
    }

    fn memos(&self) -> Result<Vec<PathBuf>, Error> {
        self.read(census::memos)
    }

    fn apply(&self, change: &Change) -> Result<Vec<SegmentId>, Error> {
        if change.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|connection| tell::apply(connection, change))
    }

    fn memo(&self, path: &Path) -> Result<Option<MemoRow>, Error> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "select inode, size, mtime, ctime, digest from memo where path = ?",
                )?
                .query_row([path.as_os_str().as_bytes()], |row| {
                    Ok(MemoRow { proof: proof(row, 0)?, digest: digest(row, 4)? })
                })
                .optional()
        })
    }

    fn remember(&self, path: &Path, row: Option<&MemoRow>) -> Result<(), Error> {
        let key = OsStr::as_bytes(path.as_os_str());
        self.write(|connection| {
            match row {
                Some(row) => connection
                    .prepare_cached("insert or replace into memo values (?, ?, ?, ?, ?, ?)")?
                    .execute(params![
                        key,
                        row.proof.inode as i64,
                        row.proof.size as i64,
                        row.proof.mtime_ns,
                        row.proof.ctime_ns,
                        &row.digest.0[..]
                    ]),
                None => {
                    connection.prepare_cached("delete from memo where path = ?")?.execute([key])
                }
            }
            .map(drop)
        })
    }

    fn begin(&self, run: &RunRow) -> Result<(), Error> {
        self.write(|connection| {
            connection
                .prepare_cached("insert or replace into run values (?, ?)")?
                .execute(params![run.name, run.began as i64])?;
            connection.prepare_cached("delete from goal where run = ?")?.execute([&run.name])?;
            let mut goal = connection.prepare_cached("insert into goal values (?, ?, ?, ?)")?;
            for (at, (label, node)) in run.goals.iter().enumerate() {
                goal.execute(params![run.name, at as i64, label, &node.0.0[..]])?;
            }
            Ok(())
        })
    }

    fn runs(&self) -> Result<Vec<RunRow>, Error> {
        self.read(|connection| {
            let mut runs: Vec<RunRow> = connection
                .prepare_cached("select name, began from run order by began, name")?
                .query_map([], |row| {
                    let began: i64 = row.get(1)?;
                    Ok(RunRow { name: row.get(0)?, began: began as u64, goals: Vec::new() })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let mut goals = connection
                .prepare_cached("select label, node from goal where run = ? order by place")?;
            for run in &mut runs {
                run.goals = goals
                    .query_map([&run.name], |row| Ok((row.get(0)?, NodeId(digest(row, 1)?))))?
                    .collect::<rusqlite::Result<_>>()?;
            }
            Ok(runs)
        })
    }

    fn forget(&self, run: &str) -> Result<(), Error> {
        self.write(|connection| {
            connection.prepare_cached("delete from run where name = ?")?.execute([run])?;
            connection.prepare_cached("delete from goal where run = ?")?.execute([run])?;
            Ok(())
        })
    }

    fn check(&self) -> Result<(), Error> {
        if inode(&self.path) == Some(guard(&self.reader).inode) {
            return Ok(());
        }
        self.renew(Renew::Keep)
    }
}

fn select(table: Table) -> &'static str {
    match table {
        Table::Node => {
            "select segment, position from node_new where key = ?1
             union all select segment, position from node where key = ?1"
        }
        Table::Cut => {
            "select segment, position from cut_new where key = ?1
             union all select segment, position from cut where key = ?1"
        }
        Table::Small => {
            "select segment, position from small_new where key = ?1
             union all select segment, position from small where key = ?1"
        }
    }
}

/// Connects, and makes the tables of a new file; a file of another version is an error.
///
/// A process that comes just as the last other one leaves finds the database busy, and the library
/// does not wait there by itself.
fn connect(path: &Path, journal: Journal) -> Result<Open, Error> {
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
fn replace(path: &Path) -> Result<(), Error> {
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

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

fn guard(mutex: &Mutex<Open>) -> MutexGuard<'_, Open> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
