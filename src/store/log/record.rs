//! Records: the entries of the log.

use crate::canon::{self, Tree, Writer};
use crate::id::{BlobId, Digest, Hasher, NodeId};
use crate::store::log::definition::Definition;
use crate::store::log::error::Error;
use crate::store::log::fields::{Fields, ids};
use crate::store::log::receipt::Receipt;
use crate::store::object::layout::WriterId;

/// The hash before the first record of a writer.
pub const BEGINNING: Digest = Digest([0; 32]);

/// What is to be written, before it has its place in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Depth: 1 + the greatest of the arguments; of a pin, of any pin of its name.
    pub lam: u64,
    /// Milliseconds since 1970, for people.
    pub at: u64,
    /// What is said.
    pub body: Body,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number in the log of its writer, from 1.
    pub seq: u64,
    /// Depth: 1 + the greatest of the arguments; of a pin, of any pin of its name.
    pub lam: u64,
    /// Milliseconds since 1970, for people.
    pub at: u64,
    /// What is said.
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A node ran and left a receipt.
    Run(Run),
    /// A node ran and left no value.
    Def(Def),
    /// A name keeps something, or no longer does.
    Pin(Pin),
    /// Something of a later version.
    Unknown(u64),
}

/// A node ran and left a receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The receipt's canonical bytes.
    pub receipt: Vec<u8>,
    /// What it cost, in microseconds.
    pub us: u64,
    /// The target triple it ran on.
    pub host: String,
    /// What the arguments that are nodes gave, in order, when every one is known.
    pub inputs: Option<Vec<BlobId>>,
    /// When the result may go, milliseconds since 1970.
    pub until: Option<u64>,
    /// How many bytes the value has.
    pub bytes: Option<u64>,
    /// Whether this record settles a conflict.
    pub settles: bool,
}

/// A node ran and left no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Def {
    /// The very bytes whose digest is its id.
    pub definition: Vec<u8>,
    /// What it cost, in microseconds, when that is known.
    pub us: Option<u64>,
}

impl From<Vec<u8>> for Def {
    fn from(definition: Vec<u8>) -> Self {
        Self { definition, us: None }
    }
}

/// A name keeps something, or no longer does.
///
/// Of all pins of one name the one with the greatest (lam, id) stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// The name that people gave it.
    pub name: String,
    /// What is kept.
    pub target: Target,
    /// Whether it is kept from now on.
    pub on: bool,
}

/// What a pin keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// What a node gave.
    Node(NodeId),
    /// An object.
    Blob(BlobId),
}

impl Draft {
    /// Gives the draft its place.
    pub fn numbered(&self, seq: u64) -> Record {
        Record { seq, lam: self.lam, at: self.at, body: self.body.clone() }
    }
}

impl Record {
    /// Returns the canonical bytes. A record of a later version cannot be written again: it has none.
    pub fn bytes(&self) -> Vec<u8> {
        if let Body::Run(run) = &self.body {
            return self.run_bytes(run);
        }
        let mut entries = vec![
            ("seq", Tree::Uint(self.seq)),
            ("lam", Tree::Uint(self.lam)),
            ("at", Tree::Uint(self.at)),
        ];
        match &self.body {
            Body::Def(def) => {
                entries.push(("k", Tree::Uint(2)));
                entries.push(("def", Tree::bytes(&def.definition)));
                if let Some(us) = def.us {
                    entries.push(("us", Tree::Uint(us)));
                }
            }
            Body::Pin(pin) => {
                entries.push(("k", Tree::Uint(8)));
                entries.push(("name", Tree::text(&pin.name)));
                entries.push(match pin.target {
                    Target::Node(node) => ("node", Tree::bytes(&node.0.0)),
                    Target::Blob(blob) => ("blob", Tree::bytes(&blob.0.0)),
                });
                entries.push(("on", Tree::Bool(pin.on)));
            }
            Body::Unknown(kind) => entries.push(("k", Tree::Uint(*kind))),
            Body::Run(_) => {}
        }
        let entries = entries.into_iter().map(|(key, tree)| (key.to_owned(), tree));
        canon::write(&Tree::Map(entries.collect()))
    }

