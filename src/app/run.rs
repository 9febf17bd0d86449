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
use crate::id::NodeId;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::Dialect;
use crate::lang::source::{Source, SourceId};
use crate::lower::files::Files;
use crate::lower::lowered::{Lowered, Usage};
use crate::lower::program::lower;
use crate::lower::request::{Request, Setting};
use crate::plan::goal::Action;
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
        let inputs = Arc::new(Inputs::new(Arc::new(spec.world.clone())));
        // What changed under us is hashed again, whatever the memo says.
        let rehash = spec.rehash || tries > 1;
        let cwd = &context.environment.cwd;
        let disk = Disk::new(context.store.clone(), inputs.clone(), &spec.world, rehash)
            .importing(spec.imports.clone());
        let began = Instant::now();
        let request = request(spec, case);
        let output = request.output.clone();
        let disk = Arc::new(disk);
        let lowered = plan(spec, request, disk.clone(), context.registry.clone())?;
        let reading = disk.took();
        let planning = began.elapsed();
        listener.lowered(&lowered.diagnostics, &lowered.sources);
        let mut plan = lowered.plan.expect("what has no plan is an error");
        let files = drive::Files { inputs, outputs: outputs(context, spec, &output) };
        let actions = plan.goals.iter().map(|goal| goal.action.clone()).collect();
        let mut relay = Relay { listener, actions, told: 0 };
        let done = drive::run(&mut plan, &files, &context.exec, &spec.options, &mut relay);
        let told = relay.told;
        match done {
            Ok(report) => {
                let actions = plan.goals.iter().map(|goal| goal.action.clone());
                let goals = actions.zip(report.goals.iter().cloned()).collect();
                let nodes = plan.goals.iter().map(|goal| match goal.value {
                    Operand::Node(node) => Some(plan.id(node)),
                    _ => None,
                });
                let nodes = nodes.collect();
                let blame = report.goals.iter().map(|outcome| blame(&plan, outcome)).collect();
                return Ok(Answer {
                    blame,
                    nodes,
                    goals,
                    report,
                    planning,
                    reading,
                    diagnostics: lowered.diagnostics,
                    sources: lowered.sources,
                });
            }
            Err(exec::error::Error::InputChanged { path }) => {
                // The memo is a help: where it cannot be written, nothing stands in it either.
                context.store.forget(&cwd.join(&path)).ok();
                if tries > 1 || told > 0 {
                    return Err(Error::Changing { path });
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
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
