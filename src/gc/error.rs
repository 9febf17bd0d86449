//! What can go wrong while removing.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store;

/// Why nothing, or no more, was removed.
#[derive(Debug, Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::error::Error),
    /// Somebody writes over a network file system, and locks do not reach him.
    #[error(
        "the store `{}` is also written over a network file system, where locks do not reach: \
         stop all runs on all hosts, then say `--alone`",
        path.display()
    )]
    Network {
        /// The store.
        path: PathBuf,
    },
    /// A lock that could not be taken.
    #[error("could not lock `{}`", path.display())]
    Lock {
        /// The folder that the locks are in.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Pins could not be written; what hangs on that was not done.
    #[error("could not write the pins: {0}")]
    Pins(String),
}

impl From<store::object::error::Error> for Error {
    fn from(error: store::object::error::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<store::log::error::Error> for Error {
    fn from(error: store::log::error::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Says which lock could not be taken, for `map_err`.
pub(in crate::gc) fn lock_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Lock { path, source }
}
