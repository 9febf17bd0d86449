//! What the goals stand on, and who uses what. Pure, and grows with the plan.

use std::collections::HashSet;

use crate::exec::fuse;
use crate::exec::keep::FUSED_PS;
use crate::plan::graph::{NodeIndex, Plan};
use crate::primitive::signature::Cost;

/// No more of what hangs above a node is looked at: by then the work is large enough.
const FAR: usize = 1000;
const NONE: u32 = u32::MAX;

/// All nodes below some roots, and for each its users among them.
#[derive(Default)]
pub struct Cone {
    inside: Vec<bool>,
    counts: Vec<u32>,
    heads: Vec<u32>,
    links: Vec<(NodeIndex, u32)>,
    nodes: Vec<NodeIndex>,
}

impl Cone {
    /// Begins empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root with all nodes below it; a root counts as a use.
    pub fn add(&mut self, plan: &Plan, root: NodeIndex) {
        self.inside.resize(plan.len(), false);
        self.counts.resize(plan.len(), 0);
        self.heads.resize(plan.len(), NONE);
        self.counts[root.0 as usize] += 1;
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut self.inside[node.0 as usize], true) {
                continue;
            }
            self.nodes.push(node);
            for below in plan.arg_nodes(node) {
                let at = below.0 as usize;
                self.counts[at] += 1;
                self.links.push((node, self.heads[at]));
                self.heads[at] = (self.links.len() - 1) as u32;
                if !self.inside[at] {
                    stack.push(below);
                }
            }
        }
    }

    /// Returns all nodes, in no order.
    pub fn nodes(&self) -> &[NodeIndex] {
        &self.nodes
    }

    /// Returns how often a node is used.
    pub fn count(&self, node: NodeIndex) -> u32 {
        self.counts.get(node.0 as usize).copied().unwrap_or(0)
    }

    /// Returns about what the work above a node costs for each voxel, in picoseconds.
    pub fn above_ps(&self, plan: &Plan, node: NodeIndex) -> u64 {
        let mut seen = HashSet::new();
        let mut stack = vec![node];
        let mut sum = 0;
        while let Some(node) = stack.pop() {
            let mut link = self.heads.get(node.0 as usize).copied().unwrap_or(NONE);
            while link != NONE {
                let (user, next) = self.links[link as usize];
                link = next;
                if seen.len() < FAR && seen.insert(user) {
                    sum += self.own_ps(plan, user);
                    stack.push(user);
                }
            }
        }
        sum
    }

    /// Returns about what the only node that uses this one costs for each voxel, if only one does.
    pub fn only_user_ps(&self, plan: &Plan, node: NodeIndex) -> Option<u64> {
        let link = self.heads.get(node.0 as usize).copied().unwrap_or(NONE);
        let is_alone = link != NONE && self.count(node) == 1;
        is_alone.then(|| self.own_ps(plan, self.links[link as usize].0))
    }

    /// Returns about what a node costs for each voxel; a distance that is only compared is fused.
    fn own_ps(&self, plan: &Plan, node: NodeIndex) -> u64 {
        let cost = plan.signature(node).cost;
        let link = self.heads.get(node.0 as usize).copied().unwrap_or(NONE);
        if cost == Cost::Distance && link != NONE && self.count(node) == 1 {
            let (user, _) = self.links[link as usize];
            if fuse::group(plan, user, &|node| self.count(node)).is_some() {
                return FUSED_PS;
            }
        }
        cost.picoseconds()
    }
}
