//! What can go wrong with a store elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store;

/// Why nothing, or no more, was fetched. What had arrived and was proved by then is kept.
#[derive(Debug, Error)]
pub enum Error {
    /// It sent something that is not what it says it is.
    #[error("`{peer}` sent what is not true: {what}: {reason}; nothing of it was kept")]
    Lied {
        /// Who.
        peer: String,
        /// What it was to be.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It sends nothing, or so little that nobody waits for the rest.
    #[error("`{peer}` is too slow: {what}: {reason}")]
    Slow {
        /// Who.
        peer: String,
        /// What was asked for.
        what: String,
        /// What was waited for.
        reason: String,
    },
    /// It does not answer, or ends in the middle.
    #[error("could not reach `{peer}`: {what}: {reason}")]
    Unreachable {
        /// Who.
        peer: String,
        /// What was asked for.
        what: String,
        /// What went wrong.
        reason: String,
    },
    /// It does not give what was asked for.
    #[error("`{peer}` refuses {what} with status {status}{}", advice(*status))]
    Refused {
        /// Who.
        peer: String,
        /// What was asked for.
        what: String,
        /// What it answers.
        status: u16,
    },
    /// It sends us elsewhere, where neither its token nor its trust belongs.
    #[error(
        "`{peer}` sends elsewhere for {what}, to `{to}`: name that address instead, if it is meant"
    )]
    Elsewhere {
        /// Who.
        peer: String,
        /// What was asked for.
        what: String,
        /// Where to.
        to: String,
    },
    /// It does not tell which segments it has.
    #[error(
        "`{peer}` neither is a `vox serve` nor lists its folder `log/`: \
         from it only objects can be had, by their ids"
    )]
    NoList {
        /// Who.
        peer: String,
    },
    /// An address that cannot be asked.
    #[error("`{address}` is no address of a store: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A folder in which nothing of a store lies.
    #[error("`{}` is no store: it has no folder `objects`", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a store elsewhere that cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This store.
    #[error(transparent)]
    Store(#[from] store::error::Error),
    /// A lock of this store that could not be taken.
    #[error("could not lock `{}`", path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be started, or panicked.
    #[error("a thread that fetches was lost")]
    Thread,
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Says whether the peer is at fault, and not this store or whoever asked to stop.
    pub fn is_of_peer(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Lock { .. } | Self::Thread | Self::Stopped)
    }
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
pub(in crate::peer) fn lock_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Lock { path, source }
}

/// What to do about an answer.
fn advice(status: u16) -> &'static str {
    match status {
        401 => ": it wants a token; put it into a file and name that as `token-file` of the peer",
        403 => ": the token does not allow it",
        429 | 503 => ": it has too much to do; try again later",
        _ => "",
    }
}
