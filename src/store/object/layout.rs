//! Where everything of a store lies, and which names are names of what.
//!
//! ```text
//! STORE/
//!   vox-store.toml
//!   network                      left by who writes over a network file system
//!   objects/
//!     ab/cdef…                   one value
//!     log/WRITER/NNNNNNNN/FIRST-LAST-DIGEST16.seg
//!   local/
//!     index.sqlite  writer  gc.want  gc.lock  log.lock  claims/  runs/  quarantine/
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use crate::id::{BlobId, Digest, NodeId};

/// How many sequence numbers share a folder of segments.
const FOLDER: u64 = 65536;
/// Files below `objects/` whose name begins so are not finished.
pub const TEMPORARY: &str = ".";

/// The paths of one store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    local: PathBuf,
}

/// Who wrote a log: 16 random bytes, one for each store, host and path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub [u8; 16]);

/// The name of a segment's file: its sequence numbers, and the first bytes of its map's digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentName {
    /// Sequence number of the first record; they start at 1.
    pub first: u64,
    /// Sequence number of the last record.
    pub last: u64,
    /// The first eight bytes of the digest of the map.
    pub digest: [u8; 8],
}

impl Layout {
    /// Takes the store's own folder, with `local/` inside.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), local: root.join("local") }
    }

    /// Takes the store's own folder, and a state directory in the place of `local/`.
    pub fn with_local(root: &Path, local: &Path) -> Self {
        Self { root: root.to_owned(), local: local.to_owned() }
    }

    /// Returns the store's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the file that says which format this is.
    pub fn settings(&self) -> PathBuf {
        self.root.join("vox-store.toml")
    }

    /// Returns the file that says that others write over a network file system.
    pub fn network(&self) -> PathBuf {
        self.root.join("network")
    }

    /// Returns the tag that keeps backup programs away from a cache.
    pub fn cache_tag(&self) -> PathBuf {
        self.root.join("CACHEDIR.TAG")
    }

    /// Returns the folder of all that is shared.
    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// Returns the file of an object.
    pub fn object(&self, id: BlobId) -> PathBuf {
        let hex = id.0.hex();
        self.root.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Returns the folder of an object.
    pub fn object_folder(&self, id: BlobId) -> PathBuf {
        self.root.join("objects").join(&id.0.hex()[..2])
    }

    /// Returns the folder of all logs.
    pub fn log(&self) -> PathBuf {
        self.root.join("objects").join("log")
    }

    /// Returns the folder of one writer's log.
    pub fn writer_log(&self, writer: WriterId) -> PathBuf {
        self.log().join(writer.to_string())
    }

    /// Returns the folder of the segments that begin near `first`.
    pub fn segment_folder(&self, writer: WriterId, first: u64) -> PathBuf {
        self.writer_log(writer).join(format!("{:08}", first / FOLDER))
    }

    /// Returns the file of a segment.
    pub fn segment(&self, writer: WriterId, name: &SegmentName) -> PathBuf {
        self.segment_folder(writer, name.first).join(name.to_string())
    }

    /// Returns the folder of what is this host's and never copied.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// Returns the index.
    pub fn index(&self) -> PathBuf {
        self.local.join("index.sqlite")
    }

    /// Returns the file that names this host's writer.
    pub fn writer(&self) -> PathBuf {
        self.local.join("writer")
    }

    /// Returns the turnstile before the collector's lock.
    pub fn gc_want(&self) -> PathBuf {
        self.local.join("gc.want")
    }

    /// Returns the lock between collector and sealers.
    pub fn gc_lock(&self) -> PathBuf {
        self.local.join("gc.lock")
    }

    /// Returns the lock between sealers.
    pub fn log_lock(&self) -> PathBuf {
        self.local.join("log.lock")
    }

    /// Returns the folder of claims.
    pub fn claims(&self) -> PathBuf {
        self.local.join("claims")
    }

    /// Returns the lock of a node.
    pub fn claim(&self, node: NodeId) -> PathBuf {
        self.claims().join(format!("{node}.lock"))
    }

    /// Returns the file that says that somebody waits for a node.
    pub fn claim_wait(&self, node: NodeId) -> PathBuf {
        self.claims().join(format!("{node}.wait"))
    }

    /// Returns the folder of live runs.
    pub fn runs(&self) -> PathBuf {
        self.local.join("runs")
    }

    /// Returns the folder where bad objects are put aside.
    pub fn quarantine(&self) -> PathBuf {
        self.local.join("quarantine")
    }
}

