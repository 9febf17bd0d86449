//! The table of commands.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::app::environment::Environment;
use crate::app::error::{Error, Whose};
use crate::app::quantity::show_size;
use crate::app::upkeep;
use crate::cli::args::{Cli, Command, Common};
use crate::cli::command;
use crate::cli::exit;
use crate::cli::language_args::MessageFormat;
use crate::cli::lifeline;
use crate::cli::out;
use crate::cli::signal;
use crate::cli::store_args::IndexAction;
use crate::cli::words::{Messages, Voice};

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; all else is a mistake in the command line.
            error.print().ok();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => exit::exit(Whose::Usage),
            };
        }
    };
    let environment = Environment::read();
    if !lifeline::hold(&environment) {
        return exit::exit(Whose::Stopped);
    }
    let common = common(&cli.command);
    let voice = Voice::of(common, messages(&cli.command), &environment);
    let done = match &cli.command {
        Command::Run(args) => command::run::run(args, environment.clone(), voice),
        Command::Check(args) => command::check::run(args, &environment, voice),
        Command::Plan(args) => command::plan::run(args, &environment, voice),
        Command::Fmt(args) => command::fmt::run(args, &environment, voice),
        Command::Ops(args) => command::ops::run(args),
        Command::Explain(args) => command::explain::run(args),
        Command::Demo(args) => command::demo::run(args, environment.clone(), voice),
        Command::Init(args) => command::init::run(args, &environment, voice),
        Command::Status(args) => command::status::run(args, &environment),
        Command::Gc(args) => command::gc::run(args, &environment, voice),
        Command::Pin(args) => command::pin::pin(args, &environment, voice),
        Command::Unpin(args) => command::pin::unpin(args, &environment, voice),
        Command::Pins(args) => command::pin::list(args, &environment),
        Command::Verify(args) => command::verify::run(args, &environment, voice),
        Command::Pull(args) => command::pull::run(args, &environment, voice),
        Command::Index(args) => match &args.action {
            IndexAction::Rebuild(args) => command::index::rebuild(args, &environment, voice),
        },
        Command::Serve(args) => command::serve::run(args, environment.clone(), voice),
        Command::Worker(args) => command::worker::run(args, environment.clone(), voice),
        Command::Config(args) => command::config::run(args, &environment),
    };
    out::flush();
    let done = match (done, out::wrong()) {
        // What was asked for did not arrive, although all went well before.
        (Ok(_), Some(source)) => Err(Error::Write { path: "stdout".into(), source }),
        (done, _) => done,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            voice.error(&error);
            if let Some(needed) = error.needed()
                && let Ok(config) = common.settings(&environment)
                && let Some((limit, freed)) = upkeep::room(&environment, &config, needed)
            {
                let freed = show_size(freed);
                voice.help(&format!("`vox gc --max-size {limit}` would free {freed}"));
            }
            match signal::came() {
                Some(signal) if error.whose() == Whose::Stopped => ExitCode::from(128 + signal),
                _ => exit::exit(error.whose()),
            }
        }
    }
}

fn common(command: &Command) -> &Common {
    match command {
        Command::Run(args) => &args.common,
        Command::Check(args) => &args.common,
        Command::Plan(args) => &args.common,
        Command::Fmt(args) => &args.common,
        Command::Ops(args) => &args.common,
        Command::Explain(args) => &args.common,
        Command::Demo(args) => &args.common,
        Command::Init(args) => &args.common,
        Command::Gc(args) => &args.common,
        Command::Pin(args) => &args.common,
        Command::Unpin(args) => &args.common,
        Command::Verify(args) => &args.common,
        Command::Serve(args) => &args.common,
        Command::Pull(args) => &args.common,
        Command::Worker(args) => &args.common,
        Command::Config(args) | Command::Status(args) | Command::Pins(args) => &args.common,
        Command::Index(args) => match &args.action {
            IndexAction::Rebuild(args) => &args.common,
        },
    }
}

/// Returns how a command tells mistakes: those of `vox check` are its answer.
fn messages(command: &Command) -> Messages {
    match command {
        Command::Check(args) if args.program.message_format == MessageFormat::Json => {
            Messages::JsonAnswer
        }
        Command::Run(args) if args.program.message_format == MessageFormat::Json => {
            Messages::JsonAside
        }
        Command::Plan(args) if args.program.message_format == MessageFormat::Json => {
            Messages::JsonAside
        }
        _ => Messages::Text,
    }
}
