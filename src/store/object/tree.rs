//! Objects as files below `objects/ab/`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::id::{BlobId, Digest, Hasher};
use crate::store::object::blob::Blob;
use crate::store::object::disk::{self, Mode};
use crate::store::object::error::Error;
use crate::store::object::frame::{self, Damage};
use crate::store::object::layout::{self, Layout};
use crate::store::object::map::Stored;
use crate::store::object::objects::{Objects, Pending, State, Sweep};
use crate::store::object::proof::Proof;
use crate::store::object::system;

/// The objects of a store on disk.
#[derive(Debug)]
pub struct Tree {
    layout: Layout,
    mappable: bool,
    /// Which of the 256 folders have a durable entry in `objects/`, as far as this process knows.
    durable: Mutex<[bool; 256]>,
}

impl Tree {
    /// Takes the objects of a store; nothing is made before the first object.
    pub fn new(layout: &Layout) -> Self {
        let place = File::open(layout.objects()).or_else(|_| File::open(layout.root()));
        let mappable = place.is_ok_and(|file| system::is_local(&file));
        Self { layout: layout.clone(), mappable, durable: Mutex::new([false; 256]) }
    }

    /// Returns the name of bytes, and their frames.
    fn framed(parts: &[&[u8]]) -> (BlobId, Vec<Vec<u8>>) {
        let sum = || {
            let mut hasher = Hasher::new();
            for part in parts {
                hasher.update(part);
            }
            BlobId(hasher.finish())
        };
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len <= frame::RAW {
            return (sum(), frame::compress(parts));
        }
        rayon::join(sum, || frame::compress(parts))
    }

    /// Writes an object, or finds that its file is there and good.
    fn pend(&self, id: BlobId, len: u64, parts: &[impl AsRef<[u8]>]) -> Result<Pending, Error> {
        let stored = parts.iter().map(|part| part.as_ref().len() as u64).sum();
        let state = if let Some(proof) = self.proved_against(id, parts)? {
            State::There(proof)
        } else {
            State::Written(disk::write(&self.layout.object(id), parts, Mode::Fixed)?)
        };
        Ok(Pending { id, len, stored, state })
    }

    /// Proves the file that is there: by the very bytes that would be written, else by its digest.
    fn proved_against(
        &self,
        id: BlobId,
        parts: &[impl AsRef<[u8]>],
    ) -> Result<Option<Proof>, Error> {
        let blob = match self.open(id) {
            Ok(Some(blob)) => blob,
            Ok(None) => return Ok(None),
            Err(err) if err.is_damage() => return Ok(None),
            Err(err) => return Err(err),
        };
        let mut rest = blob.stored();
        let same = parts.iter().all(|part| match rest.strip_prefix(part.as_ref()) {
            Some(behind) => {
                rest = behind;
                true
            }
            None => false,
        });
        let proved = (same && rest.is_empty()) || blob.prove().is_ok();
        Ok(proved.then(|| blob.proof()))
    }

    /// Proves the file that is there by its digest.
    fn proved(&self, id: BlobId) -> Result<Option<Proof>, Error> {
        self.proved_against(id, &[] as &[&[u8]])
    }
}

