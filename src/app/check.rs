//! Is a program right? Nothing runs, no store is opened, and of input files only headers are read.

use std::sync::Arc;

use crate::app::cases::{Case, Cohort};
use crate::app::cohort;
use crate::app::error::{Error, Whose};
use crate::app::files::Disk;
use crate::app::run::{self, Spec};
use crate::kernel::install;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;

/// A program without mistakes.
pub struct Checked {
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that they talk about.
    pub sources: Vec<Source>,
    /// How many nodes its goals and inputs make, as far as that is known without running.
    pub nodes: usize,
    /// How many goals it has.
    pub goals: usize,
}

/// Checks a program; its mistakes are the error.
pub fn check(spec: &Spec) -> Result<Checked, Error> {
    one(spec, None)
}

/// Checks a program on every case; `each` is told of those that cannot run. What is wrong with the program
/// itself is the error: it is wrong for all of them.
pub fn cases(
    spec: &Spec,
    cohort: &Cohort,
    each: &mut dyn FnMut(&Case, &Error),
) -> Result<Option<Checked>, Error> {
    let mut first = None;
    for case in &cohort.cases {
        match cohort::complete(case).and_then(|()| one(spec, Some(case))) {
            Ok(checked) => first = first.or(Some(checked)),
            Err(error) if error.whose() == Whose::Input => each(case, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(first)
}

fn one(spec: &Spec, case: Option<&Case>) -> Result<Checked, Error> {
    let request = run::request(spec, case);
    let files = Arc::new(Disk::headers(&spec.world));
    let lowered = run::plan(spec, request, files, Arc::new(install::table()))?;
    let plan = lowered.plan.as_ref().expect("what has no plan is an error");
    let (nodes, goals) = (plan.len(), plan.goals.len());
    Ok(Checked { diagnostics: lowered.diagnostics, sources: lowered.sources, nodes, goals })
}
