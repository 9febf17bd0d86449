//! How a run's answers are told, of one case and of many alike.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::app::context::Context;
use crate::app::engine::Engine;
use crate::app::error::Error;
use crate::app::outputs;
use crate::app::quantity;
use crate::app::run::Answer;
use crate::app::table::Style;
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
    pub(super) fn lines(&self) -> bool {
        !self.args.json && !self.args.events
    }

    /// Returns where relative saves go.
    pub(super) fn output(&self, case: Option<&str>) -> PathBuf {
        let output = self.args.output.clone().unwrap_or_default();
        case.map_or(output.clone(), |case| output.join(case))
    }
}

pub(super) fn report_json(
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
pub(super) fn end(total: &Report, answer: Option<serde_json::Value>) -> serde_json::Value {
    let mut end = json!({ "event": "end", "counts": shape::counts(total) });
    if let Some(answer) = answer {
        end["answer"] = answer;
    }
    end
}

pub(super) fn write_report(path: &Path, report: &serde_json::Value) -> Result<(), Error> {
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
