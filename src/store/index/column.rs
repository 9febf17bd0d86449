//! Columns of the database become what they stand for.

use rusqlite::Row;

use crate::id::{BlobId, Digest};
use crate::store::index::ask::{ObjectRow, SegmentId, SegmentRow, Spot};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::proof::Proof;

pub(super) fn spot(row: &Row<'_>) -> rusqlite::Result<Spot> {
    let position: i64 = row.get(1)?;
    Ok(Spot { segment: row.get(0)?, position: position as u64 })
}

pub(super) fn segment_row(row: &Row<'_>) -> rusqlite::Result<(SegmentId, SegmentRow)> {
    let (first, last): (i64, i64) = (row.get(2)?, row.get(3)?);
    let digest = fixed(row, 4)?;
    let name = SegmentName { first: first as u64, last: last as u64, digest };
    let inode: Option<i64> = row.get(5)?;
    let proof = inode.map(|_| proof(row, 5)).transpose()?;
    Ok((row.get(0)?, SegmentRow { writer: writer(row, 1)?, name, proof, bad: row.get(9)? }))
}

pub(super) fn object_row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    let (used, uses, cost): (i64, i64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
    let until: i64 = row.get(8)?;
    Ok(ObjectRow {
        id: BlobId(digest(row, 0)?),
        proof: proof(row, 1)?,
        used: used as u64,
        uses: uses as u64,
        cost_us: cost as u64,
        until_ms: until as u64,
    })
}

pub(super) fn proof(row: &Row<'_>, at: usize) -> rusqlite::Result<Proof> {
    let (inode, size): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
    Ok(Proof {
        inode: inode as u64,
        size: size as u64,
        mtime_ns: row.get(at + 2)?,
        ctime_ns: row.get(at + 3)?,
    })
}

pub(super) fn writer(row: &Row<'_>, at: usize) -> rusqlite::Result<WriterId> {
    fixed(row, at).map(WriterId)
}

pub(super) fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    fixed(row, at).map(Digest)
}

pub(super) fn fixed<const N: usize>(row: &Row<'_>, at: usize) -> rusqlite::Result<[u8; N]> {
    let bytes = row.get_ref(at)?.as_blob()?;
    bytes.try_into().map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, bytes.len() as i64))
}
