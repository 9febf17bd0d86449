//! A sample of receipts computed again: bytes that are whole can still be wrong.
//!
//! Which receipts: each gets the number -ln(u) / cost, where u in (0, 1] is made of the first eight
//! bytes of SHA-256("vox/deep/1" ‖ seed ‖ node) and cost is what was written down, in microseconds
//! and at least 1; the least come first. So what took long is looked at rather than what took no
//! time, the same store gives the same sample on every machine, and another seed another one.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::config::Config;
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::origins::{End, Known, Origins, files_of};
use crate::app::upkeep;
use crate::canon::Tree;
use crate::codec::encode;
use crate::exec::inputs::Content;
use crate::exec::local::Local;
use crate::exec::shelf::Shelf;
use crate::exec::stored::Stored;
use crate::id::{Digest, NodeId};
use crate::kernel::install;
use crate::primitive::contract::Call;
use crate::primitive::refusal::Refusal;
use crate::primitive::registry::Registry;
use crate::store::log::definition::{Definition, node_of};
use crate::store::object::layout::WriterId;
use crate::store::open::Store;
use crate::value::data::Value;

/// Arguments that lie deeper than this are not computed for a receipt's sake.
const DEEP: usize = 200;
/// Values are held for the next argument up to so many bytes.
const HELD: usize = 1 << 30;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Only receipts of this writer.
    pub writer: Option<WriterId>,
    /// How many receipts are computed again.
    pub sample: usize,
    /// No receipt is begun later than this.
    pub time: Duration,
    /// Which sample.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Deep {
    /// How many nodes there were to draw from.
    pub of: usize,
    /// How many were computed again.
    pub again: usize,
    /// How many arguments had to be computed for them.
    pub arguments: usize,
    /// How many could not be, by the reason.
    pub left: BTreeMap<&'static str, usize>,
    /// What came out differently.
    pub differ: Vec<Differ>,
    /// Whether time ran out.
    pub late: bool,
}

/// A receipt that is not true here.
#[derive(Clone, Debug)]
pub struct Differ {
    /// Its node.
    pub node: NodeId,
    /// The operator.
    pub op: String,
    /// Whose records say so.
    pub writers: Vec<WriterId>,
    /// What they say came out.
    pub said: String,
    /// What came out here.
    pub came: String,
}

/// Why a value cannot be had.
type Left = &'static str;

/// Computes a sample of receipts again.
pub fn deep(
    environment: &Environment,
    config: &Config,
    wish: &Wish,
) -> Result<(PathBuf, Deep), Error> {
    let store = upkeep::there(environment, config)?;
    let origins = Origins::of(&store)?;
    if let Some(writer) = wish.writer
        && !origins.nodes().any(|(_, known)| wrote(known, writer))
    {
        return Err(Error::Usage(format!(
            "--writer {writer}: the log has no receipt of that writer"
        )));
    }
    let pool =
        Local::new(config.threads.value).map_err(|error| Error::Machine(error.to_string()))?;
    let root = store.layout().root().to_owned();
    let mut work = Work {
        shelf: Stored::new(store.clone()),
        store,
        origins: &origins,
        registry: &install::table(),
        values: HashMap::new(),
        held: 0,
        until: Instant::now() + wish.time,
        done: Deep::default(),
    };
    pool.install(|| work.all(wish))?;
    Ok((root, work.done))
}

fn wrote(known: &Known, writer: WriterId) -> bool {
    known.ends.iter().any(|(_, writers)| writers.contains(&writer))
}

/// Puts nodes in the order in which they are drawn.
fn drawn(origins: &Origins, wish: &Wish) -> Vec<NodeId> {
    let asked = |known: &Known| match wish.writer {
        Some(writer) => wrote(known, writer),
        None => !known.ends.is_empty(),
    };
    let mut all: Vec<(f64, NodeId)> = origins
        .nodes()
        .filter(|(_, known)| asked(known))
        .map(|(node, known)| (place(wish.seed, node, known.us), node))
        .collect();
    all.sort_by(|(one, a), (other, b)| one.total_cmp(other).then(a.cmp(b)));
    all.into_iter().map(|(_, node)| node).collect()
}

fn place(seed: u64, node: NodeId, us: u64) -> f64 {
    let mut bytes = b"vox/deep/1".to_vec();
    bytes.extend(seed.to_be_bytes());
    bytes.extend(node.0.0);
    let share = (Digest::of(&bytes).prefix() as f64 + 1.0) / (u64::MAX as f64 + 1.0);
    -libm::log(share.min(1.0)) / us.max(1) as f64
}

/// What a run of the check has at hand.
struct Work<'a> {
    store: Arc<Store>,
    shelf: Arc<Stored>,
    origins: &'a Origins,
    registry: &'a dyn Registry,
    values: HashMap<NodeId, Value>,
    held: usize,
    until: Instant,
    done: Deep,
}

