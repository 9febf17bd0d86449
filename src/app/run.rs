//! One case from text to goals: lowered, run, and lowered again when a file changed meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::cases::Case;
use crate::app::context::Context;
use crate::app::error::{self, Error, Whose};
use crate::app::files::{Disk, Imports};
use crate::app::outputs::{Folder, Nowhere};
use crate::app::world::World;
use crate::canon::Tree;
use crate::exec;
use crate::exec::drive::{self, Options};
use crate::exec::error::Failure;
use crate::exec::event::{Event, Outcome, Sink};
use crate::exec::inputs::Inputs;
use crate::exec::outputs::Outputs;
use crate::exec::report::Report;
use crate::exec::shelf::Looked;
use crate::id::{Digest, NodeId};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::Dialect;
use crate::lang::source::{Source, SourceId};
use crate::lower::files::Files;
use crate::lower::lowered::{Lowered, Usage};
use crate::lower::program::lower;
use crate::lower::request::{Request, Setting};
use crate::plan::goal::{Action, Goal};
use crate::plan::graph::{Operand, Plan};
use crate::primitive::registry::Registry;

/// What is run, for every case alike.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where the program lies.
    pub program: PathBuf,
    /// Its text.
    pub text: String,
    /// What it imports, by path, where that was brought along; else files are read.
    pub imports: Option<Imports>,
    /// The dialect, whatever its first line says.
    pub dialect: Option<Dialect>,
    /// `--in`: paths, or in a cohort patterns.
    pub inputs: BTreeMap<String, String>,
    /// `--set`.
    pub settings: Vec<(String, Setting)>,
    /// `--set` as it was written.
    pub raw: Vec<(String, String)>,
    /// `-o`.
    pub output: Option<PathBuf>,
    /// The files that it sees.
    pub world: World,
    /// Are files written? Where not, what goals save is computed and told, and lies nowhere.
    pub writes: bool,
    /// Is the memo of input files ignored?
    pub rehash: bool,
    /// What is computed instead of what the program wants, where that is said.
    pub nodes: Option<Arc<Vec<NodeId>>>,
    /// How it is run.
    pub options: Options,
}

/// What became of one case.
#[derive(Debug)]
pub struct Answer {
    /// The goals in program order, with what became of them.
    pub goals: Vec<(Action, Outcome)>,
    /// What ran.
    pub report: Report,
    /// What planning took: lowering, and reading and hashing input files.
    pub planning: Duration,
    /// How much of that was reading and hashing input files.
    pub reading: Duration,
    /// Warnings and notes of lowering.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that diagnostics and origins talk about.
    pub sources: Vec<Source>,
    /// For each goal its node, where it is one.
    pub nodes: Vec<Option<NodeId>>,
    /// The input files of the plan, with what was in them.
    pub files: Vec<(PathBuf, Digest)>,
    /// For each goal, what its failure stands on; nothing for goals that have a value.
    pub blame: Vec<Blame>,
}

/// What a failure stands on.
#[derive(Clone, Debug, Default)]
pub struct Blame {
    /// The input files below the node that failed, by path; all of the run where that is not known.
    pub files: Vec<String>,
    /// The format as which a read that refused tried to read.
    pub format: Option<String>,
}

impl Answer {
    /// Says whose the first failure in program order is, if any goal failed.
    pub fn failure(&self) -> Option<Whose> {
        self.goals.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Failed(failure) => Some(error::of_failure(failure)),
            _ => None,
        })
    }
}

/// Is told what happens in one case.
pub trait Listener {
    /// The program was lowered without mistakes; these are its warnings.
    fn lowered(&mut self, diagnostics: &[Diagnostic], sources: &[Source]);

    /// Something happened; a goal comes with what it does.
    fn event(&mut self, actions: &[Action], event: &Event<'_>);
}

/// Listens to nothing.
pub struct Silent;

impl Listener for Silent {
    fn lowered(&mut self, _: &[Diagnostic], _: &[Source]) {}

    fn event(&mut self, _: &[Action], _: &Event<'_>) {}
}

/// Passes events on with the goals' actions, and counts the goals that were told.
struct Relay<'a> {
    listener: &'a mut dyn Listener,
    actions: Vec<Action>,
    told: usize,
}

impl Sink for Relay<'_> {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Goal { .. }) {
            self.told += 1;
        }
        self.listener.event(&self.actions, &event);
    }
}

/// A case that is planned and not yet run.
struct Begun {
    lowered: Lowered,
    inputs: Arc<Inputs>,
    /// Where relative saves go.
    output: PathBuf,
    planning: Duration,
    reading: Duration,
}

/// How a run of a case went: to its end, or until a file changed.
enum Went {
    Through(Box<Answer>),
    /// This file is another than was planned with; so many goals were told.
    Changed(PathBuf, usize),
}

