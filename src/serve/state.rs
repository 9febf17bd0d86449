//! What all requests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::app::config::Config;
use crate::app::context::{self, Access as StoreAccess};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::upkeep;
use crate::id::BlobId;
use crate::serve::access::{Access, Say};
use crate::serve::bind::Bind;
use crate::serve::cache::Cache;
use crate::serve::job::jobs::{Bounds, Jobs};
use crate::serve::job::request::Place;
use crate::serve::metrics::Metrics;
use crate::serve::render::Rendering;
use crate::serve::reply::Problem;
use crate::serve::shelf::Shelf;
use crate::serve::token::{Scope, Tokens};
use crate::serve::value::Told;
use crate::store::open::Store;

/// What `vox serve` was told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to listen.
    pub bind: Bind,
    /// The file of tokens.
    pub token_file: Option<PathBuf>,
    /// Nobody needs a token.
    pub no_auth: bool,
    /// What may be changed.
    pub allow: Allow,
    /// Below which folders programs may read files.
    pub read_roots: Vec<PathBuf>,
    /// How much programs may take.
    pub bounds: Bounds,
    /// Names besides its address that the server answers to.
    pub hosts: Vec<String>,
    /// Where the access log goes; none means to whoever started the server.
    pub access_log: Option<PathBuf>,
    /// No access log unless it has a file.
    pub quiet: bool,
}

/// What may be changed through the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allow {
    /// Programs may be run.
    pub run: bool,
    /// Values may be put.
    pub put: bool,
    /// Results may be removed.
    pub gc: bool,
}

/// Work that waits longer for its turn, or for room, is refused.
pub const TURN: Duration = Duration::from_secs(10);
/// Threads that work on the store.
pub const WORKERS: usize = 16;
/// Values that are put at once.
const PUTS: usize = 2;
/// Images whose range stays at hand.
const TOLD: usize = 4096;
/// Bytes of renderings that stay at hand.
const RENDERINGS: usize = 32 << 20;

/// What all requests share.
pub struct Served {
    /// What the process was started with.
    pub environment: Environment,
    /// The settings in force.
    pub config: Config,
    /// What `vox serve` was told.
    pub options: Options,
    /// The store.
    pub store: Arc<Store>,
    /// Who may do what.
    pub tokens: Tokens,
    /// What is counted.
    pub metrics: Metrics,
    /// Where lines of the access log go.
    pub access: Access,
    /// Says a line to the person who started the server.
    pub say: Say,
    /// Work that children do.
    pub jobs: Arc<Jobs>,
    /// Where they do it.
    pub place: Place,
    /// The one folder that is read when none may be.
    _empty: Option<TempDir>,
    /// Becomes true when the server ends: what would go on for ever ends then.
    pub stopping: watch::Sender<bool>,
    /// Where it listens.
    pub bind: Bind,
    /// Bytes of values.
    pub shelf: Shelf,
    /// What images are, which costs a look at all voxels.
    pub told: Cache<BlobId, Arc<Told>>,
    /// Files that were made of images.
    pub renderings: Cache<(BlobId, Rendering), Bytes>,
    /// Turns of those who put values.
    pub puts: Semaphore,
    turns: Semaphore,
    asked: AtomicBool,
}

impl Served {
    /// Opens the store and joins what requests share; a token that was made comes back too.
    pub fn join(
        environment: Environment,
        config: Config,
        options: Options,
        bind: Bind,
        say: Say,
    ) -> Result<(Arc<Self>, Option<String>), Error> {
        let (tokens, made) = tokens(&options)?;
        let store = if options.allow.run || options.allow.put {
            context::open(&environment, &config, StoreAccess::Write)?
        } else {
            upkeep::there(&environment, &config)?
        };
        let access = match &options.access_log {
            Some(path) => {
                Access::file(path).map_err(|source| Error::Write { path: path.clone(), source })?
            }
            None if options.quiet => Access::None,
            None => Access::to(say.clone()).map_err(|error| Error::Machine(error.to_string()))?,
        };
        let (place, empty) = place(&environment, &config, &options)?;
        let log = say.clone();
        let binary = environment.file.clone();
        let binary = binary.ok_or_else(|| Error::Machine("where is this program?".to_owned()))?;
        let jobs = Jobs::begin(
            binary,
            options.bounds,
            Box::new(move |words| log(&format!("vox serve: a job: {words}"))),
        );
        let jobs = jobs.map_err(|error| Error::Machine(format!("no threads for jobs: {error}")))?;
        let served = Self {
            jobs,
            place,
            _empty: empty,
            environment,
            config,
            options,
            store,
            tokens,
            metrics: Metrics::default(),
            access,
            say,
            stopping: watch::Sender::new(false),
            bind,
            shelf: Shelf::default(),
            told: Cache::new(TOLD),
            renderings: Cache::new(RENDERINGS),
            puts: Semaphore::new(PUTS),
            turns: Semaphore::new(WORKERS),
            asked: AtomicBool::new(false),
        };
        Ok((Arc::new(served), made))
    }

