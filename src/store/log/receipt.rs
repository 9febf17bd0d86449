//! Receipts: what was run, on what, giving what.
//!
//! A receipt holds only what the computation determines, so two machines write the same bytes. No
//! file name, path, span or sentence: words are made when it is shown.

use crate::canon::{self, Tree};
use crate::id::{BlobId, Digest, NodeId};
use crate::store::log::error::Error;

/// Values of at most this many canonical bytes ride in their receipt.
pub const INLINE: usize = 4096;

const RECEIPT: &str = "vox/receipt/1";
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

/// What was run, on what, giving what.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The digest of the definition.
    pub node: NodeId,
    /// What was computed.
    pub definition: Definition,
    /// What came out.
    pub outcome: Outcome,
}

/// How a computation ended; what is not decided by it (memory, files, time) has no receipt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It gave a value.
    Value(Output),
    /// The kernel refused its arguments.
    Refused {
        /// The word for the refusal.
        code: String,
        /// Numbers and literal texts of the program, in reading order.
        args: Vec<Tree>,
    },
}

/// The value that a computation gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The value's name.
    pub out: BlobId,
    /// Its canonical bytes, when they are at most [`INLINE`].
    pub val: Option<Vec<u8>>,
    /// The objects that the value mentions, sorted.
    pub refs: Vec<BlobId>,
    /// What the kernel warned of.
    pub warn: Vec<Warning>,
}

/// Something a kernel warned of, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The word for it.
    pub code: String,
    /// How many voxels or elements.
    pub count: u64,
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
        if fields.text("t").as_deref() != Some(NODE) || fields.0.len() != 4 {
            return Err(Error::Definition("its keys are others than `t op v args p`"));
        }
        Self::take(&mut fields).ok_or(Error::Definition("a field of another form"))
    }

    fn take(fields: &mut Fields) -> Option<Self> {
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

impl Receipt {
    /// Makes the receipt of a definition.
    pub fn new(definition: Definition, outcome: Outcome) -> Self {
        Self { node: definition.node(), definition, outcome }
    }

    /// Returns the value that came out, unless the kernel refused.
    pub fn output(&self) -> Option<&Output> {
        match &self.outcome {
            Outcome::Value(output) => Some(output),
            Outcome::Refused { .. } => None,
        }
    }

    /// Returns the canonical bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let definition = &self.definition;
        let mut entries = vec![
            ("t", Tree::text(RECEIPT)),
            ("node", Tree::bytes(&self.node.0.0)),
            ("op", Tree::text(&definition.op)),
            ("v", Tree::Uint(definition.v)),
            ("args", Tree::Array(definition.args.clone())),
            ("p", definition.p.clone()),
        ];
        match &self.outcome {
            Outcome::Value(output) => {
                entries.push(("st", Tree::Uint(0)));
                entries.push(("out", Tree::bytes(&output.out.0.0)));
                if let Some(val) = &output.val {
                    entries.push(("val", Tree::bytes(val)));
                }
                if !output.refs.is_empty() {
                    let mut refs = output.refs.clone();
                    refs.sort();
                    refs.dedup();
                    let refs = refs.iter().map(|id| Tree::bytes(&id.0.0)).collect();
                    entries.push(("refs", Tree::Array(refs)));
                }
                if !output.warn.is_empty() {
                    let warn = output.warn.iter().map(Warning::tree).collect();
                    entries.push(("warn", Tree::Array(warn)));
                }
            }
            Outcome::Refused { code, args } => {
                entries.push(("st", Tree::Uint(1)));
                let args = Tree::Array(args.clone());
                entries.push(("err", Tree::map([("code", Tree::text(code)), ("args", args)])));
            }
        }
        let entries = entries.into_iter().map(|(key, tree)| (key.to_owned(), tree));
        canon::write(&Tree::Map(entries.collect()))
    }

    /// Reads a receipt; keys of later versions are skipped.
    ///
    /// Whether it is true to itself is [`Receipt::verify`]'s to say.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::of(canon::read(bytes)?).ok_or(Error::Receipt("no map"))?;
        if fields.text("t").as_deref() != Some(RECEIPT) {
            return Err(Error::Receipt("another kind of thing"));
        }
        let node = fields.digest("node").map(NodeId).ok_or(Error::Receipt("no `node`"))?;
        let definition =
            Definition::take(&mut fields).ok_or(Error::Receipt("no whole definition"))?;
        let outcome = match fields.uint("st") {
            Some(0) => Outcome::Value(Output::take(&mut fields)?),
            Some(1) => {
                let err = fields.take("err").and_then(Fields::of);
                let mut err = err.ok_or(Error::Receipt("no `err`"))?;
                let (code, args) = (err.text("code"), err.array("args"));
                let (code, args) = code.zip(args).ok_or(Error::Receipt("no whole `err`"))?;
                Outcome::Refused { code, args }
            }
            _ => return Err(Error::Receipt("no known `st`")),
        };
        Ok(Self { node, definition, outcome })
    }

    /// Checks `node` against the definition and `out` against `val`.
    pub fn verify(&self) -> Result<(), Error> {
        if self.definition.node() != self.node {
            return Err(Error::Receipt("`node` is not the digest of the definition"));
        }
        let val = self.output().and_then(|output| Some((output.out, output.val.as_ref()?)));
        if val.is_some_and(|(out, val)| BlobId(Digest::of(val)) != out) {
            return Err(Error::Receipt("`out` is not the digest of `val`"));
        }
        Ok(())
    }
}

