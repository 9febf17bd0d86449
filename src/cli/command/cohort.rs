//! `vox run --cases`: a program over a cohort.
//!
//! Of a case that is told nothing is held but its row of the table and what `--json`, `--report` and `--pin` asked
//! for, as text: a cohort may have very many.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use crate::app::cases::Case;
use crate::app::cohort::{self, Done};
use crate::app::context::Context;
use crate::app::error::{Error, Whose};
use crate::app::far::distribute;
use crate::app::run::{Answer, Listener, Spec};
use crate::app::table::cell::Cell;
use crate::app::table::file::Table;
use crate::app::upkeep;
use crate::cli::command::notices;
use crate::cli::command::profile::Profile;
use crate::cli::command::telling::{
    How, Kept, end, keep_small, last_line, tell_pulled, write_report,
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
use crate::id::NodeId;
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
    let labels = cohort::labels(spec);
    let table = how.args.table.as_ref().zip(how.style);
    let mut told = Told {
        how,
        progress: Progress::new(cohort.cases.len(), live, how.voice.quiet),
        table: table.map(|(path, style)| Table::new(path, style, &labels)),
        labels,
        total: Report::default(),
        failed: 0,
        fatal: None,
        profile: how.args.profile.then(Profile::default),
        answer: how.args.json.then(|| Kept::new(false)),
        report: how.args.report.is_some().then(|| Kept::new(true)),
        pins: Vec::new(),
    };
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
    let mut each = |done: Done<'_>| told.case(done);
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
    told.total.wall = begin.elapsed();
    told.end(context, far.err())
}

/// What was told of a cohort so far.
struct Told<'a> {
    how: &'a How<'a>,
    progress: Progress,
    labels: Vec<String>,
    table: Option<Table>,
    total: Report,
    /// How many cases failed.
    failed: usize,
    /// What ended the run before its end.
    fatal: Option<Error>,
    profile: Option<Profile>,
    /// For `--json`.
    answer: Option<Kept>,
    /// For `--report`.
    report: Option<Kept>,
    /// For `--pin`.
    pins: Vec<(String, NodeId)>,
}

impl Told<'_> {
    /// Tells a case.
    fn case(&mut self, done: Done<'_>) {
        let name = &*done.case.name;
        let mut row = vec![Cell::Missing; self.labels.len()];
        match done.answer {
            Ok(answer) => {
                self.progress.aside(|| tell_case(name, &answer, self.how));
                for (action, outcome) in &answer.goals {
                    if let (Action::Print { label }, Outcome::Value(value)) = (action, outcome)
                        && let Some(at) = self.labels.iter().position(|other| other == label)
                    {
                        row[at] = Cell::of(value);
                    }
                }
                self.failed += usize::from(answer.failure().is_some());
                self.keep(name, &answer);
            }
            Err(error) => {
                self.failed += 1;
                self.total.failed += 1;
                self.refused(name, error);
            }
        }
        self.progress.case(self.total.computed, self.total.reused);
        if let Some(table) = &mut self.table {
            // What goes wrong meanwhile is tried again, and told at the end.
            table.add(name, row).ok();
        }
    }

    /// Keeps what was asked for.
    fn keep(&mut self, name: &str, answer: &Answer) {
        add(&mut self.total, &answer.report);
        if let Some(profile) = &mut self.profile {
            profile.add(answer);
        }
        for kept in [&mut self.answer, &mut self.report].into_iter().flatten() {
            kept.add(name, answer);
        }
        if let Some(pin) = &self.how.args.pin {
            self.pins.extend(upkeep::goals(pin, Some(name), answer));
        }
    }

    /// Tells a case that could not be run at all.
    fn refused(&mut self, name: &str, error: Error) {
        self.progress.aside(|| {
            out::say(&format!("vox: case {name} failed"));
            self.how.voice.error(&error);
        });
        let problem = shape::problem(&error);
        for kept in [&mut self.answer, &mut self.report].into_iter().flatten() {
            kept.add_refused(name, &problem);
        }
        if self.how.args.events {
            out::line(&json!({"event": "case", "case": name, "error": problem}).to_string());
            out::flush();
        }
        if matches!(error.whose(), Whose::Store | Whose::Stopped) {
            self.fatal = Some(error);
        }
    }

    /// Tells all of them; `far` is what stopped the engine.
    fn end(mut self, context: &Context, far: Option<Error>) -> Result<ExitCode, Error> {
        let how = self.how;
        // First of all, whatever else goes wrong.
        let unwritten = self.table.as_mut().and_then(|table| {
            let source = table.finish().err()?;
            Some(Error::Write { path: table.path().to_owned(), source })
        });
        self.progress.finish();
        let answer = self.answer.take().map(|kept| kept.close(context, &self.total));
        end(how.args, &self.total, answer.as_deref());
        if let (Some(path), Some(kept)) = (&how.args.report, self.report.take()) {
            write_report(path, &kept.close(context, &self.total))?;
        }
        if let Some(profile) = &self.profile {
            profile.tell();
        }
        notices::tell(&context.store, how.voice);
        tell_pulled(context, how.voice);
        if let Some(error) = self.fatal.or(far).or(unwritten) {
            return Err(error);
        }
        if how.args.pin.is_some() {
            upkeep::pin_goals(context, self.pins)?;
        }
        keep_small(context, how.voice);
        last_line(&self.total, how.voice);
        Ok(if self.failed > 0 { exit::exit(Whose::Result) } else { ExitCode::SUCCESS })
    }
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
