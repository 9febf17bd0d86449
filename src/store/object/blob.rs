//! An opened object.

use crate::id::{BlobId, Digest, Hasher};
use crate::pool::Block;
use crate::store::object::error::Error;
use crate::store::object::frame::{Damage, Frames, RAW};
use crate::store::object::map::Stored;
use crate::store::object::proof::Proof;

/// Frames that are decoded while those before them are summed up.
const AHEAD: usize = 8;

/// A stored object that was opened: its bytes stay readable whatever happens to its name.
#[derive(Debug, Clone)]
pub struct Blob {
    id: BlobId,
    stored: Stored,
    frames: Frames,
    proof: Proof,
}

impl Blob {
    /// Takes stored bytes; those that cannot be an object are damaged.
    pub fn new(id: BlobId, stored: Stored, proof: Proof) -> Result<Self, Error> {
        let damaged = |damage| Error::Damaged { id, damage };
        let frames = Frames::of(&stored).map_err(damaged)?;
        // The bound on a frame is what bounds the memory of a proof.
        if frames.list().iter().any(|frame| frame.len > RAW) {
            return Err(damaged(Damage("a frame of more than 1 MiB")));
        }
        Ok(Self { id, stored, frames, proof })
    }

    /// Returns the name it was opened by.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Returns how many bytes the value has.
    pub fn len(&self) -> usize {
        self.frames.raw_len()
    }

    /// Says whether the value has no bytes; no value of the language is so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes the object takes as stored.
    pub fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// Returns the bytes as stored: `Content-Encoding: zstd`.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Returns what the opened file looked like.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns the first bytes of the value: `len`, or all if it has fewer.
    pub fn prefix(&self, len: usize) -> Result<Vec<u8>, Error> {
        self.frames.prefix(&self.stored, len).map_err(|damage| self.damaged(damage))
    }

    /// Decodes the value into a buffer of exactly [`Blob::len`] bytes, in parallel.
    ///
    /// Checksums are always checked. They prove that bytes arrived as they were written, not that
    /// they are the ones this name promises: for that, [`Blob::prove`].
    pub fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        self.frames.decode(&self.stored, out).map_err(|damage| self.damaged(damage))
    }

    /// Returns the SHA-256 of the value's bytes.
    pub fn digest(&self) -> Result<Digest, Error> {
        if let [frame] = self.frames.list() {
            let mut raw = Block::take(frame.len);
            let raw = &mut raw.bytes_mut()[..frame.len];
            self.fill(raw)?;
            return Ok(Digest::of(raw));
        }
        let mut hasher = Hasher::new();
        let mut runs = self.frames.list().chunks(AHEAD);
        let mut done = Block::take(0);
        let mut done_len = 0;
        loop {
            let run = runs.next().unwrap_or_default();
            let len: usize = run.iter().map(|frame| frame.len).sum();
            let mut next = Block::take(if run.is_empty() { 0 } else { AHEAD * RAW });
            let (decoded, ()) = rayon::join(
                || self.frames.decode_run(&self.stored, run, &mut next.bytes_mut()[..len]),
                || hasher.update(&done.bytes()[..done_len]),
            );
            decoded.map_err(|damage| self.damaged(damage))?;
            (done, done_len) = (next, len);
            if run.is_empty() {
                return Ok(hasher.finish());
            }
        }
    }

    /// Checks that the value's bytes have the digest that the name promises.
    pub fn prove(&self) -> Result<(), Error> {
        self.proves(self.digest()?)
    }

    /// Decodes as [`Blob::fill`] and checks that the bytes have the digest that the name promises.
    pub fn fill_proved(&self, out: &mut [u8]) -> Result<(), Error> {
        self.fill(out)?;
        self.proves(Digest::of(out))
    }

    fn proves(&self, digest: Digest) -> Result<(), Error> {
        if digest == self.id.0 {
            return Ok(());
        }
        Err(self.damaged(Damage("its bytes have another digest")))
    }

    fn damaged(&self, damage: Damage) -> Error {
        Error::Damaged { id: self.id, damage }
    }
}
