//! Programs in canonical form.

use crate::app::error::Error;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::{Dialect, Options};
use crate::lang::parser::parse;
use crate::lang::print::print;
use crate::lang::same::same;
use crate::lang::source::{Source, SourceId};

/// Returns a program's canonical text; one that cannot be read is left alone, and its mistakes are the
/// error.
///
/// What is returned means the same: that is checked here, so that no fault of the printer can cost
/// anybody a program.
pub fn format(name: &str, text: &str, dialect: Option<Dialect>) -> Result<String, Error> {
    let options = Options { dialect, ..Options::default() };
    let source = Source::new(SourceId(0), name, text);
    let (program, mut diagnostics) = parse(&source, &options);
    if diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.retain(Diagnostic::is_error);
        return Err(Error::Program { diagnostics, sources: vec![source] });
    }
    let printed = print(&program);
    let (again, complaints) = parse(&Source::new(SourceId(0), name, printed.as_str()), &options);
    let is_kept = again.comments.len() == program.comments.len();
    if complaints.iter().any(Diagnostic::is_error) || !same(&program, &again) || !is_kept {
        let what = format!("`{name}` would not be the same program: this is a fault of vox");
        return Err(Error::Machine(what));
    }
    Ok(printed)
}
