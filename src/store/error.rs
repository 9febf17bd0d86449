//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::index::error::Error as IndexError;
use crate::store::log::error::Error as LogError;
use crate::store::object::error::Error as ObjectError;

/// Why a store could not be opened, read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// An object or a file.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
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
    /// A store found upwards belongs to another user, who could have planted it.
    #[error(
        "the store `{}` belongs to another user; name it with `--store` or in `safe_stores` to use it",
        path.display()
    )]
    Foreign {
        /// The store.
        path: PathBuf,
    },
    /// A store of another format.
    #[error("the store `{}` has format {found}, this program reads format 1", path.display())]
    Version {
        /// Its `vox-store.toml`.
        path: PathBuf,
        /// What the file says.
        found: String,
    },
    /// A file of settings that cannot be read.
    #[error("`{}` is damaged: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that is no store lies where one should be.
    #[error("`{}` is no store: it holds files, but no `vox-store.toml` and no `objects`", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// There is no store, and no place to make one.
    #[error("found no place for a store; name one with `--store` or `VOX_STORE`")]
    NoPlace,
    /// The store was opened for reading, or cannot be written.
    #[error("the store `{}` is read-only", path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// The writer has ended, so that nothing more is stored.
    #[error("the store's writer has ended")]
    Ended,
}

impl Error {
    /// Returns how many bytes found no room, when a full disk is the reason.
    pub fn needed(&self) -> Option<u64> {
        match self {
            Self::Object(ObjectError::Full { needed, .. })
            | Self::Log(LogError::Object(ObjectError::Full { needed, .. })) => Some(*needed),
            Self::Index(IndexError::Sql { source, .. })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
            {
                Some(0)
            }
            Self::Io { source, .. } | Self::Index(IndexError::Io { source, .. })
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                Some(0)
            }
            _ => None,
        }
    }
}

/// Says what was tried with which file, for `map_err`.
pub(in crate::store) fn io_error(
    verb: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { verb, path, source }
}
