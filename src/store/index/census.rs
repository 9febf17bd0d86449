//! Questions about all objects, segments and files at once, for who counts and removes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _};

use crate::id::BlobId;
use crate::store::index::ask::{ObjectRow, SegmentId, Tally};
use crate::store::index::column::object_row;

/// Returns the rows of some objects, in one transaction: each of its own costs as much as the question.
pub(super) fn among(connection: &Connection, ids: &[BlobId]) -> rusqlite::Result<Vec<ObjectRow>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = connection.prepare_cached(
        "select id, inode, size, mtime, ctime, used, uses, cost, until from object where id = ?",
    )?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.extend(statement.query_row([&id.0.0[..]], object_row).optional()?);
    }
    drop(statement);
    transaction.commit()?;
    Ok(rows)
}

/// Sums up all objects inside the database: their rows never leave it.
pub(super) fn tally(connection: &Connection, block: u64, now_ms: u64) -> rusqlite::Result<Tally> {
    let block = block.max(1) as i64;
    let all = connection
        .prepare_cached("select count(*), coalesce(sum((size + ?1 - 1) / ?1), 0) from object")?
        .query_row([block], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let expired = connection
        .prepare_cached(
            "select count(*), coalesce(sum((size + ?1 - 1) / ?1), 0) from object
             where until > 0 and until < ?2",
        )?
        .query_row([block, now_ms as i64], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    Ok(Tally {
        objects: all.0 as u64,
        bytes: (all.1 * block) as u64,
        expired: expired.0 as u64,
        expired_bytes: (expired.1 * block) as u64,
    })
}

pub(super) fn walked(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("select at from walk")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()
        .map(|at| at.map(|at| at as u64))
}

pub(super) fn days(connection: &Connection) -> rusqlite::Result<HashMap<SegmentId, u64>> {
    connection
        .prepare_cached("select id, day from segment")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
        .collect()
}

pub(super) fn memos(connection: &Connection) -> rusqlite::Result<Vec<PathBuf>> {
    connection
        .prepare_cached("select path from memo order by path")?
        .query_map([], |row| Ok(PathBuf::from(OsStr::from_bytes(row.get_ref(0)?.as_blob()?))))?
        .collect()
}
