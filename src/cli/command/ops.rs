//! `vox ops`: what a program can call.

use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::app::error::Error;
use crate::app::ops::{self, Entry, Sort};
use crate::cli::language_args::Ops;
use crate::cli::out;

/// Tells of one name, or of all.
pub fn run(args: &Ops) -> Result<ExitCode, Error> {
    let entries = match &args.name {
        None => ops::all(),
        Some(name) => ops::find(name).map_err(|nearest| {
            let hint = match nearest {
                Some(nearest) => format!("; did you mean `{nearest}`?"),
                None => "; `vox ops` lists all".to_owned(),
            };
            Error::Usage(format!("there is no operator or definition `{name}`{hint}"))
        })?,
    };
    if args.json {
        let entries: Vec<Json> = entries.iter().map(Entry::json).collect();
        out::line(&json!({ "schema": 1, "entries": entries }).to_string());
    } else if args.name.is_some() {
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                out::line("");
            }
            whole(entry);
        }
    } else {
        list(&entries);
    }
    Ok(ExitCode::SUCCESS)
}

fn whole(entry: &Entry) {
    out::line(&format!("{} ({})", entry.name, entry.sort.word()));
    for call in &entry.calls {
        out::line(&format!("    {call}"));
    }
    if !entry.spellings.is_empty() {
        out::line(&format!("also written  {}", entry.spellings.join("   ")));
    }
    if let Some(import) = entry.import {
        out::line(&format!("needs  import \"{import}\""));
    }
    out::line(&entry.doc);
    if let Some(definition) = &entry.definition {
        out::line("");
        for line in definition.lines() {
            out::line(&format!("    {line}"));
        }
    }
}

fn list(entries: &[Entry]) {
    let mut home = "";
    for entry in entries {
        let (namespace, _) = match entry.sort {
            Sort::Form => ("the language", ""),
            _ => entry.name.split_once('.').unwrap_or(("", "")),
        };
        if namespace != home {
            if !home.is_empty() {
                out::line("");
            }
            out::line(namespace);
            home = namespace;
        }
        let short = match entry.sort {
            Sort::Form => entry.calls[0].as_str(),
            _ => &entry.name[namespace.len() + 1..],
        };
        out::line(&format!("  {short:24} {}", sentence(&entry.doc)));
    }
}

/// Returns the first sentence, without its full stop.
fn sentence(doc: &str) -> &str {
    doc.split_once(". ").map_or(doc.trim_end_matches('.'), |(first, _)| first)
}
