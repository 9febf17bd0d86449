//! `vox fmt`: programs in canonical form.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::{format, outputs, run};
use crate::cli::command::run::dialect;
use crate::cli::exit;
use crate::cli::language_args::Fmt;
use crate::cli::out;
use crate::cli::words::Voice;

/// Formats every file; one that cannot be read stops no other.
pub fn run(args: &Fmt, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let mut changed = 0;
    let mut first = None;
    for path in &args.files {
        match one(args, environment, path) {
            Ok(false) => {}
            Ok(true) => {
                changed += 1;
                if args.check {
                    out::line(&path.display().to_string());
                } else if !voice.quiet && path != Path::new("-") {
                    out::say(&format!("vox: formatted `{}`", path.display()));
                }
            }
            Err(error) => {
                voice.error(&error);
                first.get_or_insert(error.whose());
            }
        }
    }
    Ok(match first {
        Some(whose) => exit::exit(whose),
        None if args.check && changed > 0 => exit::check_says_no(),
        None => ExitCode::SUCCESS,
    })
}

/// Formats one file, or stdin to stdout; says whether it was in another form.
fn one(args: &Fmt, environment: &Environment, path: &Path) -> Result<bool, Error> {
    let dialect = args.dialect.map(dialect);
    if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        read.map_err(|source| Error::Text { path: "stdin".into(), source })?;
        let formatted = format::format("stdin", &text, dialect)?;
        if !args.check {
            out::text(&formatted);
        }
        return Ok(formatted != text);
    }
    let text = run::text(&environment.cwd, path)?;
    let formatted = format::format(&path.display().to_string(), &text, dialect)?;
    if formatted == text {
        return Ok(false);
    }
    if !args.check {
        let wrong = |source| Error::Write { path: path.to_owned(), source };
        // What is written is the file behind a link, not the link.
        let place = environment.cwd.join(path).canonicalize().map_err(wrong)?;
        outputs::replace(&place, formatted.as_bytes()).map_err(wrong)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::fs;

    /// Every program of the repository whose syntax has no mistake.
    #[test]
    fn every_program_of_the_repository_prints_as_the_same_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for folder in
            ["examples", "tests/programs/okay", "tests/programs/fail", "src/lower/library"]
        {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|suffix| suffix != "imgql") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let name = path.display().to_string();
                let once = match format::format(&name, &text, None) {
                    Err(_) if folder.ends_with("fail") => continue,
                    once => once.unwrap(),
                };
                assert_eq!(format::format(&name, &once, None).unwrap(), once, "{name}");
                count += 1;
            }
        }
        assert!(count > 10);
    }
}
