//! What a file looked like when its bytes were proved.

use std::fs::Metadata;

/// Inode, size and times of a file at the moment its bytes were proved.
///
/// While fstat of an opened descriptor gives the same, the bytes need no second proof: a rename
/// changes ctime, so swapped, restored and overwritten files differ. The device is left out, as its
/// number changes at a reboot on some file systems.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Proof {
    /// The inode.
    pub inode: u64,
    /// Bytes of the file, that is, as stored.
    pub size: u64,
    /// Last modification, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of the inode, nanoseconds since 1970.
    pub ctime_ns: i64,
}

impl Proof {
    /// Takes what fstat said.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Takes what the system said; there is no inode and no ctime here.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let since = |time: std::io::Result<std::time::SystemTime>| {
            time.ok()
                .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_nanos()).ok())
                .unwrap_or(0)
        };
        Self {
            inode: 0,
            size: metadata.len(),
            mtime_ns: since(metadata.modified()),
            ctime_ns: since(metadata.created()),
        }
    }
}