impl Output {
    fn take(fields: &mut Fields) -> Result<Self, Error> {
        let out = fields.digest("out").map(BlobId).ok_or(Error::Receipt("no `out`"))?;
        let val = match fields.take("val") {
            None => None,
            Some(Tree::Bytes(val)) if val.len() <= INLINE => Some(val),
            Some(_) => return Err(Error::Receipt("`val` is too long, or no byte string")),
        };
        let refs = match fields.take("refs") {
            None => Vec::new(),
            Some(tree) => ids(&tree).ok_or(Error::Receipt("`refs` is no array of ids"))?,
        };
        if !refs.is_sorted_by(|a, b| a < b) {
            return Err(Error::Receipt("`refs` is not sorted"));
        }
        let warn = match fields.take("warn") {
            None => Vec::new(),
            Some(Tree::Array(items)) => items
                .into_iter()
                .map(Warning::of)
                .collect::<Option<_>>()
                .ok_or(Error::Receipt("`warn` holds something else"))?,
            Some(_) => return Err(Error::Receipt("`warn` is no array")),
        };
        Ok(Self { out, val, refs, warn })
    }
}

impl Warning {
    fn tree(&self) -> Tree {
        Tree::map([("code", Tree::text(&self.code)), ("count", Tree::Uint(self.count))])
    }

    fn of(tree: Tree) -> Option<Self> {
        let mut fields = Fields::of(tree)?;
        Some(Self { code: fields.text("code")?, count: fields.uint("count")? })
    }
}

/// Reads an array of ids.
pub(super) fn ids(tree: &Tree) -> Option<Vec<BlobId>> {
    let id = |item: &Tree| item.as_bytes().and_then(Digest::from_slice).map(BlobId);
    tree.as_array()?.iter().map(id).collect()
}

/// The entries of a map, taken one by one; what is not taken was not known.
pub(super) struct Fields(Vec<(String, Tree)>);

impl Fields {
    pub(super) fn of(tree: Tree) -> Option<Self> {
        match tree {
            Tree::Map(entries) => Some(Self(entries)),
            _ => None,
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Tree> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn uint(&mut self, key: &str) -> Option<u64> {
        self.take(key)?.as_uint()
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bytes(&mut self, key: &str) -> Option<Vec<u8>> {
        match self.take(key)? {
            Tree::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn array(&mut self, key: &str) -> Option<Vec<Tree>> {
        match self.take(key)? {
            Tree::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn digest(&mut self, key: &str) -> Option<Digest> {
        Digest::from_slice(self.take(key)?.as_bytes()?)
    }
}
