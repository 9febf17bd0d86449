//! The tables of the index, and how a connection is set.

use std::time::Duration;

use rusqlite::Connection;

/// The version of the tables; an index of another one begins anew.
const VERSION: i64 = 2;
/// Says in the file's header whose it is: "vox1".
const APPLICATION: i64 = 0x766f_7831;

/// Nodes, cut-off keys and small values are narrow and without rowid: with everything in the rows a
/// node cost 13 us in an empty store and 104 in one of 500,000; narrow ones cost 1.4 and 4.5.
const TABLES: &str = "
create table fresh (rows integer not null);
insert into fresh values (0);
create table pin (segment integer not null, position integer not null,
    primary key (segment, position)) without rowid;
create table segment (id integer primary key autoincrement, writer blob not null,
    first integer not null, last integer not null, digest blob not null,
    inode integer, size integer, mtime integer, ctime integer, bad text, day integer not null,
    unique (writer, first, last, digest));
create table folder (writer blob not null, number integer not null,
    mtime integer not null, ctime integer not null,
    primary key (writer, number)) without rowid;
create table object (id blob primary key, inode integer not null, size integer not null,
    mtime integer not null, ctime integer not null,
    used integer not null, uses integer not null, cost integer not null,
    until integer not null) without rowid;
create table walk (at integer not null);
create table memo (path blob primary key, inode integer not null, size integer not null,
    mtime integer not null, ctime integer not null, digest blob not null) without rowid;
create table run (name text primary key, began integer not null) without rowid;
create table goal (run text not null, place integer not null, label text not null,
    node blob not null, primary key (run, place)) without rowid;
";

/// How long another process may keep the database.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Sets a connection: how it waits, what it caches, when it syncs.
///
/// NORMAL may lose the last transactions in a power cut, and that is allowed: rows come back from
/// the log. A write-ahead log needs shared memory, which a network file system does not have.
pub(super) fn set(connection: &Connection, wal: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    // Answers are compared with a word because the pragma answers with what it could do.
    let mode = if wal { "wal" } else { "delete" };
    connection.query_row(&format!("pragma journal_mode = {mode}"), [], |_| Ok(()))?;
    connection.execute_batch(
        "pragma synchronous = normal; pragma temp_store = memory; pragma cache_size = -65536;
         pragma wal_autocheckpoint = 4000; pragma foreign_keys = off;",
    )?;
    if wal {
        // A fresh connection reads big tables without copying each page. The file never shrinks: it
        // is replaced by name.
        connection.query_row("pragma mmap_size = 1073741824", [], |_| Ok(()))?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Says whether a database has no table at all.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0))
}

/// Says whether a database has these tables, and false when it is of another version.
pub(super) fn is_current(connection: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("pragma application_id", [], |row| row.get(0))?;
    if (version, application) != (VERSION, APPLICATION) {
        return Ok(false);
    }
    // Touches the root of each table that answers come from, so that a torn file shows here.
    for table in [
        "node",
        "cut",
        "small",
        "node_new",
        "cut_new",
        "small_new",
        "segment",
        "folder",
        "object",
        "memo",
    ] {
        connection.query_row(&format!("select exists (select 1 from {table})"), [], |_| Ok(()))?;
    }
    Ok(true)
}

/// Rows that may gather before they are merged.
pub(super) const FRESH: i64 = 1 << 17;

/// The narrow tables, each twice: `NAME_new` takes what is sealed, and is merged into `NAME` when it
/// has grown. Keys are digests, so that ten thousand rows dirty nearly every page of a table of half
/// a million; in the small table they dirty a few, and a merge visits each page of the big one once
/// for all of them.
fn narrow() -> String {
    let one = |table: &str, key: &str| {
        format!(
            "create table {table} (key integer not null, segment integer not null,
             position integer not null, primary key ({key})) without rowid;"
        )
    };
    let mut tables = String::new();
    for (table, key) in NARROW {
        tables += &one(table, key);
        tables += &one(&format!("{table}_new"), key);
    }
    tables
}

/// The narrow tables and their keys: of a small value one place in a segment is enough.
pub(super) const NARROW: [(&str, &str); 3] = [
    ("node", "key, segment, position"),
    ("cut", "key, segment, position"),
    ("small", "key, segment"),
];

/// Makes the tables of a new database.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "begin immediate; {} {TABLES} pragma user_version = {VERSION};
         pragma application_id = {APPLICATION}; commit;",
        narrow()
    ))
}
