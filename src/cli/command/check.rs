//! `vox check`: is a program right?

use std::process::ExitCode;

use crate::app::check;
use crate::app::cohort;
use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::syntax;
use crate::cli::command::cohort::no_cases;
use crate::cli::command::gc::count;
use crate::cli::command::run;
use crate::cli::exit;
use crate::cli::language_args::Check;
use crate::cli::out;
use crate::cli::words::Voice;

/// Checks; mistakes are the error.
pub fn run(args: &Check, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let spec = run::spec(&args.program, environment)?;
    if let Some(path) = &args.program.save_syntax {
        syntax::save(&spec, path)?;
    }
    let (checked, bad, cases) = match &args.cases {
        None => (Some(check::check(&spec)?), 0, String::new()),
        Some(root) => {
            let cohort = cohort::list(&spec, &spec.world.cwd().join(root))?;
            if cohort.cases.is_empty() {
                return Err(no_cases(root));
            }
            let mut bad = 0;
            let checked = check::cases(&spec, &cohort, &mut |case, error| {
                bad += 1;
                if !voice.messages.are_json() {
                    out::say(&format!("vox: case {} cannot run", case.name));
                }
                voice.error(error);
            })?;
            (checked, bad, format!(" in each of {}", count(cohort.cases.len() as u64, "case")))
        }
    };
    let code = if bad > 0 { exit::exit(Whose::Input) } else { ExitCode::SUCCESS };
    let Some(checked) = checked.filter(|_| bad == 0) else { return Ok(code) };
    voice.diagnostics(&checked.diagnostics, &checked.sources);
    if !voice.quiet && !voice.messages.are_json() {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        out::say(&format!(
            "vox: no mistakes; {} goal{}, {} node{}{cases}",
            checked.goals,
            plural(checked.goals),
            checked.nodes,
            plural(checked.nodes)
        ));
    }
    Ok(code)
}
