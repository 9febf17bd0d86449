//! `vox check`: is a program right?

use std::process::ExitCode;

use crate::app::check;
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::syntax;
use crate::cli::command::run;
use crate::cli::language_args::Check;
use crate::cli::out;
use crate::cli::words::Voice;

/// Checks; mistakes are the error.
pub fn run(args: &Check, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let spec = run::spec(&args.program, environment)?;
    if let Some(path) = &args.program.save_syntax {
        syntax::save(&spec, path)?;
    }
    let checked = check::check(&spec)?;
    voice.diagnostics(&checked.diagnostics, &checked.sources);
    if !voice.quiet && !voice.messages.are_json() {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        out::say(&format!(
            "vox: no mistakes; {} goal{}, {} node{}",
            checked.goals,
            plural(checked.goals),
            checked.nodes,
            plural(checked.nodes)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