    /// Writes a run in the order of its keys, without a tree: runs are most of every log.
    fn run_bytes(&self, run: &Run) -> Vec<u8> {
        let given = [run.inputs.is_some(), run.until.is_some(), run.bytes.is_some(), run.settles];
        let mut out = Writer::new();
        out.map(7 + given.into_iter().filter(|given| *given).count());
        out.text("k");
        out.uint(1);
        out.text("at");
        out.uint(self.at);
        if let Some(inputs) = &run.inputs {
            out.text("in");
            out.array(inputs.len());
            for id in inputs {
                out.bytes(&id.0.0);
            }
        }
        out.text("us");
        out.uint(run.us);
        out.text("lam");
        out.uint(self.lam);
        out.text("seq");
        out.uint(self.seq);
        out.text("host");
        out.text(&run.host);
        if let Some(bytes) = run.bytes {
            out.text("bytes");
            out.uint(bytes);
        }
        if let Some(until) = run.until {
            out.text("until");
            out.uint(until);
        }
        out.text("receipt");
        out.bytes(&run.receipt);
        if run.settles {
            out.text("settles");
            out.bool(true);
        }
        out.out
    }

    /// Reads a record; kinds and keys of later versions are skipped.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::of(canon::read(bytes)?).ok_or(Error::Record("no map"))?;
        let mut number = |key| fields.uint(key).ok_or(Error::Record("no `k seq lam at`"));
        let (kind, seq, lam, at) = (number("k")?, number("seq")?, number("lam")?, number("at")?);
        let body = match kind {
            1 => Body::Run(Run::take(&mut fields)?),
            2 => {
                let definition = fields.bytes("def").ok_or(Error::Record("no `def`"))?;
                Body::Def(Def { definition, us: fields.uint("us") })
            }
            8 => Body::Pin(Pin::take(&mut fields).ok_or(Error::Record("no whole pin"))?),
            other => Body::Unknown(other),
        };
        Ok(Self { seq, lam, at, body })
    }

    /// Checks what the record says against itself: its receipt or definition.
    pub fn verify(&self) -> Result<(), Error> {
        match &self.body {
            Body::Run(run) => {
                let receipt = Receipt::read(&run.receipt)?;
                let nodes = receipt.definition.nodes().count();
                if run.inputs.as_ref().is_some_and(|inputs| inputs.len() != nodes) {
                    return Err(Error::Record("`in` has not one entry for each node"));
                }
                receipt.verify()
            }
            Body::Def(def) => Definition::read(&def.definition).map(drop),
            Body::Pin(_) | Body::Unknown(_) => Ok(()),
        }
    }

    /// Returns the node that the record is of.
    pub fn node(&self) -> Result<Option<NodeId>, Error> {
        match &self.body {
            Body::Run(run) => Ok(Some(Receipt::read(&run.receipt)?.node)),
            Body::Def(def) => Ok(Some(NodeId(Digest::of(&def.definition)))),
            Body::Pin(_) | Body::Unknown(_) => Ok(None),
        }
    }
}

impl Run {
    fn take(fields: &mut Fields) -> Result<Self, Error> {
        /// Takes an optional field; one of another form is an error.
        fn optional<T>(
            fields: &mut Fields,
            key: &str,
            read: impl Fn(&Tree) -> Option<T>,
        ) -> Result<Option<T>, Error> {
            let wrong = Error::Record("a field of another form");
            fields.take(key).map(|tree| read(&tree).ok_or(wrong)).transpose()
        }
        Ok(Self {
            receipt: fields.bytes("receipt").ok_or(Error::Record("no `receipt`"))?,
            us: fields.uint("us").ok_or(Error::Record("no `us`"))?,
            host: fields.text("host").ok_or(Error::Record("no `host`"))?,
            inputs: optional(fields, "in", ids)?,
            until: optional(fields, "until", Tree::as_uint)?,
            bytes: optional(fields, "bytes", Tree::as_uint)?,
            settles: optional(fields, "settles", Tree::as_bool)?.unwrap_or(false),
        })
    }
}

impl Pin {
    fn take(fields: &mut Fields) -> Option<Self> {
        let name = fields.text("name")?;
        let node = fields.digest("node").map(|id| Target::Node(NodeId(id)));
        let target = node.or_else(|| Some(Target::Blob(BlobId(fields.digest("blob")?))))?;
        Some(Self { name, target, on: fields.take("on")?.as_bool()? })
    }
}

