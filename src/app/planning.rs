//! What a program would run: its nodes, and which of them the store can answer.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::config::Config;
use crate::app::context::{self, Access};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::files::Disk;
use crate::app::outputs::Folder;
use crate::app::run::{self, Spec};
use crate::exec::cone::Cone;
use crate::exec::outputs::Outputs as _;
use crate::exec::shelf::{Answer, Looked, Shelf};
use crate::exec::stored::Stored;
use crate::id::{BlobId, Digest};
use crate::kernel::install;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::plan::goal::Action;
use crate::plan::graph::{NodeIndex, Operand, Plan};
use crate::plan::template::TemplateIndex;
use crate::store::open::Store;
use crate::value::data::Value;

/// What the store has of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// A result, or a refusal.
    Stored,
    /// It ran before, and its value is not here.
    Recorded,
    /// Nothing.
    New,
}

/// A goal, and what is known of it.
pub struct Goal {
    /// What it does.
    pub action: Action,
    /// What it stands for; a template where that is known only while running.
    pub value: Operand,
    /// Does nothing have to run or to be written for it?
    pub is_done: bool,
}

/// A program's plan, held against the store.
pub struct Planned {
    /// The plan; templates whose values the store has are expanded.
    pub plan: Plan,
    /// The nodes below the goals, arguments before what uses them.
    pub nodes: Vec<NodeIndex>,
    /// What the store has of each of them.
    pub states: Vec<State>,
    /// Whether each of them would run, also because its value is not here any more.
    pub runs: Vec<bool>,
    /// The goals in program order.
    pub goals: Vec<Goal>,
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts.
    pub sources: Vec<Source>,
}

impl Planned {
    /// Counts the nodes that the store has.
    pub fn stored(&self) -> usize {
        self.states.iter().filter(|state| **state == State::Stored).count()
    }

    /// Counts the nodes that would run.
    pub fn to_run(&self) -> usize {
        self.runs.iter().filter(|runs| **runs).count()
    }

    /// Says whether a run would compute or write nothing.
    pub fn is_done(&self) -> bool {
        self.goals.iter().all(|goal| goal.is_done)
    }
}

/// Plans a program, and looks all of it up. The store is only read; where there is none, all is new.
pub fn plan(environment: &Environment, config: &Config, spec: &Spec) -> Result<Planned, Error> {
    let store = match context::open(environment, config, Access::Read) {
        Err(Error::NoStore { .. }) => Store::memory()?,
        opened => opened?,
    };
    let cwd = &environment.cwd;
    let request = run::request(spec, None);
    let output = cwd.join(&request.output);
    let files = Disk::reading(store.clone(), &spec.world, spec.rehash);
    let lowered = run::plan(spec, request, Arc::new(files), Arc::new(install::table()))?;
    let plan = lowered.plan.expect("what has no plan is an error");
    let shelf = Stored::new(store.clone());
    let mut looking = Looking {
        holes: vec![None; plan.templates()],
        plan,
        shelf: &*shelf,
        answers: Vec::new(),
        recorded: HashSet::new(),
    };
    looking.expand_all()?;
    let roots = looking.roots();
    let mut cone = Cone::new();
    for root in &roots {
        cone.add(&looking.plan, *root);
    }
    let mut nodes = cone.nodes().to_vec();
    nodes.sort_unstable();
    for node in &nodes {
        looking.look(*node)?;
    }
    let outputs = Folder::new(&output, store);
    let (goals, runs) = looking.wanted(&outputs)?;
    let state = |node: &NodeIndex| match looking.answer(*node) {
        Some(_) => State::Stored,
        None if looking.recorded.contains(node) => State::Recorded,
        None => State::New,
    };
    Ok(Planned {
        states: nodes.iter().map(state).collect(),
        runs: nodes.iter().map(|node| runs.contains(node)).collect(),
        nodes,
        goals,
        diagnostics: lowered.diagnostics,
        sources: lowered.sources,
        plan: looking.plan,
    })
}

struct Looking<'a> {
    plan: Plan,
    shelf: &'a dyn Shelf,
    /// For each node that was looked up, what the store says of it.
    answers: Vec<Option<Option<Box<Answer>>>>,
    recorded: HashSet<NodeIndex>,
    /// What templates stand for.
    holes: Vec<Option<Operand>>,
}

