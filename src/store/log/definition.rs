//! Definitions: what a node computes, and the keys that are made of it.

use crate::canon::{self, Tree};
use crate::id::{BlobId, Digest, NodeId};
use crate::store::log::error::Error;
use crate::store::log::fields::Fields;

const NODE: &str = "vox/node/1";
const CUT: &str = "vox/cut/1";

/// What a node computes: its operator, arguments and parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// `namespace.name` of the primitive.
    pub op: String,
    /// The operator's version, from 1.
    pub v: u64,
    /// One entry an argument: a node's id as a 32-byte byte string, or a literal.
    pub args: Vec<Tree>,
    /// A map of what is not an argument.
    pub p: Tree,
}

impl Definition {
    /// Returns the canonical bytes whose digest is the node's id.
    pub fn bytes(&self) -> Vec<u8> {
        canon::write(&self.tree(NODE, self.args.clone()))
    }

    /// Returns the node's id.
    pub fn node(&self) -> NodeId {
        NodeId(Digest::of(&self.bytes()))
    }

    /// Returns the arguments that are nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.args.iter().filter_map(node_of)
    }

    /// Returns the cut-off key: what is computed on which bytes, however these came about.
    ///
    /// `inputs` are what the arguments that are nodes gave, in order; `None` if they are not as many.
    pub fn cut(&self, inputs: &[BlobId]) -> Option<Digest> {
        let mut inputs = inputs.iter();
        let mut args = self.args.clone();
        for arg in &mut args {
            if node_of(arg).is_some() {
                *arg = Tree::bytes(&inputs.next()?.0.0);
            }
        }
        let key = Digest::of(&canon::write(&self.tree(CUT, args)));
        inputs.next().is_none().then_some(key)
    }

    /// Reads a definition from the very bytes whose digest is the node's id.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::of(canon::read(bytes)?).ok_or(Error::Definition("no map"))?;
        if fields.text("t").as_deref() != Some(NODE) || fields.len() != 4 {
            return Err(Error::Definition("its keys are others than `t op v args p`"));
        }
        Self::take(&mut fields).ok_or(Error::Definition("a field of another form"))
    }

    /// Takes a definition's fields out of a map that may hold more.
    pub(super) fn take(fields: &mut Fields) -> Option<Self> {
        let definition = Self {
            op: fields.text("op")?,
            v: fields.uint("v")?,
            args: fields.array("args")?,
            p: fields.take("p").filter(|p| p.as_map().is_some())?,
        };
        let sound = |arg: &Tree| !matches!(arg, Tree::Bytes(bytes) if bytes.len() != 32);
        definition.args.iter().all(sound).then_some(definition)
    }

    fn tree(&self, kind: &str, args: Vec<Tree>) -> Tree {
        Tree::map([
            ("t", Tree::text(kind)),
            ("op", Tree::text(&self.op)),
            ("v", Tree::Uint(self.v)),
            ("args", Tree::Array(args)),
            ("p", self.p.clone()),
        ])
    }
}

/// Returns the node that an argument is, unless it is a literal.
pub fn node_of(arg: &Tree) -> Option<NodeId> {
    arg.as_bytes().and_then(Digest::from_slice).map(NodeId)
}
