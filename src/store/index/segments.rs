//! Records at their places: opened segments, and their decoded frames.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::index::ask::{Change, Index, Rows, SegmentId, SegmentRow, Spot};
use crate::store::index::error::Error as IndexError;
use crate::store::log::error::Error as LogError;
use crate::store::log::reader::{Decoded, SegmentReader};
use crate::store::log::record::Record;
use crate::store::log::segment::Position;
use crate::store::object::layout::{Layout, WriterId};

/// Opened segments; when there are more, all are closed and opened again as they are asked for.
const OPEN: usize = 512;

/// What is at a place.
#[derive(Debug)]
pub enum At {
    /// A record, and whose log it is of.
    Record(WriterId, Box<Record>),
    /// The segment has gone since the row was made: list again.
    Gone,
    /// Nothing to believe: the row is of a segment that is known to be gone or bad.
    Nothing,
}

/// The segments of a store, opened as they are asked for.
pub struct Segments {
    layout: Option<Layout>,
    mappable: bool,
    decoded: Arc<Decoded>,
    open: Mutex<HashMap<SegmentId, (WriterId, Source)>>,
    /// Segments that turned out to be bad, and why, until somebody asks.
    bad: Mutex<Vec<(PathBuf, String)>>,
    /// Of which records were read since this was last asked.
    read: Mutex<HashSet<SegmentId>>,
}

#[derive(Clone)]
enum Source {
    File(Arc<SegmentReader>),
    /// By packed position.
    Held(Arc<HashMap<u64, Vec<u8>>>),
}

impl Segments {
    /// Reads the segments of a store on disk; maps them if they lie on a disk of this host.
    pub fn of(layout: &Layout, mappable: bool) -> Self {
        Self {
            layout: Some(layout.clone()),
            mappable,
            decoded: Arc::default(),
            open: Mutex::default(),
            bad: Mutex::default(),
            read: Mutex::default(),
        }
    }

    /// Begins with none, for a store in memory.
    pub fn held() -> Self {
        Self {
            layout: None,
            mappable: false,
            decoded: Arc::default(),
            open: Mutex::default(),
            bad: Mutex::default(),
            read: Mutex::default(),
        }
    }

    /// Takes the records of a segment that has no file: by packed position, their bytes.
    pub fn hold(&self, id: SegmentId, writer: WriterId, records: HashMap<u64, Vec<u8>>) {
        self.guard().insert(id, (writer, Source::Held(Arc::new(records))));
    }

    /// Forgets what was opened, because rows or files changed.
    pub fn close(&self) {
        if self.layout.is_some() {
            self.guard().clear();
        }
    }

    /// Returns which segments turned out to be bad since this was last asked, and why.
    pub fn bad(&self) -> Vec<(PathBuf, String)> {
        std::mem::take(&mut *self.bad.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the record at a place.
    pub fn at(&self, index: &dyn Index, spot: Spot) -> Result<At, Error> {
        let opened = self.guard().get(&spot.segment).cloned();
        let (writer, source) = match opened {
            Some(opened) => opened,
            None => match self.open(index, spot.segment)? {
                Ok(opened) => opened,
                Err(nothing) => return Ok(nothing),
            },
        };
        let record = match &source {
            Source::File(reader) => {
                match reader.record(Position::unpacked(spot.position)).map(|b| Record::read(&b)) {
                    Ok(Ok(record)) => record,
                    // A place that holds no record is one of an index that was brought back.
                    Ok(Err(error)) | Err(error) if error.is_damage() => return Ok(At::Nothing),
                    Ok(Err(error)) | Err(error) => return Err(error.into()),
                }
            }
            Source::Held(records) => match records.get(&spot.position) {
                Some(bytes) => Record::read(bytes)?,
                None => return Ok(At::Nothing),
            },
        };
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(spot.segment);
        Ok(At::Record(writer, Box::new(record)))
    }

    /// Returns the segments of which records were read since this was last asked.
    pub fn take_read(&self) -> HashSet<SegmentId> {
        std::mem::take(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(
        &self,
        index: &dyn Index,
        id: SegmentId,
    ) -> Result<Result<(WriterId, Source), At>, Error> {
        let (Some(layout), Some(row)) = (&self.layout, index.segment(id)?) else {
            return Ok(Err(At::Nothing));
        };
        let path = layout.segment(row.writer, &row.name);
        let reader = match SegmentReader::open_among(&path, self.mappable, &self.decoded) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(Err(At::Gone)),
            Err(error) if error.is_damage() => {
                self.condemn(index, path, row, &error)?;
                return Ok(Err(At::Nothing));
            }
            Err(error) => return Err(error.into()),
        };
        if row.proof != Some(reader.proof()) {
            // First sight, or not the file that was proved.
            let verified = reader.verified(row.writer, &row.name);
            match verified {
                Ok(_) => {
                    let row = SegmentRow { proof: Some(reader.proof()), bad: None, ..row.clone() };
                    tell(index, row)?;
                }
                Err(error) if error.is_damage() => {
                    self.condemn(index, path, row, &error)?;
                    return Ok(Err(At::Nothing));
                }
                Err(error) => return Err(error.into()),
            }
        } else if row.bad.is_some() {
            return Ok(Err(At::Nothing));
        }
        let opened = (row.writer, Source::File(Arc::new(reader)));
        let mut open = self.guard();
        if open.len() >= OPEN {
            open.clear();
        }
        open.insert(id, opened.clone());
        Ok(Ok(opened))
    }

    /// Writes down that a segment is bad.
    fn condemn(
        &self,
        index: &dyn Index,
        path: PathBuf,
        row: SegmentRow,
        error: &LogError,
    ) -> Result<(), IndexError> {
        let why = reason(error);
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).push((path, why.clone()));
        tell(index, SegmentRow { bad: Some(why), ..row })
    }

    fn guard(&self) -> MutexGuard<'_, HashMap<SegmentId, (WriterId, Source)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(index: &dyn Index, row: SegmentRow) -> Result<(), IndexError> {
    let change = Change { segments: vec![(row, Rows::default())], ..Change::default() };
    index.apply(&change).map(drop)
}

/// Returns what is wrong with a segment, without its path.
pub fn reason(error: &LogError) -> String {
    match error {
        LogError::Segment { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
}
