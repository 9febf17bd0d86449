//! `vox verify`: every file of the store checked again, and with `--deep` some of what it says.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::app::deep::{self, Deep, Wish};
use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::origins::{Again, Source};
use crate::app::upkeep::{self, Verified};
use crate::cli::exit;
use crate::cli::json as shape;
use crate::cli::out;
use crate::cli::store_args::Verify;
use crate::cli::words::Voice;
use crate::id::{Digest, NodeId};
use crate::store::object::layout::WriterId;

/// Checks and tells; damage and records that differ end in the store's exit code.
pub fn run(args: &Verify, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    if let Some(path) = &args.nodes {
        let nodes = read_nodes(&environment.cwd.join(path))?;
        let (root, missing) = upkeep::missing(environment, &config, &nodes)?;
        tell_nodes(args, &root, nodes.len(), &missing);
        return Ok(code(missing.is_empty()));
    }
    // Asked for in vain is said before the long work.
    let wish = wish(args)?;
    let verified = upkeep::verify(environment, &config)?;
    let deep = match wish {
        Some(wish) => Some(deep::deep(environment, &config, &wish)?.1),
        None => None,
    };
    let is_true = deep.as_ref().is_none_or(|deep| deep.differ.is_empty());
    if args.json {
        let mut json = as_json(&verified);
        json["deep"] = deep.as_ref().map_or(Json::Null, deep_json);
        json["clean"] = json!(verified.report.is_clean() && is_true);
        out::line(&json.to_string());
    } else {
        tell(&verified, voice);
        if let Some(deep) = &deep {
            tell_deep(deep);
        }
    }
    Ok(code(verified.report.is_clean() && is_true))
}

fn code(clean: bool) -> ExitCode {
    if clean { ExitCode::SUCCESS } else { exit::exit(Whose::Store) }
}

fn wish(args: &Verify) -> Result<Option<Wish>, Error> {
    let parse = |text: &String| {
        WriterId::parse(text).ok_or_else(|| {
            Error::Usage(format!("--writer {text}: write the 32 hex digits of its folder"))
        })
    };
    let writer = args.writer.as_ref().map(parse).transpose()?;
    let time = Duration::from_secs(args.seconds);
    Ok(args.deep.then_some(Wish { writer, sample: args.sample, time, seed: args.seed }))
}

