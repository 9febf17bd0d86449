//! `vox run`: a program over one case or a cohort.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::beneath::Beneath;
use crate::app::cases::Case;
use crate::app::cohort::{self, Done};
use crate::app::config::{Config, Flags, Keep};
use crate::app::context::{Access, Context};
use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::far::distribute;
use crate::app::far::engine::Engine;
use crate::app::outputs;
use crate::app::quantity;
use crate::app::remote::Tell;
use crate::app::run::{self, Answer, Listener, Spec};
use crate::app::syntax;
use crate::app::table::{self, Style};
use crate::app::upkeep;
use crate::app::world::World;
use crate::cli::args::{DialectWord, KeepWord, Run};
use crate::cli::command::gc::{count, removed};
use crate::cli::command::notices;
use crate::cli::command::profile::Profile;
use crate::cli::exit;
use crate::cli::failure;
use crate::cli::json as shape;
use crate::cli::language_args::Program;
use crate::cli::out;
use crate::cli::progress::Progress;
use crate::cli::signal;
use crate::cli::teller::Teller;
use crate::cli::words::Voice;
use crate::exec::drive::Options;
use crate::exec::event::Outcome;
use crate::exec::report::Report;
use crate::lang::dialect::Dialect;
use crate::lower::request::Setting;
use crate::plan::goal::Action;
use crate::remote::group::Limits;
use crate::value::text;

/// Runs.
pub fn run(args: &Run, environment: Environment, voice: Voice) -> Result<ExitCode, Error> {
    let flags = Flags {
        store: args.common.store.clone(),
        threads: args.threads.as_deref().map(threads).transpose()?,
        memory: args.memory.as_deref().map(memory).transpose()?,
        keep: args.keep.map(|keep| match keep {
            KeepWord::Auto => Keep::Auto,
            KeepWord::All => Keep::All,
            KeepWord::Goals => Keep::Goals,
        }),
        ttl: args.ttl.as_deref().map(ttl).transpose()?,
    };
    let limits = Limits { threads: flags.threads, memory: flags.memory, seconds: None };
    let engine = args.far.engine(
        args.cases.as_deref().unwrap_or(Path::new("")),
        limits,
        args.profile || args.report.is_some(),
        &environment,
    )?;
    let config = Config::gather(&flags, &environment)?;
    let mut spec = spec(&args.program, &environment)?;
    spec.output = args.output.clone();
    spec.writes = !args.no_save;
    spec.rehash = args.rehash;
    spec.options = options(args, &environment);
    if let Some(path) = &args.program.save_syntax {
        syntax::save(&spec, path)?;
    }
    let access = match (args.no_store, args.read_only) {
        (true, _) => Access::None,
        (false, true) => Access::Read,
        (false, false) => Access::Write,
    };
    let style = args.table.as_deref().map(|path| {
        Style::of(path)
            .ok_or_else(|| Error::Usage(format!("--table {}: write .csv or .tsv", path.display())))
    });
    let style = style.transpose()?;
    let tell: Tell = Box::new(move |why| {
        if !voice.quiet {
            out::say(&format!("warning: {why}; what it may have is computed"));
        }
    });
    let peer = args.remote.as_deref().map(|word| (word, tell));
    let context = Context::join_reaching(environment, config, access, peer)?;
    spec.options.keep = context.keep();
    spec.options.stop = context.stop.clone();
    spec.options.until_ms = context.until_ms();
    signal::listen(&context.stop)?;
    let how = How { args, voice, style, engine };
    match &args.cases {
        None => single(&context, &spec, &how),
        Some(root) => cohort(&context, &spec, root, &how),
    }
}

/// How answers are told.
struct How<'a> {
    args: &'a Run,
    voice: Voice,
    style: Option<Style>,
    /// Where cases run; nothing for this process.
    engine: Option<Engine>,
}

impl How<'_> {
    fn lines(&self) -> bool {
        !self.args.json && !self.args.events
    }

    /// Returns where relative saves go.
    fn output(&self, case: Option<&str>) -> PathBuf {
        let output = self.args.output.clone().unwrap_or_default();
        case.map_or(output.clone(), |case| output.join(case))
    }
}