/// Returns the hash of a record, its id, from that of the record before it.
pub fn chain(before: &Digest, writer: WriterId, record: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"vox/log/1\0");
    hasher.update(&before.0);
    hasher.update(&writer.0);
    hasher.update(record);
    hasher.finish()
}

#[cfg(test)]
pub(in crate::store::log) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::store::log::definition::tests::volume;
    use crate::store::log::receipt::tests::golden as receipt;

    /// The writer of the format's goldens.
    pub(in crate::store::log) fn writer() -> WriterId {
        WriterId(std::array::from_fn(|at| at as u8))
    }

    /// The record of the format's goldens.
    pub(in crate::store::log) fn golden() -> Draft {
        let run = Run {
            receipt: receipt().bytes(),
            us: 1000,
            host: "x86_64-unknown-linux-gnu".into(),
            inputs: None,
            until: None,
            bytes: None,
            settles: false,
        };
        Draft { lam: 2, at: 0, body: Body::Run(run) }
    }

    #[test]
    fn the_golden_record_has_the_bytes_and_the_hash_of_the_format() {
        let record = golden().numbered(1);
        let bytes = record.bytes();
        assert_eq!(bytes.len(), 232);
        assert_eq!(
            chain(&BEGINNING, writer(), &bytes).hex(),
            "2d3fcb3f1b04770a036593d2237a6d5994750b8ee02baacd42537535134c0d63"
        );
        assert_eq!(Record::read(&bytes).unwrap(), record);
        record.verify().unwrap();
        assert_eq!(record.node().unwrap(), Some(volume().node()));
    }

    #[test]
    fn kinds_and_keys_of_later_versions_are_skipped() {
        let Tree::Map(mut entries) = canon::read(&golden().numbered(1).bytes()).unwrap() else {
            panic!()
        };
        entries.push(("zz".into(), Tree::Null));
        let bytes = canon::write(&Tree::Map(entries.clone()));
        assert_eq!(Record::read(&bytes).unwrap(), golden().numbered(1));
        entries.iter_mut().find(|(key, _)| key == "k").unwrap().1 = Tree::Uint(3);
        let record = Record::read(&canon::write(&Tree::Map(entries))).unwrap();
        assert_eq!(record.body, Body::Unknown(3));
        record.verify().unwrap();
    }

    #[test]
    fn a_record_that_contradicts_itself_is_refused() {
        let mut draft = golden();
        let Body::Run(run) = &mut draft.body else { panic!() };
        run.inputs = Some(Vec::new());
        assert!(draft.numbered(1).verify().is_err());
        let draft = Draft { lam: 0, at: 0, body: Body::Def(vec![0xa0].into()) };
        assert!(draft.numbered(1).verify().is_err());
        let draft = Draft { lam: 0, at: 0, body: Body::Def(volume().bytes().into()) };
        draft.numbered(1).verify().unwrap();
        assert_eq!(draft.numbered(1).node().unwrap(), Some(volume().node()));
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..50);
        let ids = proptest::collection::vec(any::<[u8; 32]>(), 0..4)
            .prop_map(|ids| ids.into_iter().map(|id| BlobId(Digest(id))).collect());
        let times = (any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<bool>());
        let run = (bytes.clone(), ".{0,9}", proptest::option::of(ids), times).prop_map(
            |(receipt, host, inputs, (us, until, bytes, settles))| {
                Body::Run(Run { receipt, us, host, inputs, until, bytes, settles })
            },
        );
        let pin = (".{0,9}", any::<[u8; 32]>(), any::<bool>(), any::<bool>()).prop_map(
            |(name, id, node, on)| {
                let id = Digest(id);
                let target = if node { Target::Node(NodeId(id)) } else { Target::Blob(BlobId(id)) };
                Body::Pin(Pin { name, target, on })
            },
        );
        let def = (bytes, any::<Option<u64>>())
            .prop_map(|(definition, us)| Body::Def(Def { definition, us }));
        prop_oneof![run, def, pin]
    }

    proptest! {
        #[test]
        fn records_are_read_as_written(seq: u64, lam: u64, at: u64, body in bodies()) {
            let record = Record { seq, lam, at, body };
            prop_assert_eq!(Record::read(&record.bytes()).unwrap(), record);
        }
    }
}
