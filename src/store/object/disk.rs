//! Files and folders, changed so that a crash leaves the old or the new.
//!
//! A file appears whole: a dot-temporary in its final folder is filled, synced, renamed, and the
//! folder synced. A reader sees all of it or nothing, and a crash leaves at most a stray. The last
//! sync is not decoration: without it the *name* may be lost though the bytes are safe (fsync(2)).
//! In the final folder, because a rename into another one changes the file's handle on NFS. Each
//! change passes through [`fault::effect`]; beside this room only locks, claims and live runs change
//! files, and these hold nothing that must last.
//!
//! In a simulated power cut "rename, then commit" lost 300 of 300 results as visible files of no
//! bytes; this order lost none.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use crate::store::fault::{self, Effect};
use crate::store::object::error::Error;
use crate::store::object::layout::TEMPORARY;
use crate::store::object::proof::Proof;
use crate::store::object::system;
use crate::store::share;

/// Syncs that wait beside each other: 16 took 110 us each where one alone took 764.
const AT_ONCE: usize = 16;
/// Above this many files one sync of the file system is quicker than one of each.
const MANY: usize = 64;
/// Temporaries of at least this many bytes stay open until they are synced; a batch has few.
const KEPT_OPEN: u64 = 1 << 20;
/// Files of at least this many bytes get their room before they are written.
const RESERVED: u64 = 1 << 16;
/// For files of at least this many bytes it is asked how much room there is.
const ASKED: u64 = 1 << 20;

/// Who may write a file once it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Nobody: objects and segments.
    Fixed,
    /// Its owner: what is replaced now and then.
    Owned,
}

/// A filled dot-temporary that waits for its name; dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    path: Held,
    target: PathBuf,
    len: u64,
    inode: u64,
    open: Option<File>,
}

impl Temporary {
    /// Returns the inode, which the rename keeps.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Returns the path that it will have.
    pub fn target(&self) -> &Path {
        &self.target
    }
}

/// The path of a file that goes when this is dropped, unless it got its name.
#[derive(Debug)]
struct Held(Option<PathBuf>);

impl Held {
    fn path(&self) -> &Path {
        self.0.as_deref().expect("it is taken when the file gets its name, and dropped then")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What stays is a stray, and goes with these.
            remove(&path).ok();
        }
    }
}

/// Fills a dot-temporary beside `target`, whose folder is made if it is missing.
pub fn write(target: &Path, parts: &[impl AsRef<[u8]>], mode: Mode) -> Result<Temporary, Error> {
    let folder = folder_of(target);
    let len: u64 = parts.iter().map(|part| part.as_ref().len() as u64).sum();
    let failed = |err| Error::io("write", target, len, err);
    let (path, mut file) = match begin(folder, mode) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            share::create(folder).map_err(|err| Error::io("create", folder, len, err))?;
            begin(folder, mode).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    reserve(path.path(), &file, len).map_err(failed)?;
    let mut at = 0;
    for part in parts {
        let part = part.as_ref();
        fault::effect(Effect::Write(path.path(), at, part), || file.write_all(part))
            .map_err(failed)?;
        at += part.len() as u64;
    }
    let inode = Proof::of(&file.metadata().map_err(failed)?).inode;
    let open = (len >= KEPT_OPEN).then_some(file);
    Ok(Temporary { path, target: target.to_owned(), len, inode, open })
}

fn begin(folder: &Path, mode: Mode) -> io::Result<(Held, File)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let (alone, shared) = match mode {
        Mode::Fixed => (0o444, 0o444),
        Mode::Owned => (0o644, share::OWNED),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(alone);
    let made = tempfile::Builder::new()
        .prefix(".tmp-")
        .make_in(folder, |path| fault::effect(Effect::Create(path), || options.open(path)))?;
    let (file, path) = made.into_parts();
    let held = Held(Some(path.keep().map_err(|err| err.error)?));
    share::settle(folder, &file, shared)?;
    Ok((held, file))
}

