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
    /// Reads a segment from stored bytes, verified by itself under the name that it goes by.
    ///
    /// Also what a peer sends may be given: memory is bounded.
    pub fn verified(stored: &[u8], writer: WriterId, name: &SegmentName) -> Result<Self, Error> {
        let segment = Self::read(stored)?;
        segment.verify(writer, name)?;
        Ok(segment)
    }

    /// Reads a segment and checks its form and its chain, and that each record lies in one frame.
    /// Nobody outside gets it without [`Segment::verify`].
    fn read(stored: &[u8]) -> Result<Self, Error> {
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
    fn verify(&self, writer: WriterId, name: &SegmentName) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::log::record::tests::{golden, writer};
    use crate::store::log::record::{Body, Draft, Pin, Target};

    /// Some records that are true to themselves: runs and pins.
    fn records(first: u64, count: u64) -> Vec<Vec<u8>> {
        let draft = |seq: u64| {
            if seq.is_multiple_of(3) {
                return golden();
            }
            let target = Target::Blob(crate::id::BlobId(Digest::of(&seq.to_le_bytes())));
            let pin = Pin { name: format!("pin {seq}"), target, on: true };
            Draft { lam: seq, at: seq, body: Body::Pin(pin) }
        };
        (first..first + count).map(|seq| draft(seq).numbered(seq).bytes()).collect()
    }

    #[test]
    fn the_golden_segment_has_the_bytes_and_the_name_of_the_format() {
        let record = golden().numbered(1).bytes();
        let built = build(writer(), 1, BEGINNING, &[&record]).unwrap();
        let segment = Segment::read(&built.stored.concat()).unwrap();
        assert_eq!(segment.raw.len(), 372);
        assert_eq!(
            Digest::of(&segment.raw).hex(),
            "c1a396b233c91db2aafb5fd50da5454ea6796b7b511d3d87e3a3028bb8118e9e"
        );
        assert_eq!(built.span.name.to_string(), "000000000001-000000000001-c1a396b233c91db2.seg");
        assert_eq!(
            built.span.after.hex(),
            "2d3fcb3f1b04770a036593d2237a6d5994750b8ee02baacd42537535134c0d63"
        );
        segment.verify(writer(), &built.span.name).unwrap();
        assert_eq!(segment.span, built.span);
    }

    #[test]
    fn a_segment_of_many_frames_is_read_again() {
        let before = Digest::of(b"before");
        let records = records(7, 3000);
        let built = build(writer(), 7, before, &records).unwrap();
        let stored = built.stored.concat();
        assert_eq!(zstd::stream::decode_all(&*stored).unwrap().len(), {
            let frames = Frames::of(&stored).unwrap();
            assert!(frames.list().len() > 3);
            let (last, full) = frames.list().split_last().unwrap();
            assert!(last.len > 0 && full.iter().all(|frame| frame.len >= FRAME));
            frames.raw_len()
        });
        let segment = Segment::read(&stored).unwrap();
        segment.verify(writer(), &built.span.name).unwrap();
        assert_eq!(segment.span, built.span);
        let places: Vec<Place> = segment.records().map(|(place, _)| place).collect();
        assert_eq!(places, built.places);
        let bytes: Vec<&[u8]> = segment.records().map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes, records);
        assert_eq!(segment.hash_at(6), Some(before));
        assert_eq!(segment.hash_at(7), Some(places[0].id));
        assert_eq!(segment.hash_at(3006), Some(built.span.after));
        assert_eq!((segment.hash_at(5), segment.hash_at(3007)), (None, None));
    }

    #[test]
    fn a_flipped_cut_or_longer_file_is_never_taken_for_another() {
        let records = records(1, 2);
        let built = build(writer(), 1, BEGINNING, &records).unwrap();
        let stored = built.stored.concat();
        let taken = |bytes: &[u8]| {
            let segment = Segment::read(bytes).ok()?;
            segment.verify(writer(), &built.span.name).ok()?;
            Some(segment.raw)
        };
        let raw = taken(&stored).unwrap();
        for at in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            // Some bits do not matter: an entropy table has more than one spelling.
            assert!(taken(&flipped).is_none_or(|taken| taken == raw), "bit {at}");
        }
        for len in 0..stored.len() {
            assert!(taken(&stored[..len]).is_none(), "{len}");
        }
        assert!(taken(&[&*stored, &[0]].concat()).is_none());
        assert!(taken(&stored.repeat(2)).is_none());
    }

    #[test]
    fn a_segment_that_contradicts_itself_is_refused() {
        let good = records(1, 3);
        let refused = |records: &[Vec<u8>], first: u64, before: Digest| {
            let built = build(writer(), first, before, records).unwrap();
            let read = Segment::read(&built.stored.concat());
            read.and_then(|segment| segment.verify(writer(), &built.span.name)).is_err()
        };
        assert!(!refused(&good, 1, BEGINNING));
        // Another number than the place has.
        assert!(refused(&good, 2, Digest::of(b"before")));
        // A first record with something before it.
        assert!(refused(&good, 1, Digest::of(b"before")));
        // A record that is none.
        assert!(refused(&[vec![0xa0]], 1, BEGINNING));
        // More records than there are numbers.
        assert!(build(writer(), 0, BEGINNING, &good).is_err());
        let other = build(writer(), 1, BEGINNING, &good).unwrap();
        let segment = Segment::read(&other.stored.concat()).unwrap();
        assert!(segment.verify(WriterId([9; 16]), &other.span.name).is_err());
    }

    #[test]
    fn positions_fit_one_number() {
        let position = Position { frame: 7, offset: 65_535 };
        assert_eq!(Position::unpacked(position.packed()), position);
    }
}
