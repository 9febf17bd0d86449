//! `vox pull`: what another store has comes here.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};

use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::quantity::show_size;
use crate::app::sharing::{self, Pulled, Wish};
use crate::cli::command::gc::count;
use crate::cli::exit;
use crate::cli::json as shape;
use crate::cli::out;
use crate::cli::share_args::Pull;
use crate::cli::signal;
use crate::cli::words::Voice;
use crate::id::Digest;
use crate::peer::pull::Count;
use crate::peer::source::{Progress, Thing};

/// How often a line is said where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Fetches, and tells what came.
pub fn run(args: &Pull, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let parse = |text: &String| {
        Digest::parse(text)
            .ok_or_else(|| Error::Usage(format!("`{text}` is no id: write its 64 hex digits")))
    };
    let wish = Wish {
        peer: args.peer.clone(),
        ids: args.ids.iter().map(parse).collect::<Result<_, _>>()?,
        lazy: args.lazy,
        dry_run: args.dry_run,
    };
    let stop = Arc::new(AtomicBool::new(false));
    signal::listen(&stop)?;
    let is_live = out::is_terminal() && !environment.quiet_terminal;
    let shown = Shown::new(stop, is_live, voice.quiet || args.json);
    let pulled = sharing::pull(environment, &config, &wish, &shown);
    shown.finish();
    let pulled = pulled?;
    if args.json {
        out::line(&as_json(&pulled, &wish).to_string());
    } else {
        tell(&pulled, &wish, voice);
    }
    let is_all = pulled.unknown.is_empty();
    Ok(if is_all { ExitCode::SUCCESS } else { exit::exit(Whose::Result) })
}

fn tell(pulled: &Pulled, wish: &Wish, voice: Voice) {
    let report = &pulled.report;
    let would = if wish.dry_run { "would be " } else { "" };
    let line = |word: &str, count: &Count| {
        let size = match (count.bytes, wish.dry_run) {
            (0, _) => String::new(),
            (bytes, _) => format!(", {}", show_size(bytes)),
        };
        let absent = match count.absent {
            0 => String::new(),
            absent => format!("; {absent} are not there either"),
        };
        out::line(&format!(
            "{word:10} {would}{} fetched of {}, {} here{size}{absent}",
            count.fetched, count.listed, count.here
        ));
    };
    line("segments", &report.segments);
    line("objects", &report.objects);
    for id in &pulled.unknown {
        out::say(&format!("{}: `{}` has no {id}", voice.red("error"), pulled.peer));
    }
    if !voice.quiet && !wish.dry_run {
        let bytes = report.segments.bytes + report.objects.bytes;
        out::say(&format!(
            "vox: pulled {}, {}, {} from `{}` in {:.3} s ({}/s)",
            count(report.segments.fetched, "segment"),
            count(report.objects.fetched, "object"),
            show_size(bytes),
            pulled.peer,
            pulled.took.as_secs_f64(),
            show_size(rate(bytes, pulled.took))
        ));
    }
}

fn rate(bytes: u64, took: Duration) -> u64 {
    (bytes as f64 / took.as_secs_f64().max(1e-6)) as u64
}

fn as_json(pulled: &Pulled, wish: &Wish) -> Json {
    let report = &pulled.report;
    let count = |count: &Count| {
        json!({
            "listed": count.listed, "here": count.here, "fetched": count.fetched,
            "absent": count.absent, "bytes": count.bytes,
        })
    };
    let bytes = report.segments.bytes + report.objects.bytes;
    json!({
        "schema": shape::SCHEMA,
        "store": pulled.root,
        "peer": pulled.peer,
        "trust": pulled.trust.word(),
        "dry_run": wish.dry_run,
        "segments": count(&report.segments),
        "objects": count(&report.objects),
        "covered": pulled.covered,
        "unknown": pulled.unknown.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "bytes": bytes,
        "seconds": pulled.took.as_secs_f64(),
        "bytes_per_second": rate(bytes, pulled.took),
    })
}

/// Shows how far it is: a line that changes on a terminal, else one each ten seconds.
struct Shown {
    stop: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
    is_quiet: bool,
    began: Instant,
    told: Mutex<Instant>,
    bytes: AtomicU64,
    kept: AtomicU64,
    of: AtomicU64,
}

impl Shown {
    fn new(stop: Arc<AtomicBool>, is_live: bool, is_quiet: bool) -> Self {
        let bar = (is_live && !is_quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let began = Instant::now();
        let (bytes, kept, of) = Default::default();
        Self { stop, bar, is_quiet, began, told: Mutex::new(began), bytes, kept, of }
    }

    fn words(&self) -> String {
        let bytes = self.bytes.load(Ordering::Relaxed);
        format!(
            "{} of {} here, {} at {}/s",
            self.kept.load(Ordering::Relaxed),
            self.of.load(Ordering::Relaxed),
            show_size(bytes),
            show_size(rate(bytes, self.began.elapsed()))
        )
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn begins(&self, _: Thing, count: u64, _: Option<u64>) {
        self.of.fetch_add(count, Ordering::Relaxed);
    }

    fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_message(self.words());
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_quiet && told.elapsed() >= PAUSE {
            *told = Instant::now();
            out::say(&format!("vox: {}", self.words()));
        }
    }

    fn kept(&self, _: Thing) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
