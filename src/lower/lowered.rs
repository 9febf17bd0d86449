//! What lowering gives.

use std::path::PathBuf;

use crate::lang::ast::{CommandKind, Program};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::{Source, Span};
use crate::lower::string::plain_text;
use crate::plan::graph::{NodeIndex, Plan};

/// A plan, or why there is none.
pub struct Lowered {
    /// The plan; none where a diagnostic is an error or something was asked for in vain.
    pub plan: Option<Plan>,
    /// Mistakes, warnings and notes, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What was asked for in vain: usage errors.
    pub usage: Vec<Usage>,
    /// The texts that spans and origins point into.
    pub sources: Vec<Source>,
    /// The inputs that are loaded.
    pub inputs: Vec<Input>,
    /// The names that `--set` can set, beside `$NAME`s.
    pub settable: Vec<String>,
    /// The files that were imported.
    pub imports: Vec<PathBuf>,
    /// The node of the base image, if it was needed.
    pub base: Option<NodeIndex>,
}

impl Lowered {
    /// Says whether a mistake was found.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Something that was asked for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `--in` of a name that the program does not load.
    UnknownInput {
        /// The name.
        name: String,
        /// The input that was probably meant.
        nearest: Option<String>,
    },
    /// `--set` of a name that the program neither declares nor uses.
    UnusedSetting {
        /// The name.
        name: String,
        /// The declaration that was probably meant.
        nearest: Option<String>,
    },
}

/// An input that a program loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The path in the program, if there is one without `$`.
    pub default: Option<String>,
    /// Was it given by `--in`?
    pub given: bool,
    /// The command.
    pub span: Span,
}

/// Returns the inputs and settable names of one file, without lowering it.
pub fn outline(program: &Program) -> (Vec<Input>, Vec<String>) {
    let mut inputs = Vec::new();
    let mut settable = Vec::new();
    for command in &program.commands {
        match command.kind {
            CommandKind::Load { name, path } => inputs.push(Input {
                name: program.name(name.symbol).to_owned(),
                default: path.and_then(|path| plain_text(program, path)),
                given: false,
                span: command.span,
            }),
            CommandKind::Let { name, params, .. } if params.is_empty() => {
                settable.push(program.name(name.symbol).to_owned());
            }
            _ => {}
        }
    }
    (inputs, settable)
}
