//! A node ready to run, and what comes of it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::canon::Tree;
use crate::codec::encode::{self, Encoded};
use crate::exec::budget::Grant;
use crate::exec::inputs::{Content, Open};
use crate::exec::keep::{self, INLINE, Rule};
use crate::exec::outputs::Outputs;
use crate::exec::shelf::Shelf;
use crate::id::{BlobId, Digest, Hasher};
use crate::plan::graph::NodeIndex;
use crate::primitive::contract::{Call, Output};
use crate::primitive::fused::{Fusions, Pattern};
use crate::primitive::refusal::Refusal;
use crate::primitive::registry::Registry;
use crate::store::error::Error as StoreError;
use crate::value::data::Value;

/// A value of more bytes in memory is not small; of fewer it may be.
const MAYBE_SMALL: usize = 2 * INLINE;

/// Something for a worker.
pub struct Job {
    /// The node it is for; of a group the last.
    pub node: NodeIndex,
    /// What is done.
    pub work: Work,
    /// The memory it may take, given back when it ends.
    pub grant: Option<Grant>,
}

/// What a job does.
pub enum Work {
    /// Runs an operator.
    Kernel {
        /// Finds it.
        registry: Arc<dyn Registry>,
        /// Its qualified name.
        op: &'static str,
        /// Its arguments.
        args: Vec<Value>,
        /// `p` of the node.
        params: Arc<Tree>,
        /// Of a read, its files.
        files: Vec<Input>,
        /// What is decided about the value.
        after: After,
    },
    /// Runs a fused kernel.
    Fused {
        /// Runs it.
        fusions: Arc<dyn Fusions>,
        /// Which.
        pattern: Pattern,
        /// Its arguments.
        args: Vec<Value>,
        /// What is decided about the value.
        after: After,
    },
    /// Reads a value out of the store.
    Load {
        /// The store.
        shelf: Arc<dyn Shelf>,
        /// Which.
        blob: BlobId,
    },
    /// Writes an output.
    Publish {
        /// Writes it.
        outputs: Arc<dyn Outputs>,
        /// Where.
        path: PathBuf,
        /// What.
        bytes: Arc<Vec<u8>>,
        /// Its digest.
        digest: Digest,
        /// For which goal.
        goal: u32,
    },
}

/// A file of a read.
pub struct Input {
    /// Where it lies.
    pub path: PathBuf,
    /// What it held when the run was planned.
    pub digest: Digest,
    /// What planning read.
    pub content: Option<Arc<Content>>,
    /// What opens it where planning did not.
    pub open: Arc<dyn Open>,
}

/// What is decided about a value once it is there.
#[derive(Clone, Copy)]
pub struct After {
    /// What is kept.
    pub rule: Rule,
    /// What the node costs for each voxel.
    pub own_ps: u64,
    /// The voxels of its largest argument.
    pub voxels: u64,
    /// What the arguments cost together whoever wants them again.
    pub below_ps: u64,
    /// What the work above costs for each voxel.
    pub above_ps: u64,
}

/// What came of a job.
pub enum Done {
    /// A kernel ran.
    Ran {
        /// Which node; of a group the last.
        node: NodeIndex,
        /// What it took.
        us: u64,
        /// What naming and encoding its value took, in microseconds.
        naming_us: u64,
        /// What it gave.
        result: Result<Made, Trouble>,
    },
    /// A value was read, or is not here.
    Loaded {
        /// Whose.
        node: NodeIndex,
        /// It.
        result: Result<Option<Value>, StoreError>,
    },
    /// An output was written.
    Published {
        /// For which goal.
        goal: u32,
        /// Where.
        path: PathBuf,
        /// How it went.
        result: io::Result<()>,
    },
}

/// A value with everything that was to be found out about it.
pub struct Made {
    /// What the kernel gave.
    pub output: Output,
    /// Its canonical bytes, when they are few enough to ride in the receipt.
    pub small: Option<Vec<u8>>,
    /// Its canonical bytes, when it is kept as an object.
    pub encoded: Option<Encoded>,
    /// Its name, when that was cheap or worth it.
    pub name: Option<BlobId>,
    /// What it costs to have it again.
    pub again_ps: u64,
}

