//! The record of effects that `src/store/fault.rs` writes, with acknowledgements among them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use vox::id::Digest;

/// Something that happened, in the order in which it did.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    Folder(PathBuf),
    Create(PathBuf),
    Reserve(PathBuf, u64),
    Write(PathBuf, u64, Vec<u8>),
    Resize(PathBuf, u64),
    Sync(PathBuf),
    SyncFolder(PathBuf),
    SyncAll(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// The process said that this is stored.
    Told(Digest),
}

impl Step {
    /// Does it only make durable what was done before?
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncFolder(_) | Self::SyncAll(_))
    }
}

/// Writes down that something was acknowledged, behind all effects so far.
pub(crate) fn tell(record: &Path, id: Digest) {
    let mut file = OpenOptions::new().create(true).append(true).open(record).unwrap();
    file.write_all(format!("told\t{}\t\t0\t0\n", id.hex()).as_bytes()).unwrap();
}

/// Reads a record.
pub(crate) fn read(path: &Path) -> Vec<Step> {
    let bytes = fs::read(path).unwrap_or_default();
    let mut rest = &bytes[..];
    let mut steps = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, path, other, number, len] = fields[..] else { panic!("no effect: {line}") };
        let len: usize = len.parse().unwrap();
        let number: u64 = number.parse().unwrap();
        let body = rest[end + 1..][..len].to_vec();
        rest = &rest[end + 1 + len..];
        let at = PathBuf::from(path);
        steps.push(match kind {
            "folder" => Step::Folder(at),
            "create" => Step::Create(at),
            "reserve" => Step::Reserve(at, number),
            "write" => Step::Write(at, number, body),
            "resize" => Step::Resize(at, number),
            "sync" => Step::Sync(at),
            "sync-folder" => Step::SyncFolder(at),
            "sync-all" => Step::SyncAll(at),
            "rename" => Step::Rename(at, other.into()),
            "remove" => Step::Remove(at),
            "told" => Step::Told(Digest::parse(path).unwrap()),
            _ => panic!("no effect: {line}"),
        });
    }
    assert!(rest.is_empty(), "a torn record");
    steps
}
