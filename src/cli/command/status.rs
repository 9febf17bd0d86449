//! `vox status`: how large the store is, and what would go.

use std::process::ExitCode;

use serde_json::json;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity::show_size;
use crate::app::upkeep;
use crate::cli::command::gc::{count, usage};
use crate::cli::out;
use crate::cli::store_args::StoreOnly;

/// Tells how the store is.
pub fn run(args: &StoreOnly, environment: &Environment) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let status = upkeep::status(environment, &config)?;
    let of = &status.usage;
    let (objects, bytes) = status.would_free;
    if args.json {
        out::line(
            &json!({
                "schema": 1,
                "store": status.root,
                "limit": status.limit,
                "size": usage(of),
                "local_bytes": status.local_bytes,
                "results": of.records,
                "writers": of.writers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "own_writers": status.own,
                "pins": status.pins,
                "expired": of.objects.expired,
                "would_free": { "objects": objects, "bytes": bytes },
                "network": status.is_network,
            })
            .to_string(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let limit = match status.limit {
        Some(limit) => format!(
            "{} of {} ({:.0} %)",
            show_size(of.bytes()),
            show_size(limit),
            of.bytes() as f64 / limit as f64 * 100.0
        ),
        None => format!("{}, no limit", show_size(of.bytes())),
    };
    out::line(&format!("store      {}", status.root.display()));
    out::line(&format!("size       {limit}"));
    out::line(&format!("objects    {}, {}", of.objects.objects, show_size(of.objects.bytes)));
    out::line(&format!(
        "results    {} in {}, {}",
        of.records,
        count(of.segments, "segment"),
        show_size(of.log_bytes)
    ));
    out::line(&format!("writers    {}, {} of this host", of.writers.len(), status.own));
    out::line(&format!("pins       {}", status.pins));
    out::line(&format!("local      {}, a cache beside the store", show_size(status.local_bytes)));
    out::line(&format!(
        "gc         would remove {}, {}",
        count(objects, "object"),
        show_size(bytes)
    ));
    if status.is_network {
        out::line("network    others write over a network file system: runs collect nothing");
    }
    if status.limit.is_some_and(|limit| of.log_bytes > limit / 2) {
        out::say("note: the log alone takes more than half of the limit");
    }
    Ok(ExitCode::SUCCESS)
}
