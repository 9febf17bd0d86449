//! What is wanted, what is ready, what may be forgotten. Pure: no threads, files or clocks.
//!
//! Demand runs from the goals down. A node is first only *named*: is there a receipt that says what
//! came out? Its arguments are named when it has none; if all of them have names the cut-off key is
//! asked; only when that fails are values wanted. So a value is loaded or computed only for a node
//! that runs, and an edit that changes nothing stops where it stops to matter.
//!
//! The caller feeds what it learned and takes what is to be done next: nodes to look up, cut-off
//! keys to ask, values to load, nodes to run. A node's value is held by everyone above who may yet
//! want it, and reported once nobody does.

use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::exec::demand::Answer;
use crate::id::BlobId;
use crate::plan::graph::{NodeIndex, Plan};
use crate::value::kind::Kind;

/// Who wants a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum User {
    /// Another node.
    Node(NodeIndex),
    /// A goal, by its place in the program.
    Goal(u32),
    /// A template that waits for it.
    Template(u32),
}

/// What is wanted of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::exec) enum Need {
    /// That it is known what came out, or that it has run.
    Name,
    /// Its value, in memory.
    Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::exec) enum State {
    Unseen,
    Asked,
    Known,
    Naming,
    Cutting,
    Gathering,
    Ready,
    Running,
    Loading,
    Done,
    Failed,
}

pub(in crate::exec) struct Item {
    pub(in crate::exec) state: State,
    /// Is the value in memory?
    pub(in crate::exec) has: bool,
    /// Does it run only for what it does besides its value?
    pub(in crate::exec) forced: bool,
    pub(in crate::exec) name: Option<BlobId>,
    /// How many may yet want the value.
    pub(in crate::exec) holds: u32,
    /// How many arguments are outstanding.
    pub(in crate::exec) left: u32,
    pub(in crate::exec) users: Vec<(User, Need)>,
    pub(in crate::exec) voxels: u64,
    pub(in crate::exec) bytes: u64,
    pub(in crate::exec) root: NodeIndex,
}

/// Everything that is going on in one run.
#[derive(Default)]
pub struct Schedule {
    pub(in crate::exec) items: Vec<Item>,
    pub(in crate::exec) fused: HashMap<NodeIndex, Vec<NodeIndex>>,
    pub(in crate::exec) todo: Vec<NodeIndex>,
    pub(in crate::exec) asks: Vec<NodeIndex>,
    pub(in crate::exec) cuts: Vec<NodeIndex>,
    pub(in crate::exec) loads: Vec<NodeIndex>,
    pub(in crate::exec) answered: Vec<(User, NodeIndex)>,
    pub(in crate::exec) dropped: Vec<NodeIndex>,
    pub(in crate::exec) tiny: VecDeque<NodeIndex>,
    pub(in crate::exec) ready: BinaryHeap<(i64, std::cmp::Reverse<NodeIndex>)>,
}

impl Schedule {
    /// Begins without wants.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for all nodes of a plan that has grown.
    pub fn grow(&mut self, plan: &Plan) {
        self.items.resize_with(plan.len(), || Item {
            state: State::Unseen,
            has: false,
            forced: false,
            name: None,
            holds: 0,
            left: 0,
            users: Vec::new(),
            voxels: 0,
            bytes: 0,
            root: NodeIndex(0),
        });
    }

    /// Wants the value of a node for a goal or template, and holds it until [`Self::release`].
    pub fn want(&mut self, user: User, node: NodeIndex) {
        self.item(node).holds += 1;
        match self.need(node, user, Need::Value) {
            Answer::Now | Answer::Failed => self.answered.push((user, node)),
            Answer::Later => {}
        }
    }

    /// Lets go of a value.
    pub fn release(&mut self, node: NodeIndex) {
        let item = self.item(node);
        item.holds -= 1;
        if item.holds == 0 && item.has {
            item.has = false;
            self.dropped.push(node);
        }
    }

    /// Holds a value that is there, or will be.
    pub fn hold(&mut self, node: NodeIndex) {
        self.item(node).holds += 1;
    }