impl Objects for Tree {
    fn stat(&self, id: BlobId) -> Result<Option<Proof>, Error> {
        let path = self.layout.object(id);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then(|| Proof::of(&metadata))),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::io("look at", &path, 0, err)),
        }
    }

    fn open(&self, id: BlobId) -> Result<Option<Blob>, Error> {
        let path = self.layout.object(id);
        let failed = |err| Error::io("read", &path, 0, err);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(failed(err)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::Damaged { id, damage: Damage("it is no file") });
        }
        let stored = Stored::of(&file, metadata.len(), self.mappable).map_err(failed)?;
        Blob::new(id, stored, Proof::of(&metadata)).map(Some)
    }

    fn put(&self, parts: &[&[u8]]) -> Result<Pending, Error> {
        let (id, frames) = Self::framed(parts);
        self.pend(id, parts.iter().map(|part| part.len() as u64).sum(), &frames)
    }

    fn receive(&self, id: BlobId, stored: &[u8]) -> Result<Pending, Error> {
        let none = Proof { inode: 0, size: stored.len() as u64, mtime_ns: 0, ctime_ns: 0 };
        let blob = Blob::new(id, Stored::Held(stored.into()), none)?;
        blob.prove()?;
        self.pend(id, blob.len() as u64, &[stored])
    }

    fn settle(&self, batch: Vec<Pending>) -> Result<Vec<(BlobId, Proof)>, Error> {
        /// What the file must look like for its bytes to be the proved ones.
        enum Known {
            Inode(u64),
            Proof(Proof),
        }
        let mut known = Vec::with_capacity(batch.len());
        let (mut written, mut there) = (Vec::new(), Vec::new());
        for pending in batch {
            match pending.state {
                State::Written(file) => {
                    known.push((pending.id, Known::Inode(file.inode())));
                    written.push(file);
                }
                State::There(proof) => {
                    known.push((pending.id, Known::Proof(proof)));
                    there.push(self.layout.object(pending.id));
                }
                State::Held(stored) => {
                    let path = self.layout.object(pending.id);
                    let file = disk::write(&path, &[stored], Mode::Fixed)?;
                    known.push((pending.id, Known::Inode(file.inode())));
                    written.push(file);
                }
            }
        }
        let mut durable = *self.durable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = known.iter().any(|(id, _)| !durable[usize::from(id.0.0[0])]);
        let above: Vec<PathBuf> = new.then(|| self.layout.objects()).into_iter().collect();
        there.retain(|path| path.exists());
        disk::publish(written, &there, &above)?;
        for (id, _) in &known {
            durable[usize::from(id.0.0[0])] = true;
        }
        *self.durable.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = durable;
        let mut settled = Vec::with_capacity(known.len());
        for (id, known) in known {
            let now = self.stat(id)?;
            let same = match (&known, &now) {
                (Known::Inode(inode), Some(now)) => *inode == now.inode && cfg!(unix),
                (Known::Proof(proof), Some(now)) => proof == now,
                (_, None) => continue,
            };
            // Another process put the same value: its file is as good, once it is proved.
            let proof = if same { now } else { self.proved(id)? };
            settled.extend(proof.map(|proof| (id, proof)));
        }
        Ok(settled)
    }

    fn set_aside(&self, id: BlobId, bad: &Proof) -> Result<bool, Error> {
        if self.stat(id)?.as_ref() != Some(bad) {
            return Ok(false);
        }
        disk::set_aside(&self.layout.object(id), &self.layout.quarantine(), &id.to_string())
    }

    fn walk(&self, visit: &mut dyn FnMut(BlobId, u64)) -> Result<(), Error> {
        for folder in disk::entries(&self.layout.objects())? {
            let name = folder.file_name();
            let Some(name) = name.to_str().filter(|name| name.len() == 2) else { continue };
            for entry in disk::entries(&folder.path())? {
                let file = entry.file_name();
                let id = file.to_str().and_then(|file| layout::object_name(name, file));
                // What vanishes while we walk is not here.
                let (Some(id), Ok(metadata)) = (id, entry.metadata()) else { continue };
                if metadata.is_file() {
                    visit(id, metadata.len());
                }
            }
        }
        Ok(())
    }
}

impl Sweep for Tree {
    fn remove(&self, id: BlobId) -> Result<bool, Error> {
        disk::remove(&self.layout.object(id))
    }

    fn remove_strays(&self, before: SystemTime) -> Result<u64, Error> {
        fn below(folder: &Path, before: SystemTime, depth: usize) -> Result<u64, Error> {
            let mut removed = disk::remove_old(folder, before, disk::is_temporary)?;
            for entry in disk::entries(folder)? {
                if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    removed += below(&entry.path(), before, depth - 1)?;
                }
            }
            Ok(removed)
        }
        // objects/log/WRITER/NNNNNNNN is the deepest.
        let removed = below(&self.layout.objects(), before, 3)?;
        Ok(removed + disk::remove_old(&self.layout.quarantine(), before, |_| true)?)
    }
}

/// Returns the name that bytes have.
pub fn name(parts: &[&[u8]]) -> BlobId {
    match parts {
        [one] => BlobId(Digest::of(one)),
        _ => {
            let mut hasher = Hasher::new();
            parts.iter().for_each(|part| hasher.update(part));
            BlobId(hasher.finish())
        }
    }
}
