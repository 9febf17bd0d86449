//! What can go wrong with the log.

use std::path::PathBuf;

use thiserror::Error;

use crate::canon;
use crate::store::object::error::Error as ObjectError;
use crate::store::object::frame::Damage;

/// Why a part of the log could not be read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A segment's file is not what its name promises.
    #[error("segment `{}` is damaged", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Bytes that are not canonical CBOR.
    #[error(transparent)]
    Canon(#[from] canon::Error),
    /// Stored bytes that are not frames.
    #[error(transparent)]
    Frames(#[from] Damage),
    /// Canonical bytes that are not a receipt, or one that contradicts itself.
    #[error("not a receipt: {0}")]
    Receipt(&'static str),
    /// Canonical bytes that are not a definition of a node.
    #[error("not a definition of a node: {0}")]
    Definition(&'static str),
    /// Canonical bytes that are not a record.
    #[error("not a record: {0}")]
    Record(&'static str),
    /// Canonical bytes that are not a segment, or a segment that contradicts itself.
    #[error("not a segment: {0}")]
    Content(&'static str),
    /// A record that no segment can hold.
    #[error("a record of {0} bytes is too big for the log")]
    TooBig(usize),
}

impl Error {
    /// Says whether bytes are wrong, not the disk.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Object(err) => err.is_damage(),
            Self::TooBig(_) => false,
            _ => true,
        }
    }
}
