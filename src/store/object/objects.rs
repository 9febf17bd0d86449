//! What a store of objects can do.

use std::sync::Arc;
use std::time::SystemTime;

use crate::id::{BlobId, Hasher};
use crate::store::object::blob::Blob;
use crate::store::object::disk::Temporary;
use crate::store::object::error::Error;
use crate::store::object::proof::Proof;

/// A store of objects: bytes by their names.
///
/// `Ok(None)` and `Ok(false)` mean "not here", whatever the reason; `Err` means "could not tell".
pub trait Objects: Send + Sync {
    /// Returns what the object's file looks like now, by its path.
    fn stat(&self, id: BlobId) -> Result<Option<Proof>, Error>;

    /// Says whether an object is here; its bytes may still be damaged.
    fn has(&self, id: BlobId) -> Result<bool, Error> {
        Ok(self.stat(id)?.is_some())
    }

    /// Opens an object once; what happens to its name later does not touch the blob.
    ///
    /// A file that cannot be an object (empty, cut short) is [`Error::Damaged`].
    fn open(&self, id: BlobId) -> Result<Option<Blob>, Error>;

    /// Takes the bytes of a value, in pieces that are borrowed: its head, then its voxels.
    ///
    /// The name is computed while the frames are compressed, in parallel. On return the bytes lie
    /// in a dot-temporary beside their final place, or are proved to be there already; nothing is
    /// durable, and nothing visible, before [`Objects::settle`]. Twice is harmless.
    fn put(&self, parts: &[&[u8]]) -> Result<Pending, Error>;

    /// Takes an object's bytes as stored, from a peer: they are proved before anything is written.
    fn receive(&self, id: BlobId, stored: &[u8]) -> Result<Pending, Error>;

    /// Makes a batch durable: syncs data, renames, syncs folders.
    ///
    /// Returns every object that is now here, proved and durable, in the order of the batch. One
    /// that was here when it was put, and has vanished or changed since, is left out: put it again
    /// while the value is at hand. After an error nothing of the batch may be acknowledged, and all
    /// of it must be put again: a second sync that succeeds proves nothing.
    fn settle(&self, batch: Vec<Pending>) -> Result<Vec<(BlobId, Proof)>, Error>;

    /// Puts a bad object into quarantine, unless its file is no longer the one that was `bad`.
    fn set_aside(&self, id: BlobId, bad: &Proof) -> Result<bool, Error>;

    /// Visits the names of all objects with the bytes their files have.
    fn walk(&self, visit: &mut dyn FnMut(BlobId, u64)) -> Result<(), Error>;
}

/// The power to remove. Only the collector is given one.
pub trait Sweep: Objects {
    /// Removes an object's file; returns the bytes that it took, none if it was not here.
    ///
    /// What has the name of an object and is no file of the store's own stays.
    fn remove(&self, id: BlobId) -> Result<Option<u64>, Error>;

    /// Removes dot-temporaries and quarantined files last modified before a time; says how many.
    fn remove_strays(&self, before: SystemTime) -> Result<u64, Error>;
}

/// Returns the name of the bytes that come in these pieces.
pub fn name(parts: &[&[u8]]) -> BlobId {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    BlobId(hasher.finish())
}

/// An object on its way: written, not yet durable, not yet visible.
///
/// Dropped instead of settled, it leaves nothing behind.
#[must_use = "an object that is not settled is not stored"]
#[derive(Debug)]
pub struct Pending {
    pub(in crate::store::object) id: BlobId,
    pub(in crate::store::object) len: u64,
    pub(in crate::store::object) stored: u64,
    pub(in crate::store::object) state: State,
}

/// Where the bytes of a pending object are.
#[derive(Debug)]
pub(in crate::store::object) enum State {
    /// In a dot-temporary of their final folder.
    Written(Temporary),
    /// In their final place already, proved when this was what the file looked like.
    There(Proof),
    /// In memory.
    Held(Arc<[u8]>),
}

impl Pending {
    /// Returns the object's name.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Returns how many bytes the value has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Says whether the value has no bytes; no value of the language is so.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes the object takes as stored.
    pub fn stored_len(&self) -> u64 {
        self.stored
    }

    /// Says whether the object was here already.
    pub fn was_there(&self) -> bool {
        matches!(self.state, State::There(_))
    }
}
