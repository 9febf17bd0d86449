//! What can go wrong with a library.

use std::convert::Infallible;
use std::sync::Arc;

use thiserror::Error;

use crate::canon;
use crate::id::{BadId, BlobId, NodeId};
use crate::store::error::Error as StoreError;
use crate::store::library::kind::BadKind;

/// Why a library did not do what it was asked to.
#[derive(Debug, Error)]
pub enum Error {
    /// The store below.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A text that is no key.
    #[error(transparent)]
    Key(#[from] BadId),
    /// A value above the limit.
    #[error("the value has {bytes} bytes, and this store takes at most {limit} a value")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have: see [`Options::most`](crate::store::library::handle::Options::most).
        limit: u64,
    },
    /// What lies under the key is not what was asked for.
    #[error("{key} is {found}, not {wanted}")]
    Kind {
        /// The key.
        key: BlobId,
        /// What it is.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A kind that cannot be registered, or was not.
    #[error(transparent)]
    BadKind(#[from] BadKind),
    /// What lies under the key is no value that vox wrote.
    #[error("{key} is no value")]
    Form {
        /// The key.
        key: BlobId,
        /// What is wrong with it.
        source: canon::Error,
    },
    /// A value that cannot be made of its tree.
    #[error("{key} cannot be read as `{kind}`: {reason}")]
    Read {
        /// The key.
        key: BlobId,
        /// The kind.
        kind: &'static str,
        /// What the kind said.
        reason: String,
    },
    /// A pin keeps the value.
    #[error("the pin `{pin}` keeps {key}; `vox unpin {pin}` lets go of it")]
    Pinned {
        /// The key.
        key: BlobId,
        /// The pin.
        pin: String,
    },
    /// Only a temporary store or one in memory is cleared.
    #[error(
        "only a temporary store or one in memory can be cleared; `vox gc` makes room in others"
    )]
    NotTemporary,
    /// The computation refused, here or earlier.
    #[error("{node} was refused: {code}")]
    Refused {
        /// The computation.
        node: NodeId,
        /// The word for the refusal.
        code: String,
    },
    /// Values that were handed over could not be stored.
    #[error("at least {count} values could not be stored")]
    Left {
        /// How many, or fewer than there were.
        count: u64,
        /// The first reason, when there is another than that what they mention has gone.
        source: Option<Arc<StoreError>>,
    },
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