    /// Does work that may wait for the disk, where waiting stops nobody.
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Problem::busy())?.map_err(|_| Problem::busy())?;
        self.asked.store(true, Ordering::Relaxed);
        let served = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&served)).await {
            Ok(done) => done,
            Err(error) => Err(Problem::ours(error.to_string())),
        }
    }

    /// Says whether work was done since this was last asked.
    pub fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Waits until the server ends.
    pub async fn stopped(&self) {
        self.stopping.subscribe().wait_for(|stops| *stops).await.ok();
    }

    /// Says whether the server ends.
    pub fn stops(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// Returns where programs run; without folders that they may read, they get an empty one.
fn place(
    environment: &Environment,
    config: &Config,
    options: &Options,
) -> Result<(Place, Option<TempDir>), Error> {
    let found = context::find(environment, config)?;
    let mut roots = options.read_roots.clone();
    for root in &roots {
        if !root.is_dir() {
            let text = format!("--read-root {}: there is no such folder", root.display());
            return Err(Error::Usage(text));
        }
    }
    let mut empty = None;
    if roots.is_empty() {
        let made = tempfile::Builder::new().prefix("vox-serve-").tempdir();
        let made = made.map_err(|error| Error::Machine(format!("no folder for jobs: {error}")))?;
        roots.push(made.path().to_owned());
        empty = Some(made);
    }
    let store = environment.cwd.join(&found.root);
    Ok((Place { store, roots, memory: options.bounds.memory / 2 }, empty))
}

/// Checks what was told against the rules, before anything listens.
pub fn check(options: &Options) -> Result<(), Error> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    if options.no_auth && options.token_file.is_some() {
        return usage("--no-auth and --token-file: is a token needed or not?");
    }
    if options.no_auth && (options.allow.put || options.allow.gc) {
        return usage("--no-auth is never for --allow-put and --allow-gc: these need a token");
    }
    let is_open = matches!(options.bind, Bind::Unix(_)) && options.token_file.is_none();
    if is_open && (options.allow.put || options.allow.gc) {
        return usage(
            "--allow-put and --allow-gc need a token, through a socket too: --token-file",
        );
    }
    if !options.bind.is_local() {
        if options.no_auth {
            return usage(
                "--no-auth is for this host only: bind 127.0.0.1, or give a --token-file",
            );
        }
        if options.token_file.is_none() {
            return usage("others reach this address: give a --token-file, or bind 127.0.0.1");
        }
    }
    Ok(())
}

fn tokens(options: &Options) -> Result<(Tokens, Option<String>), Error> {
    if let Some(path) = &options.token_file {
        return Ok((Tokens::read(path)?, None));
    }
    if options.no_auth {
        return Ok((Tokens::none(Scope::Run), None));
    }
    match &options.bind {
        // Whoever can open the socket owns it; what changes the store still needs a token.
        Bind::Unix(_) => Ok((Tokens::none(Scope::Run), None)),
        Bind::Tcp(_) => {
            let (tokens, token) = Tokens::made()?;
            Ok((tokens, Some(token)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_not_safe_does_not_start() {
        let all = |bind: &str, file: bool, no_auth: bool, put: bool| {
            check(&Options {
                bind: bind.parse().unwrap(),
                token_file: file.then(|| "tokens".into()),
                no_auth,
                allow: Allow { put, ..Allow::default() },
                ..Options::default()
            })
            .is_ok()
        };
        assert!(all("127.0.0.1:0", false, false, true));
        assert!(all("127.0.0.1:0", false, true, false));
        assert!(all("0.0.0.0:0", true, false, true));
        assert!(all("unix:s", true, false, true));
        assert!(all("unix:s", false, false, false));
        assert!(!all("unix:s", false, false, true));
        assert!(!all("127.0.0.1:0", false, true, true));
        assert!(!all("127.0.0.1:0", true, true, false));
        assert!(!all("0.0.0.0:0", false, false, false));
        assert!(!all("0.0.0.0:0", false, true, false));
    }
}
