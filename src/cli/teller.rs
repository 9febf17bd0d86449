//! One case while it runs: goals, warnings and whom it waits for, as lines or as JSON.

use std::time::SystemTime;

use serde_json::json;

use crate::app::run::Listener;
use crate::cli::json as shape;
use crate::cli::out;
use crate::cli::words::Voice;
use crate::exec::event::{Event, Outcome};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::plan::goal::Action;
use crate::value::text;

/// Tells one case while it runs.
pub struct Teller {
    /// How loud it is.
    pub voice: Voice,
    /// The case's name, in a cohort.
    pub case: Option<String>,
    /// Are goals printed as they come?
    pub lines: bool,
    /// Are events printed as lines of JSON?
    pub events: bool,
}

impl Listener for Teller {
    fn lowered(&mut self, diagnostics: &[Diagnostic], sources: &[Source]) {
        self.voice.diagnostics(diagnostics, sources);
    }

    fn event(&mut self, actions: &[Action], event: &Event<'_>) {
        if self.events {
            self.line_of_json(actions, event);
        } else if self.lines
            && let Event::Goal { index, outcome: Outcome::Value(value) } = event
            && let Some(Action::Print { label }) = actions.get(*index)
        {
            out::line(&format!("{label}={}", text::show(value).unwrap_or_default()));
            out::flush();
        }
        let of = self.case.as_deref().map(|case| format!(" of {case}")).unwrap_or_default();
        match event {
            Event::Waiting { node, op, holder } if !self.voice.quiet => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let now = now.map_or(holder.since, |now| now.as_millis() as u64);
                out::say(&format!(
                    "vox: waiting for `{op}` {node}{of}: process {} on {} computes it, for {:.0} s now",
                    holder.pid,
                    holder.host,
                    now.saturating_sub(holder.since) as f64 / 1000.0
                ));
            }
            Event::Alive { ran, running }
                if self.case.is_none() && !self.events && !self.voice.quiet =>
            {
                out::say(&format!("vox: {ran} nodes ran, {running} are running"));
            }
            Event::Warning { code, count, .. } if !self.voice.quiet => {
                out::say(&format!("warning: {}{of}", warning(code, *count)));
            }
            _ => {}
        }
    }
}

impl Teller {
    fn line_of_json(&self, actions: &[Action], event: &Event<'_>) {
        let case = self.case.as_deref();
        let line = match event {
            Event::Start { nodes, goals } => {
                json!({"event": "start", "case": case, "nodes": nodes, "goals": goals})
            }
            Event::Node(ran) => {
                json!({"event": "node", "case": case, "node": shape::node(ran)})
            }
            Event::Stored(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                json!({"event": "stored", "case": case, "nodes": nodes})
            }
            Event::Goal { index, outcome } => {
                json!({"event": "goal", "case": case, "goal": shape::goal(actions.get(*index), outcome, None)})
            }
            Event::Waiting { node, op, holder } => json!({
                "event": "waiting", "case": case, "node": node.to_string(), "op": op,
                "pid": holder.pid, "host": holder.host,
            }),
            Event::Warning { code, count, .. } => {
                json!({"event": "warning", "case": case, "code": code, "count": count})
            }
            Event::Alive { ran, running } => {
                json!({"event": "alive", "case": case, "ran": ran, "running": running})
            }
        };
        out::line(&line.to_string());
        out::flush();
    }
}

/// Returns the words for a kernel's warning.
fn warning(code: &str, count: u64) -> String {
    match code {
        "nonfinite" => format!("{count} voxels of an input were not finite and are read as 0"),
        "rounded" => format!("{count} voxels beyond 2^24 were rounded to f32"),
        "clamped" => format!("{count} voxels were changed to fit the saved file's type"),
        "units" => "an input does not say its unit of length: mm is assumed".to_owned(),
        "sheared" => {
            "an input's axes are sheared: distances use the lengths of its axes".to_owned()
        }
        other => format!("{other} ({count})"),
    }
}
