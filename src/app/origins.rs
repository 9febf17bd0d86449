//! Where values come from: which nodes gave them, and whether these can be computed again here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;

use crate::app::error::Error;
use crate::canon::Tree;
use crate::id::{BlobId, Digest, NodeId};
use crate::primitive::registry::Registry;
use crate::store;
use crate::store::log::definition::{Definition, node_of};
use crate::store::log::receipt::{Outcome, Receipt};
use crate::store::log::record::Body;
use crate::store::object::layout::WriterId;
use crate::store::open::Store;

/// Nodes whose arguments lie deeper than this count as not to be had.
const DEEP: usize = 1000;

/// How a node ended.
#[derive(Clone, PartialEq, Debug)]
pub enum End {
    /// With a value.
    Value {
        /// Its name.
        out: BlobId,
        /// Whether it rides in the receipt.
        small: bool,
        /// What it mentions.
        refs: Vec<BlobId>,
    },
    /// With a refusal.
    Refused {
        /// The word for it.
        code: String,
        /// Its numbers and texts.
        args: Vec<Tree>,
    },
}

/// What the log says of a node.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it computes.
    pub definition: Definition,
    /// The greatest cost that was written down, in microseconds.
    pub us: u64,
    /// How it ended, and whose records say so: more than one when they differ.
    pub ends: Vec<(End, BTreeSet<WriterId>)>,
}

/// What the log says of all nodes, and where input files were seen.
pub struct Origins {
    nodes: HashMap<NodeId, Known>,
    named: HashMap<BlobId, BTreeSet<NodeId>>,
    files: HashMap<Digest, BTreeSet<PathBuf>>,
}

/// What a node is computed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Another node.
    Node {
        /// Which.
        node: NodeId,
        /// Its operator, when its definition is known.
        op: Option<String>,
        /// Whether its value is here, or can be computed.
        here: bool,
    },
    /// A file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Where it was seen and still looks the same.
        path: Option<PathBuf>,
    },
}

/// How a value could be had again.
#[derive(Clone, Debug)]
pub struct Again {
    /// The node that gave it.
    pub node: NodeId,
    /// Its operator.
    pub op: String,
    /// Whether all that it needs is here.
    pub can: bool,
    /// What it needs; nothing when there are only literals.
    pub from: Vec<Source>,
}

impl Origins {
    /// Reads the whole log, and the memo of files.
    pub fn of(store: &Store) -> Result<Self, Error> {
        let mut all = Self { nodes: HashMap::new(), named: HashMap::new(), files: HashMap::new() };
        store.history(&mut |writer, record| all.take(writer, record.body))?;
        let index = store.index();
        for path in index.memos().map_err(store::error::Error::from)? {
            if let Some(row) = index.memo(&path).map_err(store::error::Error::from)? {
                all.files.entry(row.digest).or_default().insert(path);
            }
        }
        Ok(all)
    }

    fn take(&mut self, writer: WriterId, body: Body) {
        match body {
            Body::Run(run) => {
                let Ok(receipt) = Receipt::read(&run.receipt) else { return };
                let end = match receipt.outcome {
                    Outcome::Value(output) => {
                        for blob in output.refs.iter().chain([&output.out]) {
                            self.named.entry(*blob).or_default().insert(receipt.node);
                        }
                        let small = output.val.is_some();
                        End::Value { out: output.out, small, refs: output.refs }
                    }
                    Outcome::Refused { code, args } => End::Refused { code, args },
                };
                let known = self.known(receipt.node, receipt.definition);
                known.us = known.us.max(run.us);
                match known.ends.iter_mut().find(|(other, _)| *other == end) {
                    Some((_, writers)) => {
                        writers.insert(writer);
                    }
                    None => known.ends.push((end, BTreeSet::from([writer]))),
                }
            }
            Body::Def(def) => {
                if let Ok(definition) = Definition::read(&def.definition) {
                    let node = NodeId(Digest::of(&def.definition));
                    let known = self.known(node, definition);
                    known.us = known.us.max(def.us.unwrap_or(0));
                }
            }
            Body::Pin(_) | Body::Unknown(_) => {}
        }
    }

