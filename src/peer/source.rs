//! What a store elsewhere can be asked.

use crate::id::{BlobId, NodeId};
use crate::peer::error::Error;
use crate::store::object::layout::{SegmentName, WriterId};

/// A segment that a peer says it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Offer {
    /// Whose log it is of.
    pub writer: WriterId,
    /// Its name.
    pub name: SegmentName,
    /// How many bytes its file has, where the peer says so.
    pub size: Option<u64>,
}

/// What is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    /// Parts of logs.
    Segment,
    /// Values.
    Object,
}

/// Is told how far it is, from several threads, and asked whether to go on.
pub trait Progress: Sync {
    /// So many things are to be fetched, of so many bytes where that is known.
    fn begins(&self, _: Thing, _count: u64, _bytes: Option<u64>) {}

    /// So many bytes came.
    fn came(&self, _bytes: u64) {}

    /// A thing is here, verified and durable.
    fn kept(&self, _: Thing) {}

    /// Says whether to stop.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {}

/// A store elsewhere.
///
/// For whoever implements one: `Ok(None)` means "not there", and is no error. Bytes are given as they
/// are stored, and nothing is believed of them: the caller verifies. No more memory is taken than bytes
/// have come, no more bytes are read than were announced or than such a thing can have, and nobody is
/// waited for who sends nothing. Several threads ask at once.
pub trait Source: Send + Sync {
    /// Returns what people call it: its address, or its folder.
    fn name(&self) -> &str;

    /// Returns the segments that it has.
    fn heads(&self) -> Result<Vec<Offer>, Error>;

    /// Fetches a segment's file.
    fn segment(&self, offer: &Offer, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error>;

    /// Fetches an object's file.
    fn object(&self, id: BlobId, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error>;

    /// Says whether it can be asked for the receipt of a node; where it cannot, its segments are pulled.
    fn tells(&self) -> Result<bool, Error> {
        Ok(true)
    }

    /// Returns segments in which a receipt of a node may lie; none where it has none, or cannot tell.
    fn receipt(&self, node: NodeId) -> Result<Vec<Offer>, Error>;
}