impl Work<'_> {
    fn all(&mut self, wish: &Wish) -> Result<(), Error> {
        let drawn = drawn(self.origins, wish);
        self.done.of = drawn.len();
        for node in drawn {
            if self.done.again >= wish.sample {
                break;
            }
            if Instant::now() >= self.until {
                self.done.late = true;
                break;
            }
            let known = self.origins.get(node).expect("it was drawn from these");
            match self.compute(&known.definition, 0)? {
                Ok(came) => {
                    self.done.again += 1;
                    self.compare(node, known, wish, &came);
                }
                Err(left) => *self.done.left.entry(left).or_default() += 1,
            }
        }
        Ok(())
    }

    fn compare(&mut self, node: NodeId, known: &Known, wish: &Wish, came: &Came) {
        for (end, writers) in &known.ends {
            if wish.writer.is_some_and(|writer| !writers.contains(&writer)) {
                continue;
            }
            if !came.is(end) {
                self.done.differ.push(Differ {
                    node,
                    op: known.definition.op.clone(),
                    writers: writers.iter().copied().collect(),
                    said: match end {
                        End::Value { out, .. } => out.to_string(),
                        End::Refused { code, .. } => format!("a refusal, `{code}`"),
                    },
                    came: came.words(),
                });
            }
        }
    }

    /// Runs an operator on its arguments, which are here or are computed too.
    fn compute(
        &mut self,
        definition: &Definition,
        depth: usize,
    ) -> Result<Result<Came, Left>, Error> {
        let registry = self.registry;
        let Some(primitive) = registry.find(&definition.op) else {
            return Ok(Err("operator not here"));
        };
        if u64::from(primitive.signature().version) != definition.v {
            return Ok(Err("operator of another version"));
        }
        if definition.op == "vox1.literal" {
            return Ok(Err("arguments not here"));
        }
        let mut args = Vec::with_capacity(definition.args.len());
        for arg in &definition.args {
            let value = match node_of(arg) {
                Some(node) => self.value(node, depth + 1)?,
                None => encode::value_of(arg).ok_or("arguments not here"),
            };
            match value {
                Ok(value) => args.push(value),
                Err(left) => return Ok(Err(left)),
            }
        }
        let mut contents = Vec::new();
        for digest in files_of(definition) {
            let Some(path) = self.origins.file(&self.store, digest) else {
                return Ok(Err("input file not known"));
            };
            match Content::open(&path) {
                Ok(content) if Digest::of(content.bytes()) == digest => contents.push(content),
                _ => return Ok(Err("input file not known")),
            }
        }
        let files: Vec<&[u8]> = contents.iter().map(Content::bytes).collect();
        let call = Call { args: &args, params: &definition.p, files: &files };
        // Whatever a kernel leaves half done is dropped with it: it sees values only.
        Ok(match catch_unwind(AssertUnwindSafe(|| primitive.kernel(&call))) {
            Ok(Ok(output)) => Ok(Came::Value(output.value)),
            Ok(Err(refusal)) => Ok(Came::Refused(refusal)),
            Err(_) => Err("the operator panicked"),
        })
    }

    /// Returns a node's value: out of the store where records agree on it, else computed.
    fn value(&mut self, node: NodeId, depth: usize) -> Result<Result<Value, Left>, Error> {
        if let Some(value) = self.values.get(&node) {
            return Ok(Ok(value.clone()));
        }
        let Some(known) = self.origins.get(node).filter(|_| depth < DEEP) else {
            return Ok(Err("arguments not here"));
        };
        let stored = match &known.ends[..] {
            [(End::Value { out, .. }, _)] => self.shelf.load(*out)?,
            _ => None,
        };
        let value = match stored {
            Some(value) => value,
            None if Instant::now() >= self.until => return Ok(Err("no time for its arguments")),
            None => match self.compute(&known.definition, depth)? {
                Ok(Came::Value(value)) => {
                    self.done.arguments += 1;
                    value
                }
                Ok(Came::Refused(_)) => return Ok(Err("arguments not here")),
                Err(left) => return Ok(Err(left)),
            },
        };
        self.held += value.size();
        if self.held > HELD {
            self.values.clear();
            self.held = value.size();
        }
        self.values.insert(node, value.clone());
        Ok(Ok(value))
    }
}

/// What came out here.
enum Came {
    Value(Value),
    Refused(Refusal),
}

impl Came {
    fn is(&self, end: &End) -> bool {
        match (self, end) {
            (Self::Value(value), End::Value { out, .. }) => encode::encode(value).digest() == *out,
            (Self::Refused(refusal), End::Refused { code, args }) => {
                let ours: Vec<Tree> = refusal.args.iter().map(encode::literal).collect();
                refusal.code.word() == code && ours == *args
            }
            _ => false,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Value(value) => encode::encode(value).digest().to_string(),
            Self::Refused(refusal) => format!("a refusal, `{}`", refusal.code.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// What took long is drawn first far more often than what took no time, and nobody's place
    /// depends on the others.
    #[test]
    fn cost_decides_who_is_drawn() {
        let node = |at: u32| NodeId(Digest::of(&at.to_le_bytes()));
        let dear_first =
            (0..1000).filter(|at| place(1, node(2 * at), 9000) < place(1, node(2 * at + 1), 1000));
        let count = dear_first.count();
        // Nine of ten, within four standard deviations.
        assert!((862..=938).contains(&count), "{count}");
        assert!(place(1, node(5), 10).to_bits() == place(1, node(5), 10).to_bits());
        assert!(place(1, node(5), 10) != place(2, node(5), 10));
        assert!(place(1, node(5), 0).is_finite());
    }
}
