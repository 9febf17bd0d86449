//! Work on a store as a whole.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::app::config::Config;
use crate::app::context::{self, Access};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::store::verify::Report;

/// Checks every file of the store that the settings name.
pub fn verify(environment: &Environment, config: &Config) -> Result<(PathBuf, Report), Error> {
    let store = context::open(environment, config, Access::Read)?;
    Ok((store.layout().root().to_owned(), store.verify()?))
}

/// Throws the index away and makes it again from the log; says how long that took.
///
/// What only the index knows is lost: the memo of input files, runs, and last-use times, which become
/// the time of the rebuild.
pub fn rebuild(environment: &Environment, config: &Config) -> Result<(PathBuf, Duration), Error> {
    let begin = Instant::now();
    let index = {
        let store = context::open(environment, config, Access::Read)?;
        store.layout().index()
    };
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = index.clone().into_os_string();
        path.push(suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Write { path: path.into(), source: error });
            }
            _ => {}
        }
    }
    let store = context::open(environment, config, Access::Write)?;
    Ok((store.layout().root().to_owned(), begin.elapsed()))
}