/// Reads which program is meant, with which inputs, into what is run.
pub fn spec(args: &Program, environment: &Environment) -> Result<Spec, Error> {
    let mut inputs = BTreeMap::new();
    for input in &args.inputs {
        let (name, path) = split("--in", "PATH", input)?;
        if let Some(other) = inputs.insert(name.to_owned(), path.to_owned()) {
            return Err(Error::Usage(format!(
                "--in {name} is given twice: `{other}` and `{path}`"
            )));
        }
    }
    let (mut settings, mut raw) = (Vec::new(), Vec::new());
    for setting in &args.settings {
        let (name, value) = split("--set", "VALUE", setting)?;
        settings.push((name.to_owned(), Setting::parse(value)));
        raw.push((name.to_owned(), value.to_owned()));
    }
    Ok(Spec {
        program: args.program.clone(),
        text: text(&args.program, environment)?,
        world: world(args, environment)?,
        writes: true,
        nodes: None,
        dialect: args.dialect.map(dialect),
        inputs,
        settings,
        raw,
        imports: None,
        output: None,
        rehash: false,
        options: Options::default(),
    })
}

/// Reads a program, from a file or from stdin.
pub fn text(path: &Path, environment: &Environment) -> Result<String, Error> {
    if path != Path::new("-") {
        return run::text(&environment.cwd, path);
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|source| Error::Text { path: "stdin".into(), source })?;
    Ok(text)
}

/// Returns the files that the program sees.
fn world(args: &Program, environment: &Environment) -> Result<World, Error> {
    if args.read_root.is_empty() {
        return Ok(World::All(environment.cwd.clone()));
    }
    let limit = match &args.read_limit {
        None => READ_LIMIT,
        Some(text) => quantity::size(text)
            .ok_or_else(|| Error::Usage(format!("--read-limit {text}: write a size like 500M")))?,
    };
    let roots: Vec<PathBuf> =
        args.read_root.iter().map(|root| environment.cwd.join(root)).collect();
    Beneath::new(&roots, limit)
        .map(|roots| World::Below(Arc::new(roots)))
        .map_err(|source| Error::Usage(format!("--read-root: {source}")))
}

/// The largest file that a confined program sees, unless it is said.
const READ_LIMIT: u64 = 4 << 30;

/// Returns the dialect that a word means.
pub fn dialect(word: DialectWord) -> Dialect {
    match word {
        DialectWord::One => Dialect::One,
        DialectWord::Two => Dialect::Two,
    }
}

/// Reads how it is run.
fn options(args: &Run, environment: &Environment) -> Options {
    let mut options =
        Options { retry_failed: args.retry_failed, no_wait: args.no_wait, ..Options::default() };
    // For tests of two processes, whose images are too small to be worth a claim.
    if let Some(us) = environment.vox("claim_us").and_then(|text| text.parse::<u64>().ok()) {
        options.claimed_ps = us.saturating_mul(1_000_000);
    }
    options
}

fn split<'a>(flag: &str, what: &str, text: &'a str) -> Result<(&'a str, &'a str), Error> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Error::Usage(format!("{flag} {text}: write {flag} NAME={what}"))),
    }
}

/// Reads `--threads`.
pub fn threads(text: &str) -> Result<usize, Error> {
    quantity::threads(text).ok_or_else(|| {
        Error::Usage(format!(
            "--threads {text}: write a count from 1 to 1024, or leave it out to use all cores"
        ))
    })
}

fn ttl(text: &str) -> Result<Duration, Error> {
    quantity::span(text)
        .ok_or_else(|| Error::Usage(format!("--ttl {text}: write for example 30d or 12h")))
}

/// Reads `--memory`.
pub fn memory(text: &str) -> Result<u64, Error> {
    quantity::size(text)
        .ok_or_else(|| Error::Usage(format!("--memory {text}: write for example 500M or 8G")))
}

