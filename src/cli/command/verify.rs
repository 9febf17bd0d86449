//! `vox verify`: every file of the store checked again.

use std::process::ExitCode;

use serde_json::json;

use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::upkeep;
use crate::cli::args::StoreOnly;
use crate::cli::exit;
use crate::cli::out;
use crate::cli::words::Voice;

/// Checks and tells; damage and records that differ end in the store's exit code.
pub fn run(args: &StoreOnly, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let (root, report) = upkeep::verify(environment, &config)?;
    let damaged: Vec<String> =
        report.damaged.iter().map(|(blob, reason)| format!("object {blob} : {reason}")).collect();
    let bad: Vec<String> = report
        .bad
        .iter()
        .map(|(path, reason)| format!("segment {} : {reason}", path.display()))
        .collect();
    let conflicts: Vec<String> = report
        .conflicts
        .iter()
        .map(|conflict| format!("node {} has records that differ", conflict.node))
        .collect();
    if args.json {
        out::line(
            &json!({
                "schema": 1,
                "store": root,
                "clean": report.is_clean(),
                "objects": report.objects,
                "segments": report.segments,
                "records": report.records,
                "damaged": damaged,
                "bad": bad,
                "conflicts": conflicts,
                "strays": report.strays,
                "gaps": report.gaps.len(),
                "forks": report.forks.len(),
                "absent": report.absent,
            })
            .to_string(),
        );
    } else {
        for line in damaged.iter().chain(&bad).chain(&conflicts) {
            out::line(line);
        }
        out::line(&format!(
            "{} objects, {} segments, {} records: {}",
            report.objects,
            report.segments,
            report.records,
            if report.is_clean() { "clean" } else { "NOT CLEAN" }
        ));
        if !voice.quiet {
            for path in &report.strays {
                out::say(&format!("note: `{}` is no file of the log", path.display()));
            }
            for (count, words) in [
                (report.gaps.len() as u64, "gaps in the log: records that have not arrived; legal"),
                (report.forks.len() as u64, "forks in the log: a store was copied; legal"),
                (report.absent, "values known and not here: evicted, or not arrived; legal"),
            ] {
                if count > 0 {
                    out::say(&format!("note: {count} {words}"));
                }
            }
            if !report.is_clean() {
                out::say("what is damaged is computed again by the next run that needs it");
            }
        }
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { exit::exit(Whose::Store) })
}
