//! What the store knows of a node, and what follows.

use crate::exec::drive::{Fact, Run};
use crate::exec::error::Error;
use crate::exec::event::Event;
use crate::exec::fuse::{self, Group};
use crate::exec::job::{Job, Work};
use crate::exec::keep;
use crate::exec::shelf::{Answer, Looked};
use crate::exec::why::Why;
use crate::id::{BlobId, NodeId};
use crate::plan::graph::{Arg, NodeIndex};
use crate::plan::node::{Entry, long_blob, node_id};
use crate::value::data::Value;

/// So many nodes below answers, the costliest, are looked up only to say what they once took.
const CURIOUS: usize = 512;

impl Run<'_> {
    /// Looks a node up for the first time.
    pub(in crate::exec) fn look_up(&mut self, node: NodeIndex) -> Result<(), Error> {
        if self.ask(node)? {
            return Ok(());
        }
        match self.group(node)? {
            Some(group) => {
                let inputs = group.inputs().collect();
                self.groups.insert(node, group);
                self.schedule.missing_group(self.plan, node, inputs);
            }
            None if self.fact(node).settles => self.schedule.gone(self.plan, node),
            None => self.schedule.missing(self.plan, node),
        }
        Ok(())
    }

    /// Asks elsewhere for nodes that have no answer here, each once: goals come first, and what is
    /// below them only when they are not to be had.
    pub(in crate::exec) fn bring(&mut self, nodes: &[NodeIndex]) -> Result<(), Error> {
        if nodes.is_empty() || !self.context.shelf.reaches_out() {
            return Ok(());
        }
        let mut unknown = Vec::new();
        for node in nodes {
            let id = self.plan.id(*node);
            let looked = self.context.shelf.look(id)?;
            if matches!(looked, Looked::Nothing | Looked::Recorded { .. })
                && self.sought.insert(*node)
            {
                unknown.push(id);
            }
        }
        if !unknown.is_empty() {
            self.context.shelf.bring(&unknown)?;
        }
        Ok(())
    }

    /// Asks the store about a node; true when it has an answer, which is then taken in.
    pub(in crate::exec) fn ask(&mut self, node: NodeIndex) -> Result<bool, Error> {
        match self.context.shelf.look(self.plan.id(node))? {
            Looked::Nothing => Ok(false),
            Looked::Recorded { .. } => {
                self.fact(node).recorded = true;
                Ok(false)
            }
            Looked::Conflict => {
                let fact = self.fact(node);
                fact.recorded = true;
                fact.settles = true;
                fact.why = Some(Why::Forced);
                Ok(false)
            }
            Looked::Answer(answer) => {
                self.fact(node).recorded = true;
                if answer.result.is_err() && self.options.retry_failed {
                    self.fact(node).why = Some(Why::Forced);
                    return Ok(false);
                }
                self.know(node, answer);
                Ok(true)
            }
        }
    }

    /// Takes in a receipt.
    pub(in crate::exec) fn know(&mut self, node: NodeIndex, answer: Box<Answer>) {
        match &answer.result {
            Ok(output) => {
                for warning in &output.warn {
                    let (code, count) = (warning.code.as_str(), warning.count);
                    self.sink.event(Event::Warning { node, code, count });
                }
                let name = output.out;
                self.fact(node).answer = Some(answer);
                self.schedule.known(self.plan, node, name);
                self.reader_settled(node);
            }
            Err(refusal) => {
                let refusal = refusal.clone();
                self.fact(node).answer = Some(answer);
                self.refused(node, refusal);
            }
        }
    }

    /// Returns the group that a missing node ends, if its inner nodes are not to be had otherwise.
    fn group(&mut self, last: NodeIndex) -> Result<Option<Group>, Error> {
        let count = |node| self.cone.count(node);
        let Some(group) = fuse::group(self.plan, last, &count) else { return Ok(None) };
        let ours =
            |node: &NodeIndex| self.schedule.is_unseen(*node) && !self.goal_nodes.contains(node);
        if !self.context.fusions.has(&group.pattern) || !group.inner.iter().all(ours) {
            return Ok(None);
        }
        self.bring(&group.inner)?;
        for node in &group.inner {
            match self.context.shelf.look(self.plan.id(*node))? {
                Looked::Nothing => {}
                Looked::Recorded { .. } => self.fact(*node).recorded = true,
                Looked::Conflict | Looked::Answer(_) => return Ok(None),
            }
        }
        Ok(Some(group))
    }

    /// Looks for an equal computation on equal arguments, whose definitions may differ.
    pub(in crate::exec) fn cut(&mut self, node: NodeIndex) -> Result<(), Error> {
        let names = self.plan.arg_nodes(node).map(|dep| self.schedule.name(dep));
        let names = names.collect::<Option<Vec<_>>>();
        let names = names.expect("the schedule asks when all arguments have names");
        if !self.fact(node).why.is_some_and(Why::was_recorded) {
            let key = self.plan.cut_key(node, &names);
            if let Some(answer) = self.context.shelf.same(key)?
                && !(answer.result.is_err() && self.options.retry_failed)
            {
                // A receipt that names what is gone would not be stored; who computes it again leaves one.
                if answer.here {
                    self.record_cut(node, &answer, self.names(node, names))?;
                }
                self.know(node, Box::new(answer));
                return Ok(());
            }
        }
        self.schedule.uncut(self.plan, node);
        Ok(())
    }

    /// Puts the blobs of long literals among those of the nodes: `in` has one for each id in `args`.
    fn names(&self, node: NodeIndex, of_nodes: Vec<BlobId>) -> Vec<BlobId> {
        let mut of_nodes = of_nodes.into_iter();
        let name = |arg: &Arg| match arg {
            Arg::Node(_) => of_nodes.next(),
            Arg::Literal(value) => long_blob(value),
        };
        self.plan.args(node).iter().filter_map(name).collect()
    }

    /// Fetches a value that somebody wants.
    pub(in crate::exec) fn load(&mut self, node: NodeIndex) -> Result<(), Error> {
        let small = match &self.facts[node.0 as usize].answer {
            Some(answer) => answer.result.as_ref().ok().and_then(|output| output.val.clone()),
            None => None,
        };
        if let Some(small) = small {
            let value = self.context.shelf.decode(&small)?;
            self.loaded(node, value);
            return Ok(());
        }
        let slot = self.facts[node.0 as usize].slot.as_ref().and_then(|slot| slot.get().copied());
        let Some(blob) = self.schedule.name(node).or(slot) else {
            self.loaded(node, None);
            return Ok(());
        };
        self.session()?;
        let work = Work::Load { shelf: self.context.shelf.clone(), blob };
        let job = Job { node, work, grant: None };
        if self.context.shelf.reaches_out() {
            self.unfetched.push_back(job);
        } else {
            self.flying += 1;
            self.context.engine.start(job, self.sender.clone());
        }
        Ok(())
    }

    /// Takes in a value out of the store; without one the node runs.
    pub(in crate::exec) fn loaded(&mut self, node: NodeIndex, value: Option<Value>) {
        if let Some(value) = value {
            let bytes = value.size() as u64;
            let voxels = value.grid().map_or(0, |grid| grid.voxels() as u64);
            self.values.put(node, value);
            self.fact(node).again_ps = keep::load_ps(bytes);
            self.schedule.done(self.plan, node, None, voxels, bytes);
            return;
        }
        let fact = self.fact(node);
        fact.answer = None;
        fact.why.get_or_insert(Why::Evicted);
        if let Some(group) = self.groups.remove(&node) {
            // It ran as one and was dropped since; its nodes are looked at one by one.
            self.schedule.forget_group(group.last);
        }
        self.schedule.gone(self.plan, node);
    }

    /// Says why a node runs, from what was learned while it was looked up.
    pub(in crate::exec) fn reason(&mut self, node: NodeIndex) -> Result<Why, Error> {
        let fact = &self.facts[node.0 as usize];
        if let Some(why) = fact.why {
            return Ok(why);
        }
        if fact.recorded {
            return Ok(Why::Evicted);
        }
        let is = self.plan.signature(node).version;
        for was in (1..is).rev() {
            if !matches!(self.context.shelf.look(self.with_version(node, was))?, Looked::Nothing) {
                return Ok(Why::Version { was, is });
            }
        }
        let changed = self.plan.arg_nodes(node).position(|dep| {
            let fact = &self.facts[dep.0 as usize];
            fact.ran && fact.why.is_some_and(|why| !why.was_recorded())
        });
        Ok(changed.map_or(Why::Never, |at| Why::Argument(at as u32)))
    }

    fn with_version(&self, node: NodeIndex, version: u32) -> NodeId {
        let entries: Vec<Entry<'_>> = self
            .plan
            .args(node)
            .iter()
            .map(|arg| match arg {
                Arg::Node(index) => Entry::Node(self.plan.id(*index).0),
                Arg::Literal(value) => Entry::Literal(value),
            })
            .collect();
        node_id(self.plan.signature(node).name, version, &entries, self.plan.params(node))
    }

    /// Counts the nodes that did not need to run, and what they once took, each once.
    pub(in crate::exec) fn count_reused(&mut self) -> Result<(), Error> {
        let mut unasked = Vec::new();
        for node in self.cone.nodes() {
            let fact = &self.facts[node.0 as usize];
            if fact.ran || self.schedule.failed(*node).is_some_and(|_| fact.answer.is_none()) {
                continue;
            }
            self.report.reused += 1;
            match &fact.answer {
                Some(answer) => self.report.saved_us += answer.us,
                None => unasked.push(*node),
            }
        }
        if unasked.len() > CURIOUS {
            let cost = |node: &NodeIndex| self.plan.signature(*node).cost.picoseconds();
            unasked.select_nth_unstable_by_key(CURIOUS, |node| std::cmp::Reverse(cost(node)));
            unasked.truncate(CURIOUS);
        }
        for node in unasked {
            self.report.saved_us += match self.context.shelf.look(self.plan.id(node))? {
                Looked::Answer(answer) => answer.us,
                Looked::Recorded { us } => us,
                Looked::Nothing | Looked::Conflict => 0,
            };
        }
        Ok(())
    }

    /// Returns what is known of a node.
    pub(in crate::exec) fn fact(&mut self, node: NodeIndex) -> &mut Fact {
        &mut self.facts[node.0 as usize]
    }
}