/// Takes the room for a file, so that a full disk is known before, and the file lies in one piece.
///
/// A large one asks first what there is: an attempt that fails halfway would take the last room from
/// the log and the index of everybody else.
fn reserve(path: &Path, file: &File, len: u64) -> io::Result<()> {
    if len >= ASKED && fs2::available_space(folder_of(path)).is_ok_and(|free| free < len) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    #[cfg(target_os = "linux")]
    if len >= RESERVED {
        use rustix::io::Errno;
        let none = rustix::fs::FallocateFlags::empty();
        return fault::effect(Effect::Reserve(path, len), || {
            match rustix::fs::fallocate(file, none, 0, len) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) | Ok(()) => Ok(()),
                Err(err) => Err(err.into()),
            }
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (path, file, len, RESERVED);
    Ok(())
}

/// Gives a batch of temporaries their names, durably.
///
/// `there` are files that have their names already and must be durable with the batch; `above` are
/// folders whose entries for the files' folders must be durable too. What of `there` is not here is
/// no error.
pub fn publish(batch: Vec<Temporary>, there: &[PathBuf], above: &[PathBuf]) -> Result<(), Error> {
    sync_data(&batch, there)?;
    let mut folders: Vec<PathBuf> = above.to_vec();
    folders.extend(batch.iter().map(|file| folder_of(&file.target).to_owned()));
    folders.extend(there.iter().map(|path| folder_of(path).to_owned()));
    folders.sort();
    folders.dedup();
    for mut file in batch {
        // A file that is replaced may be read-only, and on Windows open: the rename says so.
        rename(file.path.path(), &file.target)
            .map_err(|err| Error::io("rename", &file.target, 0, err))?;
        file.path.0 = None;
    }
    at_once(&folders, |folder| sync_folder(folder))
}

#[expect(clippy::disallowed_methods, reason = "this is the room that renames")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::effect(Effect::Rename(from, to), || fs::rename(from, to))
}

fn sync_data(batch: &[Temporary], there: &[PathBuf]) -> Result<(), Error> {
    if batch.len() + there.len() > MANY && system::is_little_dirty() {
        let path = batch.first().map(|file| &*file.target).or(there.first().map(|path| &**path));
        let folder = folder_of(path.expect("the batch is not empty"));
        let failed = |err| Error::io("sync", folder, 0, err);
        let file = File::open(folder).map_err(failed)?;
        return fault::effect(Effect::SyncAll(folder), || system::sync_whole(&file))
            .map_err(failed);
    }
    let written = batch.iter().map(|file| (file.path.path(), file.open.as_ref(), file.len));
    let there = there.iter().map(|path| (&**path, None, 0));
    let files: Vec<(&Path, Option<&File>, u64)> = written.chain(there).collect();
    at_once(&files, |(path, open, len)| {
        let reopened;
        let file = match open {
            Some(file) => file,
            None => match File::open(path) {
                Ok(file) => {
                    reopened = file;
                    &reopened
                }
                Err(err) if err.kind() == io::ErrorKind::NotFound && *len == 0 => return Ok(()),
                Err(err) => return Err(Error::io("sync", path, *len, err)),
            },
        };
        fault::effect(Effect::Sync(path), || file.sync_data())
            .map_err(|err| Error::io("sync", path, *len, err))
    })
}

/// Makes the entries of a folder durable. Windows has no such call.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    if cfg!(windows) {
        return Ok(());
    }
    // The current folder has no name in a path that is relative to it.
    let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let sync = || File::open(named).and_then(|file| file.sync_all());
    fault::effect(Effect::SyncFolder(folder), sync).map_err(|err| Error::io("sync", folder, 0, err))
}

/// Calls `each` for all items on a few threads of its own: they wait for the disk, and must not
/// keep the threads that compute.
fn at_once<T: Sync>(
    items: &[T],
    each: impl Fn(&T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    if items.len() <= 1 {
        return items.iter().try_for_each(each);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            each(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(items.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Makes `path` hold these bytes, durably, or leaves it as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = write(path, &[bytes], Mode::Owned)?;
    publish(vec![file], &[], &[])
}

/// Makes a folder and those above it, durably; one that is there is made durable.
///
/// The entries of all folders from `root` down are synced, also of those that were there: who made
/// them may have died before its own sync.
pub fn make_folder(root: &Path, folder: &Path) -> Result<(), Error> {
    share::create(folder).map_err(|err| Error::io("create", folder, 0, err))?;
    let mut above: Vec<&Path> =
        folder.ancestors().skip(1).take_while(|path| path.starts_with(root)).collect();
    above.reverse();
    above.into_iter().try_for_each(sync_folder)
}

/// Makes the folder of a store and those above it that are missing, all with durable entries.
pub fn make_root(root: &Path) -> Result<(), Error> {
    let was_there = root.is_dir();
    let is_there = |path: &&Path| path.as_os_str().is_empty() || path.is_dir();
    let there = root.ancestors().skip(1).find(is_there);
    share::create(root).map_err(|err| Error::io("create", root, 0, err))?;
    for above in root.ancestors().skip(1) {
        match sync_folder(above) {
            // What lies above may be somebody else's, who lets nobody open it.
            Err(_) if was_there || Some(above) == there => {}
            done => done?,
        }
        if Some(above) == there {
            break;
        }
    }
    Ok(())
}

/// Removes a file; says whether it was there.
pub fn remove(path: &Path) -> Result<bool, Error> {
    match fault::effect(Effect::Remove(path), || fs::remove_file(path)) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(Error::io("remove", path, 0, err)),
    }
}

/// Removes a plain file; returns the bytes that it took on the disk, none if there was no such file.
///
/// A link, folder or device of that name is not what the caller means, and stays.
pub fn remove_plain(path: &Path) -> Result<Option<u64>, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(remove(path)?.then(|| allocated(&metadata))),
        Ok(_) => Ok(None),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(Error::io("look at", path, 0, err)),
    }
}

/// Returns the bytes that a file or folder takes on the disk.
pub fn allocated(metadata: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        metadata.blocks() * 512
    }
    #[cfg(not(unix))]
    metadata.len()
}

