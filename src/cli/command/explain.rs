//! `vox explain`: what a code means.

use std::process::ExitCode;

use crate::app::error::Error;
use crate::cli::language_args::Explain;
use crate::cli::out;
use crate::lower::explain;

/// Explains a code, or lists all.
pub fn run(args: &Explain) -> Result<ExitCode, Error> {
    let Some(code) = &args.code else {
        for explanation in explain::all() {
            out::line(&format!("{}  {}", explanation.code, explanation.summary()));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(explanation) = explain::find(code) else {
        let what = format!("there is no code `{code}`; `vox explain` lists all");
        return Err(Error::Usage(what));
    };
    out::line(&format!("{}: {}", explanation.code, explanation.cause));
    if let Some(example) = explanation.example {
        out::line("");
        for line in example.lines() {
            out::line(&format!("    {line}"));
        }
    }
    out::line("");
    out::line(explanation.repair);
    Ok(ExitCode::SUCCESS)
}
