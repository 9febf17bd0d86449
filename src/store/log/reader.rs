//! Reading single records of a segment's file.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ciborium_ll::Header;

use crate::canon::Reader;
use crate::store::log::error::Error;
use crate::store::log::segment::{MOST, Position, Segment};
use crate::store::object::error::Error as ObjectError;
use crate::store::object::frame::{self, Damage, Frames};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::map::Stored;
use crate::store::object::proof::Proof;

/// An opened segment of which single records are read; decoded frames are kept for a while.
#[derive(Debug)]
pub struct SegmentReader {
    path: PathBuf,
    stored: Stored,
    frames: Frames,
    decoded: Arc<Decoded>,
    /// Which reader it is among those that share decoded frames.
    number: u64,
    proof: Proof,
}

/// Decoded frames of all segments that are read together, so many bytes of them.
///
/// Two generations: when the young one is full it becomes the old one, and what was not asked for
/// since goes.
#[derive(Debug, Default)]
pub struct Decoded {
    frames: Mutex<Generations>,
    readers: AtomicU64,
}

type Generation = HashMap<(u64, usize), Arc<Vec<u8>>>;

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
    bytes: usize,
}

/// The bytes of one generation of decoded frames.
const GENERATION: usize = 16 << 20;

impl Decoded {
    fn get(&self, key: (u64, usize)) -> Option<Arc<Vec<u8>>> {
        let mut frames = self.guard();
        if let Some(frame) = frames.young.get(&key) {
            return Some(frame.clone());
        }
        let frame = frames.old.remove(&key)?;
        frames.put(key, frame.clone());
        Some(frame)
    }

    fn put(&self, key: (u64, usize), frame: Arc<Vec<u8>>) {
        self.guard().put(key, frame);
    }

    fn guard(&self) -> MutexGuard<'_, Generations> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, key: (u64, usize), frame: Arc<Vec<u8>>) {
        if self.bytes + frame.len() > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += frame.len();
        self.young.insert(key, frame);
    }
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
        Self::open_among(path, mappable, &Arc::default())
    }

    /// Opens a segment that shares what it keeps decoded with others.
    pub fn open_among(
        path: &Path,
        mappable: bool,
        decoded: &Arc<Decoded>,
    ) -> Result<Option<Self>, Error> {
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
        let number = decoded.readers.fetch_add(1, Ordering::Relaxed);
        let (decoded, proof) = (decoded.clone(), Proof::of(&metadata));
        Ok(Some(Self { path, stored, frames, decoded, number, proof }))
    }

    /// Returns what the opened file looked like.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns the bytes as stored, for a peer.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Returns the whole segment, verified by itself under the name that it was opened by.
    pub fn verified(&self, writer: WriterId, name: &SegmentName) -> Result<Segment, Error> {
        Segment::verified(&self.stored, writer, name).map_err(|err| damaged(&self.path, err))
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
        let frame = self.frames.list().get(number).ok_or(nowhere)?;
        let key = (self.number, number);
        if let Some(decoded) = self.decoded.get(key) {
            return Ok(decoded);
        }
        let mut raw = vec![0; frame.len];
        frame::decode_frame(&self.stored, frame, &mut raw)?;
        let raw = Arc::new(raw);
        self.decoded.put(key, raw.clone());
        Ok(raw)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn decoded_frames_are_kept_within_bounds_and_those_in_use_longest() {
        let decoded = Decoded::default();
        let frame = Arc::new(vec![0; 1 << 20]);
        for at in 0..1000 {
            decoded.put((0, at), frame.clone());
            assert!(decoded.get((0, at)).is_some());
            assert!(decoded.get((0, 0)).is_some(), "asked for all the time");
            let kept = decoded.guard();
            assert!((kept.young.len() + kept.old.len()) << 20 <= 2 * GENERATION);
        }
        assert!(decoded.get((0, 1)).is_none() && decoded.get((1, 0)).is_none());
    }
}
