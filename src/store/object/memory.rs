//! Objects in memory: for tests, and for runs that keep nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use crate::id::BlobId;
use crate::store::object::blob::Blob;
use crate::store::object::error::Error;
use crate::store::object::frame;
use crate::store::object::map::Stored;
use crate::store::object::objects::{Objects, Pending, State, Sweep, name};
use crate::store::object::proof::Proof;

type Map = BTreeMap<BlobId, (Arc<[u8]>, Proof)>;

/// Objects that are gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    objects: RwLock<Map>,
    made: AtomicU64,
}

impl Memory {
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.objects.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.objects.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes what stands for fstat here: no two are equal.
    fn proof(&self, size: usize) -> Proof {
        let inode = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        Proof { inode, size: size as u64, mtime_ns: 0, ctime_ns: 0 }
    }
}

impl Objects for Memory {
    fn stat(&self, id: BlobId) -> Result<Option<Proof>, Error> {
        Ok(self.read().get(&id).map(|(_, proof)| *proof))
    }

    fn open(&self, id: BlobId) -> Result<Option<Blob>, Error> {
        let Some((stored, proof)) = self.read().get(&id).cloned() else { return Ok(None) };
        Blob::new(id, Stored::Held(stored), proof).map(Some)
    }

    fn put(&self, parts: &[&[u8]]) -> Result<Pending, Error> {
        let id = name(parts);
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let stored: Arc<[u8]> = frame::compress(parts).concat().into();
        Ok(Pending { id, len, stored: stored.len() as u64, state: State::Held(stored) })
    }

    fn receive(&self, id: BlobId, stored: &[u8]) -> Result<Pending, Error> {
        let blob = Blob::new(id, Stored::Held(stored.into()), self.proof(stored.len()))?;
        blob.prove()?;
        let (len, stored) = (blob.len() as u64, Arc::from(stored));
        Ok(Pending { id, len, stored: blob.stored_len() as u64, state: State::Held(stored) })
    }

    fn settle(&self, batch: Vec<Pending>) -> Result<Vec<(BlobId, Proof)>, Error> {
        let mut settled = Vec::with_capacity(batch.len());
        let mut objects = self.write();
        for pending in batch {
            if let State::Held(stored) = pending.state {
                let proof = self.proof(stored.len());
                objects.insert(pending.id, (stored, proof));
                settled.push((pending.id, proof));
            }
        }
        Ok(settled)
    }

    fn set_aside(&self, id: BlobId, bad: &Proof) -> Result<bool, Error> {
        let mut objects = self.write();
        let is_bad = objects.get(&id).is_some_and(|(_, proof)| proof == bad);
        Ok(is_bad && objects.remove(&id).is_some())
    }

    fn walk(&self, visit: &mut dyn FnMut(BlobId, u64)) -> Result<(), Error> {
        let sizes: Vec<_> =
            self.read().iter().map(|(id, (stored, _))| (*id, stored.len() as u64)).collect();
        for (id, size) in sizes {
            visit(id, size);
        }
        Ok(())
    }
}

impl Sweep for Memory {
    fn remove(&self, id: BlobId) -> Result<Option<u64>, Error> {
        Ok(self.write().remove(&id).map(|(stored, _)| stored.len() as u64))
    }

    fn remove_strays(&self, _before: SystemTime) -> Result<u64, Error> {
        Ok(0)
    }
}
