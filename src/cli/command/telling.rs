//! How a run's answers are told, of one case and of many alike.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::app::context::Context;
use crate::app::error::Error;
use crate::app::far::engine::Engine;
use crate::app::outputs;
use crate::app::quantity;
use crate::app::run::Answer;
use crate::app::table::style::Style;
use crate::app::upkeep;
use crate::cli::args::Run;
use crate::cli::command::gc::{count, removed};
use crate::cli::json as shape;
use crate::cli::out;
use crate::cli::words::Voice;
use crate::exec::report::Report;

/// How answers are told.
pub(super) struct How<'a> {
    pub(super) args: &'a Run,
    pub(super) voice: Voice,
    pub(super) style: Option<Style>,
    /// Where cases run; nothing for this process.
    pub(super) engine: Option<Engine>,
}

impl How<'_> {
    /// Are values printed as lines?
    pub(super) fn lines(&self) -> bool {
        !self.args.json && !self.args.events
    }

    /// Returns where relative saves go.
    pub(super) fn output(&self, case: Option<&str>) -> PathBuf {
        let output = self.args.output.clone().unwrap_or_default();
        case.map_or(output.clone(), |case| output.join(case))
    }
}

/// Returns the answer of a run of one case.
pub(super) fn answer(context: &Context, answer: &Answer, nodes: bool) -> Json {
    let mut told = shape::case(None, answer, nodes);
    told["schema"] = json!(shape::SCHEMA);
    if let Some(pulled) = pulled(context) {
        told["pulled"] = pulled;
    }
    told
}

/// The answer of a cohort while it runs, as its text: of a case nothing else is held, and of ten thousand cases the text
/// is some megabytes.
pub(super) struct Kept {
    nodes: bool,
    text: String,
}

impl Kept {
    /// Begins; with `nodes` each case tells all nodes that ran.
    pub(super) fn new(nodes: bool) -> Self {
        Self { nodes, text: String::new() }
    }

    /// Takes what a case gave.
    pub(super) fn add(&mut self, name: &str, answer: &Answer) {
        self.push(&shape::case(Some(name), answer, self.nodes));
    }

    /// Takes why a case could not be run.
    pub(super) fn add_refused(&mut self, name: &str, problem: &Json) {
        self.push(&shape::refused(name, problem.clone()));
    }

    fn push(&mut self, case: &Json) {
        self.text.push_str(if self.text.is_empty() { "{\"cases\":[" } else { "," });
        self.text.push_str(&case.to_string());
    }

    /// Returns the whole.
    pub(super) fn close(mut self, context: &Context, total: &Report) -> String {
        if self.text.is_empty() {
            self.text.push_str("{\"cases\":[");
        }
        self.text.push_str(&format!("],\"counts\":{}", shape::counts(total)));
        if let Some(pulled) = pulled(context) {
            self.text.push_str(&format!(",\"pulled\":{pulled}"));
        }
        self.text.push_str(&format!(",\"schema\":{}}}", shape::SCHEMA));
        self.text
    }
}

/// Returns what came from a peer, where one is asked.
fn pulled(context: &Context) -> Option<Json> {
    let remote = context.remote.as_ref()?;
    let pulled = remote.pulled();
    Some(json!({
        "peer": remote.name(), "segments": pulled.segments, "objects": pulled.objects,
        "bytes": pulled.bytes,
    }))
}

/// Tells the answer, and the last event.
pub(super) fn end(args: &Run, total: &Report, answer: Option<&str>) {
    if args.events {
        let end = json!({ "event": "end", "counts": shape::counts(total) }).to_string();
        match answer {
            // A member more, in front: the text may be long, and is JSON already.
            Some(answer) => out::line(&format!("{{\"answer\":{answer},{}", &end[1..])),
            None => out::line(&end),
        }
    } else if let Some(answer) = answer {
        out::line(answer);
    }
    out::flush();
}

/// Writes what `--report` asks for.
pub(super) fn write_report(path: &Path, report: &str) -> Result<(), Error> {
    outputs::replace(path, format!("{report}\n").as_bytes())
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Says what was done; this line acknowledges the run, whatever was asked to be quiet.
pub(super) fn last_line(report: &Report, voice: Voice) {
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

/// Says what came from a peer.
pub(super) fn tell_pulled(context: &Context, voice: Voice) {
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

/// Brings the store below its limit, if it is above it; says so when something went.
pub(super) fn keep_small(context: &Context, voice: Voice) {
    let Some(report) = upkeep::after_run(context) else { return };
    if !voice.quiet && !report.removed.is_empty() {
        out::say(&format!("vox: the store was above its limit: removed {}", removed(&report)));
    }
}
