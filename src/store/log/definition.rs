//! Definitions: what a node computes, and the keys that are made of it.

use crate::canon::{self, Tree, Writer};
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
        self.written(NODE, |out| self.write_args(out))
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
        if self.nodes().count() != inputs.len() {
            return None;
        }
        let mut inputs = inputs.iter();
        let bytes = self.written(CUT, |out| {
            out.array(self.args.len());
            for arg in &self.args {
                match node_of(arg).and_then(|_| inputs.next()) {
                    Some(input) => out.bytes(&input.0.0),
                    None => out.tree(arg),
                }
            }
        });
        Some(Digest::of(&bytes))
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

    /// Writes the map with its keys in canonical order.
    fn written(&self, kind: &str, args: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut out = Writer::new();
        out.map(5);
        out.text("p");
        out.tree(&self.p);
        out.text("t");
        out.text(kind);
        out.text("v");
        out.uint(self.v);
        out.text("op");
        out.text(&self.op);
        out.text("args");
        args(&mut out);
        out.out
    }

    pub(super) fn write_args(&self, out: &mut Writer) {
        out.array(self.args.len());
        for arg in &self.args {
            out.tree(arg);
        }
    }
}

/// Returns the node that an argument is, unless it is a literal.
pub fn node_of(arg: &Tree) -> Option<NodeId> {
    arg.as_bytes().and_then(Digest::from_slice).map(NodeId)
}

#[cfg(test)]
pub(in crate::store::log) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn reading() -> Definition {
        let files = Tree::Array(vec![Tree::bytes(&Digest::of(b"hello\n").0)]);
        Definition {
            op: "vox1.read".into(),
            v: 1,
            args: Vec::new(),
            p: Tree::map([("format", Tree::text("nifti")), ("files", files)]),
        }
    }

    fn of(op: &str, args: Vec<Tree>) -> Definition {
        Definition { op: op.into(), v: 1, args, p: Tree::Map(Vec::new()) }
    }

    fn arg(definition: &Definition) -> Tree {
        Tree::bytes(&definition.node().0.0)
    }

    /// The threshold of the format's goldens.
    fn above() -> Definition {
        of("vox1.lt", vec![Tree::Float(0.95), arg(&reading())])
    }

    /// The `volume` of the format's goldens.
    pub(in crate::store::log) fn volume() -> Definition {
        of("vox1.volume", vec![arg(&above())])
    }

    #[test]
    fn nodes_have_the_names_of_the_format() {
        for (definition, id) in [
            (reading(), "eef750e402bbdae13361071e6c2997a66af8bc6e49a568fe5a7da1bf6d3e9831"),
            (above(), "17bceb159fd4c916cd99058c75bf8967816e7d4764566ae44eb79d9444d32f66"),
            (volume(), "b90149d27df0c55cc9cf066a018a82175a8a7b15e03d7cc868db4ee588ef5ae0"),
            (
                of("vox1.border", vec![arg(&of("vox1.grid", vec![arg(&reading())]))]),
                "6e361a7f3a4350bd1d1e33425870e653f3aab2128fb6075de25394fc48e092a5",
            ),
            (
                of(
                    "default.sequence",
                    vec![
                        arg(&above()),
                        Tree::Float(3.0),
                        Tree::text("x"),
                        Tree::Bool(true),
                        Tree::Array(vec![Tree::Float(1.0), Tree::Float(2.5)]),
                    ],
                ),
                "2ce9f9727c2d08b334bb90d5eb09ff4229274b985fb0cd756ef36863a1b791b9",
            ),
        ] {
            assert_eq!(definition.node().to_string(), id);
            assert_eq!(Definition::read(&definition.bytes()).unwrap(), definition);
        }
    }

    #[test]
    fn the_cut_off_key_sees_what_went_in_and_not_how_it_came_about() {
        let (three, four) = (BlobId(Digest::of(b"3")), BlobId(Digest::of(b"4")));
        let other = of("vox1.volume", vec![arg(&reading())]);
        assert_eq!(volume().cut(&[three]), other.cut(&[three]));
        assert_ne!(volume().cut(&[three]), volume().cut(&[four]));
        assert_ne!(volume().cut(&[three]), of("vox1.max", vec![arg(&reading())]).cut(&[three]));
        assert_ne!(above().cut(&[three]), None);
        assert_eq!(volume().cut(&[]), None);
        assert_eq!(volume().cut(&[three, four]), None);
        let by_hand = canon::write(&Tree::map([
            ("t", Tree::text("vox/cut/1")),
            ("op", Tree::text("vox1.volume")),
            ("v", Tree::Uint(1)),
            ("args", Tree::Array(vec![Tree::bytes(&three.0.0)])),
            ("p", Tree::Map(Vec::new())),
        ]));
        assert_eq!(volume().cut(&[three]), Some(Digest::of(&by_hand)));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        let base = [
            ("t", Tree::text("vox/node/1")),
            ("op", Tree::text("vox1.volume")),
            ("v", Tree::Uint(1)),
            ("args", Tree::Array(Vec::new())),
            ("p", Tree::Map(Vec::new())),
        ];
        let with = |key: &str, value: Tree| {
            let mut entries = base.clone().map(|(key, tree)| (key.to_owned(), tree)).to_vec();
            entries.retain(|(name, _)| name != key);
            entries.push((key.to_owned(), value));
            canon::write(&Tree::Map(entries))
        };
        assert!(Definition::read(&with("v", Tree::Uint(2))).is_ok());
        for bytes in [
            with("t", Tree::text("vox/cut/1")),
            with("op", Tree::Null),
            with("v", Tree::Float(1.0)),
            with("args", Tree::Null),
            with("args", Tree::Array(vec![Tree::bytes(b"short")])),
            with("p", Tree::Null),
            with("more", Tree::Null),
            vec![0xa0],
            Vec::new(),
        ] {
            assert!(Definition::read(&bytes).is_err(), "{}", hex::encode(bytes));
        }
    }

    proptest! {
        #[test]
        fn definitions_are_read_as_written(op in ".{0,20}", v: u64, nodes: Vec<[u8; 32]>, literal: f64, name in ".{0,9}") {
            let mut args: Vec<Tree> = nodes.iter().map(|id| Tree::bytes(id)).collect();
            args.push(Tree::Float(literal));
            let definition = Definition { op, v, args, p: Tree::map([(name.as_str(), Tree::Null)]) };
            prop_assert_eq!(Definition::read(&definition.bytes()).unwrap(), definition.clone());
            prop_assert_eq!(definition.nodes().count(), nodes.len());
        }
    }
}
