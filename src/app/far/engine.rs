//! Where a cohort runs, and what is handed out of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::cases::Cohort;
use crate::app::context::Context;
use crate::app::error::{Error, Whose};
use crate::app::far::worker;
use crate::app::files::Disk;
use crate::app::run::{self, Spec};
use crate::lang::dialect::Dialect;
use crate::remote::bridge::Bridge;
use crate::remote::feed::Feed;
use crate::remote::group::{FORMAT, Group, Limits, Program, StoreRef};
use crate::remote::transport::Transport;

/// How groups reach workers.
#[derive(Clone, Debug)]
pub enum Place {
    /// Through a directory.
    Spool(PathBuf),
    /// Through a child process.
    Child {
        /// What people call it.
        name: String,
        /// What is started.
        program: String,
        /// Its arguments.
        args: Vec<OsString>,
    },
}

/// Where and how a cohort runs.
#[derive(Clone, Debug)]
pub struct Engine {
    /// How groups travel.
    pub place: Place,
    /// The folder of the cases.
    pub cases: PathBuf,
    /// So many cases a group.
    pub group: Option<usize>,
    /// Are hosts preferred that have some of it already?
    pub near: bool,
    /// What a host must have.
    pub needs: BTreeMap<String, u64>,
    /// What a worker may take.
    pub limits: Limits,
    /// Where it is said, workers have stores of their own, and ask this peer; nobody, where it is empty.
    pub from: Option<String>,
    /// Are the nodes told that ran?
    pub report: bool,
}

/// Starts the way to workers; `say` is given words for people.
pub(in crate::app::far) fn start(
    context: &Context,
    engine: &Engine,
    say: &mut dyn FnMut(&str),
) -> Result<Box<dyn Transport>, Error> {
    Ok(match &engine.place {
        Place::Spool(path) => {
            let path = context.environment.cwd.join(path);
            say(&format!(
                "vox: groups go through `{0}`: start `vox worker --spool {0}`",
                path.display()
            ));
            Box::new(Feed::new(&path)?)
        }
        Place::Child { name, program, args } => Box::new(Bridge::start(name, program, args)?),
    })
}

/// Returns a group of the run without its cases.
pub(in crate::app::far) fn pattern(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    engine: &Engine,
) -> Result<Group, Error> {
    let cwd = spec.world.cwd().to_owned();
    let mut program = Program {
        blob: String::new(),
        path: spec.program.clone(),
        text: spec.text.clone(),
        imports: imports(context, spec, cohort)?,
        dialect: spec.dialect.map(|dialect| match dialect {
            Dialect::One => 1,
            Dialect::Two => 2,
        }),
        set: spec.raw.clone(),
    };
    program.blob = program.digest().hex();
    let root = context.store.layout().root();
    Ok(Group {
        format: FORMAT,
        group: String::new(),
        attempt: 0,
        vox: worker::VERSION.to_owned(),
        kernels: worker::kernels().hex(),
        store: StoreRef { id: context.store.id()?, path: context.environment.cwd.join(root) },
        from: engine.from.clone(),
        cwd,
        program,
        keep: context.config.keep.value.word().to_owned(),
        ttl_ms: context.config.ttl.value.map(|ttl| ttl.as_millis() as u64),
        retry_failed: spec.options.retry_failed,
        rehash: spec.rehash,
        goals: Vec::new(),
        nodes: Vec::new(),
        report: engine.report,
        cases: Vec::new(),
        limits: engine.limits.clone(),
        needs: engine.needs.clone(),
    })
}

/// Returns the files that the program imports, which do not depend on the case.
fn imports(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
) -> Result<BTreeMap<PathBuf, String>, Error> {
    let mut last = None;
    for case in cohort.cases.iter().filter(|case| case.missing.is_empty()) {
        let disk = Disk::headers(&spec.world);
        match run::plan(
            spec,
            run::request(spec, Some(case)),
            Arc::new(disk),
            context.registry.clone(),
        ) {
            Ok(lowered) => {
                let text =
                    |path: PathBuf| run::text(spec.world.cwd(), &path).map(|text| (path, text));
                return lowered.imports.into_iter().map(text).collect();
            }
            Err(error) if error.whose() == Whose::Input => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    // No case can be planned: each will say so itself.
    drop(last);
    Ok(BTreeMap::new())
}
