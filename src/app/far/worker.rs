//! The far side of a run on many machines: one group of cases, then stop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::app::cases::{Case, Cohort};
use crate::app::cohort::{self, Done};
use crate::app::config::{Config, Flags, Keep};
use crate::app::context::{self, Access, Context};
use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::peers::{self, Reached, Trust};
use crate::app::remote::Tell;
use crate::app::run::{Answer, Silent, Spec};
use crate::app::world::World;
use crate::canon::{self, Tree};
use crate::exec::drive::Options;
use crate::id::{Digest, NodeId};
use crate::kernel::install;
use crate::lang::dialect::Dialect;
use crate::lower::request::Setting;
use crate::primitive::contract::Primitive;
use crate::remote::event::{Counts, Seen};
use crate::remote::group::Group;
use crate::store::memo;
use crate::store::object::proof::Proof;

/// Below it nothing can lie: what goals save is computed and told, and written by whoever sent the group.
const NOWHERE: &str = "/dev/null/worker";

/// The version of vox that a group must be of.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a group is not run to its end, with the number that says so to whoever sent it.
#[derive(Debug)]
pub struct Trouble {
    /// The exit code.
    pub code: i32,
    /// What is wrong, for people.
    pub message: String,
}

/// Returns the digest of all operators with their versions: results of equal digests are equal.
pub fn kernels() -> Digest {
    let table = install::table();
    let signatures = table.primitives().map(Primitive::signature);
    let names: BTreeSet<String> =
        signatures.map(|signature| format!("{}@{}", signature.name, signature.version)).collect();
    Digest::of(&canon::write(&Tree::Array(names.into_iter().map(Tree::Text).collect())))
}

/// Is told what became of a case, and what that took.
pub type Told<'a> = dyn FnMut(&Case, Result<&Answer, &Error>, Duration) + 'a;

/// A group with everything that it takes to run it.
pub struct Far {
    /// The parts, joined.
    pub context: Context,
    /// The store's own name for itself.
    pub store: String,
    /// What is run.
    spec: Spec,
    /// The cases whose inputs are all here.
    cohort: Cohort,
    /// The names of those that lack some, with the first file that is not here.
    absent: BTreeMap<String, PathBuf>,
}

impl Far {
    /// Joins what a group needs on this host; `flags` stand over what the group says.
    ///
    /// Another version of vox or of its operators would give results that are not those of the rest of the
    /// cohort, and another store would hide them: both are refused.
    pub fn join(
        group: &Group,
        flags: Flags,
        environment: Environment,
        tell: Tell,
    ) -> Result<Self, Trouble> {
        let trouble = |code, message: String| Trouble { code, message };
        let own = kernels().hex();
        if group.vox != VERSION {
            let message = format!("this is vox {VERSION}, and the group is of vox {}", group.vox);
            return Err(trouble(8, message));
        }
        if group.kernels != own {
            let message = format!(
                "the operators of this vox ({own}) are not those of the run ({}): install the same build",
                group.kernels
            );
            return Err(trouble(8, message));
        }
        let flags = Flags {
            store: flags.store.or_else(|| {
                let is_named = environment.vox("store").is_some_and(|store| !store.is_empty());
                (!is_named && group.from.is_none()).then(|| group.store.path.clone())
            }),
            threads: flags.threads.or(group.limits.threads),
            memory: flags.memory.or(group.limits.memory),
            keep: Keep::parse(&group.keep),
            ttl: group.ttl_ms.map(Duration::from_millis),
        };
        let usage = |error: Error| trouble(code(error.whose()), error.to_string());
        let config = Config::gather(&flags, &environment).map_err(|error| usage(error.into()))?;
        let place =
            context::find(&environment, &config).map_err(|error| trouble(5, error.to_string()))?;
        if group.from.is_none() && !place.root.exists() {
            let message = format!(
                "the store `{}` is not on this host: mount it, or name it with --store",
                place.root.display()
            );
            return Err(trouble(5, message));
        }
        // The program is told of the folder in which it was begun, not of the worker's.
        let environment = Environment { cwd: group.cwd.clone(), ..environment };
        let unusable = |error: Error| trouble(5, said(&error));
        let mut context = Context::join(environment, config, Access::Write).map_err(unusable)?;
        if let Some(word) = group.from.as_deref().filter(|word| !word.is_empty()) {
            let reached = peers::reach(&context.environment, &context.config, word);
            // Whoever lets a worker compute for him is believed by it.
            let reached = reached.map(|reached| Reached { trust: Trust::Receipts, ..reached });
            context =
                reached.and_then(|reached| context.reaching(reached, tell)).map_err(unusable)?;
        }
        let id = context.store.id().map_err(|error| trouble(5, error.to_string()))?;
        if id != group.store.id && group.from.is_none() {
            let message = format!(
                "`{}` is another store than the run's (its id is {id}, wanted is {}): mount the run's store, or name it with --store",
                context.store.layout().root().display(),
                group.store.id
            );
            return Err(trouble(5, message));
        }
        let mut spec = spec(group, &context);
        let (mut cohort, mut absent) = cases(group);
        if !group.nodes.is_empty() {
            let nodes = group.nodes.iter().filter_map(|node| NodeId::try_from(node.as_str()).ok());
            spec.nodes = Some(Arc::new(nodes.collect()));
            cohort.cases.truncate(1);
            absent.retain(|case, _| *case == group.cases[0].id);
        }
        Ok(Self { context, store: id, spec, cohort, absent })
    }

