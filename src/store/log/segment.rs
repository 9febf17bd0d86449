//! Segments: sealed runs of records.
//!
//! The map `t writer first before after records`, in frames that end between records: one record is
//! read by decoding one frame.

use std::ops::Range;

use ciborium_ll::Header;
use rayon::prelude::*;

use crate::canon::{Reader, Writer};
use crate::id::Digest;
use crate::store::log::error::Error;
use crate::store::log::record::{BEGINNING, Record, chain};
use crate::store::object::frame::{self, Damage, Frames};
use crate::store::object::layout::{SegmentName, WriterId};

/// A frame ends behind the first record with which it has as many raw bytes.
pub const FRAME: usize = 64 << 10;
/// No segment is read that announces more raw bytes.
pub const MOST: usize = 256 << 20;

const SEGMENT: &str = "vox/segment/1";

/// Where a record lies in its segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// Which frame, from 0.
    pub frame: u32,
    /// Offset of the record's byte string, with its head, in the decoded frame.
    pub offset: u32,
}

/// What a segment covers, and between which hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// Whose log it is of.
    pub writer: WriterId,
    /// Its sequence numbers and the first bytes of its digest.
    pub name: SegmentName,
    /// The hash of the record before its first.
    pub before: Digest,
    /// The hash of its last record.
    pub after: Digest,
}

/// Where a record lies, and its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where it lies.
    pub position: Position,
    /// Its id: the hash of the chain up to it.
    pub id: Digest,
}

/// A segment about to be written.
#[derive(Debug)]
pub struct Built {
    /// What it covers.
    pub span: Span,
    /// The bytes of the file, in pieces.
    pub stored: Vec<Vec<u8>>,
    /// Where its records lie, in order.
    pub places: Vec<Place>,
}

/// A segment in memory, its form and chain checked.
#[derive(Debug)]
pub struct Segment {
    /// What it covers.
    pub span: Span,
    raw: Vec<u8>,
    records: Vec<(Place, Range<usize>)>,
}

impl Position {
    /// Returns both in one number, for a column of the index.
    pub fn packed(self) -> u64 {
        u64::from(self.frame) << 32 | u64::from(self.offset)
    }

    /// Takes both from one number.
    pub fn unpacked(packed: u64) -> Self {
        Self { frame: (packed >> 32) as u32, offset: packed as u32 }
    }
}

/// Makes a segment of the canonical bytes of records that follow each other.
pub fn build(
    writer: WriterId,
    first: u64,
    before: Digest,
    records: &[impl AsRef<[u8]>],
) -> Result<Built, Error> {
    if records.is_empty() || first == 0 {
        return Err(Error::Content("a segment has at least one record, and they begin at 1"));
    }
    let mut after = before;
    let ids: Vec<Digest> = records
        .iter()
        .map(|record| {
            after = chain(&after, writer, record.as_ref());
            after
        })
        .collect();
    let mut out = Writer::new();
    out.map(6);
    out.text("t");
    out.text(SEGMENT);
    out.text("after");
    out.bytes(&after.0);
    out.text("first");
    out.uint(first);
    out.text("before");
    out.bytes(&before.0);
    out.text("writer");
    out.bytes(&writer.0);
    out.text("records");
    out.array(records.len());
    let mut cuts = vec![0];
    let mut places = Vec::with_capacity(records.len());
    for (record, id) in records.iter().zip(ids) {
        let start = *cuts.last().expect("the first frame begins at 0");
        if out.out.len() - start >= FRAME && !places.is_empty() {
            cuts.push(out.out.len());
        }
        let start = *cuts.last().expect("the first frame begins at 0");
        let position =
            Position { frame: (cuts.len() - 1) as u32, offset: (out.out.len() - start) as u32 };
        places.push(Place { position, id });
        out.bytes(record.as_ref());
        if out.out.len() > MOST {
            return Err(Error::TooBig(record.as_ref().len()));
        }
    }
    let raw = out.out;
    cuts.push(raw.len());
    let mut stored: Vec<Vec<u8>> =
        cuts.par_windows(2).map(|cut| frame::compress_frame(&raw[cut[0]..cut[1]])).collect();
    if stored.len() > 1 {
        let sizes: Vec<(usize, usize)> =
            stored.iter().zip(cuts.windows(2)).map(|(f, cut)| (f.len(), cut[1] - cut[0])).collect();
        stored.push(frame::table(&sizes));
    }
    let last = first + (records.len() - 1) as u64;
    let name = SegmentName { first, last, digest: short(&Digest::of(&raw)) };
    Ok(Built { span: Span { writer, name, before, after }, stored, places })
}

fn short(digest: &Digest) -> [u8; 8] {
    digest.prefix().to_be_bytes()
}

