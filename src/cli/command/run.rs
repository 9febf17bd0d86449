//! `vox run`: a program over one case or a cohort.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::app::beneath::Beneath;
use crate::app::config::{Config, Flags, Keep};
use crate::app::context::{Access, Context};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity;
use crate::app::remote::Tell;
use crate::app::run::{self, Spec};
use crate::app::syntax;
use crate::app::table::style::Style;
use crate::app::upkeep;
use crate::app::world::World;
use crate::cli::args::{DialectWord, KeepWord, Run};
use crate::cli::command::cohort;
use crate::cli::command::notices;
use crate::cli::command::profile::Profile;
use crate::cli::command::telling::{
    self, How, end, keep_small, last_line, tell_pulled, write_report,
};
use crate::cli::exit;
use crate::cli::failure;
use crate::cli::language_args::Program;
use crate::cli::out;
use crate::cli::signal;
use crate::cli::teller::Teller;
use crate::cli::words::Voice;
use crate::exec::drive::Options;
use crate::lang::dialect::Dialect;
use crate::lower::request::Setting;
use crate::remote::group::Limits;

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
        Style::of(path).map_err(|why| Error::Usage(format!("--table {}: {why}", path.display())))
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
        Some(root) => cohort::run(&context, &spec, root, &how),
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
        upkeep::pin_goals(context, upkeep::goals(name, None, &answer))?;
    }
    failure::tell(&answer, None, &how.output(None), how.voice);
    let told = how.args.json.then(|| telling::answer(context, &answer, false).to_string());
    end(how.args, &answer.report, told.as_deref());
    if let Some(path) = &how.args.report {
        write_report(path, &telling::answer(context, &answer, true).to_string())?;
    }
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
