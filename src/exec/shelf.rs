//! The store, as far as a run needs it.

use std::sync::Arc;

use crate::id::{BlobId, Digest, NodeId};
use crate::primitive::refusal::Refusal;
use crate::store::claim::{Claim, Holder};
use crate::store::entry::Entry;
use crate::store::error::Error;
use crate::store::log::receipt;
use crate::value::data::Value;

/// What the store says of a node.
pub enum Looked {
    /// Nothing is recorded.
    Nothing,
    /// It ran before, and left no value.
    Recorded {
        /// What it took, in microseconds.
        us: u64,
    },
    /// Receipts differ: it is computed once more, to settle that.
    Conflict,
    /// A receipt stands.
    Answer(Box<Answer>),
}

/// What a receipt says.
#[derive(Clone)]
pub struct Answer {
    /// What came out.
    pub result: Result<receipt::Output, Refusal>,
    /// What it took, in microseconds.
    pub us: u64,
    /// Whether the value can be had.
    pub here: bool,
}

/// Whose turn it is to compute a node.
pub enum Turn {
    /// It was done meanwhile.
    Done(Box<Answer>),
    /// The caller's; there is no claim where nothing is stored.
    Yours(Option<Claim>),
    /// Somebody else's.
    Theirs(Holder),
}

/// Receipts and values.
///
/// For whoever implements one: `Ok(None)` means "not here". Nothing waits for another process.
pub trait Shelf: Send + Sync {
    /// Looks a node up, also among results that are still on their way to the disk.
    fn look(&self, node: NodeId) -> Result<Looked, Error>;

    /// Asks elsewhere for what is recorded of nodes, when there is an elsewhere; says whether more is
    /// known of them now.
    fn bring(&self, _nodes: &[NodeId]) -> Result<bool, Error> {
        Ok(false)
    }

    /// Says whether [`Shelf::bring`] may bring anything.
    fn reaches_out(&self) -> bool {
        false
    }

    /// Looks up an equal computation by its cut-off key.
    fn same(&self, cut: Digest) -> Result<Option<Answer>, Error>;

    /// Reads a value.
    fn load(&self, blob: BlobId) -> Result<Option<Value>, Error>;

    /// Decodes a small value that rode in a receipt; what it mentions may not be here.
    fn decode(&self, small: &[u8]) -> Result<Option<Value>, Error>;

    /// Tries to claim a node, and looks it up once more when nobody else holds it.
    fn claim(&self, node: NodeId, op: &str) -> Result<Turn, Error>;

    /// Says that nothing is asked for a while.
    fn rest(&self) -> Result<(), Error>;

    /// Leaves word that somebody waits for a node.
    fn want(&self, node: NodeId) -> Result<(), Error>;

    /// Begins a run with these goals: what they need is not evicted meanwhile.
    fn begin(&self, goals: Vec<(String, NodeId)>) -> Result<Box<dyn Session>, Error>;
}

/// What one run stores.
pub trait Session {
    /// Hands over a result; it is stored behind the computation.
    fn write(&mut self, entry: Entry) -> Result<(), Error>;

    /// Returns the nodes stored since it was last asked.
    fn stored(&mut self) -> Vec<NodeId>;

    /// Waits until all that was written is stored; returns how many results were left out.
    ///
    /// Those that were left out for another reason than that something they mention went away are an
    /// error.
    fn finish(&mut self) -> Result<u64, Arc<Error>>;
}
