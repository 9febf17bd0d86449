//! What an index in a database is told: one change, one transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::index::ask::{Change, Folder, Rows, SegmentId};
use crate::store::index::schema;

/// Puts a whole change into the tables, in the order of the keys so that pages are touched once.
pub(super) fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<Vec<SegmentId>> {
    for id in &change.gone {
        connection.prepare_cached("delete from segment where id = ?")?.execute([id])?;
        // The narrow rows stay: a row whose segment is gone is skipped, and finding them all by
        // segment would read the whole table.
        connection.prepare_cached("delete from pin where segment = ?")?.execute([id])?;
    }
    for (id, rows) in &change.moved {
        forget(connection, *id, rows)?;
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
                    "insert into segment (writer, first, last, digest, day)
                     values (?, ?, ?, ?, coalesce(?, unixepoch() / 86400))",
                )?
                .execute(params![
                    &row.writer.0[..],
                    row.name.first as i64,
                    row.name.last as i64,
                    &row.name.digest[..],
                    change.day.map(|day| day as i64)
                ])?;
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
                "insert into object values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set
                 inode = iif(excluded.inode = 0, inode, excluded.inode),
                 size = iif(excluded.inode = 0, size, excluded.size),
                 mtime = iif(excluded.inode = 0, mtime, excluded.mtime),
                 ctime = iif(excluded.inode = 0, ctime, excluded.ctime),
                 used = max(used, excluded.used), uses = uses + excluded.uses,
                 cost = max(cost, excluded.cost), until = max(until, excluded.until)",
            )?
            .execute(params![
                &row.id.0.0[..],
                row.proof.inode as i64,
                row.proof.size as i64,
                row.proof.mtime_ns,
                row.proof.ctime_ns,
                row.used as i64,
                row.uses as i64,
                row.cost_us as i64,
                row.until_ms as i64
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
    for (id, day) in &change.read {
        connection
            .prepare_cached("update segment set day = ?2 where id = ?1 and day < ?2")?
            .execute([*id, *day as i64])?;
    }
    if let Some(at) = change.walked {
        connection.execute("delete from walk", [])?;
        connection.execute("insert into walk values (?)", [at as i64])?;
    }
    Ok(ids)
}

/// Removes a segment with the very rows that its records have.
fn forget(connection: &Connection, id: SegmentId, rows: &Rows) -> rusqlite::Result<()> {
    connection.prepare_cached("delete from segment where id = ?")?.execute([id])?;
    connection.prepare_cached("delete from pin where segment = ?")?.execute([id])?;
    for ((table, _), rows) in
        schema::NARROW.into_iter().zip([&rows.nodes, &rows.cuts, &rows.smalls])
    {
        let mut keys: Vec<i64> = rows.iter().map(|(key, _)| *key as i64).collect();
        keys.sort_unstable();
        keys.dedup();
        for place in [format!("{table}_new"), table.to_owned()] {
            let mut delete = connection
                .prepare_cached(&format!("delete from {place} where key = ? and segment = ?"))?;
            for key in &keys {
                delete.execute([*key, id])?;
            }
        }
    }
    Ok(())
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
