//! What is told while a run goes on.

use std::path::PathBuf;
use std::sync::Arc;

use crate::exec::error::Failure;
use crate::exec::report::Ran;
use crate::id::NodeId;
use crate::plan::graph::NodeIndex;
use crate::store::claim::Holder;
use crate::value::data::Value;

/// What became of a goal.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is printed.
    Value(Value),
    /// It lies in its file.
    Saved {
        /// Where.
        path: PathBuf,
        /// Was it written by this run? Else it lay there already.
        written: bool,
    },
    /// It has no value.
    Failed(Arc<Failure>),
}

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins.
    Start {
        /// The nodes of its plan, as far as it is known.
        nodes: usize,
        /// Its goals, likewise.
        goals: usize,
    },
    /// A node ran.
    Node(&'a Ran),
    /// Results are stored, durably and for others to see.
    Stored(&'a [NodeId]),
    /// A goal is known; goals come in program order.
    Goal {
        /// Which, in the plan.
        index: usize,
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// Somebody else computes a node that is wanted here.
    Waiting {
        /// The node.
        node: NodeId,
        /// Its operator.
        op: &'static str,
        /// Who.
        holder: &'a Holder,
    },
    /// A kernel had something to tell of its result.
    Warning {
        /// Of which node, in the plan.
        node: NodeIndex,
        /// A short word.
        code: &'a str,
        /// How many voxels or values it concerns.
        count: u64,
    },
    /// The run goes on; each ten seconds.
    Alive {
        /// Nodes that have run.
        ran: usize,
        /// Jobs under way.
        running: usize,
    },
}

/// Is told what happens, on the thread that drives the run.
pub trait Sink {
    /// Takes in an event.
    fn event(&mut self, event: Event<'_>);
}

/// Listens to nothing.
pub struct Silent;

impl Sink for Silent {
    fn event(&mut self, _: Event<'_>) {}
}
