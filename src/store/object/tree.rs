//! Objects as files below `objects/ab/`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use crate::id::{BlobId, Digest};
use crate::store::object::blob::Blob;
use crate::store::object::disk::{self, Mode};
use crate::store::object::error::Error;
use crate::store::object::frame::{self, Damage};
use crate::store::object::layout::{self, Layout};
use crate::store::object::map::Stored;
use crate::store::object::objects::{Objects, Pending, State, Sweep, name};
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
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len <= frame::RAW {
            return (name(parts), frame::compress(parts));
        }
        rayon::join(|| name(parts), || frame::compress(parts))
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
            let Some(name) = name.to_str().filter(|name| is_fan(name)) else { continue };
            // What a link leads to is not the store's own.
            if !disk::is_folder(&folder.path()) {
                continue;
            }
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
    fn remove(&self, id: BlobId) -> Result<Option<u64>, Error> {
        if !disk::is_folder(&self.layout.object_folder(id)) {
            return Ok(None);
        }
        disk::remove_plain(&self.layout.object(id))
    }

    fn remove_strays(&self, before: SystemTime) -> Result<u64, Error> {
        let mut folders = vec![self.layout.objects(), self.layout.log()];
        for folder in disk::entries(&self.layout.objects())? {
            folders.extend(
                folder.file_name().to_str().filter(|name| is_fan(name)).map(|_| folder.path()),
            );
        }
        for writer in disk::entries(&self.layout.log())? {
            if writer.file_name().to_str().and_then(layout::WriterId::parse).is_some()
                && disk::is_folder(&writer.path())
            {
                folders.push(writer.path());
                for folder in disk::entries(&writer.path())? {
                    let name = folder.file_name();
                    let is_ours = name.to_str().and_then(layout::segment_folder_name).is_some();
                    folders.extend(is_ours.then(|| folder.path()));
                }
            }
        }
        let mut removed = 0;
        for folder in folders.iter().filter(|folder| disk::is_folder(folder)) {
            removed += disk::remove_old(folder, before, disk::is_temporary)?;
        }
        if disk::is_folder(&self.layout.quarantine()) {
            let is_object = |name: &OsStr| name.to_str().and_then(Digest::parse).is_some();
            removed += disk::remove_old(&self.layout.quarantine(), before, is_object)?;
        }
        Ok(removed)
    }
}

