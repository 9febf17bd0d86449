//! Results in stores elsewhere, asked for before anything is computed.

use crate::id::{BlobId, NodeId};
use crate::store::error::Error;

/// Brings what others have into the store that a run reads.
///
/// For whoever implements one: a peer that fails is no error here; what it would have had is computed.
/// Only the own store fails. Several threads ask at once.
pub trait Elsewhere: Send + Sync {
    /// Brings what is recorded of some nodes; says whether the store knows more now.
    fn records(&self, nodes: &[NodeId]) -> Result<bool, Error>;

    /// Brings an object; says whether it is here now.
    fn object(&self, blob: BlobId) -> Result<bool, Error>;
}
