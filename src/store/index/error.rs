//! What can go wrong with an index.

use std::path::PathBuf;

use thiserror::Error;

/// Why an index gave no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The database refused.
    #[error("the index `{}` could not be used; deleted, it comes back by itself", path.display())]
    Sql {
        /// Its file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The index was unusable, and is now a new and empty one: list the log, then ask again.
    #[error("the index `{}` was lost and begins anew", path.display())]
    Lost {
        /// Its file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
