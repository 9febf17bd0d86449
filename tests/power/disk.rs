//! A disk that keeps what was synced, and of the rest what a cut happens to leave.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::record::Step;

/// What a cut leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Left {
    /// Nothing: names and bytes are those of the last sync.
    Nothing,
    /// All names; files have the bytes of their last sync, or none.
    Names,
    /// All names, and half of the bytes.
    Torn,
    /// By this seed, some names and some bytes, each for itself.
    Some(u64),
}

type Id = usize;

/// Folders, and files with their bytes.
pub(crate) type Found = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Inode {
    File { now: Vec<u8>, synced: Vec<u8> },
    Folder { now: BTreeMap<OsString, Id>, synced: BTreeMap<OsString, Id> },
}

/// The disk; the folder 0 stands for the one that was there before anything happened.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    inodes: Vec<Inode>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { inodes: vec![Inode::Folder { now: BTreeMap::new(), synced: BTreeMap::new() }] }
    }

    /// Has an effect. `root` is the folder that was there; what is not below it is left alone.
    pub(crate) fn take(&mut self, root: &Path, step: &Step) {
        match step {
            Step::Folder(path) => {
                let folder = Inode::Folder { now: BTreeMap::new(), synced: BTreeMap::new() };
                self.enter(root, path, folder);
            }
            Step::Create(path) => {
                self.enter(root, path, Inode::File { now: Vec::new(), synced: Vec::new() });
            }
            Step::Reserve(path, len) => {
                let now = self.bytes(root, path);
                let len = now.len().max(*len as usize);
                now.resize(len, 0);
            }
            Step::Write(path, at, bytes) => {
                let now = self.bytes(root, path);
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                let len = now.len().max(end);
                now.resize(len, 0);
                now[at..end].copy_from_slice(bytes);
            }
            Step::Resize(path, len) => self.bytes(root, path).resize(*len as usize, 0),
            Step::Sync(path) => {
                let id = self.find(root, path).unwrap();
                self.sync(id);
            }
            Step::SyncFolder(path) => {
                // One that lies above everything was there before.
                if path.starts_with(root) {
                    let id = self.find(root, path).unwrap();
                    self.sync(id);
                }
            }
            Step::SyncAll(_) => (0..self.inodes.len()).for_each(|id| self.sync(id)),
            Step::Rename(from, to) => {
                let id = self.leave(root, from);
                let (folder, name) = self.place(root, to);
                self.entries(folder).insert(name, id);
            }
            Step::Remove(path) => {
                self.leave(root, path);
            }
            Step::Told(_) => {}
        }
    }

    fn sync(&mut self, id: Id) {
        match &mut self.inodes[id] {
            Inode::File { now, synced } => synced.clone_from(now),
            Inode::Folder { now, synced } => synced.clone_from(now),
        }
    }

    fn find(&mut self, root: &Path, path: &Path) -> Option<Id> {
        let below = path.strip_prefix(root).expect("an effect below the folder that was there");
        let mut id = 0;
        for name in below {
            id = *self.entries(id).get(name)?;
        }
        Some(id)
    }

    fn place(&mut self, root: &Path, path: &Path) -> (Id, OsString) {
        let folder = self.find(root, path.parent().unwrap()).expect("the folder was made before");
        (folder, path.file_name().unwrap().to_owned())
    }

    fn enter(&mut self, root: &Path, path: &Path, inode: Inode) {
        let (folder, name) = self.place(root, path);
        let id = self.inodes.len();
        self.inodes.push(inode);
        self.entries(folder).insert(name, id);
    }

    fn leave(&mut self, root: &Path, path: &Path) -> Id {
        let (folder, name) = self.place(root, path);
        self.entries(folder).remove(&name).expect("it was there")
    }

    fn entries(&mut self, id: Id) -> &mut BTreeMap<OsString, Id> {
        match &mut self.inodes[id] {
            Inode::Folder { now, .. } => now,
            Inode::File { .. } => panic!("a file where a folder should be"),
        }
    }

    fn bytes(&mut self, root: &Path, path: &Path) -> &mut Vec<u8> {
        let id = self.find(root, path).expect("the file was made before");
        match &mut self.inodes[id] {
            Inode::File { now, .. } => now,
            Inode::Folder { .. } => panic!("a folder where a file should be"),
        }
    }

    /// Returns what is found after a cut: below the first folder, each file with its bytes.
    pub(crate) fn cut(&self, left: Left) -> Found {
        let mut found = BTreeMap::new();
        self.found(0, Path::new(""), left, &mut found);
        found
    }

    fn found(&self, id: Id, at: &Path, left: Left, found: &mut Found) {
        match &self.inodes[id] {
            Inode::File { now, synced } => {
                let torn = || {
                    let half = (now.len() / 2).max(synced.len().min(now.len()));
                    now[..half].to_vec()
                };
                let bytes = match left {
                    _ if now == synced => now.clone(),
                    Left::Nothing | Left::Names => synced.clone(),
                    Left::Torn => torn(),
                    Left::Some(seed) => match chance(seed, &(id, "bytes")) % 3 {
                        0 => synced.clone(),
                        1 => torn(),
                        _ => now.clone(),
                    },
                };
                found.insert(at.to_owned(), Some(bytes));
            }
            Inode::Folder { now, synced } => {
                found.insert(at.to_owned(), None);
                let names = now.keys().chain(synced.keys());
                let names: std::collections::BTreeSet<_> = names.collect();
                for name in names {
                    let (new, old) = (now.get(name), synced.get(name));
                    let entry = match left {
                        Left::Nothing => old,
                        Left::Names | Left::Torn => new,
                        Left::Some(seed) if chance(seed, &(id, name)) % 2 == 0 => old,
                        Left::Some(_) => new,
                    };
                    if let Some(entry) = entry {
                        self.found(*entry, &at.join(name), left, found);
                    }
                }
            }
        }
    }
}

/// Writes down what a cut left.
pub(crate) fn write(to: &Path, found: &Found) {
    for (path, bytes) in found {
        match bytes {
            None => fs::create_dir_all(to.join(path)).unwrap(),
            Some(bytes) => fs::write(to.join(path), bytes).unwrap(),
        }
    }
}

/// A number drawn by a seed for a thing.
fn chance(seed: u64, thing: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, thing).hash(&mut hasher);
    hasher.finish() >> 7
}