    /// Takes the nodes that are to be looked up.
    pub fn take_asks(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.asks)
    }

    /// Takes the nodes whose arguments have names, so that their cut-off keys can be asked.
    pub fn take_cuts(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.cuts)
    }

    /// Takes the nodes whose values are to be loaded.
    pub fn take_loads(&mut self) -> Vec<NodeIndex> {
        std::mem::take(&mut self.loads)
    }

    /// Takes the goals and templates that have their node, or will never have it.
    pub fn take_answered(&mut self) -> Vec<(User, NodeIndex)> {
        std::mem::take(&mut self.answered)
    }

    /// Takes the nodes whose values nobody wants any more.
    pub fn take_dropped(&mut self) -> Vec<NodeIndex> {
        let mut dropped = std::mem::take(&mut self.dropped);
        // It may have come back meanwhile.
        dropped.retain(|node| !self.items[node.0 as usize].has);
        dropped
    }

    /// Takes a ready node that is too small for a job of its own.
    pub fn next_tiny(&mut self) -> Option<NodeIndex> {
        let node = self.tiny.pop_front()?;
        self.item(node).state = State::Running;
        Some(node)
    }

    /// Takes the ready node that frees most memory.
    pub fn next_ready(&mut self) -> Option<NodeIndex> {
        let (_, std::cmp::Reverse(node)) = self.ready.pop()?;
        self.item(node).state = State::Running;
        Some(node)
    }

    /// Puts a node back that could not be started.
    pub fn put_back(&mut self, plan: &Plan, node: NodeIndex) {
        self.make_ready(plan, node);
    }

    /// Says whether nothing waits to be done by the caller.
    pub fn is_idle(&self) -> bool {
        self.asks.is_empty()
            && self.cuts.is_empty()
            && self.loads.is_empty()
            && self.answered.is_empty()
            && self.tiny.is_empty()
            && self.ready.is_empty()
    }

    /// Says whether all that waits to be done by the caller is jobs to be started.
    pub fn is_blocked(&self) -> bool {
        self.asks.is_empty()
            && self.cuts.is_empty()
            && self.loads.is_empty()
            && self.answered.is_empty()
            && self.tiny.is_empty()
    }

    /// Says whether a node was never looked at.
    pub fn is_unseen(&self, node: NodeIndex) -> bool {
        self.items[node.0 as usize].state == State::Unseen
    }

    /// Returns what came out of a node, as far as it is known.
    pub fn name(&self, node: NodeIndex) -> Option<BlobId> {
        self.items[node.0 as usize].name
    }

    /// Notes what came out of a node that has run.
    pub fn set_name(&mut self, node: NodeIndex, name: BlobId) {
        self.item(node).name = Some(name);
    }

    /// Says whether a node failed, and returns the one below where that began.
    pub fn failed(&self, node: NodeIndex) -> Option<NodeIndex> {
        let item = &self.items[node.0 as usize];
        (item.state == State::Failed).then_some(item.root)
    }

    /// Says whether a node runs only for what it does besides its value.
    pub fn is_forced(&self, node: NodeIndex) -> bool {
        self.items[node.0 as usize].forced
    }

    /// Returns the largest count of voxels among the arguments of a node.
    pub fn voxels_below(&self, plan: &Plan, node: NodeIndex) -> u64 {
        let of = |node: NodeIndex| self.items[node.0 as usize].voxels;
        match self.fused.get(&node) {
            Some(inputs) => inputs.iter().map(|input| of(*input)).max(),
            None => plan.arg_nodes(node).map(of).max(),
        }
        .unwrap_or(0)
    }

    /// Returns the voxels of a value.
    pub fn voxels(&self, node: NodeIndex) -> u64 {
        self.items[node.0 as usize].voxels
    }

    /// Takes in that a receipt says what came out.
    pub fn known(&mut self, plan: &Plan, node: NodeIndex, name: BlobId) {
        let item = self.item(node);
        let gathered = matches!(item.state, State::Cutting | State::Running);
        item.state = State::Known;
        item.name = Some(name);
        if gathered {
            self.release_deps(plan, node);
        }
        self.settle(node);
        self.pump(plan);
    }

    /// Takes in that nothing says what came out: the arguments are looked at.
    pub fn missing(&mut self, plan: &Plan, node: NodeIndex) {
        self.name_deps(plan, node);
        self.pump(plan);
    }

    /// Takes in that nothing says what came out of the last node of a group.
    pub fn missing_group(&mut self, plan: &Plan, node: NodeIndex, inputs: Vec<NodeIndex>) {
        self.fused.insert(node, inputs);
        self.hold_deps(plan, node);
        self.gather(plan, node);
        self.pump(plan);
    }

    /// Takes a group apart: its last node starts again by itself.
    pub fn unfuse(&mut self, plan: &Plan, node: NodeIndex) {
        self.release_deps(plan, node);
        self.fused.remove(&node);
        self.missing(plan, node);
    }

    /// Forgets that a node, which is known, was the last of a group.
    pub fn forget_group(&mut self, node: NodeIndex) {
        self.fused.remove(&node);
    }

    /// Takes in that no equal computation is known: the values of the arguments are wanted.
    pub fn uncut(&mut self, plan: &Plan, node: NodeIndex) {
        self.gather(plan, node);
        self.pump(plan);
    }

    /// Takes in that a value cannot be loaded: the node runs again.
    pub fn gone(&mut self, plan: &Plan, node: NodeIndex) {
        self.hold_deps(plan, node);
        self.gather(plan, node);
        self.pump(plan);
    }

    /// Ends a run that was for what a node does besides its value.
    pub fn unforce(&mut self, node: NodeIndex) {
        self.item(node).forced = false;
    }

    /// Runs a node whose value is known, for what it does besides.
    pub fn force(&mut self, plan: &Plan, node: NodeIndex) {
        let item = self.item(node);
        debug_assert!(matches!(item.state, State::Known | State::Done), "its value is known");
        item.forced = true;
        self.gone(plan, node);
    }

    /// Takes in a value, computed or loaded.
    pub fn done(
        &mut self,
        plan: &Plan,
        node: NodeIndex,
        name: Option<BlobId>,
        voxels: u64,
        bytes: u64,
    ) {
        let item = self.item(node);
        let ran = item.state == State::Running;
        item.state = State::Done;
        item.has = true;
        item.name = name.or(item.name);
        item.voxels = voxels;
        item.bytes = bytes;
        if ran {
            self.release_deps(plan, node);
        }
        self.settle(node);
        self.pump(plan);
    }

    /// Takes in that a node has no value and gets none.
    pub fn fail(&mut self, plan: &Plan, node: NodeIndex) {
        self.fail_for(plan, node, node);
        self.pump(plan);
    }
}

/// Returns about how many bytes a value of a kind takes on so many voxels.
pub fn made(kind: Kind, voxels: u64) -> u64 {
    match kind {
        Kind::Mask => voxels / 8,
        Kind::Colour => voxels * 12,
        // What is not known may be an image.
        Kind::Image | Kind::Any | Kind::Overlay => voxels * 4,
        _ => 64,
    }
}