/// Reads the name of an object from folder and file, or says `None`.
pub fn object_name(folder: &str, file: &str) -> Option<BlobId> {
    if folder.len() != 2 || file.len() != 62 {
        return None;
    }
    Digest::parse(&format!("{folder}{file}")).map(BlobId)
}

/// Reads the name of a folder of segments, or says `None`.
pub fn segment_folder_name(name: &str) -> Option<u64> {
    decimal(name, 8)
}

/// Reads a number of at least `width` digits that has no more leading zeros than it needs.
fn decimal(text: &str, width: usize) -> Option<u64> {
    if text.len() < width || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_padded = text.len() > width && text.starts_with('0');
    if is_padded { None } else { text.parse().ok() }
}

impl WriterId {
    /// Reads 32 lower-case hex digits, or says `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl SegmentName {
    /// Reads the name of a file, or says `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_suffix(".seg")?.split('-');
        let (first, last, digest) = (fields.next()?, fields.next()?, fields.next()?);
        let mut bytes = [0; 8];
        hex::decode_to_slice(digest, &mut bytes).ok()?;
        let name = Self { first: decimal(first, 12)?, last: decimal(last, 12)?, digest: bytes };
        let is_one_way = fields.next().is_none() && !digest.bytes().any(|b| b.is_ascii_uppercase());
        let sound = name.first >= 1 && name.first <= name.last && is_one_way;
        sound.then_some(name)
    }

    /// Returns the number of the folder that it lies in.
    pub fn folder(&self) -> u64 {
        self.first / FOLDER
    }

    /// Returns how many records the segment has.
    pub fn records(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}-{:012}-{}.seg", self.first, self.last, hex::encode(self.digest))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_lies_where_the_format_says() {
        let layout = Layout::new(Path::new("S"));
        let id = BlobId(Digest::of(b"hello\n"));
        let path = layout.object(id);
        assert_eq!(
            path,
            Path::new(
                "S/objects/58/91b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
            )
        );
        let file = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(object_name("58", file), Some(id));
        assert_eq!(object_name("58", &file.to_uppercase()), None);
        assert_eq!(object_name("lo", "g"), None);
        assert_eq!(object_name("58", &format!(".{file}")), None);
    }

    #[test]
    fn a_segment_lies_where_the_format_says() {
        let layout = Layout::new(Path::new("S"));
        let writer = WriterId(std::array::from_fn(|at| at as u8));
        let name = SegmentName {
            first: 65536,
            last: 65537,
            digest: [0xc1, 0xa3, 0x96, 0xb2, 0x33, 0xc9, 0x1d, 0xb2],
        };
        assert_eq!(
            layout.segment(writer, &name),
            Path::new(
                "S/objects/log/000102030405060708090a0b0c0d0e0f/00000001/000000065536-000000065537-c1a396b233c91db2.seg"
            )
        );
        assert_eq!(segment_folder_name("00000001"), Some(1));
        assert_eq!(segment_folder_name("0000001"), None);
        assert_eq!(segment_folder_name("000000001"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "000000000001-000000000001-c1a396b233c91db2",
            "000000000001-000000000001-C1A396B233C91DB2.seg",
            "000000000001-000000000000-c1a396b233c91db2.seg",
            "000000000000-000000000000-c1a396b233c91db2.seg",
            "0000000000001-000000000001-c1a396b233c91db2.seg",
            "00000000001-000000000001-c1a396b233c91db2.seg",
            "000000000001-000000000001-c1a396b233c91db2-1.seg",
            "+00000000001-000000000001-c1a396b233c91db2.seg",
            ".tmp-000000000001-000000000001-c1a396b233c91db2.seg",
        ] {
            assert_eq!(SegmentName::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_as_written(first in 1u64..u64::MAX / 2, more in 0u64..1 << 40, digest: [u8; 8], writer: [u8; 16]) {
            let name = SegmentName { first, last: first + more, digest };
            prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
            prop_assert_eq!(WriterId::parse(&WriterId(writer).to_string()), Some(WriterId(writer)));
        }
    }
}
