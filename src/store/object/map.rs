//! The bytes of a file that is read: in memory when small, else mapped.
#![expect(unsafe_code, reason = "maps files that are never modified")]

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;

/// Files up to this size are read: mapping costs three times what reading a small file does.
const MAPPED: u64 = 64 << 10;

/// Bytes as stored.
#[derive(Debug, Clone)]
pub enum Stored {
    /// Read into memory.
    Held(Arc<[u8]>),
    /// Mapped from a file.
    Mapped(Arc<Mmap>),
}

impl Stored {
    /// Takes the `len` bytes of a file; maps them when they are many and `mappable`.
    pub fn of(file: &File, len: u64, mappable: bool) -> io::Result<Self> {
        if mappable && len > MAPPED && cfg!(unix) {
            // SAFETY: files of a store are never modified and never written through a mapping, only
            // replaced and removed by name, which leaves what is mapped as it was. A program that
            // truncates one in place would break this (SIGBUS); files of other hosts are not mapped.
            let map = unsafe { Mmap::map(file)? };
            return Ok(Self::Mapped(Arc::new(map)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0).min(1 << 30));
        file.take(len).read_to_end(&mut bytes)?;
        Ok(Self::Held(bytes.into()))
    }
}

impl Deref for Stored {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Held(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}
