//! Work on a store as a whole.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::app::config::Config;
use crate::app::context::{self, Access};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::canon;
use crate::id::BlobId;
use crate::store;
use crate::store::open::Store;
use crate::store::verify::Report;

/// Checks every file of the store that the settings name.
pub fn verify(environment: &Environment, config: &Config) -> Result<(PathBuf, Report), Error> {
    let store = context::open(environment, config, Access::Read)?;
    let mut report = store.verify()?;
    let damaged: HashSet<BlobId> = report.damaged.iter().map(|(id, _)| *id).collect();
    let mut ids = Vec::new();
    store.objects().walk(&mut |id, _| ids.push(id)).map_err(store::error::Error::from)?;
    for id in ids {
        if !damaged.contains(&id)
            && let Some(reason) = form(&store, id)?
        {
            report.objects -= 1;
            report.damaged.push((id, reason));
        }
    }
    Ok((store.layout().root().to_owned(), report))
}

/// Returns what is wrong with the form of an object whose bytes have its name. The store itself never
/// looks into values.
fn form(store: &Store, id: BlobId) -> Result<Option<String>, Error> {
    let blob = store.objects().open(id).map_err(store::error::Error::from)?;
    let Some(blob) = blob else { return Ok(None) };
    let mut bytes = vec![0; blob.len()];
    blob.fill(&mut bytes).map_err(store::error::Error::from)?;
    Ok(canon::read(&bytes).err().map(|error| format!("the value is not canonical: {error}")))
}

/// Throws the index away and makes it again from the log; says how long that took.
///
/// What only the index knows is lost: the memo of input files, runs, and last-use times, which become
/// the time of the rebuild.
pub fn rebuild(environment: &Environment, config: &Config) -> Result<(PathBuf, Duration), Error> {
    let begin = Instant::now();
    let index = {
        let store = context::open(environment, config, Access::Write)?;
        if store.is_read_only() {
            let path = store.layout().root().to_owned();
            return Err(store::error::Error::ReadOnly { path }.into());
        }
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