/// Runs the program over one case, or over the inputs that it names itself.
///
/// A file that changes while it is read makes the case be planned again, once, unless goals were
/// told already: these would be of other bytes than the rest.
pub fn run(
    context: &Context,
    spec: &Spec,
    case: Option<&Case>,
    listener: &mut dyn Listener,
) -> Result<Answer, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        // What changed under us is hashed again, whatever the memo says.
        let rehash = spec.rehash || tries > 1;
        let begun = begin(context, spec, case, rehash, false)?;
        match go(context, spec, begun, listener)? {
            Went::Through(answer) => return Ok(*answer),
            Went::Changed(path, told) if tries > 1 || told > 0 => {
                return Err(Error::Changing { path });
            }
            Went::Changed(..) => {}
        }
    }
}

/// Runs a case of which all is known: its files by the memo, its goals by their receipts. Nothing, where
/// a file would have to be hashed or a goal computed; that is found out quickly.
pub fn known(
    context: &Context,
    spec: &Spec,
    case: &Case,
    listener: &mut dyn Listener,
) -> Result<Option<Answer>, Error> {
    if spec.rehash {
        return Ok(None);
    }
    // Before anything is planned: of a new cohort this is all that is looked at.
    for path in case.inputs.values() {
        let Ok((file, full)) = spec.world.file(path) else { return Ok(None) };
        if context.store.memo(&full, &file)?.is_none() {
            return Ok(None);
        }
    }
    // What is wrong with a case is told by whoever runs it.
    let Ok(begun) = begin(context, spec, Some(case), false, true) else { return Ok(None) };
    let plan = begun.lowered.plan.as_ref().expect("what has no plan is an error");
    for goal in &plan.goals {
        let is_known = match goal.value {
            Operand::Literal(_) => true,
            Operand::Template(_) => false,
            Operand::Node(node) => match context.exec.shelf.look(plan.id(node))? {
                Looked::Answer(answer) if answer.result.is_ok() => answer.here,
                Looked::Answer(_) => !spec.options.retry_failed,
                _ => false,
            },
        };
        if !is_known {
            return Ok(None);
        }
    }
    match go(context, spec, begun, listener)? {
        Went::Through(answer) => Ok(Some(*answer)),
        Went::Changed(..) => Ok(None),
    }
}

/// Plans a case.
fn begin(
    context: &Context,
    spec: &Spec,
    case: Option<&Case>,
    rehash: bool,
    only_known: bool,
) -> Result<Begun, Error> {
    let inputs = Arc::new(Inputs::new(Arc::new(spec.world.clone())));
    let disk = Disk::new(context.store.clone(), inputs.clone(), &spec.world, rehash)
        .importing(spec.imports.clone());
    let disk = Arc::new(if only_known { disk.knowing() } else { disk });
    let began = Instant::now();
    let request = request(spec, case);
    let output = request.output.clone();
    let mut lowered = plan(spec, request, disk.clone(), context.registry.clone())?;
    if let (Some(nodes), Some(plan)) = (&spec.nodes, &mut lowered.plan) {
        let goal = |node: &NodeId| {
            let node = plan.find(*node)?;
            let action = Action::Print { label: plan.id(node).to_string() };
            Some(Goal { action, value: Operand::Node(node), origin: plan.origin(node) })
        };
        plan.goals = nodes.iter().filter_map(goal).collect();
    }
    Ok(Begun { lowered, inputs, output, planning: began.elapsed(), reading: disk.took() })
}

/// Runs a case that is planned.
fn go(
    context: &Context,
    spec: &Spec,
    begun: Begun,
    listener: &mut dyn Listener,
) -> Result<Went, Error> {
    let Begun { lowered, inputs, output, planning, reading } = begun;
    listener.lowered(&lowered.diagnostics, &lowered.sources);
    let mut plan = lowered.plan.expect("what has no plan is an error");
    let files = drive::Files { inputs, outputs: outputs(context, spec, &output) };
    let actions = plan.goals.iter().map(|goal| goal.action.clone()).collect();
    let mut relay = Relay { listener, actions, told: 0 };
    let report = match drive::run(&mut plan, &files, &context.exec, &spec.options, &mut relay) {
        Ok(report) => report,
        Err(exec::error::Error::InputChanged { path }) => {
            // The memo is a help: where it cannot be written, nothing stands in it either.
            context.store.forget(&context.environment.cwd.join(&path)).ok();
            return Ok(Went::Changed(path, relay.told));
        }
        Err(error) => return Err(error.into()),
    };
    let actions = plan.goals.iter().map(|goal| goal.action.clone());
    let goals = actions.zip(report.goals.iter().cloned()).collect();
    let nodes = plan.goals.iter().map(|goal| match goal.value {
        Operand::Node(node) => Some(plan.id(node)),
        _ => None,
    });
    let nodes = nodes.collect();
    let blame = report.goals.iter().map(|outcome| blame(&plan, outcome)).collect();
    let read = plan.all_files();
    let read = read.flat_map(|(_, files)| files.paths.iter().cloned().zip(files.digests.clone()));
    let mut files: Vec<(PathBuf, Digest)> = read.collect();
    files.sort_unstable();
    files.dedup();
    Ok(Went::Through(Box::new(Answer {
        goals,
        report,
        planning,
        reading,
        diagnostics: lowered.diagnostics,
        sources: lowered.sources,
        nodes,
        files,
        blame,
    })))
}

