//! `vox serve`: the store over HTTP.

use std::process::ExitCode;
use std::sync::Arc;

use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::quantity;
use crate::cli::args::Serve;
use crate::cli::out;
use crate::cli::words::Voice;
use crate::serve::job::jobs::Bounds;
use crate::serve::server;
use crate::serve::state::{Allow, Options};

/// Reads how much jobs may take.
fn bounds(args: &Serve) -> Result<Bounds, Error> {
    let memory = quantity::size(&args.job_memory).ok_or_else(|| {
        Error::Usage(format!("--job-memory {}: write a size like 4G", args.job_memory))
    })?;
    let time = quantity::span(&args.job_time).ok_or_else(|| {
        Error::Usage(format!("--job-time {}: write a time like 1h", args.job_time))
    })?;
    Ok(Bounds { slots: args.jobs.into(), queue: args.queue.into(), memory, time })
}

/// Serves until a signal asks to stop.
pub fn run(args: &Serve, environment: Environment, voice: Voice) -> Result<ExitCode, Error> {
    let config = args.common.settings(&environment)?;
    let named = environment.vox("token_file").filter(|path| !path.is_empty() && !args.no_auth);
    let token_file = args.token_file.clone().or_else(|| named.map(Into::into));
    let options = Options {
        bind: args.bind.clone(),
        token_file: token_file.map(|path| environment.cwd.join(path)),
        no_auth: args.no_auth,
        allow: Allow { run: args.allow_run, put: args.allow_put, gc: args.allow_gc },
        bounds: bounds(args)?,
        read_roots: args.read_roots.iter().map(|root| environment.cwd.join(root)).collect(),
        hosts: args.hosts.clone(),
        access_log: args.access_log.as_ref().map(|path| environment.cwd.join(path)),
        quiet: voice.quiet,
    };
    server::serve(environment, config, options, Arc::new(|text: &str| out::say(text)))?;
    Ok(ExitCode::SUCCESS)
}
