//! `vox run --cases`: a program over a cohort.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use crate::app::cases::Case;
use crate::app::cohort::{self, Done};
use crate::app::context::Context;
use crate::app::distribute;
use crate::app::error::{Error, Whose};
use crate::app::outputs;
use crate::app::run::{Answer, Listener, Spec};
use crate::app::table;
use crate::app::upkeep;
use crate::cli::command::notices;
use crate::cli::command::profile::Profile;
use crate::cli::command::telling::{
    How, end, keep_small, last_line, report_json, tell_pulled, write_report,
};
use crate::cli::exit;
use crate::cli::failure;
use crate::cli::json as shape;
use crate::cli::out;
use crate::cli::progress::Progress;
use crate::cli::teller::Teller;
use crate::cli::words::Voice;
use crate::exec::event::Outcome;
use crate::exec::report::Report;
use crate::plan::goal::Action;
use crate::value::text;

/// Runs all cases below `root`.
pub(super) fn run(
    context: &Context,
    spec: &Spec,
    root: &Path,
    how: &How<'_>,
) -> Result<ExitCode, Error> {
    let begin = Instant::now();
    let saves = cohort::saves(spec);
    if saves && spec.writes && spec.output.is_none() {
        return Err(Error::Usage(
            "the program saves files: say with -o DIR where the cases' folders go".to_owned(),
        ));
    }
    let cohort = cohort::list(spec, &spec.world.cwd().join(root))?;
    if !how.voice.quiet {
        for name in &cohort.skipped {
            out::say(&format!("vox: {name} holds none of the inputs and is no case"));
        }
    }
    if cohort.cases.is_empty() {
        return Err(no_cases(root));
    }
    if spec.writes {
        cohort::check(context, spec, &cohort)?;
    }
    let live = out::is_terminal() && !context.environment.quiet_terminal;
    let mut progress = Progress::new(cohort.cases.len(), live, how.voice.quiet);
    let labels = cohort::labels(spec);
    let mut rows: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut total = Report::default();
    let mut failed = 0usize;
    let mut fatal = None;
    let mut kept = Vec::new();
    let mut profile = Profile::default();
    let mut unwritten = None;
    let listen = |case: &Case| -> Box<dyn Listener> {
        Box::new(Teller {
            // Warnings of lowering are the same for every case: the first tells them.
            voice: Voice {
                quiet: how.voice.quiet || Some(case) != cohort.cases.first(),
                ..how.voice
            },
            case: Some(case.name.clone()),
            lines: false,
            events: how.args.events,
        })
    };
    let mut each = |done: Done<'_>| {
        let name = &done.case.name;
        let mut row = vec![None; labels.len()];
        let mut ok = false;
        match done.answer {
            Ok(answer) => {
                progress.aside(|| {
                    tell_case(name, &answer, how);
                });
                for (action, outcome) in &answer.goals {
                    if let (Action::Print { label }, Outcome::Value(value)) = (action, outcome)
                        && let Some(at) = labels.iter().position(|other| other == label)
                    {
                        row[at] = text::show(value);
                    }
                }
                ok = answer.failure().is_none();
                add(&mut total, &answer.report);
                profile.add(&answer);
                kept.push((name.clone(), answer));
            }
            Err(error) => {
                total.failed += 1;
                progress.aside(|| {
                    out::say(&format!("vox: case {name} failed"));
                    how.voice.error(&error);
                });
                if matches!(error.whose(), Whose::Store | Whose::Stopped) {
                    fatal = Some(error);
                }
            }
        }
        failed += usize::from(!ok);
        rows.push((name.clone(), row));
        progress.case(total.computed, total.reused);
        if let (Some(path), Some(style)) = (&how.args.table, how.style) {
            let text = table::write(style, &labels, &rows);
            if let Err(source) = outputs::replace(path, text.as_bytes()) {
                unwritten = Some(Error::Write { path: path.clone(), source });
            }
        }
    };
    let far = match &how.engine {
        None => {
            let width = cohort::width(context, &cohort);
            cohort::run(context, spec, &cohort, width, &listen, &mut each);
            Ok(())
        }
        Some(engine) => {
            let mut say = |words: &str| {
                if !how.voice.quiet {
                    out::say(words);
                }
            };
            distribute::run(context, spec, &cohort, engine, &listen, &mut say, &mut each)
        }
    };
    progress.finish();
    total.wall = begin.elapsed();
    let named: Vec<_> = kept.iter().map(|(name, answer)| (Some(name.as_str()), answer)).collect();
    let told = report_json(context, &named, &total, false);
    if how.args.json && !how.args.events {
        out::line(&told.to_string());
    }
    if let Some(path) = &how.args.report {
        write_report(path, &report_json(context, &named, &total, true))?;
    }
    if how.args.events {
        out::line(&end(&total, how.args.json.then_some(told)).to_string());
    }
    out::flush();
    if how.args.profile {
        profile.tell();
    }
    notices::tell(&context.store, how.voice);
    tell_pulled(context, how.voice);
    if let Some(error) = fatal.or(far.err()).or(unwritten) {
        return Err(error);
    }
    for (case, answer) in &named {
        if let Some(name) = &how.args.pin {
            upkeep::pin_goals(context, name, *case, answer)?;
        }
    }
    keep_small(context, how.voice);
    last_line(&total, how.voice);
    Ok(if failed > 0 { exit::exit(Whose::Result) } else { ExitCode::SUCCESS })
}

/// Returns what is wrong with a folder that has no case.
pub(super) fn no_cases(root: &Path) -> Error {
    let root = root.display();
    Error::Usage(format!("--cases {root}: no folder in it holds an input of the program"))
}

fn tell_case(name: &str, answer: &Answer, how: &How<'_>) {
    if how.lines() {
        for (action, outcome) in &answer.goals {
            if let (Action::Print { label }, Outcome::Value(value)) = (action, outcome) {
                out::line(&format!("{name}\t{label}={}", text::show(value).unwrap_or_default()));
            }
        }
        out::flush();
    } else if how.args.events {
        let case = shape::case(Some(name), answer, false);
        out::line(&json!({"event": "case", "case": name, "answer": case}).to_string());
    }
    failure::tell(answer, Some(name), &how.output(Some(name)), how.voice);
}

fn add(total: &mut Report, report: &Report) {
    total.computed += report.computed;
    total.redone += report.redone;
    total.reused += report.reused;
    total.failed += report.failed;
    total.saved_us += report.saved_us;
    total.unstored += report.unstored;
}
