//! What a node's name is made of.

use crate::canon::{self, Tree, Writer};
use crate::codec::encode::literal;
use crate::id::{BlobId, Digest, NodeId};
use crate::value::data::Value;

/// A literal of more canonical bytes stands in `args` as a node that names its blob.
pub const LONGEST_LITERAL: usize = 4096;

const NODE: &str = "vox/node/1";
const CUT: &str = "vox/cut/1";

/// One entry of `args`, ready to be written.
#[derive(Clone, Copy)]
pub enum Entry<'a> {
    /// Another node, by its id (in a cut-off key: its result, by its blob).
    Node(Digest),
    /// A literal.
    Literal(&'a Value),
}

/// Writes the canonical description of a node: exactly `t`, `op`, `v`, `args`, `p`.
pub fn definition(op: &str, version: u32, args: &[Entry<'_>], params: &Tree) -> Vec<u8> {
    describe(NODE, op, version, args, params)
}

/// Returns the id of a node.
pub fn node_id(op: &str, version: u32, args: &[Entry<'_>], params: &Tree) -> NodeId {
    NodeId(Digest::of(&definition(op, version, args, params)))
}

/// Returns the key under which an equal computation on equal argument blobs is found, although the
/// arguments were defined otherwise.
pub fn cut_key(op: &str, version: u32, args: &[Entry<'_>], params: &Tree) -> Digest {
    Digest::of(&describe(CUT, op, version, args, params))
}

fn describe(t: &str, op: &str, version: u32, args: &[Entry<'_>], params: &Tree) -> Vec<u8> {
    // The keys in canonical order: shorter first, then bytewise.
    let mut writer = Writer::new();
    writer.map(5);
    writer.text("p");
    writer.tree(params);
    writer.text("t");
    writer.text(t);
    writer.text("v");
    writer.uint(u64::from(version));
    writer.text("op");
    writer.text(op);
    writer.text("args");
    writer.array(args.len());
    for arg in args {
        match arg {
            Entry::Node(digest) => writer.bytes(&digest.0),
            Entry::Literal(Value::Number(number)) => writer.float(*number),
            Entry::Literal(Value::Bool(truth)) => writer.bool(*truth),
            Entry::Literal(value) => {
                let bytes = canon::write(&literal(value));
                if bytes.len() <= LONGEST_LITERAL {
                    writer.out.extend_from_slice(&bytes);
                    continue;
                }
                // A node in `args`; what it gave, which a cut-off key is made of, is the literal.
                let blob = BlobId(Digest::of(&bytes));
                let id = if t == CUT { blob.0 } else { long_literal(blob).0 };
                writer.bytes(&id.0);
            }
        }
    }
    writer.out
}

/// Returns the blob of a literal that is too long to be written out.
pub fn long_blob(value: &Value) -> Option<BlobId> {
    // A literal's bytes are fewer than it takes in memory, so the short ones are not written.
    if value.size() <= LONGEST_LITERAL {
        return None;
    }
    let bytes = canon::write(&literal(value));
    (bytes.len() > LONGEST_LITERAL).then(|| BlobId(Digest::of(&bytes)))
}

/// Returns the id of the node that stands for a literal too long to be written out.
pub fn long_literal(blob: BlobId) -> NodeId {
    let params = Tree::map([("blob", Tree::bytes(&blob.0.0))]);
    node_id("vox1.literal", 1, &[], &params)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read() -> NodeId {
        let file = Digest::of(b"hello\n");
        let params = Tree::map([
            ("format", Tree::text("nifti")),
            ("files", Tree::Array(vec![Tree::bytes(&file.0)])),
        ]);
        node_id("vox1.read", 1, &[], &params)
    }

    #[test]
    fn names_are_those_of_the_format() {
        let none = Tree::Map(Vec::new());
        let read = read();
        assert_eq!(
            read.to_string(),
            "eef750e402bbdae13361071e6c2997a66af8bc6e49a568fe5a7da1bf6d3e9831"
        );
        let hot = Value::Number(0.95);
        let lt = node_id("vox1.lt", 1, &[Entry::Literal(&hot), Entry::Node(read.0)], &none);
        assert_eq!(
            lt.to_string(),
            "17bceb159fd4c916cd99058c75bf8967816e7d4764566ae44eb79d9444d32f66"
        );
        let volume = node_id("vox1.volume", 1, &[Entry::Node(lt.0)], &none);
        assert_eq!(
            volume.to_string(),
            "b90149d27df0c55cc9cf066a018a82175a8a7b15e03d7cc868db4ee588ef5ae0"
        );
        let grid = node_id("vox1.grid", 1, &[Entry::Node(read.0)], &none);
        let border = node_id("vox1.border", 1, &[Entry::Node(grid.0)], &none);
        assert_eq!(
            border.to_string(),
            "6e361a7f3a4350bd1d1e33425870e653f3aab2128fb6075de25394fc48e092a5"
        );
        let [three, x, truth] = [Value::Number(3.0), Value::text("x"), Value::Bool(true)];
        let pair = Value::sequence(vec![Value::Number(1.0), Value::Number(2.5)]);
        let sequence = node_id(
            "default.sequence",
            1,
            &[
                Entry::Node(lt.0),
                Entry::Literal(&three),
                Entry::Literal(&x),
                Entry::Literal(&truth),
                Entry::Literal(&pair),
            ],
            &none,
        );
        assert_eq!(
            sequence.to_string(),
            "2ce9f9727c2d08b334bb90d5eb09ff4229274b985fb0cd756ef36863a1b791b9"
        );
    }

    #[test]
    fn a_long_literal_stands_as_a_node() {
        let none = Tree::Map(Vec::new());
        let long = Value::text(&"x".repeat(5000));
        let blob = BlobId(Digest::of(&canon::write(&literal(&long))));
        assert_eq!(
            node_id("strings.concat", 1, &[Entry::Literal(&long)], &none),
            node_id("strings.concat", 1, &[Entry::Node(long_literal(blob).0)], &none)
        );
        assert_eq!(
            cut_key("strings.concat", 1, &[Entry::Literal(&long)], &none),
            cut_key("strings.concat", 1, &[Entry::Node(blob.0)], &none)
        );
        assert_eq!(long_blob(&long), Some(blob));
        assert_eq!(long_blob(&Value::text("x")), None);
    }
}
