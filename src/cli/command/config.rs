//! `vox config`: the settings in force, and where each came from.

use std::process::ExitCode;

use serde_json::json;

use crate::app::context;
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::cli::out;
use crate::cli::store_args::StoreOnly;
use crate::store;

/// Shows the settings; the store is where it would be looked for, made or not.
pub fn run(args: &StoreOnly, environment: &Environment) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let (store, how) = match context::find(environment, &config) {
        Ok(place) => {
            let how = match &config.store.value {
                Some(_) => config.store.origin.to_string(),
                None if place.is_cache => "default: the user's cache".to_owned(),
                None => "found upwards".to_owned(),
            };
            (place.root.display().to_string(), how)
        }
        // Nowhere to look: a run would say the same, but all other settings are known.
        Err(Error::Store(error @ store::error::Error::NoPlace)) => {
            ("none".to_owned(), error.to_string())
        }
        Err(error) => return Err(error),
    };
    let memory = match config.memory.value {
        Some(bytes) => bytes.to_string(),
        None => "half of the machine's".to_owned(),
    };
    let threads = match config.threads.value {
        0 => "all cores".to_owned(),
        threads => threads.to_string(),
    };
    let safe: Vec<String> =
        config.safe_stores.value.iter().map(|path| path.display().to_string()).collect();
    let max_size = config.max_size.value.map_or_else(|| "none".to_owned(), |b| b.to_string());
    let ttl = match config.ttl.value {
        Some(ttl) => format!("{}s", ttl.as_secs()),
        None => "for ever".to_owned(),
    };
    let distrust: Vec<String> = config.distrust.value.iter().map(ToString::to_string).collect();
    let row = |(name, value, origin): (&str, String, String)| (name.to_owned(), value, origin);
    let mut rows: Vec<(String, String, String)> = [
        ("store", store, how),
        ("store.max_size", max_size, config.max_size.origin.to_string()),
        ("store.ttl", ttl, config.ttl.origin.to_string()),
        ("threads", threads, config.threads.origin.to_string()),
        ("memory", memory, config.memory.origin.to_string()),
        ("keep", config.keep.value.word().to_owned(), config.keep.origin.to_string()),
        ("safe_stores", format!("[{}]", safe.join(", ")), config.safe_stores.origin.to_string()),
        ("distrust", format!("[{}]", distrust.join(", ")), config.distrust.origin.to_string()),
    ]
    .map(row)
    .into();
    for (name, peer) in &config.peers {
        let origin = peer.origin.to_string();
        rows.push((format!("peer.{name}.url"), peer.value.url.clone(), origin.clone()));
        let trust = peer.value.trust.word().to_owned();
        rows.push((format!("peer.{name}.trust"), trust, origin.clone()));
        let files = [("token-file", &peer.value.token_file), ("ca-file", &peer.value.ca_file)];
        for (key, path) in files {
            if let Some(path) = path {
                let path = path.display().to_string();
                rows.push((format!("peer.{name}.{key}"), path, origin.clone()));
            }
        }
    }
    if args.json {
        let settings: serde_json::Map<_, _> = rows
            .into_iter()
            .map(|(name, value, origin)| (name, json!({"value": value, "from": origin})))
            .collect();
        out::line(&json!({ "schema": 1, "settings": settings }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let width = |column: fn(&(String, String, String)) -> usize| rows.iter().map(column).max();
    let names = width(|row| row.0.len()).unwrap_or(0);
    let values = width(|row| row.1.len().min(40)).unwrap_or(0);
    for (name, value, origin) in &rows {
        out::line(&format!("{name:names$} = {value:values$}  ({origin})"));
    }
    if config.files.is_empty() {
        out::say("no configuration file was found; a `vox.toml` here or above would be read");
    }
    Ok(ExitCode::SUCCESS)
}
