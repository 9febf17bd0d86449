//! What can go wrong with objects and files.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::id::BlobId;
use crate::store::object::frame::Damage;

/// Why an object could not be had, or a file not be written.
#[derive(Debug, Error)]
pub enum Error {
    /// The system refused.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk, or the user's share of it, is full.
    #[error(
        "the disk is full: {needed} bytes are needed for `{}`{}",
        path.display(),
        free.map_or(String::new(), |free| format!(", {free} are free"))
    )]
    Full {
        /// How many bytes were to be written.
        needed: u64,
        /// Into which file or folder.
        path: PathBuf,
        /// How many there are, as far as the system says.
        free: Option<u64>,
    },
    /// The object's file does not hold what its name promises.
    #[error("object {id} is damaged: {damage}")]
    Damaged {
        /// The object.
        id: BlobId,
        /// What is wrong with its bytes.
        damage: Damage,
    },
}

impl Error {
    /// Wraps what the system said; a full disk becomes [`Error::Full`].
    pub fn io(verb: &'static str, path: &Path, needed: u64, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let free = path.ancestors().find_map(|path| fs2::available_space(path).ok());
                Self::Full { needed, path, free }
            }
            _ => Self::Io { verb, path, source },
        }
    }

    /// Says whether bytes are wrong, so that the file belongs in quarantine.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}