fn single(context: &Context, spec: &Spec, how: &How<'_>) -> Result<ExitCode, Error> {
    let mut teller =
        Teller { voice: how.voice, case: None, lines: how.lines(), events: how.args.events };
    let answer = run::run(context, spec, None, &mut teller);
    let answer = answer?;
    if let Some(name) = &how.args.pin {
        upkeep::pin_goals(context, name, None, &answer)?;
    }
    failure::tell(&answer, None, &how.output(None), how.voice);
    let told = report_json(context, &[(None, &answer)], &answer.report, false);
    if how.args.json && !how.args.events {
        out::line(&told.to_string());
    }
    if let Some(path) = &how.args.report {
        write_report(path, &report_json(context, &[(None, &answer)], &answer.report, true))?;
    }
    if how.args.events {
        out::line(&end(&answer.report, how.args.json.then_some(told)).to_string());
    }
    out::flush();
    if how.args.profile {
        let mut profile = Profile::default();
        profile.add(&answer);
        profile.tell();
    }
    notices::tell(&context.store, how.voice);
    tell_pulled(context, how.voice);
    keep_small(context, how.voice);
    last_line(&answer.report, how.voice);
    Ok(answer.failure().map_or(ExitCode::SUCCESS, exit::exit))
}

fn report_json(
    context: &Context,
    cases: &[(Option<&str>, &Answer)],
    total: &Report,
    nodes: bool,
) -> serde_json::Value {
    let mut report = if let [(None, answer)] = cases {
        shape::case(None, answer, nodes)
    } else {
        let cases: Vec<_> =
            cases.iter().map(|(name, answer)| shape::case(*name, answer, nodes)).collect();
        json!({ "cases": cases, "counts": shape::counts(total) })
    };
    report["schema"] = json!(shape::SCHEMA);
    if let Some(remote) = &context.remote {
        let pulled = remote.pulled();
        report["pulled"] = json!({
            "peer": remote.name(), "segments": pulled.segments, "objects": pulled.objects,
            "bytes": pulled.bytes,
        });
    }
    report
}

/// Returns the last event.
fn end(total: &Report, answer: Option<serde_json::Value>) -> serde_json::Value {
    let mut end = json!({ "event": "end", "counts": shape::counts(total) });
    if let Some(answer) = answer {
        end["answer"] = answer;
    }
    end
}

fn write_report(path: &Path, report: &serde_json::Value) -> Result<(), Error> {
    outputs::replace(path, format!("{report}\n").as_bytes())
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Says what was done; this line acknowledges the run, whatever was asked to be quiet.
fn last_line(report: &Report, voice: Voice) {
    if voice.quiet && report.failed == 0 && report.unstored == 0 {
        return;
    }
    let unstored = match report.unstored {
        0 => String::new(),
        count => format!("; {count} not stored"),
    };
    out::say(&format!(
        "vox: {} computed, {} redone, {} reused, {} failed in {:.3} s (saved {:.2} s){unstored}",
        report.computed,
        report.redone,
        report.reused,
        report.failed,
        report.wall.as_secs_f64(),
        report.saved_us as f64 / 1e6
    ));
}

fn cohort(context: &Context, spec: &Spec, root: &Path, how: &How<'_>) -> Result<ExitCode, Error> {
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

/// Says what came from a peer.
fn tell_pulled(context: &Context, voice: Voice) {
    let Some(remote) = context.remote.as_ref().filter(|_| !voice.quiet) else { return };
    let pulled = remote.pulled();
    out::say(&format!(
        "vox: {} and {} came from `{}`, {}",
        count(pulled.segments, "segment"),
        count(pulled.objects, "object"),
        remote.name(),
        quantity::show_size(pulled.bytes)
    ));
}

/// Returns what is wrong with a folder that has no case.
pub fn no_cases(root: &Path) -> Error {
    let root = root.display();
    Error::Usage(format!("--cases {root}: no folder in it holds an input of the program"))
}

/// Brings the store below its limit, if it is above it; says so when something went.
fn keep_small(context: &Context, voice: Voice) {
    let Some(report) = upkeep::after_run(context) else { return };
    if !voice.quiet && !report.removed.is_empty() {
        out::say(&format!("vox: the store was above its limit: removed {}", removed(&report)));
    }
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
