//! What is handed to the writer.

use std::sync::Arc;

use crate::id::{BlobId, NodeId};
use crate::store::claim::Claim;
use crate::store::error::Error;
use crate::store::log::receipt::Receipt;
use crate::store::log::record::{Def, Pin};

/// The canonical bytes of a value, in pieces that are borrowed from whoever keeps it.
///
/// A head and the voxels of an image that is shared: they are compressed where they lie, never copied.
pub trait Parts: Send {
    /// Returns the pieces, in order.
    fn parts(&self) -> Vec<&[u8]>;
}

impl Parts for Vec<u8> {
    fn parts(&self) -> Vec<&[u8]> {
        vec![self]
    }
}

impl Parts for Arc<[u8]> {
    fn parts(&self) -> Vec<&[u8]> {
        vec![self]
    }
}

#[expect(clippy::large_enum_variant, reason = "the usual one is the large one")]
/// A receipt, or how it is made once the store has named the value.
///
/// The name is the digest of all bytes, and the store computes it anyway while it compresses: 16 ms
/// for a volume, that the computation need not spend.
pub enum Made {
    /// The receipt.
    Known(Receipt),
    /// Makes the receipt from the name of [`Ran::object`].
    Named(Box<dyn FnOnce(BlobId) -> Receipt + Send>),
}

/// What the arguments that are nodes gave.
pub enum Inputs {
    /// Of some it is not known.
    Unknown,
    /// All, in order.
    Known(Vec<BlobId>),
    /// Asked when the entry's turn comes: entries handed over before it have their names by then.
    Later(Box<dyn FnOnce() -> Option<Vec<BlobId>> + Send>),
}

/// A node that ran and left a receipt.
pub struct Ran {
    /// The receipt.
    pub receipt: Made,
    /// What it cost, in microseconds.
    pub us: u64,
    /// What its arguments were.
    pub inputs: Inputs,
    /// The value, unless it rides in the receipt or is in the store.
    pub object: Option<Box<dyn Parts>>,
    /// The objects that the value mentions, unless they are in the store.
    pub refs: Vec<Box<dyn Parts>>,
    /// Whether it was computed to settle a conflict.
    pub settles: bool,
    /// When the result may go, in milliseconds since 1970.
    pub until: Option<u64>,
}

#[expect(clippy::large_enum_variant, reason = "the usual one is the large one")]
/// What an entry says.
pub enum What {
    /// A node ran and left a receipt.
    Run(Ran),
    /// A node ran and left no value.
    Def(Def),
    /// A value without a node; it is always an object.
    Object(Box<dyn Parts>),
    /// A name keeps something, or no longer does.
    Pin(Pin),
}

/// Something to be stored.
pub struct Entry {
    /// What.
    pub what: What,
    /// 1 + the greatest `lam` of the arguments, a literal counting 0; without arguments 0.
    pub lam: u64,
    /// The claim on its node, given back once others can see the record.
    pub claim: Option<Claim>,
}

impl Entry {
    /// Makes the entry of a receipt whose value rides in it, or is in the store.
    pub fn receipt(receipt: Receipt, us: u64, lam: u64, inputs: Inputs) -> Self {
        let ran = Ran {
            receipt: Made::Known(receipt),
            us,
            inputs,
            object: None,
            refs: Vec::new(),
            settles: false,
            until: None,
        };
        Self { what: What::Run(ran), lam, claim: None }
    }

    /// Makes the entry of a node that left no value: the canonical bytes of its definition.
    pub fn def(def: impl Into<Def>, lam: u64) -> Self {
        Self { what: What::Def(def.into()), lam, claim: None }
    }

    /// Says about how many bytes wait for the disk with it.
    pub(in crate::store) fn weight(&self) -> usize {
        let len = |parts: &dyn Parts| parts.parts().iter().map(|part| part.len()).sum::<usize>();
        512 + match &self.what {
            What::Run(ran) => {
                let object = ran.object.iter().map(|object| len(&**object)).sum::<usize>();
                object + ran.refs.iter().map(|object| len(&**object)).sum::<usize>()
            }
            What::Def(def) => def.definition.len(),
            What::Object(object) => len(&**object),
            What::Pin(_) => 0,
        }
    }
}

/// What became of entries.
#[derive(Clone, Debug)]
pub enum Event {
    /// They are stored, durably and for others to see.
    Stored {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Values without a node.
        blobs: Vec<BlobId>,
    },
    /// They are not stored.
    Left {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Why; none when an object that they mention has gone.
        error: Option<Arc<Error>>,
    },
}

/// What a writer did.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many entries are stored, those counted that were there already.
    pub stored: u64,
    /// How many are not.
    pub left: u64,
    /// The bytes of objects that were written.
    pub bytes: u64,
    /// Why entries were left, the first reason.
    pub error: Option<Arc<Error>>,
}