fn read_nodes(path: &Path) -> Result<Vec<NodeId>, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let parse = |line: &str| {
        Digest::parse(line.trim())
            .map(NodeId)
            .ok_or_else(|| Error::Usage(format!("--nodes {}: `{line}` is no node", path.display())))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

fn tell_nodes(args: &Verify, root: &Path, count: usize, missing: &[(NodeId, String)]) {
    if args.json {
        let missing: Vec<Json> = missing
            .iter()
            .map(|(node, what)| json!({"node": node.to_string(), "reason": what}))
            .collect();
        let schema = shape::SCHEMA;
        let told = json!({"schema": schema, "store": root, "nodes": count, "missing": missing});
        out::line(&told.to_string());
        return;
    }
    for (node, what) in missing {
        out::line(&format!("node {node} : {what}"));
    }
    out::line(&format!("{count} nodes, {} missing", missing.len()));
}

fn tell(verified: &Verified, voice: Voice) {
    let report = &verified.report;
    for ((blob, reason), again) in report.damaged.iter().zip(&verified.again) {
        out::line(&format!("object {blob} : {reason}"));
        for again in again {
            out::line(&format!("  of node {} ({}): {}", again.node, again.op, way(again)));
        }
        if again.is_empty() {
            out::line("  no receipt names it: nothing needs it, and nothing can compute it again");
        }
    }
    for (path, reason) in &report.bad {
        out::line(&format!("segment {} : {reason}", path.display()));
    }
    for conflict in &report.conflicts {
        let writers: Vec<String> = conflict.writers.iter().map(ToString::to_string).collect();
        let writers = writers.join(" and ");
        out::line(&format!("node {} has records that differ, of {writers}", conflict.node));
    }
    out::line(&format!(
        "{} objects, {} segments, {} records: {}",
        report.objects,
        report.segments,
        report.records,
        if report.is_clean() { "clean" } else { "NOT CLEAN" }
    ));
    if voice.quiet {
        return;
    }
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

/// Returns how a value could be had again, in words.
fn way(again: &Again) -> String {
    let source = |source: &Source| match source {
        Source::Node { node, op, here } => {
            let op = op.as_ref().map(|op| format!(" ({op})")).unwrap_or_default();
            format!("node {node}{op}{}", if *here { "" } else { ", not here" })
        }
        Source::File { path: Some(path), .. } => format!("`{}`", path.display()),
        Source::File { digest, path: None } => format!("a file {digest}, not known here"),
    };
    let from: Vec<String> = again.from.iter().map(source).collect();
    let verb = if again.can { "can be computed again" } else { "CANNOT be computed again" };
    match &from[..] {
        [] if again.can => verb.to_owned(),
        [] => format!("{verb}: this version has no such operator"),
        from => format!("{verb} from {}", from.join(" and ")),
    }
}

fn tell_deep(deep: &Deep) {
    for differ in &deep.differ {
        let writers: Vec<String> = differ.writers.iter().map(ToString::to_string).collect();
        out::line(&format!(
            "node {} ({}) is {} by {}, and comes out as {}",
            differ.node,
            differ.op,
            differ.said,
            writers.join(" and "),
            differ.came
        ));
    }
    let left: usize = deep.left.values().sum();
    let reasons: Vec<String> =
        deep.left.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if left > 0 {
        format!("; {left} could not be: {}", reasons.join(", "))
    } else {
        String::new()
    };
    out::line(&format!(
        "{} of {} receipts computed again, {} differ{reasons}{}",
        deep.again,
        deep.of,
        deep.differ.len(),
        if deep.late { "; time ran out" } else { "" }
    ));
}

fn as_json(verified: &Verified) -> Json {
    let report = &verified.report;
    let source = |source: &Source| match source {
        Source::Node { node, op, here } => {
            json!({"node": node.to_string(), "op": op, "here": here})
        }
        Source::File { digest, path } => json!({"file": digest.hex(), "path": path}),
    };
    let again = |again: &Again| {
        let from: Vec<Json> = again.from.iter().map(source).collect();
        let node = again.node.to_string();
        json!({"node": node, "op": again.op, "can": again.can, "from": from})
    };
    let damaged: Vec<Json> = report
        .damaged
        .iter()
        .zip(&verified.again)
        .map(|((blob, reason), all)| {
            let nodes: Vec<Json> = all.iter().map(again).collect();
            json!({"object": blob.to_string(), "reason": reason, "nodes": nodes})
        })
        .collect();
    let bad: Vec<Json> = report
        .bad
        .iter()
        .map(|(path, reason)| json!({"segment": path, "reason": reason}))
        .collect();
    let conflicts: Vec<Json> = report
        .conflicts
        .iter()
        .map(|conflict| {
            let writers: Vec<String> = conflict.writers.iter().map(ToString::to_string).collect();
            json!({"node": conflict.node.to_string(), "writers": writers})
        })
        .collect();
    json!({
        "schema": shape::SCHEMA,
        "store": verified.root,
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
}

fn deep_json(deep: &Deep) -> Json {
    let differ: Vec<Json> = deep
        .differ
        .iter()
        .map(|differ| {
            let writers: Vec<String> = differ.writers.iter().map(ToString::to_string).collect();
            json!({
                "node": differ.node.to_string(),
                "op": differ.op,
                "writers": writers,
                "said": differ.said,
                "came": differ.came,
            })
        })
        .collect();
    json!({
        "receipts": deep.of,
        "again": deep.again,
        "arguments": deep.arguments,
        "left": deep.left,
        "differ": differ,
        "late": deep.late,
    })
}