impl Segment {
    /// Reads a segment from stored bytes and checks its form and its chain, and that each record
    /// lies in one frame. What the records say is [`Segment::verify`]'s to check.
    ///
    /// Also what a peer sends may be given: memory is bounded.
    pub fn read(stored: &[u8]) -> Result<Self, Error> {
        let frames = Frames::of(stored)?;
        if frames.raw_len() > MOST {
            return Err(Error::Frames(Damage("it announces more than any segment has")));
        }
        let mut raw = vec![0; frames.raw_len()];
        frames.decode(stored, &mut raw)?;
        Self::parse(raw, &frames)
    }

    fn parse(raw: Vec<u8>, frames: &Frames) -> Result<Self, Error> {
        let mut reader = Reader::new(&raw);
        let wrong = Error::Content("another form than `t after first before writer records`");
        let Front { first, before, after, writer, count } = front(&mut reader)?.ok_or(wrong)?;
        let last = first
            .checked_add(count as u64 - 1)
            .ok_or(Error::Content("more records than there are numbers"))?;
        let mut hash = before;
        let mut records = Vec::with_capacity(count.min(1 << 16));
        let mut list = frames.list().iter().zip(0u32..);
        let mut current = list.next();
        for _ in 0..count {
            let start = reader.offset();
            let Header::Bytes(Some(len)) = reader.header()? else {
                return Err(Error::Content("a record that is no byte string"));
            };
            let bytes = reader.take(len)?;
            let end = reader.offset();
            while current.is_some_and(|(frame, _)| frame.start + frame.len <= start) {
                current = list.next();
            }
            let (frame, number) = current
                .filter(|(frame, _)| frame.start <= start && end <= frame.start + frame.len)
                .ok_or(Error::Content("a record that crosses frames"))?;
            hash = chain(&hash, writer, bytes);
            let position = Position { frame: number, offset: (start - frame.start) as u32 };
            records.push((Place { position, id: hash }, end - len..end));
        }
        if reader.offset() != raw.len() {
            return Err(Error::Content("bytes after the last record"));
        }
        if hash != after {
            return Err(Error::Content("its records do not lead from `before` to `after`"));
        }
        let name = SegmentName { first, last, digest: short(&Digest::of(&raw)) };
        Ok(Self { span: Span { writer, name, before, after }, raw, records })
    }

    /// Checks the name, and what each record says against itself.
    pub fn verify(&self, writer: WriterId, name: &SegmentName) -> Result<(), Error> {
        if self.span.writer != writer || self.span.name != *name {
            return Err(Error::Content("its name is another's"));
        }
        self.records.par_iter().enumerate().try_for_each(|(at, (_, range))| {
            let record = Record::read(&self.raw[range.clone()])?;
            if record.seq != self.span.name.first + at as u64 {
                return Err(Error::Content("a record with another number than its place has"));
            }
            record.verify()
        })
    }

    /// Returns all records: where each lies, its id and its bytes.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (Place, &[u8])> + '_ {
        self.records.iter().map(|(place, range)| (*place, &self.raw[range.clone()]))
    }

    /// Returns the hash of the chain behind a record: of `first - 1` it is `before`.
    pub fn hash_at(&self, seq: u64) -> Option<Digest> {
        match seq.checked_sub(self.span.name.first) {
            Some(at) => Some(self.records.get(usize::try_from(at).ok()?)?.0.id),
            None => (seq + 1 == self.span.name.first).then_some(self.span.before),
        }
    }
}

/// What stands before the records.
struct Front {
    first: u64,
    before: Digest,
    after: Digest,
    writer: WriterId,
    count: usize,
}

/// Reads the map up to the head of its array of records; `None` if it is another map.
fn front(reader: &mut Reader<'_>) -> Result<Option<Front>, Error> {
    fn bytes<'a>(reader: &mut Reader<'a>, key: &str) -> Result<Option<&'a [u8]>, Error> {
        if reader.text()? != key {
            return Ok(None);
        }
        match reader.header()? {
            Header::Bytes(Some(len)) => Ok(Some(reader.take(len)?)),
            _ => Ok(None),
        }
    }
    if reader.header()? != Header::Map(Some(6)) {
        return Ok(None);
    }
    if reader.text()? != "t" || reader.text()? != SEGMENT {
        return Ok(None);
    }
    let after = bytes(reader, "after")?.and_then(Digest::from_slice);
    if reader.text()? != "first" {
        return Ok(None);
    }
    let Header::Positive(first) = reader.header()? else { return Ok(None) };
    let before = bytes(reader, "before")?.and_then(Digest::from_slice);
    let writer = bytes(reader, "writer")?.and_then(|bytes| Some(WriterId(bytes.try_into().ok()?)));
    if reader.text()? != "records" {
        return Ok(None);
    }
    let Header::Array(Some(count)) = reader.header()? else { return Ok(None) };
    let (Some(before), Some(after), Some(writer)) = (before, after, writer) else {
        return Ok(None);
    };
    let sound = first > 0 && count > 0 && (first > 1 || before == BEGINNING);
    Ok(sound.then_some(Front { first, before, after, writer, count }))
}
