//! What can go wrong between machines.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::store::object::error::Error as DiskError;

/// Why groups cannot travel.
#[derive(Debug, Error)]
pub enum Error {
    /// A text that is no group.
    #[error("{place} is no group of cases: {message}")]
    Group {
        /// Where it was read.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file that cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("could not write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory of groups.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another run uses the spool.
    #[error("another run hands out groups through `{}`: wait for it, or name another directory", path.display())]
    Busy {
        /// The spool.
        path: PathBuf,
    },
    /// The program of a transport does not start.
    #[error("could not start the transport `{program}`")]
    Start {
        /// What was started.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A transport ended while groups were under way.
    #[error(
        "the transport `{program}` ended before all cases were done; what was done is in the store, so run again"
    )]
    Gone {
        /// What was started.
        program: String,
    },
    /// A transport that does not speak the protocol.
    #[error("the transport `{program}` says what is not of the protocol: {message}")]
    Babble {
        /// What was started.
        program: String,
        /// What was wrong, with how the line begins.
        message: String,
    },
}
