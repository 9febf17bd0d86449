//! Rows in `SQLite`, for all processes of this host at once.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use crate::id::{BlobId, Digest, NodeId};
use crate::store::index::ask::{
    Change, Folder, Index, MemoRow, ObjectRow, RunRow, SegmentId, SegmentRow, Spot, Stamp, Table,
};
use crate::store::index::error::Error;
use crate::store::index::schema;
use crate::store::lock::Lock;
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::proof::Proof;

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
}

/// A connection, and the file that it was made to.
struct Open {
    connection: Connection,
    inode: u64,
}

impl Sqlite {
    /// Opens an index; a missing one is made, one that is unusable is replaced by an empty one.
    pub fn open(path: &Path, journal: Journal) -> Result<Self, Error> {
        let writer = match connect(path, journal) {
            Err(Error::Lost { .. }) => {
                replace(path)?;
                connect(path, journal)?
            }
            Err(Error::Sql { source, .. }) if is_broken(&source) => {
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
        })
    }

    /// Runs a question; a database that turns out to be broken is replaced.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let asked = ask(&guard(&self.reader).connection);
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
        drop(open);
        done.map_err(|source| self.judge(source))
    }

    /// Sorts what `SQLite` said: a broken file is replaced at once and reported as lost.
    fn judge(&self, source: rusqlite::Error) -> Error {
        let path = self.path.clone();
        if !is_broken(&source) {
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
    fn spots(&self, table: Table, key: u64) -> Result<Vec<Spot>, Error> {
        self.read(|connection| {
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
                    "select id, inode, size, mtime, ctime, used, uses, cost from object
                     where id = ?",
                )?
                .query_row([&id.0.0[..]], object_row)
                .optional()
        })
    }

    fn objects(&self, visit: &mut dyn FnMut(ObjectRow)) -> Result<(), Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select id, inode, size, mtime, ctime, used, uses, cost from object",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(object_row(row)?);
            }
            Ok(())
        })
    }

    fn apply(&self, change: &Change) -> Result<Vec<SegmentId>, Error> {
        if change.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|connection| apply(connection, change))
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

/// Puts a whole change into the tables, in the order of the keys so that pages are touched once.
fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<Vec<SegmentId>> {
    for id in &change.gone {
        connection.prepare_cached("delete from segment where id = ?")?.execute([id])?;
        // The narrow rows stay: a row whose segment is gone is skipped, and finding them all by
        // segment would read the whole table.
        connection.prepare_cached("delete from pin where segment = ?")?.execute([id])?;
    }
    let mut ids = Vec::with_capacity(change.segments.len());
    let mut fresh = 0i64;
    for (row, rows) in &change.segments {
        let key = params![
            &row.writer.0[..],
            row.name.first as i64,
            row.name.last as i64,
            &row.name.digest[..]
        ];
        let there: Option<SegmentId> = connection
            .prepare_cached(
                "select id from segment where writer = ? and first = ? and last = ? and digest = ?",
            )?
            .query_row(key, |row| row.get(0))
            .optional()?;
        if there.is_none() {
            connection
                .prepare_cached(
                    "insert into segment (writer, first, last, digest) values (?, ?, ?, ?)",
                )?
                .execute(key)?;
        }
        let id = there.unwrap_or_else(|| connection.last_insert_rowid());
        let proof = row.proof;
        connection
            .prepare_cached(
                "update segment set inode = ?, size = ?, mtime = ?, ctime = ?, bad = ? where id = ?",
            )?
            .execute(params![
                proof.map(|proof| proof.inode as i64),
                proof.map(|proof| proof.size as i64),
                proof.map(|proof| proof.mtime_ns),
                proof.map(|proof| proof.ctime_ns),
                row.bad,
                id
            ])?;
        for ((table, _), rows) in
            schema::NARROW.into_iter().zip([&rows.nodes, &rows.cuts, &rows.smalls])
        {
            // The database compares signed numbers; sorted its way, each page is visited once.
            let mut sorted: Vec<(i64, u64)> =
                rows.iter().map(|(key, position)| (*key as i64, *position)).collect();
            sorted.sort_unstable();
            let mut insert = connection
                .prepare_cached(&format!("insert or ignore into {table}_new values (?, ?, ?)"))?;
            for (key, position) in sorted {
                insert.execute([key, id, position as i64])?;
            }
            fresh += rows.len() as i64;
        }
        let mut pin = connection.prepare_cached("insert or ignore into pin values (?, ?)")?;
        for position in &rows.pins {
            pin.execute([id, *position as i64])?;
        }
        ids.push(id);
    }
    if fresh > 0 {
        merge(connection, fresh)?;
    }
    for (folder, stamp) in &change.stamps {
        let (writer, number): (&[u8], i64) = match folder {
            Folder::Log => (&[], -1),
            Folder::Writer(writer) => (&writer.0, -1),
            Folder::Segments(writer, number) => (&writer.0, *number as i64),
        };
        connection
            .prepare_cached("insert or replace into folder values (?, ?, ?, ?)")?
            .execute(params![writer, number, stamp.mtime_ns, stamp.ctime_ns])?;
    }
    for row in &change.objects {
        connection
            .prepare_cached(
                "insert into object values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set
                 inode = excluded.inode, size = excluded.size, mtime = excluded.mtime,
                 ctime = excluded.ctime, used = max(used, excluded.used),
                 uses = uses + excluded.uses, cost = max(cost, excluded.cost)",
            )?
            .execute(params![
                &row.id.0.0[..],
                row.proof.inode as i64,
                row.proof.size as i64,
                row.proof.mtime_ns,
                row.proof.ctime_ns,
                row.used as i64,
                row.uses as i64,
                row.cost_us as i64
            ])?;
    }
    for (id, used, uses) in &change.used {
        connection
            .prepare_cached("update object set used = max(used, ?), uses = uses + ? where id = ?")?
            .execute(params![*used as i64, *uses as i64, &id.0.0[..]])?;
    }
    for id in &change.lost {
        connection.prepare_cached("delete from object where id = ?")?.execute([&id.0.0[..]])?;
    }
    Ok(ids)
}