/// Says whether a path leads to a folder itself, not to a link to one.
pub fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Moves a file into a folder, out of the way; says whether it was there.
pub fn set_aside(path: &Path, folder: &Path, name: &str) -> Result<bool, Error> {
    share::create(folder).map_err(|err| Error::io("create", folder, 0, err))?;
    match rename(path, &folder.join(name)) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        // `local/` may lie on another disk: what cannot be kept for inspection goes.
        Err(err) if err.kind() == io::ErrorKind::CrossesDevices => remove(path),
        Err(err) => Err(Error::io("move", path, 0, err)),
    }
}

/// Removes the files of a folder that were last modified before a time and whose names `chosen`
/// accepts; says how many.
pub fn remove_old(
    folder: &Path,
    before: SystemTime,
    chosen: impl Fn(&OsStr) -> bool,
) -> Result<u64, Error> {
    let mut removed = 0;
    for entry in entries(folder)? {
        let Ok(metadata) = entry.metadata() else { continue };
        let old = metadata.modified().is_ok_and(|time| time < before);
        if metadata.is_file() && old && chosen(&entry.file_name()) {
            removed += u64::from(remove(&entry.path())?);
        }
    }
    Ok(removed)
}

/// Returns what a folder holds, in the order of names; nothing if it is not there.
pub fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    let failed = |err| Error::io("list", folder, 0, err);
    let list = match fs::read_dir(folder) {
        Ok(list) => list,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(failed(err)),
    };
    let mut list = list.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    // Cached: a name is a string of its own each time it is asked for.
    list.sort_by_cached_key(fs::DirEntry::file_name);
    Ok(list)
}

/// Says whether a name is one of a file that is not finished, or of another program's such.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().expect("a published file lies in a folder")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_stays_writable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("writer");
        for text in ["one", "the other"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(!fs::metadata(&path).unwrap().permissions().readonly());
        assert_eq!(entries(path.parent().unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn a_temporary_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let temporary = write(&path, &[b"a", b"b"], Mode::Fixed).unwrap();
        assert_eq!(temporary.target(), path);
        assert_eq!(entries(folder.path()).unwrap().len(), 1);
        drop(temporary);
        assert!(entries(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn many_files_are_published_with_those_that_were_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(format!("{}", at % 7)).join(format!("{at}"));
        for count in [1, 2, 30, 3 * MANY] {
            let batch =
                (0..count).map(|at| write(&path(at), &[at.to_string()], Mode::Fixed).unwrap());
            let there = [path(0), folder.path().join("absent").join("file")];
            publish(batch.collect(), &there[..usize::from(count > 30)], &[]).unwrap();
            for at in 0..count {
                assert_eq!(fs::read_to_string(path(at)).unwrap(), at.to_string());
            }
        }
    }

    #[test]
    fn absence_is_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(!remove(&path).unwrap());
        assert!(!set_aside(&path, &folder.path().join("aside"), "file").unwrap());
        assert!(entries(&path).unwrap().is_empty());
        fs::write(&path, b"").unwrap();
        assert!(set_aside(&path, &folder.path().join("aside"), "file").unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_refusal_names_the_file_and_a_full_disk_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"").unwrap();
        let err = write(&path.join("below"), &[b"x"], Mode::Fixed).unwrap_err();
        assert!(err.to_string().contains("below"), "{err}");
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Error::io("write", &path, 77, full), Error::Full { needed: 77, .. }));
    }
}
