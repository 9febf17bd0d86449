//! What can go wrong, sorted by whose it is.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::app::config;
use crate::exec;
use crate::gc;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::lower::mistake;
use crate::peer;
use crate::plan::template::FaultClass;
use crate::primitive::refusal::Code;
use crate::remote;
use crate::store;

/// Whose an error is: what decides what a person does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// A kernel refused, or something else of one result only.
    Result,
    /// The command line's.
    Usage,
    /// The program's.
    Program,
    /// An input's: missing, unreadable, changing or on another grid.
    Input,
    /// The store's or the machine's.
    Store,
    /// Ours: a panic.
    Ours,
    /// Nobody's: a signal asked to stop.
    Stopped,
}

impl Whose {
    /// Returns the number by which shells, and whoever sends groups of cases, know it.
    pub fn code(self) -> u8 {
        match self {
            Self::Result | Self::Ours => 1,
            Self::Usage => 2,
            Self::Program => 3,
            Self::Input => 4,
            Self::Store => 5,
            Self::Stopped => 130,
        }
    }
}

/// Why a command ended.
#[derive(Debug, Error)]
pub enum Error {
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The program has mistakes; each is told by its own diagnostic.
    #[error("the program has mistakes")]
    Program {
        /// What was found, warnings too.
        diagnostics: Vec<Diagnostic>,
        /// The texts that they talk about.
        sources: Vec<Source>,
    },
    /// A program file that cannot be read.
    #[error("could not read the program `{}`", path.display())]
    Text {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder that cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder that cannot be written.
    #[error("could not write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An input of a case that is not there.
    #[error("the input `{name}` is missing: none of {tried} is there")]
    Missing {
        /// Its name in the program.
        name: String,
        /// Where it was looked for.
        tried: String,
    },
    /// An input that changes while it is read, again and again.
    #[error("`{}` keeps changing: run again when nobody writes to it", path.display())]
    Changing {
        /// Which.
        path: PathBuf,
    },
    /// The settings.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A store that is only read must be there.
    #[error("there is no store at `{}` yet: the first `vox run` makes it", path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] store::error::Error),
    /// Removing from the store.
    #[error(transparent)]
    Gc(#[from] gc::error::Error),
    /// A store elsewhere.
    #[error(transparent)]
    Peer(#[from] peer::error::Error),
    /// The run.
    #[error(transparent)]
    Run(#[from] exec::error::Error),
    /// Groups do not travel.
    #[error(transparent)]
    Remote(#[from] remote::error::Error),
    /// A case whose worker was lost with it, again and again.
    #[error("lost: {reason}")]
    Lost {
        /// What is known of it.
        reason: String,
    },
    /// Workers cannot go on.
    #[error("{message}")]
    Far {
        /// Whose it is.
        whose: Whose,
        /// What they say.
        message: String,
    },
    /// The machine cannot do what is needed.
    #[error("{0}")]
    Machine(String),
}

impl Error {
    /// Returns how many bytes found no room in the store, when a full disk is the reason.
    pub fn needed(&self) -> Option<u64> {
        match self {
            Self::Store(error)
            | Self::Gc(gc::error::Error::Store(error))
            | Self::Peer(peer::error::Error::Store(error)) => error.needed(),
            Self::Run(exec::error::Error::Store(error)) => error.needed(),
            _ => None,
        }
    }

    /// Says whose it is.
    pub fn whose(&self) -> Whose {
        match self {
            Self::Program { diagnostics, .. } => of_diagnostics(diagnostics),
            Self::Text { .. }
            | Self::Read { .. }
            | Self::Missing { .. }
            | Self::Changing { .. } => Whose::Input,
            Self::Config(config::Error::Planted { .. })
            | Self::NoStore { .. }
            | Self::Store(_)
            | Self::Gc(_)
            | Self::Machine(_) => Whose::Store,
            Self::Far { whose, .. } => *whose,
            Self::Lost { .. } => Whose::Ours,
            Self::Remote(
                remote::error::Error::Group { .. } | remote::error::Error::Start { .. },
            ) => Whose::Usage,
            Self::Remote(_) => Whose::Store,
            Self::Peer(peer::error::Error::Stopped) => Whose::Stopped,
            Self::Peer(peer::error::Error::Address { .. }) => Whose::Usage,
            Self::Peer(_) => Whose::Store,
            Self::Usage(_) | Self::Config(_) => Whose::Usage,
            Self::Write { .. } => Whose::Result,
            Self::Run(error) => match error {
                exec::error::Error::InputChanged { .. } => Whose::Input,
                exec::error::Error::Store(_) => Whose::Store,
                exec::error::Error::Stopped => Whose::Stopped,
            },
        }
    }
}

/// Says whose the first mistake in program order is.
fn of_diagnostics(diagnostics: &[Diagnostic]) -> Whose {
    let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    match first.map(|diagnostic| diagnostic.code) {
        // Where outputs go is the command line's to say.
        Some(mistake::SAME | mistake::OVER | mistake::OUTSIDE) => Whose::Usage,
        Some(code) if mistake::class(code) == FaultClass::Input => Whose::Input,
        _ => Whose::Program,
    }
}

/// Says whose a goal's failure is.
pub fn of_failure(failure: &exec::error::Failure) -> Whose {
    use exec::error::Failure;
    match failure {
        Failure::Refused { refusal, op, .. } => match (refusal.code, *op) {
            // Images that turn out to lie on other grids, and files that no reader understands, are
            // faults of inputs wherever they show.
            (Code::Grid, _) | (_, "vox1.read") => Whose::Input,
            _ => Whose::Result,
        },
        Failure::Fault { fault } => match fault.class {
            FaultClass::Program => Whose::Program,
            FaultClass::Input => Whose::Input,
            FaultClass::Refusal => Whose::Result,
        },
        Failure::Input { .. } => Whose::Input,
        Failure::Output { .. } => Whose::Result,
        Failure::Lost { .. } => Whose::Ours,
    }
}
