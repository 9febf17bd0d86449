//! Bytes on their way to a client, and those that stay at hand.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::id::{BlobId, Digest};
use crate::serve::cache::Cache;
use crate::serve::reply::Problem;
use crate::serve::state::TURN;
use crate::store::object::blob::Blob;
use crate::store::object::proof::Proof;
use crate::store::open::Store;

/// Values of at most so many bytes stay at hand.
const SMALL: usize = 64 << 10;
/// So many bytes of them.
const SMALLS: usize = 16 << 20;
/// Digests of stored files that stay at hand.
const DIGESTS: usize = 16_384;
/// Bytes that are decoded for clients at once, in units of [`UNIT`].
const ROOM: usize = 1024;
const UNIT: usize = 1 << 20;

/// Bytes of values: those at hand, and room for those that are decoded.
pub struct Shelf {
    small: Cache<BlobId, Arc<Small>>,
    digests: Cache<BlobId, (Proof, Digest)>,
    room: Arc<Semaphore>,
}

/// A small value.
pub struct Small {
    /// Its canonical bytes.
    pub plain: Bytes,
    /// Its stored bytes and their digest, if it is an object.
    pub stored: Option<(Bytes, Digest)>,
}

/// A value that was found.
pub enum Found {
    /// A small one.
    Small(Arc<Small>),
    /// An object.
    Object(Blob),
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            small: Cache::new(SMALLS),
            digests: Cache::new(DIGESTS),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }
}

impl Shelf {
    /// Returns a small value that is at hand.
    pub fn at_hand(&self, id: BlobId) -> Option<Arc<Small>> {
        self.small.get(&id)
    }

    /// Looks for a value in the store: among its objects, then in its log.
    pub fn find(&self, store: &Store, id: BlobId) -> Result<Option<Found>, Problem> {
        let small = match store.open_blob(id)? {
            Some(blob) if blob.len() > SMALL || blob.stored_len() > SMALL => {
                return Ok(Some(Found::Object(blob)));
            }
            Some(blob) => {
                let mut plain = vec![0; blob.len()];
                if let Err(error) = blob.fill(&mut plain) {
                    if error.is_damage() {
                        store.spoilt(&blob, &error)?;
                        return Ok(None);
                    }
                    return Err(error.into());
                }
                let digest = Digest::of(blob.stored());
                let stored = Some((Bytes::copy_from_slice(blob.stored()), digest));
                Small { plain: plain.into(), stored }
            }
            None => match store.small(id)? {
                Some(plain) => Small { plain: plain.into(), stored: None },
                None => return Ok(None),
            },
        };
        let weight =
            256 + small.plain.len() + small.stored.as_ref().map_or(0, |(bytes, _)| bytes.len());
        let small = Arc::new(small);
        self.small.put(id, small.clone(), weight);
        Ok(Some(Found::Small(small)))
    }

    /// Returns the digest of an object's stored bytes; they are summed up once.
    pub fn stored_digest(&self, blob: &Blob) -> Digest {
        if let Some((proof, digest)) = self.digests.get(&blob.id())
            && proof == blob.proof()
        {
            return digest;
        }
        let digest = Digest::of(blob.stored());
        self.digests.put(blob.id(), (blob.proof(), digest), 1);
        digest
    }

    /// Waits for room for decoded bytes; it is given back with what is returned.
    pub fn room(&self, len: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = len.div_ceil(UNIT).clamp(1, ROOM);
        let permit = timeout(TURN, self.room.clone().acquire_many_owned(units as u32));
        let permit = Handle::current().block_on(permit).map_err(|_| Problem::busy())?;
        permit.map_err(|_| Problem::busy())
    }

    /// Decodes an object.
    pub fn decoded(&self, store: &Store, blob: &Blob) -> Result<Bytes, Problem> {
        let room = self.room(blob.len())?;
        let mut bytes = vec![0; blob.len()];
        match blob.fill(&mut bytes) {
            Ok(()) => Ok(Bytes::from_owner(Decoded { bytes, room })),
            Err(error) => {
                if error.is_damage() {
                    store.spoilt(blob, &error)?;
                }
                Err(error.into())
            }
        }
    }
}

/// Returns an object's bytes as stored, without a copy: they are those of the mapped file.
pub fn stored(blob: Blob) -> Bytes {
    Bytes::from_owner(Mapped(blob))
}

struct Mapped(Blob);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.stored()
    }
}

struct Decoded {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "given back when the bytes are sent")]
    room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Decoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
