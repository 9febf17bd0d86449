//! Reading single records of a segment's file.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ciborium_ll::Header;

use crate::canon::Reader;
use crate::store::log::error::Error;
use crate::store::log::segment::{MOST, Position, Segment};
use crate::store::object::error::Error as ObjectError;
use crate::store::object::frame::{self, Damage, Frames};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::map::Stored;
use crate::store::object::proof::Proof;

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
