//! `vox gc`: removes what can be had again.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity::{self, show_size};
use crate::app::upkeep::{self, Collected, Wanted};
use crate::cli::out;
use crate::cli::store_args::Gc;
use crate::cli::words::Voice;
use crate::gc::policy::{Limits, Why};
use crate::gc::reach::Keeper;
use crate::gc::sweep::{How, Report};
use crate::gc::usage::Usage;

/// Collects, and tells what went and what stays.
pub fn run(args: &Gc, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let size = |text: &String| {
        quantity::size(text).ok_or_else(|| {
            Error::Usage(format!("--max-size {text}: write for example 500M or 5GB"))
        })
    };
    let wanted = Wanted {
        limits: Limits {
            bytes: args.max_size.as_ref().map(size).transpose()?,
            files: args.max_files,
            age_s: span("--max-age", args.max_age.as_ref())?.map(|age| age.as_secs()),
        },
        compact: args.compact,
        forget: span("--forget", args.forget.as_ref())?,
        how: How { dry_run: args.dry_run, alone: args.alone },
    };
    let done = upkeep::gc(environment, &config, &wanted)?;
    if args.json {
        out::line(&object(&done, args.dry_run).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    tell(&done, args.dry_run);
    let usage = &done.report.after;
    if !voice.quiet
        && let Some(limit) = done.limits.bytes
    {
        if usage.log_bytes > limit / 2 {
            out::say(&format!(
                "note: the log alone takes {}, more than half of the limit: raise it, or see \
                 `vox gc --help` on --compact and --forget",
                show_size(usage.log_bytes)
            ));
        }
        if usage.bytes() > limit && !args.dry_run {
            out::say(
                "note: the store is still above its limit: the rest is kept, in use, or the log",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn span(flag: &str, text: Option<&String>) -> Result<Option<Duration>, Error> {
    let Some(text) = text else { return Ok(None) };
    let span = quantity::span(text)
        .ok_or_else(|| Error::Usage(format!("{flag} {text}: write for example 30d or 12h")))?;
    Ok(Some(span))
}

fn tell(done: &Collected, dry_run: bool) {
    let report = &done.report;
    let would = if dry_run { "would be " } else { "" };
    if let Some(forgotten) = &done.forgotten {
        out::line(&format!(
            "forgotten  {would}{} records in {}, {}; {} sealed again",
            forgotten.records,
            count(forgotten.segments, "segment"),
            show_size(forgotten.freed),
            count(forgotten.pins, "pin")
        ));
    }
    if let Some(compacted) = &done.compacted {
        out::line(&format!(
            "merged     {would}{} into {}, {} dropped, {}",
            count(compacted.merged, "segment"),
            compacted.into,
            compacted.covered,
            show_size(compacted.freed)
        ));
    }
    out::line(&format!("removed    {would}{}", removed(report)));
    for (keeper, (objects, bytes)) in &report.kept {
        out::line(&format!(
            "kept       {}, {}: {}",
            count(*objects, "object"),
            show_size(*bytes),
            words(keeper)
        ));
    }
    if report.spared > 0 {
        out::line(&format!("spared     {} used meanwhile", count(report.spared, "object")));
    }
    let left = report.strays + report.memos + report.runs;
    if left > 0 {
        out::line(&format!(
            "tidied     {}, {}, {}",
            count(report.strays, "stray"),
            count(report.memos, "row") + " of files that are gone",
            count(report.runs, "dead run")
        ));
    }
    let limit = match done.limits.bytes {
        Some(limit) => format!("limit {}", show_size(limit)),
        None => "no limit".to_owned(),
    };
    out::line(&format!("size       {would}{}, {limit}", show_size(report.after.bytes())));
}

/// Says what went, and why.
pub(super) fn removed(report: &Report) -> String {
    let mut text =
        format!("{}, {}", count(report.removed.len() as u64, "object"), show_size(report.freed()));
    let mut whys = Vec::new();
    for (why, words) in [
        (Why::Expired, "past their time"),
        (Why::Old, "not used for long"),
        (Why::Room, "for room"),
    ] {
        let number = report.removed.iter().filter(|one| one.why == why).count();
        if number > 0 {
            whys.push(format!("{number} {words}"));
        }
    }
    if !whys.is_empty() {
        text += &format!(" ({})", whys.join(", "));
    }
    text
}

fn words(keeper: &Keeper) -> String {
    match keeper {
        Keeper::Run => "runs that are going on".to_owned(),
        Keeper::Pin(name) => format!("pin `{name}`"),
    }
}

/// Returns a number with its noun.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn object(done: &Collected, dry_run: bool) -> Json {
    let report = &done.report;
    let removed: Vec<Json> = report
        .removed
        .iter()
        .map(|one| {
            json!({
                "object": one.id.to_string(),
                "bytes": one.bytes,
                "why": one.why.word(),
                "unused_seconds": one.age_s,
                "cost_us": one.cost_us,
            })
        })
        .collect();
    let kept: Vec<Json> = report
        .kept
        .iter()
        .map(|(keeper, (objects, bytes))| {
            let (why, name) = match keeper {
                Keeper::Run => ("run", None),
                Keeper::Pin(name) => ("pin", Some(name)),
            };
            json!({ "why": why, "name": name, "objects": objects, "bytes": bytes })
        })
        .collect();
    let compacted = done.compacted.map(|one| {
        json!({
            "merged": one.merged, "into": one.into, "covered": one.covered, "freed": one.freed,
        })
    });
    let forgotten = done.forgotten.map(|one| {
        json!({
            "segments": one.segments, "records": one.records, "freed": one.freed,
            "pins": one.pins,
        })
    });
    json!({
        "schema": 1,
        "store": done.root,
        "dry_run": dry_run,
        "limit": { "bytes": done.limits.bytes, "files": done.limits.files },
        "removed": removed,
        "freed": report.freed(),
        "kept": kept,
        "spared": report.spared,
        "strays": report.strays,
        "memos": report.memos,
        "dead_runs": report.runs,
        "compacted": compacted,
        "forgotten": forgotten,
        "before": usage(&report.before),
        "after": usage(&report.after),
        "log_above_half": done.limits.bytes.is_some_and(|limit| report.after.log_bytes > limit / 2),
    })
}

/// Returns what a store takes.
pub(super) fn usage(usage: &Usage) -> Json {
    json!({
        "bytes": usage.bytes(),
        "objects": usage.objects.objects,
        "object_bytes": usage.objects.bytes,
        "segments": usage.segments,
        "log_bytes": usage.log_bytes,
        "folder_bytes": usage.folder_bytes,
    })
}
