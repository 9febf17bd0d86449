//! What is said on stderr: how much, and in which colours.

use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::cli::args::{Common, When};
use crate::cli::{out, render};
use crate::exec::error::Failure;
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::lang::source::Source;
use crate::plan::graph::Origin;

/// How things are said.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// Are colours used?
    pub colour: bool,
    /// Only errors?
    pub quiet: bool,
    /// How much more.
    pub verbose: u8,
}

impl Voice {
    /// Decides from the command line, the environment and the terminal, in this order.
    pub fn of(common: &Common, environment: &Environment) -> Self {
        let colour = match common.color {
            When::Always => true,
            When::Never => false,
            When::Auto if environment.force_color => true,
            When::Auto => {
                !environment.no_color && !environment.quiet_terminal && out::is_terminal()
            }
        };
        Self { colour, quiet: common.quiet, verbose: common.verbose }
    }

    /// Says an error, with its causes.
    pub fn error(self, error: &Error) {
        if let Error::Program { diagnostics, sources } = error {
            self.diagnostics(diagnostics, sources);
            let count = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
            let plural = if count == 1 { "" } else { "s" };
            out::say(&format!("vox: {count} mistake{plural}; nothing was run"));
            return;
        }
        if matches!(error.whose(), Whose::Stopped) {
            out::say("vox: stopped; what was acknowledged is kept, and the next run goes on there");
            return;
        }
        out::say(&format!("{}: {}", self.red("error"), chain(error)));
    }

    /// Says diagnostics: errors always, warnings unless quiet, notes when asked for more.
    pub fn diagnostics(self, diagnostics: &[Diagnostic], sources: &[Source]) {
        for diagnostic in diagnostics {
            let shown = match diagnostic.severity {
                Severity::Error => true,
                Severity::Warning => !self.quiet,
                Severity::Note => self.verbose > 0,
            };
            if shown {
                out::say(&render::diagnostic(diagnostic, sources, self.colour));
            }
        }
    }

    /// Says why a goal has no value: the case, the goal, the place and the files it was computed from.
    pub fn failure(self, what: &str, failure: &Failure, sources: &[Source], files: &[String]) {
        let origin = match failure {
            Failure::Refused { origin, .. } => Some(*origin),
            Failure::Fault { fault } => Some(fault.origin),
            _ => None,
        };
        let place = origin.and_then(|origin| place(origin, sources));
        let mut text = format!("{}: {what}: {}", self.red("error"), chain(failure));
        if let Some(place) = place {
            text.push_str("\n  --> ");
            text.push_str(&place);
        }
        if !files.is_empty() {
            text.push_str("\n  inputs: ");
            text.push_str(&files.join(", "));
        }
        out::say(&text);
    }

    fn red(self, word: &str) -> String {
        if self.colour { format!("\u{1b}[1;31m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

/// Returns where something was written, as `file:line:column` and the text itself.
fn place(origin: Origin, sources: &[Source]) -> Option<String> {
    let source = sources.iter().find(|source| source.id().0 == origin.source)?;
    let (start, end) = (origin.start as usize, origin.end as usize);
    let text = source.text().get(start..end).filter(|text| !text.is_empty())?;
    let place = source.place(origin.start);
    let text = text.lines().next().unwrap_or_default();
    Some(format!("{}:{}:{}: `{text}`", source.name(), place.line, place.column))
}

/// Returns an error with its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
