//! Goals: what is printed, what is saved, and in which order it is told.

use std::path::Path;
use std::sync::Arc;

use crate::exec::drive::Run;
use crate::exec::error::Failure;
use crate::exec::event::{Event, Outcome};
use crate::exec::job::{Job, Work};
use crate::exec::schedule::User;
use crate::id::{Digest, NodeId};
use crate::plan::goal::{Action, Goal};
use crate::plan::graph::{NodeIndex, Operand};
use crate::value::data::Value;

impl Run<'_> {
    /// Wants what a goal needs.
    pub(in crate::exec) fn want_goal(&mut self, goal: u32) {
        match self.plan.goals[goal as usize].value.clone() {
            Operand::Node(node) => self.want_for_goal(goal, node),
            Operand::Literal(value) => self.literal_goal(goal, value),
            Operand::Template(template) => self.want_hole(template, User::Goal(goal)),
        }
    }

    /// Wants the node of a goal.
    pub(in crate::exec) fn want_for_goal(&mut self, goal: u32, node: NodeIndex) {
        self.add_root(node);
        self.goal_nodes.insert(node);
        if self.is_save(goal) {
            // Its value is a short record; what people mean by the goal is what it encodes.
            self.goal_nodes.extend(self.plan.arg_nodes(node));
        }
        self.schedule.want(User::Goal(goal), node);
    }

    /// Takes in that a goal is a literal.
    pub(in crate::exec) fn literal_goal(&mut self, goal: u32, value: Value) {
        let outcome = if self.is_save(goal) {
            let message = "a literal is saved through an encoder".to_owned();
            let (node, op) = (NodeIndex(0), "vox1.encode");
            Outcome::Failed(Arc::new(Failure::Lost { node, op, message }))
        } else {
            Outcome::Value(value)
        };
        self.outcomes[goal as usize] = Some(outcome);
    }

    fn is_save(&self, goal: u32) -> bool {
        matches!(self.plan.goals[goal as usize].action, Action::Save { .. })
    }

    /// Takes in that a node is there, or failed, that a goal or template wants.
    pub(in crate::exec) fn answer(&mut self, user: User, node: NodeIndex) {
        match user {
            User::Goal(goal) => self.answer_goal(goal, node),
            User::Template(hole) => self.answer_hole(hole, node),
            User::Node(_) => {}
        }
    }

    fn answer_goal(&mut self, goal: u32, node: NodeIndex) {
        if let Some(root) = self.schedule.failed(node) {
            self.outcomes[goal as usize] = Some(Outcome::Failed(self.failures[&root].clone()));
        } else if self.is_save(goal) {
            return self.save(goal, node);
        } else {
            let value = self.values.get(node).cloned().expect("a goal holds its value");
            self.outcomes[goal as usize] = Some(Outcome::Value(value));
        }
        self.schedule.release(node);
    }

    /// Makes a goal's file hold what its encoder gave, unless it does already.
    pub(in crate::exec) fn save(&mut self, goal: u32, node: NodeIndex) {
        let Action::Save { path } = &self.plan.goals[goal as usize].action else { return };
        let path = path.clone();
        let lies = if let Some(digest) = self.values.get(node).and_then(digest) {
            let lies = self.lies(&path, digest).map(|lies| (lies, digest));
            lies.map_err(|source| Failure::Output { path: path.clone(), source })
        } else {
            let message = "an encoder gave no digest of its file".to_owned();
            Err(Failure::Lost { node, op: self.plan.signature(node).name, message })
        };
        match lies {
            Ok((true, _)) => {
                self.outcomes[goal as usize] = Some(Outcome::Saved { path, written: false });
            }
            Ok((false, digest)) => {
                let Some(bytes) = self.encoded.get(&node) else {
                    // The receipt says what the file is like, its bytes are made again: an effect.
                    let waiting = self.effects.entry(node).or_default();
                    waiting.push(goal);
                    if waiting.len() == 1 {
                        self.schedule.force(self.plan, node);
                    }
                    return;
                };
                let (outputs, bytes) = (self.files.outputs.clone(), bytes.clone());
                let work = Work::Publish { outputs, path, bytes, digest, goal };
                self.unpublished.push_back(Job { node, work, grant: None });
            }
            Err(failure) => {
                self.outcomes[goal as usize] = Some(Outcome::Failed(Arc::new(failure)));
            }
        }
        self.schedule.release(node);
    }

    fn lies(&self, path: &Path, digest: Digest) -> std::io::Result<bool> {
        self.files.outputs.lies(path, digest)
    }

    /// Tells the goals that are known, in program order.
    pub(in crate::exec) fn tell_goals(&mut self) {
        while let Some(Some(outcome)) = self.outcomes.get(self.told) {
            self.sink.event(Event::Goal { index: self.told, outcome });
            self.told += 1;
        }
    }

    /// Ends goals that nothing can answer any more: a fault of vox, said instead of hanging.
    pub(in crate::exec) fn give_up_on_the_rest(&mut self) {
        // An encoder that was to run again for its file, and one of whose arguments failed.
        for (node, goals) in std::mem::take(&mut self.effects) {
            let Some(root) = self.schedule.failed(node) else { continue };
            for goal in goals {
                self.outcomes[goal as usize] = Some(Outcome::Failed(self.failures[&root].clone()));
            }
        }
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            let message = "nothing is left to run, and the goal is not known".to_owned();
            let (node, op) = (NodeIndex(0), "exec");
            *outcome = Some(Outcome::Failed(Arc::new(Failure::Lost { node, op, message })));
        }
    }

    /// Returns the labels and nodes of the goals that are nodes.
    pub(in crate::exec) fn labels(&self) -> Vec<(String, NodeId)> {
        let label = |goal: &Goal| {
            let Operand::Node(node) = goal.value else { return None };
            let label = match &goal.action {
                Action::Print { label } => label.clone(),
                Action::Save { path } => path.display().to_string(),
            };
            Some((label, self.plan.id(node)))
        };
        self.plan.goals.iter().filter_map(label).collect()
    }

    /// Adds a node to what the goals stand on.
    pub(in crate::exec) fn add_root(&mut self, node: NodeIndex) {
        let before = self.cone.nodes().len();
        self.cone.add(self.plan, node);
        for node in &self.cone.nodes()[before..] {
            for digest in self.plan.files(*node).iter().flat_map(|files| &files.digests) {
                *self.readers.entry(*digest).or_default() += 1;
            }
        }
    }
}

/// Returns the digest of the file in an encoder's value.
fn digest(value: &Value) -> Option<Digest> {
    let Value::Record(fields) = value else { return None };
    let (_, value) = fields.iter().find(|(name, _)| &**name == "digest")?;
    match value {
        Value::Bytes(bytes) => Digest::from_slice(bytes),
        _ => None,
    }
}
