//! Segments: sealed runs of records.
//!
//! The map `t writer first before after records`, in frames that end between records: one record is
//! read by decoding one frame.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ciborium_ll::Header;
use rayon::prelude::*;

use crate::canon::{Reader, Writer};
use crate::id::Digest;
use crate::store::log::error::Error;
use crate::store::log::record::{BEGINNING, Record, chain};
use crate::store::object::error::Error as ObjectError;
use crate::store::object::frame::{self, Damage, Frames};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::map::Stored;
use crate::store::object::proof::Proof;

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
    /// Reads a segment from stored bytes and checks its form, its chain, and that each record has
    /// its number and lies in one frame.
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
        let Head { first, before, after, writer, count } = head(&mut reader)?.ok_or(wrong)?;
        let mut hash = before;
        let mut records = Vec::with_capacity(count.min(raw.len()));
        let mut list = frames.list().iter().zip(0u32..);
        let mut current = list.next();
        for seq in first.. {
            if records.len() == count {
                break;
            }
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
            if Record::read(bytes)?.seq != seq {
                return Err(Error::Content("a record with another number than its place has"));
            }
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
        let last = first
            .checked_add(count as u64 - 1)
            .ok_or(Error::Content("more records than there are numbers"))?;
        let name = SegmentName { first, last, digest: short(&Digest::of(&raw)) };
        Ok(Self { span: Span { writer, name, before, after }, raw, records })
    }

    /// Checks the name, and what each record says against itself.
    pub fn verify(&self, writer: WriterId, name: &SegmentName) -> Result<(), Error> {
        if self.span.writer != writer || self.span.name != *name {
            return Err(Error::Content("its name is another's"));
        }
        self.records().try_for_each(|(_, bytes)| Record::read(bytes)?.verify())
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

struct Head {
    first: u64,
    before: Digest,
    after: Digest,
    writer: WriterId,
    count: usize,
}

/// Reads the map up to the head of its array of records; `None` if it is another map.
fn head(reader: &mut Reader<'_>) -> Result<Option<Head>, Error> {
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
    Ok(sound.then_some(Head { first, before, after, writer, count }))
}

/// An opened segment of which single records are read; decoded frames are kept.
#[derive(Debug)]
pub struct SegmentReader {
    path: PathBuf,
    stored: Stored,
    frames: Frames,
    decoded: Vec<OnceLock<Arc<Vec<u8>>>>,
    proof: Proof,
}

/// The bytes of one record, inside their decoded frame.
#[derive(Debug, Clone)]
pub struct RecordBytes {
    frame: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl SegmentReader {
    /// Opens a segment; `None` if the file is not here. Map only files on disks of this host.
    pub fn open(path: &Path, mappable: bool) -> Result<Option<Self>, Error> {
        let failed = |err| ObjectError::io("read", path, 0, err);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(failed(err).into()),
        };
        let metadata = file.metadata().map_err(failed)?;
        let stored = Stored::of(&file, metadata.len(), mappable).map_err(failed)?;
        let path = path.to_owned();
        let frames = match Frames::of(&stored) {
            Ok(frames) if frames.raw_len() <= MOST => frames,
            Ok(_) => return Err(damaged(&path, Damage("it announces too much").into())),
            Err(damage) => return Err(damaged(&path, damage.into())),
        };
        let decoded = frames.list().iter().map(|_| OnceLock::new()).collect();
        Ok(Some(Self { path, stored, frames, decoded, proof: Proof::of(&metadata) }))
    }

    /// Returns what the opened file looked like.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns the bytes as stored, for a peer.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Returns the whole segment, its form and chain checked; for [`Segment::verify`].
    pub fn segment(&self) -> Result<Segment, Error> {
        Segment::read(&self.stored).map_err(|err| damaged(&self.path, err))
    }

    /// Returns the whole segment, verified by itself under the name that it was opened by.
    pub fn verified(&self, writer: WriterId, name: &SegmentName) -> Result<Segment, Error> {
        let segment = self.segment()?;
        segment.verify(writer, name).map_err(|err| damaged(&self.path, err))?;
        Ok(segment)
    }

    /// Reads the bytes of one record.
    pub fn record(&self, position: Position) -> Result<RecordBytes, Error> {
        self.bytes_at(position).map_err(|err| damaged(&self.path, err))
    }

    fn bytes_at(&self, position: Position) -> Result<RecordBytes, Error> {
        let nowhere = Error::Content("no record at the position asked for");
        let frame = self.frame(position.frame as usize)?;
        let rest = frame.get(position.offset as usize..).ok_or(nowhere)?;
        let mut reader = Reader::new(rest);
        let Header::Bytes(Some(len)) = reader.header()? else {
            return Err(Error::Content("no record at the position asked for"));
        };
        reader.take(len)?;
        let end = position.offset as usize + reader.offset();
        Ok(RecordBytes { range: end - len..end, frame })
    }

    fn frame(&self, number: usize) -> Result<Arc<Vec<u8>>, Error> {
        let nowhere = Error::Content("no frame at the position asked for");
        let (Some(frame), Some(slot)) = (self.frames.list().get(number), self.decoded.get(number))
        else {
            return Err(nowhere);
        };
        if let Some(decoded) = slot.get() {
            return Ok(decoded.clone());
        }
        let mut raw = vec![0; frame.len];
        frame::decode_frame(&self.stored, frame, &mut raw)?;
        Ok(slot.get_or_init(|| Arc::new(raw)).clone())
    }
}

fn damaged(path: &Path, source: Error) -> Error {
    Error::Segment { path: path.to_owned(), source: Box::new(source) }
}

impl Deref for RecordBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.frame[self.range.clone()]
    }
}