/// Returns where goals save.
fn outputs(context: &Context, spec: &Spec, output: &Path) -> Arc<dyn Outputs> {
    if spec.writes {
        let root = context.environment.cwd.join(output);
        Arc::new(Folder::new(&root, context.store.clone()))
    } else {
        Arc::new(Nowhere)
    }
}

/// Returns what a goal's failure stands on.
fn blame(plan: &Plan, outcome: &Outcome) -> Blame {
    let Outcome::Failed(failure) = outcome else { return Blame::default() };
    let shown = |path: &PathBuf| path.display().to_string();
    let all = || plan.all_files().flat_map(|(_, files)| &files.paths).map(shown).collect();
    let (Failure::Refused { node, .. } | Failure::Lost { node, .. }) = &**failure else {
        return Blame { files: sorted(all()), format: None };
    };
    let mut files: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut stack = vec![*node];
    while let Some(node) = stack.pop() {
        if !seen.insert(node) {
            continue;
        }
        let paths = plan.files(node).into_iter().flat_map(|files| &files.paths);
        files.extend(paths.map(shown));
        stack.extend(plan.arg_nodes(node));
    }
    let format = match &**plan.params(*node) {
        Tree::Map(params) => params.iter().find_map(|(name, value)| match value {
            Tree::Text(format) if name == "format" => Some(format.clone()),
            _ => None,
        }),
        _ => None,
    };
    if files.is_empty() {
        // Its arguments were values by then: nobody knows any more what they were made of.
        files = all();
    }
    Blame { files: sorted(files), format }
}

fn sorted(mut files: Vec<String>) -> Vec<String> {
    files.sort();
    files.dedup();
    files
}

/// Plans a case without running it; returns where its goals save, as the program writes it.
pub fn saves(context: &Context, spec: &Spec, case: Option<&Case>) -> Result<Vec<PathBuf>, Error> {
    let disk = Disk::reading(context.store.clone(), &spec.world, spec.rehash);
    let request = request(spec, case);
    let lowered = plan(spec, request, Arc::new(disk), context.registry.clone())?;
    let plan = lowered.plan.expect("what has no plan is an error");
    let saves = plan.goals.into_iter().filter_map(|goal| match goal.action {
        Action::Save { path } => Some(path),
        Action::Print { .. } => None,
    });
    Ok(saves.collect())
}

/// Lowers the program; mistakes and things asked for in vain are errors.
pub fn plan(
    spec: &Spec,
    request: Request,
    files: Arc<dyn Files>,
    registry: Arc<dyn Registry>,
) -> Result<Lowered, Error> {
    let name = spec.program.display().to_string();
    let main = Source::new(SourceId(0), name, spec.text.as_str());
    let lowered = lower(main, &request, files, registry);
    if let Some(usage) = lowered.usage.first() {
        return Err(Error::Usage(words(usage)));
    }
    if lowered.plan.is_none() {
        let Lowered { diagnostics, sources, .. } = lowered;
        return Err(Error::Program { diagnostics, sources });
    }
    Ok(lowered)
}

/// Returns what is asked of lowering, for a case or for the inputs as they are named.
pub fn request(spec: &Spec, case: Option<&Case>) -> Request {
    let mut request = Request {
        settings: spec.settings.clone(),
        cwd: spec.world.cwd().to_owned(),
        program: Some(spec.program.clone()),
        output: spec.output.clone().unwrap_or_default(),
        dialect: spec.dialect,
        ..Request::default()
    };
    match case {
        None => {
            let inputs = spec.inputs.iter();
            request.inputs = inputs.map(|(name, path)| (name.clone(), path.into())).collect();
        }
        Some(case) => {
            request.inputs.clone_from(&case.inputs);
            request.output.push(&case.name);
            request.case = Some(case.name.clone());
            request.confined = true;
        }
    }
    request
}

/// Returns the words for something that was asked for in vain.
pub fn words(usage: &Usage) -> String {
    let hint = |nearest: &Option<String>| match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    };
    match usage {
        Usage::UnknownInput { name, nearest } => {
            format!("--in {name}: the program loads no `{name}`{}", hint(nearest))
        }
        Usage::UnusedSetting { name, nearest } => format!(
            "--set {name}: the program neither declares `{name}` nor uses `${name}`{}",
            hint(nearest)
        ),
    }
}

/// Reads the text of a program.
pub fn text(cwd: &Path, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(cwd.join(path))
        .map_err(|source| Error::Text { path: path.to_owned(), source })
}