impl Looking<'_> {
    /// Looks a node up, by its name and then by the names of its arguments' values.
    fn look(&mut self, node: NodeIndex) -> Result<(), Error> {
        let at = node.0 as usize;
        if self.answers.len() <= at {
            self.answers.resize_with(self.plan.len().max(at + 1), || None);
        }
        if self.answers[at].is_some() {
            return Ok(());
        }
        let mut found = match self.shelf.look(self.plan.id(node))? {
            Looked::Answer(answer) => Some(answer),
            Looked::Recorded { .. } | Looked::Conflict => {
                self.recorded.insert(node);
                None
            }
            Looked::Nothing => None,
        };
        if found.is_none()
            && !self.recorded.contains(&node)
            && let Some(names) = self.plan.arg_nodes(node).map(|arg| self.name(arg)).collect()
        {
            let names: Vec<BlobId> = names;
            found = self.shelf.same(self.plan.cut_key(node, &names))?.map(Box::new);
        }
        self.answers[at] = Some(found);
        Ok(())
    }

    fn answer(&self, node: NodeIndex) -> Option<&Answer> {
        self.answers.get(node.0 as usize)?.as_ref()?.as_deref()
    }

    fn name(&self, node: NodeIndex) -> Option<BlobId> {
        self.answer(node)?.result.as_ref().ok().map(|output| output.out)
    }

    /// Reads a value, if the store has it.
    fn value(&mut self, node: NodeIndex) -> Result<Option<Value>, Error> {
        // Arguments first: a cut-off needs their names.
        let mut cone = Cone::new();
        cone.add(&self.plan, node);
        let mut below = cone.nodes().to_vec();
        below.sort_unstable();
        for node in below {
            self.look(node)?;
        }
        let Some(Ok(output)) = self.answer(node).map(|answer| answer.result.clone()) else {
            return Ok(None);
        };
        Ok(match &output.val {
            Some(small) => self.shelf.decode(small)?,
            None => self.shelf.load(output.out)?,
        })
    }

    /// Returns what an operand stands for as far as that is known; a template where it is not.
    fn stands_for(&self, operand: &Operand) -> Operand {
        let mut operand = operand.clone();
        while let Operand::Template(template) = operand {
            match self.holes.get(template.0 as usize) {
                Some(Some(next)) => operand = next.clone(),
                _ => break,
            }
        }
        operand
    }

    /// Expands the templates that wait for nothing but what the store has.
    fn expand_all(&mut self) -> Result<(), Error> {
        let mut failed = HashSet::new();
        loop {
            let mut any = false;
            let mut at = 0;
            while at < self.plan.templates() {
                self.holes.resize(self.plan.templates(), None);
                if self.holes[at].is_none() && !failed.contains(&at) {
                    match self.expand(TemplateIndex(at as u32))? {
                        Expanded::Done => any = true,
                        Expanded::Not => {}
                        Expanded::Fault => {
                            failed.insert(at);
                        }
                    }
                }
                at += 1;
            }
            if !any {
                return Ok(());
            }
        }
    }

    fn expand(&mut self, template: TemplateIndex) -> Result<Expanded, Error> {
        let waits = self.plan.template_at(template).waits.clone();
        let mut values = Vec::new();
        for wait in waits {
            let operand = self.stands_for(&wait);
            let value = match &operand {
                Operand::Literal(value) => Some(value.clone()),
                Operand::Node(node) => self.value(*node)?,
                Operand::Template(_) => None,
            };
            let Some(value) = value else { return Ok(Expanded::Not) };
            values.push((operand, value));
        }
        Ok(match self.plan.expand(template, &values) {
            Ok(operand) => {
                self.holes.resize(self.plan.templates(), None);
                self.holes[template.0 as usize] = Some(operand);
                Expanded::Done
            }
            Err(_) => Expanded::Fault,
        })
    }

    /// Returns the nodes that goals, and templates that goals wait for, need first.
    fn roots(&self) -> Vec<NodeIndex> {
        let mut roots = Vec::new();
        let mut seen = HashSet::new();
        let goals = self.plan.goals.iter();
        let mut stack: Vec<Operand> = goals.map(|goal| self.stands_for(&goal.value)).collect();
        while let Some(operand) = stack.pop() {
            match operand {
                Operand::Node(node) => roots.push(node),
                Operand::Literal(_) => {}
                Operand::Template(template) => {
                    if seen.insert(template) {
                        let waits = &self.plan.template_at(template).waits;
                        stack.extend(waits.iter().map(|wait| self.stands_for(wait)));
                    }
                }
            }
        }
        roots
    }

    /// Goes down from the goals, as a run does: what is answered needs nothing below it.
    fn wanted(&self, outputs: &Folder) -> Result<(Vec<Goal>, HashSet<NodeIndex>), Error> {
        let mut runs = HashSet::new();
        let mut goals = Vec::new();
        for goal in &self.plan.goals {
            let value = self.stands_for(&goal.value);
            let is_done = match &value {
                Operand::Literal(_) => true,
                Operand::Node(node) => self.is_done(*node, &goal.action, outputs)?,
                Operand::Template(_) => false,
            };
            if let (Operand::Node(node), false) = (&value, is_done) {
                self.descend(*node, &mut runs);
            }
            goals.push(Goal { action: goal.action.clone(), value, is_done });
        }
        // What goals that are not expanded yet wait for.
        for root in self.roots() {
            if self.answer(root).is_none() {
                self.descend(root, &mut runs);
            }
        }
        Ok((goals, runs))
    }

    fn is_done(&self, node: NodeIndex, action: &Action, outputs: &Folder) -> Result<bool, Error> {
        let Some(answer) = self.answer(node) else { return Ok(false) };
        let (Action::Save { path }, Ok(output)) = (action, &answer.result) else { return Ok(true) };
        let value = match &output.val {
            Some(small) => self.shelf.decode(small)?,
            None => self.shelf.load(output.out)?,
        };
        let digest = match &value {
            Some(Value::Record(fields)) => fields.iter().find_map(|(name, value)| match value {
                Value::Bytes(bytes) if &**name == "digest" => {
                    Some(Digest((**bytes).try_into().ok()?))
                }
                _ => None,
            }),
            _ => None,
        };
        // A place that cannot be read is the run's to tell.
        Ok(digest.is_some_and(|digest| outputs.lies(path, digest).unwrap_or(false)))
    }

    fn descend(&self, root: NodeIndex, runs: &mut HashSet<NodeIndex>) {
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if !runs.insert(node) {
                continue;
            }
            for arg in self.plan.arg_nodes(node) {
                if self.answer(arg).is_none() {
                    stack.push(arg);
                }
            }
        }
    }
}

enum Expanded {
    Done,
    Not,
    Fault,
}
