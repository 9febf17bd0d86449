//! From ready nodes to jobs: memory first, then the claim, then the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::exec::budget::Grant;
use crate::exec::drive::{Parked, Run};
use crate::exec::error::Error;
use crate::exec::event::Event;
use crate::exec::job::{After, Done, Input, Job, Work};
use crate::exec::keep::{self, Rule};
use crate::exec::schedule;
use crate::exec::shelf::Turn;
use crate::plan::graph::{Arg, NodeIndex};
use crate::primitive::signature::Cost;
use crate::value::data::Value;
use crate::value::kind::Kind;

/// A file's voxels take about so many times its bytes.
const UNPACKED: u64 = 4;
/// Outputs that are written at once.
const PUBLISHING: usize = 4;
/// Values that are fetched at once.
const FETCHING: usize = 8;

impl Run<'_> {
    /// Starts ready nodes, as many as make progress at once and as memory allows.
    pub(in crate::exec) fn start_jobs(&mut self) -> Result<(), Error> {
        while self.running < self.context.engine.width() {
            let Some(node) = self.schedule.next_ready() else { return Ok(()) };
            let Some(grant) = self.context.budget.job(self.needs_bytes(node)) else {
                self.schedule.put_back(self.plan, node);
                self.starved = true;
                return Ok(());
            };
            if self.take_turn(node)? {
                self.launch(node, grant);
            } else {
                // Memory kept while somebody else is waited for could dead-lock two processes.
                drop(grant);
            }
        }
        Ok(())
    }

    /// Asks again for a node that somebody else computes.
    pub(in crate::exec) fn unpark(&mut self, mut parked: Parked) -> Result<(), Error> {
        let node = parked.node;
        if self.ask(node)? {
            return Ok(());
        }
        let Some(grant) = self.context.budget.job(self.needs_bytes(node)) else {
            self.parked.push(parked);
            return Ok(());
        };
        let op = self.plan.signature(node).name;
        match self.context.shelf.claim(self.plan.id(node), op)? {
            Turn::Yours(claim) => {
                if let Some(claim) = claim {
                    self.claims.insert(node, claim);
                }
                self.launch(node, grant);
            }
            Turn::Done(answer) if answer.result.is_err() && self.options.retry_failed => {
                self.launch(node, grant);
            }
            Turn::Done(answer) => self.know(node, answer),
            Turn::Theirs(holder) => {
                if !parked.told && parked.since.elapsed() >= self.options.patience {
                    parked.told = true;
                    let holder = &holder;
                    self.sink.event(Event::Waiting { node: self.plan.id(node), op, holder });
                }
                self.parked.push(parked);
            }
        }
        Ok(())
    }

    /// Claims a node that is worth it; false when it is not this run's to compute now.
    fn take_turn(&mut self, node: NodeIndex) -> Result<bool, Error> {
        if self.schedule.is_forced(node) || !self.is_worth_a_claim(node) {
            return Ok(true);
        }
        let (id, op) = (self.plan.id(node), self.plan.signature(node).name);
        match self.context.shelf.claim(id, op)? {
            Turn::Yours(claim) => {
                if let Some(claim) = claim {
                    self.claims.insert(node, claim);
                }
                Ok(true)
            }
            Turn::Done(answer) => {
                if answer.result.is_err() && self.options.retry_failed {
                    return Ok(true);
                }
                self.know(node, answer);
                Ok(false)
            }
            Turn::Theirs(_) if self.options.no_wait => Ok(true),
            Turn::Theirs(holder) => {
                self.context.shelf.want(id)?;
                let near = holder.pid == std::process::id();
                let since = Instant::now();
                self.parked.push(Parked { node, since, told: false, near });
                Ok(false)
            }
        }
    }

    fn is_worth_a_claim(&self, node: NodeIndex) -> bool {
        let after = self.after(node);
        let own_ps = after.own_ps.saturating_mul(after.voxels);
        let bytes = schedule::made(self.plan.kind(node), after.voxels);
        own_ps > self.options.claimed_ps
            && after.rule.keeps(bytes, own_ps.saturating_add(after.below_ps))
    }

    fn launch(&mut self, node: NodeIndex, grant: Grant) {
        let job = self.job(node, Some(grant));
        self.running += 1;
        self.flying += 1;
        self.context.engine.start(job, self.sender.clone());
    }

    /// Returns the job that runs a node whose arguments are all there.
    pub(in crate::exec) fn job(&self, node: NodeIndex, grant: Option<Grant>) -> Job {
        let after = self.after(node);
        let work = if let Some(group) = self.groups.get(&node) {
            let args = self.arguments(&group.args);
            let fusions = self.context.fusions.clone();
            Work::Fused { fusions, pattern: group.pattern.clone(), args, after }
        } else {
            Work::Kernel {
                registry: self.context.registry.clone(),
                op: self.plan.signature(node).name,
                args: self.arguments(self.plan.args(node)),
                params: self.plan.params(node).clone(),
                files: self.inputs(node),
                after,
            }
        };
        Job { node, work, grant }
    }

    fn arguments(&self, args: &[Arg]) -> Vec<Value> {
        let value = |arg: &Arg| match arg {
            Arg::Literal(value) => value.clone(),
            Arg::Node(index) => {
                self.values.get(*index).cloned().expect("a ready node's arguments are held")
            }
        };
        args.iter().map(value).collect()
    }

    fn inputs(&self, node: NodeIndex) -> Vec<Input> {
        let Some(files) = self.plan.files(node) else { return Vec::new() };
        let files = files.paths.iter().zip(&files.digests);
        files
            .map(|(path, digest)| Input {
                path: path.clone(),
                digest: *digest,
                content: self.files.inputs.get(*digest),
                open: self.files.inputs.opener().clone(),
            })
            .collect()
    }

    fn after(&self, node: NodeIndex) -> After {
        let group = self.groups.get(&node);
        let below = |dep: NodeIndex| self.facts[dep.0 as usize].again_ps;
        let below_ps = match group {
            Some(group) => group.inputs().map(below).fold(0, u64::saturating_add),
            None => self.plan.arg_nodes(node).map(below).fold(0, u64::saturating_add),
        };
        let rule = Rule {
            keep: self.options.keep,
            goal: self.goal_nodes.contains(&node),
            input: self.plan.files(node).is_some(),
        };
        let voxels = self.schedule.voxels_below(self.plan, node);
        // What hangs above matters to what may be large, and is not asked of thousands of scalars.
        let kind = self.plan.kind(node);
        let is_small = schedule::made(kind, 1 << 20) <= 64
            || (kind == Kind::Any && self.plan.signature(node).cost == Cost::Scalar);
        // Before a cheap step that nobody else takes it is better cut off behind that step.
        let is_on_the_way = || {
            let hash_ps = keep::hash_ps(schedule::made(kind, 1 << 20)) >> 20;
            self.cone.only_user_ps(self.plan, node).is_some_and(|user| user <= hash_ps)
        };
        let is_idle = is_small || is_on_the_way();
        let above_ps = if is_idle { 0 } else { self.cone.above_ps(self.plan, node) };
        let own_ps = match group {
            Some(group) => group.own_ps(self.plan),
            None => keep::own_ps(self.plan, node),
        };
        After { rule, own_ps, voxels, below_ps, above_ps }
    }

    fn needs_bytes(&self, node: NodeIndex) -> u64 {
        if self.plan.files(node).is_some() {
            // Looking at sizes of files is cheap, and read is what is about to be done to them.
            let size = |input: &Input| match &input.content {
                Some(content) => content.bytes().len() as u64,
                None => {
                    let opened = input.open.open(&input.path);
                    opened.and_then(|file| file.metadata()).map_or(0, |found| found.len())
                }
            };
            return self.inputs(node).iter().map(size).sum::<u64>() * UNPACKED;
        }
        // The value, and as much again to work with.
        2 * schedule::made(self.plan.kind(node), self.schedule.voxels_below(self.plan, node))
    }

    /// Starts writing outputs on threads of their own: a worker does not wait for a disk's sync.
    pub(in crate::exec) fn start_publishing(&mut self) {
        while self.publishing < PUBLISHING {
            let Some(job) = self.unpublished.pop_front() else { return };
            self.publishing += 1;
            self.flying += 1;
            let sender = self.sender.clone();
            std::thread::spawn(move || sender.send(job.run()).ok());
        }
    }

    /// Starts loading values that may lie elsewhere, on threads of their own: a worker waits neither
    /// for a network nor for the lock under which what came is kept.
    pub(in crate::exec) fn start_fetching(&mut self) {
        while self.fetching < FETCHING {
            let Some(job) = self.unfetched.pop_front() else { return };
            self.fetching += 1;
            self.flying += 1;
            let (node, sender) = (job.node, self.sender.clone());
            std::thread::spawn(move || {
                let done = catch_unwind(AssertUnwindSafe(|| job.run()));
                // A value that could not be loaded is computed.
                sender.send(done.unwrap_or(Done::Loaded { node, result: Ok(None) })).ok();
            });
        }
    }
}
