//! `vox index`: the cache that can always be made again.

use std::process::ExitCode;

use serde_json::json;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::upkeep;
use crate::cli::out;
use crate::cli::store_args::StoreOnly;
use crate::cli::words::Voice;

/// Makes the index again from the log.
pub fn rebuild(
    args: &StoreOnly,
    environment: &Environment,
    voice: Voice,
) -> Result<ExitCode, Error> {
    let config = args.common.settings(environment)?;
    let (root, took) = upkeep::rebuild(environment, &config)?;
    if args.json {
        out::line(
            &json!({ "schema": 1, "store": root, "seconds": took.as_secs_f64() }).to_string(),
        );
    } else if !voice.quiet {
        out::say(&format!(
            "vox: the index of `{}` was made again in {:.3} s",
            root.display(),
            took.as_secs_f64()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
