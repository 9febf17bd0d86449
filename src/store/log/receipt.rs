//! Receipts: what was run, on what, giving what.
//!
//! A receipt holds only what the computation determines, so two machines write the same bytes. No
//! file name, path, span or sentence: words are made when it is shown.

use crate::canon::{self, Tree, Writer};
use crate::id::{BlobId, Digest, NodeId};
use crate::store::log::definition::Definition;
use crate::store::log::error::Error;
use crate::store::log::fields::{Fields, ids};

/// Values of at most this many canonical bytes ride in their receipt.
pub const INLINE: usize = 4096;

const RECEIPT: &str = "vox/receipt/1";

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
        // Written in the order of the keys, without a tree: a node in ten thousand waits for this.
        let definition = &self.definition;
        let mut out = Writer::new();
        let extra = match &self.outcome {
            Outcome::Value(output) => {
                let given =
                    [output.val.is_some(), !output.refs.is_empty(), !output.warn.is_empty()];
                1 + given.into_iter().filter(|given| *given).count()
            }
            Outcome::Refused { .. } => 1,
        };
        out.map(7 + extra);
        out.text("p");
        out.tree(&definition.p);
        out.text("t");
        out.text(RECEIPT);
        out.text("v");
        out.uint(definition.v);
        out.text("op");
        out.text(&definition.op);
        out.text("st");
        match &self.outcome {
            Outcome::Value(output) => {
                out.uint(0);
                out.text("out");
                out.bytes(&output.out.0.0);
                if let Some(val) = &output.val {
                    out.text("val");
                    out.bytes(val);
                }
            }
            Outcome::Refused { code, args } => {
                out.uint(1);
                out.text("err");
                let args = Tree::Array(args.clone());
                out.tree(&Tree::map([("code", Tree::text(code)), ("args", args)]));
            }
        }
        out.text("args");
        definition.write_args(&mut out);
        out.text("node");
        out.bytes(&self.node.0.0);
        if let Outcome::Value(output) = &self.outcome {
            if !output.refs.is_empty() {
                let mut refs = output.refs.clone();
                refs.sort();
                refs.dedup();
                out.text("refs");
                out.tree(&Tree::Array(refs.iter().map(|id| Tree::bytes(&id.0.0)).collect()));
            }
            if !output.warn.is_empty() {
                out.text("warn");
                out.tree(&Tree::Array(output.warn.iter().map(Warning::tree).collect()));
            }
        }
        out.out
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

#[cfg(test)]
pub(in crate::store::log) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::store::log::definition::tests::volume;

    /// The receipt of the format's goldens: a volume of 3.
    pub(in crate::store::log) fn golden() -> Receipt {
        let val = canon::write(&Tree::Float(3.0));
        let out = BlobId(Digest::of(&val));
        let output = Output { out, val: Some(val), refs: Vec::new(), warn: Vec::new() };
        Receipt::new(volume(), Outcome::Value(output))
    }

    #[test]
    fn the_golden_receipt_has_the_bytes_of_the_format() {
        let bytes = golden().bytes();
        assert_eq!(bytes.len(), 167);
        assert_eq!(
            Digest::of(&bytes).hex(),
            "7184b33d0341ea3fdb9a3a4a4cee1d585b39c3b3f499c71abee9f11012dc55c4"
        );
        let receipt = Receipt::read(&bytes).unwrap();
        receipt.verify().unwrap();
        assert_eq!(receipt, golden());
    }

    #[test]
    fn a_receipt_that_contradicts_itself_is_refused() {
        let mut receipt = golden();
        receipt.definition.v = 2;
        assert!(Receipt::read(&receipt.bytes()).unwrap().verify().is_err());
        let mut receipt = golden();
        if let Outcome::Value(output) = &mut receipt.outcome {
            output.out = BlobId(Digest::of(b"another"));
        }
        assert!(Receipt::read(&receipt.bytes()).unwrap().verify().is_err());
    }

    #[test]
    fn no_flipped_bit_of_a_receipt_goes_unseen() {
        let bytes = golden().bytes();
        // What a change of `st`, a key or a text gives need not be a lie: it is another receipt.
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let sound = Receipt::read(&flipped).is_ok_and(|receipt| receipt.verify().is_ok());
            let other = Receipt::read(&flipped).is_ok_and(|receipt| receipt.bytes() == bytes);
            assert!(!other, "bit {at}");
            // Skipped keys are the only freedom: `val` under another name is one.
            let skipped = Receipt::read(&flipped)
                .is_ok_and(|receipt| receipt.output().is_some_and(|output| output.val.is_none()));
            assert!(!sound || skipped, "bit {at}");
        }
    }

    #[test]
    fn keys_of_later_versions_are_skipped() {
        let Tree::Map(mut entries) = canon::read(&golden().bytes()).unwrap() else { panic!() };
        entries.push(("zz".into(), Tree::Null));
        assert_eq!(Receipt::read(&canon::write(&Tree::Map(entries))).unwrap(), golden());
    }

    #[test]
    fn values_that_are_too_long_do_not_ride() {
        let mut receipt = golden();
        for (len, rides) in [(INLINE, true), (INLINE + 1, false)] {
            if let Outcome::Value(output) = &mut receipt.outcome {
                output.val = Some(vec![0; len]);
            }
            assert_eq!(Receipt::read(&receipt.bytes()).is_ok(), rides);
        }
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        let ids = proptest::collection::btree_set(any::<[u8; 32]>(), 0..4);
        let val = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50));
        let warn = proptest::collection::vec(("[a-z]{1,8}", any::<u64>()), 0..3);
        let value = (any::<[u8; 32]>(), val, ids, warn).prop_map(|(out, val, refs, warn)| {
            Outcome::Value(Output {
                out: BlobId(val.as_ref().map_or(Digest(out), |val| Digest::of(val))),
                val,
                refs: refs.into_iter().map(|id| BlobId(Digest(id))).collect(),
                warn: warn.into_iter().map(|(code, count)| Warning { code, count }).collect(),
            })
        });
        let args = proptest::collection::vec(any::<f64>().prop_map(Tree::Float), 0..3);
        let refused = ("[a-z]{1,8}", args).prop_map(|(code, args)| Outcome::Refused { code, args });
        prop_oneof![value, refused]
    }

    proptest! {
        #[test]
        fn receipts_are_read_as_written(outcome in outcomes()) {
            let receipt = Receipt::new(volume(), outcome);
            let again = Receipt::read(&receipt.bytes()).unwrap();
            again.verify().unwrap();
            prop_assert_eq!(again, receipt);
        }
    }
}