    fn known(&mut self, node: NodeId, definition: Definition) -> &mut Known {
        self.nodes.entry(node).or_insert_with(|| Known { definition, us: 0, ends: Vec::new() })
    }

    /// Returns what is known of a node.
    pub fn get(&self, node: NodeId) -> Option<&Known> {
        self.nodes.get(&node)
    }

    /// Visits all nodes, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Known)> {
        self.nodes.iter().map(|(node, known)| (*node, known))
    }

    /// Returns where a file with these bytes was seen, if it still looks as it did then.
    pub fn file(&self, store: &Store, digest: Digest) -> Option<PathBuf> {
        let is_same = |path: &&PathBuf| {
            let file = File::open(path).ok();
            file.and_then(|file| store.memo(path, &file).ok().flatten()) == Some(digest)
        };
        self.files.get(&digest)?.iter().find(is_same).cloned()
    }

    /// Says how a value could be had again, by each node that gave it; `lost` are objects that are
    /// here and do not count.
    pub fn again(
        &self,
        store: &Store,
        registry: &dyn Registry,
        lost: &HashSet<BlobId>,
        blob: BlobId,
    ) -> Result<Vec<Again>, Error> {
        let mut asked = BTreeMap::new();
        let mut all = Vec::new();
        for node in self.named.get(&blob).into_iter().flatten() {
            let definition = &self.nodes[node].definition;
            let mut seek = Seek { origins: self, store, registry, lost, asked: &mut asked };
            let from = seek.sources(definition, 0)?;
            let can = seek.has_operator(definition) && from.iter().all(Source::is_here);
            all.push(Again { node: *node, op: definition.op.clone(), can, from });
        }
        Ok(all)
    }
}

impl Source {
    /// Says whether it can be had.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Node { here, .. } => *here,
            Self::File { path, .. } => path.is_some(),
        }
    }
}

/// Returns the digests of the files that a read reads.
pub fn files_of(definition: &Definition) -> Vec<Digest> {
    let files = definition.p.get("files").and_then(Tree::as_array).unwrap_or_default();
    files.iter().filter_map(Tree::as_bytes).filter_map(Digest::from_slice).collect()
}

/// One walk through what nodes need.
struct Seek<'a> {
    origins: &'a Origins,
    store: &'a Store,
    registry: &'a dyn Registry,
    lost: &'a HashSet<BlobId>,
    asked: &'a mut BTreeMap<NodeId, bool>,
}

impl Seek<'_> {
    fn has_operator(&self, definition: &Definition) -> bool {
        let found = self.registry.find(&definition.op);
        found.is_some_and(|found| u64::from(found.signature().version) == definition.v)
    }

    fn sources(&mut self, definition: &Definition, depth: usize) -> Result<Vec<Source>, Error> {
        let mut all: Vec<Source> = files_of(definition)
            .into_iter()
            .map(|digest| Source::File { digest, path: self.origins.file(self.store, digest) })
            .collect();
        for node in definition.args.iter().filter_map(node_of) {
            let op = self.origins.get(node).map(|known| known.definition.op.clone());
            let here = self.is_here(node, depth + 1)?;
            all.push(Source::Node { node, op, here });
        }
        Ok(all)
    }

    /// Says whether a node's value is here, or can be computed from what is.
    fn is_here(&mut self, node: NodeId, depth: usize) -> Result<bool, Error> {
        if let Some(known) = self.asked.get(&node) {
            return Ok(*known);
        }
        let Some(known) = self.origins.get(node).filter(|_| depth < DEEP) else {
            return Ok(false);
        };
        let mut here = false;
        for (end, _) in &known.ends {
            if let End::Value { out, small, refs } = end {
                let mut all = *small || (!self.lost.contains(out) && self.store.has(*out)?);
                for blob in refs {
                    all &= !self.lost.contains(blob) && self.store.has(*blob)?;
                }
                here |= all;
            }
        }
        if !here && self.has_operator(&known.definition) {
            here = self.sources(&known.definition, depth)?.iter().all(Source::is_here);
        }
        self.asked.insert(node, here);
        Ok(here)
    }
}