/// Why there is no value.
pub enum Trouble {
    /// The kernel refused.
    Refused(Refusal),
    /// The kernel panicked, or is not there.
    Lost(String),
    /// An input cannot be read.
    Input {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input holds other bytes than when the run was planned.
    Changed {
        /// Its path.
        path: PathBuf,
    },
}

impl Job {
    /// Does it. A panic of a kernel is caught: the node is lost, and nothing is recorded.
    pub fn run(self) -> Done {
        let Self { node, work, grant } = self;
        let done = match work {
            Work::Kernel { registry, op, args, params, files, after } => {
                let began = Instant::now();
                let result = guarded(|| read(&*registry, op, &args, &params, &files));
                // The time is the computation's; naming and encoding are the store's.
                let us = began.elapsed().as_micros() as u64;
                drop((args, files));
                ran(node, us, result, after)
            }
            Work::Fused { fusions, pattern, args, after } => {
                let began = Instant::now();
                let result = guarded(|| fusions.run(&pattern, &args).map_err(Trouble::Refused));
                let us = began.elapsed().as_micros() as u64;
                drop(args);
                ran(node, us, result, after)
            }
            Work::Load { shelf, blob } => Done::Loaded { node, result: shelf.load(blob) },
            Work::Publish { outputs, path, bytes, digest, goal } => {
                let result = outputs.publish(&path, &bytes, digest);
                Done::Published { goal, path, result }
            }
        };
        drop(grant);
        done
    }
}

/// Looks at what a kernel gave, and how long that takes.
fn ran(node: NodeIndex, us: u64, result: Result<Output, Trouble>, after: After) -> Done {
    let began = Instant::now();
    let result = result.map(|output| after.look(output));
    Done::Ran { node, us, naming_us: began.elapsed().as_micros() as u64, result }
}

impl After {
    fn look(self, output: Output) -> Made {
        let value = &output.value;
        if value.size() <= MAYBE_SMALL {
            let bytes = encode::encode(value);
            if bytes.len() <= INLINE && bytes.refs.is_empty() {
                let small = bytes.to_vec();
                let name = Some(BlobId(Digest::of(&small)));
                return Made { output, small: Some(small), encoded: None, name, again_ps: 0 };
            }
        }
        let bytes = value.size() as u64;
        let voxels = self.voxels.max(value.grid().map_or(0, |grid| grid.voxels() as u64));
        let again_ps = self.own_ps.saturating_mul(voxels).saturating_add(self.below_ps);
        let kept = self.rule.keeps_value(value, again_ps);
        let worth = keep::is_hash_worth(bytes, self.above_ps.saturating_mul(voxels));
        let encoded = (kept || worth).then(|| encode::encode(value));
        let name = encoded.as_ref().filter(|_| worth).map(Encoded::digest);
        let again_ps = if kept { keep::load_ps(bytes) } else { again_ps };
        Made { output, small: None, encoded: encoded.filter(|_| kept), name, again_ps }
    }
}

/// Runs an operator on its arguments, or on its files.
fn read(
    registry: &dyn Registry,
    op: &str,
    args: &[Value],
    params: &Tree,
    files: &[Input],
) -> Result<Output, Trouble> {
    let Some(primitive) = registry.find(op) else {
        return Err(Trouble::Lost("there is no such operator".to_owned()));
    };
    if files.is_empty() {
        let call = Call { args, params, files: &[] };
        return primitive.kernel(&call).map_err(Trouble::Refused);
    }
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        contents.push(match &file.content {
            Some(content) => content.clone(),
            None => Arc::new(
                file.open
                    .open(&file.path)
                    .and_then(|mut opened| Content::read(&mut opened))
                    .map_err(|source| Trouble::Input { path: file.path.clone(), source })?,
            ),
        });
    }
    let slices: Vec<&[u8]> = contents.iter().map(|content| content.bytes()).collect();
    let call = Call { args, params, files: &slices };
    // What planning handed in was hashed there; the rest is hashed while the kernel decodes.
    let changed = || {
        files.iter().zip(&contents).find_map(|(file, content)| {
            let same = file.content.is_some() || sum(content.bytes()) == file.digest;
            (!same).then(|| file.path.clone())
        })
    };
    let decode = || guarded(|| primitive.kernel(&call).map_err(Trouble::Refused));
    let (changed, output) = if files.iter().all(|file| file.content.is_some()) {
        (None, decode())
    } else {
        rayon::join(changed, decode)
    };
    match changed {
        Some(path) => Err(Trouble::Changed { path }),
        None => output,
    }
}

fn sum(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    // Whatever a kernel left half done is dropped with it: it sees values only.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Trouble::Lost(words(&*panic))))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