/// Counts fresh rows, and merges them into the big tables when there are many.
fn merge(connection: &Connection, fresh: i64) -> rusqlite::Result<()> {
    let rows: i64 = connection
        .prepare_cached("update fresh set rows = rows + ? returning rows")?
        .query_row([fresh], |row| row.get(0))?;
    if rows < schema::FRESH {
        return Ok(());
    }
    for (table, _) in schema::NARROW {
        connection.execute_batch(&format!(
            "insert or ignore into {table} select * from {table}_new; delete from {table}_new;"
        ))?;
    }
    connection.execute_batch("update fresh set rows = 0")
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

fn spot(row: &Row<'_>) -> rusqlite::Result<Spot> {
    let position: i64 = row.get(1)?;
    Ok(Spot { segment: row.get(0)?, position: position as u64 })
}

fn segment_row(row: &Row<'_>) -> rusqlite::Result<(SegmentId, SegmentRow)> {
    let (first, last): (i64, i64) = (row.get(2)?, row.get(3)?);
    let digest = fixed(row, 4)?;
    let name = SegmentName { first: first as u64, last: last as u64, digest };
    let inode: Option<i64> = row.get(5)?;
    let proof = inode.map(|_| proof(row, 5)).transpose()?;
    Ok((row.get(0)?, SegmentRow { writer: writer(row, 1)?, name, proof, bad: row.get(9)? }))
}

fn object_row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    let (used, uses, cost): (i64, i64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
    Ok(ObjectRow {
        id: BlobId(digest(row, 0)?),
        proof: proof(row, 1)?,
        used: used as u64,
        uses: uses as u64,
        cost_us: cost as u64,
    })
}

fn proof(row: &Row<'_>, at: usize) -> rusqlite::Result<Proof> {
    let (inode, size): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
    Ok(Proof {
        inode: inode as u64,
        size: size as u64,
        mtime_ns: row.get(at + 2)?,
        ctime_ns: row.get(at + 3)?,
    })
}

fn writer(row: &Row<'_>, at: usize) -> rusqlite::Result<WriterId> {
    fixed(row, at).map(WriterId)
}

fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    fixed(row, at).map(Digest)
}

fn fixed<const N: usize>(row: &Row<'_>, at: usize) -> rusqlite::Result<[u8; N]> {
    let bytes = row.get_ref(at)?.as_blob()?;
    bytes.try_into().map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, bytes.len() as i64))
}

/// Connects, and makes the tables of a new file; a file of another version is an error.
fn connect(path: &Path, journal: Journal) -> Result<Open, Error> {
    // Nobody is inside while somebody replaces the file: a new database beside an old write-ahead
    // log would be a broken one.
    let lock = lock(path, Lock::shared)?;
    let sql = |source| Error::Sql { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(sql)?;
    schema::set(&connection, journal == Journal::Wal).map_err(sql)?;
    let empty: bool = connection
        .query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0))
        .map_err(sql)?;
    if empty {
        drop(lock);
        let alone = lock_alone(path)?;
        let transaction = connection.transaction().map_err(sql)?;
        let empty: bool = transaction
            .query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0))
            .map_err(sql)?;
        transaction.commit().map_err(sql)?;
        if empty {
            schema::create(&connection).map_err(sql)?;
        }
        drop(alone);
    }
    if !schema::is_current(&connection).map_err(sql)? {
        return Err(Error::Lost { path: path.to_owned() });
    }
    let inode = inode(path).unwrap_or_default();
    Ok(Open { connection, inode })
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

/// Says whether the file itself is at fault, so that a new one helps.
fn is_broken(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                || message.as_deref().is_some_and(|message| {
                    message.starts_with("no such table") || message.starts_with("no such column")
                })
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}

fn guard(mutex: &Mutex<Open>) -> MutexGuard<'_, Open> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
