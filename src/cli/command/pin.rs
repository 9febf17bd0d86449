//! `vox pin`, `vox unpin`, `vox pins`: what is kept whatever else goes.

use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity::show_size;
use crate::app::upkeep;
use crate::cli::command::gc::count;
use crate::cli::out;
use crate::cli::store_args::{Pin, StoreOnly, Unpin};
use crate::cli::words::Voice;
use crate::store::log::record::Target;

/// Pins.
pub fn pin(args: &Pin, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let name = upkeep::pin(environment, &config, &args.what, args.name.as_deref())?;
    if !voice.quiet {
        out::say(&format!("vox: pinned as `{name}`"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets go.
pub fn unpin(args: &Unpin, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let let_go = upkeep::unpin(environment, &config, &args.names, args.dry_run)?;
    if !voice.quiet {
        let would = if args.dry_run { "would no longer be" } else { "is no longer" };
        for standing in let_go {
            out::say(&format!("vox: `{}` {would} kept", standing.pin.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists.
pub fn list(args: &StoreOnly, environment: &Environment) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let pins = upkeep::pins(environment, &config)?;
    let target = |target: &Target| match target {
        Target::Node(node) => ("node", node.to_string()),
        Target::Blob(blob) => ("object", blob.to_string()),
    };
    if args.json {
        let pins: Vec<Json> = pins
            .iter()
            .map(|one| {
                let (kind, id) = target(&one.standing.pin.target);
                json!({
                    "name": one.standing.pin.name,
                    kind: id,
                    "writer": one.standing.writer.to_string(),
                    "at": one.standing.at,
                    "objects": one.objects,
                    "bytes": one.bytes,
                    "here": one.is_here,
                })
            })
            .collect();
        out::line(&json!({ "schema": 1, "pins": pins }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let width = pins.iter().map(|one| one.standing.pin.name.chars().count()).max().unwrap_or(0);
    for one in &pins {
        let (kind, id) = target(&one.standing.pin.target);
        let here = if one.is_here { "" } else { "  not all here" };
        out::line(&format!(
            "{:width$}  {kind} {id}  {}, {}{here}",
            one.standing.pin.name,
            count(one.objects, "object"),
            show_size(one.bytes)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
