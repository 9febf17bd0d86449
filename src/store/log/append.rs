//! Sealing: records become a file.

use crate::id::Digest;
use crate::store::log::error::Error;
use crate::store::log::record::{BEGINNING, Draft, Record};
use crate::store::log::segment::{self, Place, Span};
use crate::store::object::disk::{self, Mode};
use crate::store::object::layout::{Layout, WriterId};
use crate::store::object::proof::Proof;

/// A batch of more raw bytes becomes more segments.
const SEALED: usize = 64 << 20;

/// How far the log of a writer goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Head {
    /// Number of the last record; 0 if there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A segment that was written.
#[derive(Debug)]
pub struct Sealed {
    /// What it covers.
    pub span: Span,
    /// What its file looks like.
    pub proof: Proof,
    /// Its records with their numbers, and where they lie.
    pub records: Vec<(Place, Record)>,
}

impl Head {
    /// The head of a log without records.
    pub const NONE: Self = Self { seq: 0, hash: BEGINNING };
}

/// Writes drafts behind the head of a log, and returns the segments once they are durable.
///
/// The caller holds `gc.lock` shared and `log.lock`, has made durable every object that the records
/// mention, and afterwards stores the new head as its floor. After an error the head stands as it
/// was; a segment that did reach the disk meanwhile is found by the next opening.
pub fn seal(
    layout: &Layout,
    writer: WriterId,
    head: Head,
    drafts: &[Draft],
) -> Result<Vec<Sealed>, Error> {
    let mut sealed = Vec::new();
    let mut head = head;
    let mut run: Vec<(Record, Vec<u8>)> = Vec::new();
    let mut raw = 0;
    for draft in drafts {
        let record = draft.numbered(head.seq + run.len() as u64 + 1);
        let bytes = record.bytes();
        if raw + bytes.len() > SEALED && !run.is_empty() {
            head = seal_one(layout, writer, head, std::mem::take(&mut run), &mut sealed)?;
            raw = 0;
        }
        raw += bytes.len();
        run.push((record, bytes));
    }
    if !run.is_empty() {
        seal_one(layout, writer, head, run, &mut sealed)?;
    }
    Ok(sealed)
}

fn seal_one(
    layout: &Layout,
    writer: WriterId,
    head: Head,
    run: Vec<(Record, Vec<u8>)>,
    sealed: &mut Vec<Sealed>,
) -> Result<Head, Error> {
    let (records, bytes): (Vec<Record>, Vec<Vec<u8>>) = run.into_iter().unzip();
    let built = segment::build(writer, head.seq + 1, head.hash, &bytes)?;
    let proof = publish(layout, &built.span, &built.stored)?;
    let head = Head { seq: built.span.name.last, hash: built.span.after };
    let records = built.places.into_iter().zip(records).collect();
    sealed.push(Sealed { span: built.span, proof, records });
    Ok(head)
}

/// Writes the file of a segment, durably: one that was built here, or verified from a peer.
pub fn publish(layout: &Layout, span: &Span, stored: &[impl AsRef<[u8]>]) -> Result<Proof, Error> {
    let folder = layout.segment_folder(span.writer, span.name.first);
    disk::make_folder(&layout.objects(), &folder)?;
    let path = layout.segment(span.writer, &span.name);
    let file = disk::write(&path, stored, Mode::Fixed)?;
    disk::publish(vec![file], &[], &[])?;
    let metadata = std::fs::metadata(&path)
        .map_err(|err| crate::store::object::error::Error::io("look at", &path, 0, err))?;
    Ok(Proof::of(&metadata))
}