/// Says whether a folder of objects has this name.
fn is_fan(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn new() -> (tempfile::TempDir, Layout, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let tree = Tree::new(&layout);
        (folder, layout, tree)
    }

    fn stored(tree: &Tree, bytes: &[u8]) -> (BlobId, Proof) {
        let pending = tree.put(&[bytes]).unwrap();
        tree.settle(vec![pending]).unwrap()[0]
    }

    fn overwrite(path: &Path, bytes: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn an_object_is_a_read_only_file_and_no_stray_is_left() {
        let (_folder, layout, tree) = new();
        let (id, _) = stored(&tree, b"hello");
        let path = layout.object(id);
        assert!(fs::metadata(&path).unwrap().permissions().readonly());
        assert_eq!(zstd::stream::decode_all(File::open(&path).unwrap()).unwrap(), b"hello");
        assert_eq!(disk::entries(path.parent().unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn an_object_that_is_there_is_not_written_again() {
        let (_folder, _layout, tree) = new();
        let (id, proof) = stored(&tree, b"hello");
        let pending = tree.put(&[b"hello"]).unwrap();
        assert!(pending.was_there());
        assert_eq!(tree.settle(vec![pending]).unwrap(), [(id, proof)]);
    }

    #[test]
    fn an_object_of_another_encoder_is_not_written_again() {
        let (_folder, layout, tree) = new();
        let (id, _) = stored(&tree, &[7; 5000]);
        let mut other = zstd::bulk::Compressor::new(19).unwrap();
        other.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
        overwrite(&layout.object(id), &other.compress(&[7; 5000]).unwrap());
        let proof = tree.stat(id).unwrap().unwrap();
        let pending = tree.put(&[&[7; 5000]]).unwrap();
        assert!(pending.was_there());
        assert_eq!(tree.settle(vec![pending]).unwrap(), [(id, proof)]);
    }

    #[test]
    fn a_damaged_object_is_told_and_replaced() {
        let (_folder, layout, tree) = new();
        let bytes: Vec<u8> = (0..2000u32).flat_map(u32::to_le_bytes).collect();
        let (id, _) = stored(&tree, &bytes);
        let path = layout.object(id);
        let good = fs::read(&path).unwrap();
        let another = frame::compress(&[b"another value"]).concat();
        let cut = good[..good.len() / 2].to_vec();
        let longer = [&*good, b"\0"].concat();
        for bad in [another, cut, longer, Vec::new(), good.repeat(2), b"text".to_vec()] {
            overwrite(&path, &bad);
            let told = match tree.open(id) {
                Ok(blob) => blob.unwrap().prove().unwrap_err(),
                Err(err) => err,
            };
            assert!(told.is_damage());
            assert!(tree.has(id).unwrap());
            let pending = tree.put(&[&bytes]).unwrap();
            assert!(!pending.was_there());
            assert_eq!(tree.settle(vec![pending]).unwrap().len(), 1);
            tree.open(id).unwrap().unwrap().prove().unwrap();
        }
    }

    #[test]
    fn no_flipped_bit_of_a_small_object_gives_other_bytes() {
        let (_folder, layout, tree) = new();
        let value = b"a value, a value, a value, and another";
        let (id, _) = stored(&tree, value);
        let path = layout.object(id);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                overwrite(&path, &bad);
                match tree.open(id).and_then(|blob| blob.unwrap().prefix(100)) {
                    Ok(bytes) => assert_eq!(bytes, value, "byte {at}"),
                    Err(err) => assert!(err.is_damage(), "byte {at}"),
                }
            }
        }
    }

    #[test]
    fn what_vanished_before_it_was_settled_is_left_out() {
        let (_folder, _layout, tree) = new();
        let (id, _) = stored(&tree, b"hello");
        let pending = tree.put(&[b"hello"]).unwrap();
        assert!(pending.was_there());
        tree.remove(id).unwrap();
        let other = tree.put(&[b"other"]).unwrap();
        let settled = tree.settle(vec![pending, other]).unwrap();
        assert_eq!(settled.len(), 1);
        assert_ne!(settled[0].0, id);
    }

    #[test]
    fn what_was_replaced_before_it_was_settled_is_proved_again() {
        let (_folder, layout, tree) = new();
        let (id, _) = stored(&tree, b"hello");
        let good = fs::read(layout.object(id)).unwrap();
        let pending = tree.put(&[b"hello"]).unwrap();
        overwrite(&layout.object(id), &good);
        assert_eq!(tree.settle(vec![pending]).unwrap().len(), 1);
        let pending = tree.put(&[b"hello"]).unwrap();
        assert!(pending.was_there());
        overwrite(&layout.object(id), b"rubbish");
        assert!(tree.settle(vec![pending]).unwrap().is_empty());
    }

    #[test]
    fn a_batch_of_many_is_settled_with_what_was_there() {
        let (_folder, _layout, tree) = new();
        let old: Vec<_> = (0..40u32).map(|at| stored(&tree, &at.to_le_bytes())).collect();
        let batch: Vec<Pending> =
            (0..200u32).map(|at| tree.put(&[&at.to_le_bytes()]).unwrap()).collect();
        let settled = tree.settle(batch).unwrap();
        assert_eq!(settled.len(), 200);
        assert_eq!(settled[..40], old);
    }

    #[test]
    fn only_old_strays_are_removed() {
        let (_folder, layout, tree) = new();
        let (id, _) = stored(&tree, b"hello");
        let writer = layout.writer_log(layout::WriterId([7; 16]));
        let log = writer.join("00000000");
        fs::create_dir_all(&log).unwrap();
        fs::write(log.join(".tmp-x"), b"").unwrap();
        // What is not the store's own stays, and so does what a link leads to.
        let elsewhere = tempfile::tempdir().unwrap();
        let others = layout.objects().join("notes");
        let kept = [others.join(".tmp-z"), elsewhere.path().join(".tmp-z")];
        fs::create_dir_all(&others).unwrap();
        fs::create_dir_all(layout.quarantine()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), layout.objects().join("00")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), writer.join("00000001")).unwrap();
        kept.iter().for_each(|path| fs::write(path, b"").unwrap());
        fs::write(layout.quarantine().join("mine"), b"").unwrap();
        fs::write(layout.object_folder(id).join(".tmp-y"), b"").unwrap();
        let bad = tree.stat(id).unwrap().unwrap();
        assert!(tree.set_aside(id, &bad).unwrap());
        let (id, _) = stored(&tree, b"hello");
        let (past, future) = (Duration::from_secs(86400), Duration::from_secs(60));
        assert_eq!(tree.remove_strays(SystemTime::now() - past).unwrap(), 0);
        assert_eq!(tree.remove_strays(SystemTime::now() + future).unwrap(), 3);
        assert!(tree.has(id).unwrap());
        assert!(kept.iter().all(|path| path.exists()));
        assert!(layout.quarantine().join("mine").exists());
    }

    #[test]
    fn only_plain_files_of_the_store_are_removed() {
        let (_folder, layout, tree) = new();
        let elsewhere = tempfile::tempdir().unwrap();
        let (id, _) = stored(&tree, b"hello");
        let mine = elsewhere.path().join("mine");
        fs::write(&mine, b"mine").unwrap();
        overwrite(&layout.object(id), b"");
        fs::remove_file(layout.object(id)).unwrap();
        // A link with the name of an object, and a folder of objects that is a link.
        std::os::unix::fs::symlink(&mine, layout.object(id)).unwrap();
        assert_eq!(tree.remove(id).unwrap(), None);
        let other = BlobId(Digest::of(b"other"));
        std::os::unix::fs::symlink(elsewhere.path(), layout.object_folder(other)).unwrap();
        fs::write(layout.object(other), b"mine").unwrap();
        assert_eq!(tree.remove(other).unwrap(), None);
        tree.walk(&mut |found, _| panic!("{found} is not the store's")).unwrap();
        assert!(mine.exists() && layout.object(other).exists());
    }

    #[test]
    fn names_that_are_none_are_not_walked() {
        let (_folder, layout, tree) = new();
        let (id, _) = stored(&tree, b"hello");
        let folder = layout.object_folder(id);
        fs::write(folder.join("notes"), b"").unwrap();
        fs::write(folder.join(format!(".{}.x", &id.to_string()[2..])), b"").unwrap();
        fs::create_dir_all(layout.log()).unwrap();
        let mut seen = Vec::new();
        tree.walk(&mut |id, _| seen.push(id)).unwrap();
        assert_eq!(seen, [id]);
    }
}
