//! `vox init`: a store where somebody wants it.

use std::process::ExitCode;

use serde_json::json;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::init;
use crate::cli::out;
use crate::cli::store_args::{Init, Sharing};
use crate::cli::words::Voice;

/// Makes a store, or says that it is there.
pub fn run(args: &Init, environment: &Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let shared = args.shared == Some(Sharing::Group);
    let (root, is_new) = init::init(environment, config, args.folder.as_deref(), shared)?;
    if args.json {
        out::line(&json!({ "schema": 1, "store": root, "new": is_new }).to_string());
    } else if !voice.quiet {
        let what = if is_new { "made the store" } else { "there is already a store at" };
        out::say(&format!("vox: {what} `{}`", root.display()));
    }
    Ok(ExitCode::SUCCESS)
}
