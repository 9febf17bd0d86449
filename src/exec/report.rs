//! What a run returns.

use std::time::Duration;

use crate::exec::event::Outcome;
use crate::exec::why::Why;
use crate::id::NodeId;

/// A node that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its id.
    pub node: NodeId,
    /// Its operator.
    pub op: &'static str,
    /// What it took, in microseconds; of a group the last node has it all.
    pub us: u64,
    /// About how many bytes its value has; none when it left no value.
    pub bytes: u64,
    /// How many bytes its value took in memory; none of what was fused away.
    pub made: u64,
    /// Was it claimed?
    pub claimed: bool,
    /// Why it ran.
    pub why: Why,
}

impl Ran {
    /// Returns the report's word: had it ever been recorded?
    pub fn was(&self) -> &'static str {
        if self.why.was_recorded() { "redone" } else { "computed" }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Nodes that ran and had never been recorded.
    pub computed: usize,
    /// Nodes that ran though they had been recorded: their values were not kept, or evicted.
    pub redone: usize,
    /// Nodes that the goals stand on and that did not need to run.
    pub reused: usize,
    /// Goals that have no value.
    pub failed: usize,
    /// How long it took.
    pub wall: Duration,
    /// What the reused nodes once took, in microseconds: of very many the costliest.
    pub saved_us: u64,
    /// What naming and encoding values took on all threads, in microseconds.
    pub naming_us: u64,
    /// How long the driver waited at the end until all was stored.
    pub storing: Duration,
    /// All nodes that ran, in the order of their ends.
    pub nodes: Vec<Ran>,
    /// What became of the goals, in program order.
    pub goals: Vec<Outcome>,
    /// Results that could not be stored, because something that they mention went away meanwhile.
    pub unstored: u64,
}

impl Report {
    /// Adds a node that ran.
    pub(in crate::exec) fn ran(&mut self, ran: Ran) {
        if ran.why.was_recorded() {
            self.redone += 1;
        } else {
            self.computed += 1;
        }
        self.nodes.push(ran);
    }
}
