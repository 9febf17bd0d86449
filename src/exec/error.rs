//! What can go wrong with a goal, and with a whole run.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::plan::graph::{NodeIndex, Origin};
use crate::plan::template::Fault;
use crate::pool::NO_MEMORY;
use crate::primitive::refusal::Refusal;
use crate::store::error::Error as StoreError;

/// Why a goal has no value.
#[derive(Debug, Error)]
pub enum Failure {
    /// A kernel refused; that is a result and was kept.
    #[error("`{op}` refuses: {}", refusal.said_by(op))]
    Refused {
        /// The node that refused, maybe far below the goal.
        node: NodeIndex,
        /// Its operator.
        op: &'static str,
        /// What it says.
        refusal: Refusal,
        /// Where it was written.
        origin: Origin,
    },
    /// A template has no expansion.
    #[error("{}", fault.message)]
    Fault {
        /// What lowering says.
        fault: Fault,
    },
    /// An input could not be read.
    #[error("could not read the input `{}`", path.display())]
    Input {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An output could not be written.
    #[error("could not write the output `{}`", path.display())]
    Output {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A kernel panicked, or gave what it must not: a fault of vox; or memory ran out.
    #[error("`{op}` was lost: {message}; {}", advice(message))]
    Lost {
        /// The node.
        node: NodeIndex,
        /// Its operator.
        op: &'static str,
        /// What the panic said.
        message: String,
    },
}

/// Why a run ended before all its goals were known.
#[derive(Debug, Error)]
pub enum Error {
    /// An input holds other bytes than when the run was planned: plan again.
    #[error("`{}` changed while it was read", path.display())]
    InputChanged {
        /// The file.
        path: PathBuf,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// Somebody asked it to stop.
    #[error("stopped")]
    Stopped,
}

/// What to do about a computation that was lost.
fn advice(message: &str) -> &'static str {
    if message.starts_with(NO_MEMORY) {
        "use fewer threads, smaller images or a larger machine"
    } else {
        "this is a fault of vox, please report it"
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