    /// Returns the files of a case that were hashed, as they looked then; not those that changed just now.
    pub fn seen(&self, answer: &Answer) -> Vec<Seen> {
        let seen = |(path, digest): &(PathBuf, Digest)| {
            let (file, full) = self.spec.world.file(path).ok()?;
            let store = &self.context.store;
            store.memo(&full, &file).ok()?.filter(|known| known == digest)?;
            let Proof { inode, size, mtime_ns, ctime_ns } = memo::look(&full, &file).ok()?;
            Some(Seen(full, digest.hex(), inode, size, mtime_ns, ctime_ns))
        };
        answer.files.iter().filter_map(seen).collect()
    }

    /// Runs the cases, and tells each once its receipts are durable; returns the exit code, and why it is not 0 or 1.
    pub fn run(&self, told: &mut Told<'_>) -> (i32, Option<String>) {
        let mut worst = None;
        let mut failed = false;
        let width = cohort::width(&self.context, &self.cohort);
        let begin = Instant::now();
        let listen = |_: &Case| -> Box<dyn crate::app::run::Listener> { Box::new(Silent) };
        let mut before = Duration::ZERO;
        cohort::run(&self.context, &self.spec, &self.cohort, width, &listen, &mut |done: Done<
            '_,
        >| {
            let now = begin.elapsed();
            let took = match &done.answer {
                Ok(answer) => answer.planning + answer.report.wall,
                Err(_) => now.saturating_sub(before),
            };
            before = now;
            match &done.answer {
                Err(error) if matches!(error.whose(), Whose::Store | Whose::Stopped) => {
                    worst.get_or_insert((code(error.whose()), said(error)));
                }
                Ok(answer) => {
                    failed |= answer.failure().is_some();
                    told(done.case, Ok(answer), took);
                }
                Err(error) => {
                    failed = true;
                    told(done.case, Err(error), took);
                }
            }
        });
        if self.context.stop.load(Ordering::Relaxed) {
            return (143, Some("it was asked to end".to_owned()));
        }
        if let Some((code, message)) = worst {
            return (code, Some(message));
        }
        if let Some((case, path)) = self.absent.iter().next() {
            let message = format!("`{}` of {case} is not on this host", path.display());
            return (4, Some(message));
        }
        (i32::from(failed), None)
    }
}

/// Returns what ran for a case.
pub fn counts(answer: &Answer) -> Counts {
    let report = &answer.report;
    Counts {
        computed: report.computed,
        redone: report.redone,
        reused: report.reused,
        failed: report.failed,
        saved_us: report.saved_us,
        unstored: report.unstored,
    }
}

/// Returns an error with its first cause.
pub fn said(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn code(whose: Whose) -> i32 {
    match whose {
        // Whoever asks a worker to end does so by SIGTERM.
        Whose::Stopped => 143,
        whose => whose.code().into(),
    }
}

fn spec(group: &Group, context: &Context) -> Spec {
    let program = &group.program;
    let settings = program.set.iter();
    Spec {
        program: program.path.clone(),
        text: program.text.clone(),
        imports: Some(Arc::new(program.imports.clone())),
        dialect: program
            .dialect
            .map(|dialect| if dialect == 1 { Dialect::One } else { Dialect::Two }),
        inputs: BTreeMap::new(),
        raw: program.set.clone(),
        settings: settings.map(|(name, raw)| (name.clone(), Setting::parse(raw))).collect(),
        output: Some(NOWHERE.into()),
        world: World::All(group.cwd.clone()),
        writes: false,
        nodes: None,
        rehash: group.rehash,
        options: Options {
            retry_failed: group.retry_failed,
            keep: context.keep(),
            stop: context.stop.clone(),
            until_ms: context.until_ms(),
            ..Options::default()
        },
    }
}

fn cases(group: &Group) -> (Cohort, BTreeMap<String, PathBuf>) {
    let mut cohort = Cohort::default();
    let mut absent = BTreeMap::new();
    for case in &group.cases {
        let inputs: BTreeMap<String, PathBuf> =
            case.input.iter().map(|(name, path)| (name.clone(), case.dir.join(path))).collect();
        match inputs.values().find(|path| !path.exists()) {
            Some(path) => {
                absent.insert(case.id.clone(), path.clone());
            }
            None => {
                cohort.cases.push(Case { name: case.id.clone(), inputs, missing: BTreeMap::new() });
            }
        }
    }
    (cohort, absent)
}
