//! The one place where the parts are joined.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::app::config::{Config, Keep};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::fusions::Kernels;
use crate::app::peers::{self, Reached};
use crate::app::remote::{Remote, Tell};
use crate::app::upkeep;
use crate::exec;
use crate::exec::budget::Budget;
use crate::exec::elsewhere::Elsewhere;
use crate::exec::local::Local;
use crate::exec::shelf::Shelf;
use crate::exec::stored::Stored;
use crate::kernel::install;
use crate::peer::adopt;
use crate::primitive::registry::Registry;
use crate::store::open::{Options, Store};
use crate::store::place::{self, Place};

/// How the store is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Results are read and written.
    Write,
    /// Results are read; nothing is written.
    Read,
    /// There is no store: results last as long as the process.
    None,
}

/// The parts, joined: what every command that computes needs.
pub struct Context {
    /// What the process was started with.
    pub environment: Environment,
    /// The settings in force.
    pub config: Config,
    /// The operators.
    pub registry: Arc<dyn Registry>,
    /// Bytes and their history.
    pub store: Arc<Store>,
    /// What runs plans.
    pub exec: exec::drive::Context,
    /// A store elsewhere, where one is asked.
    pub remote: Option<Arc<Remote>>,
    /// Set when a signal asks to stop.
    pub stop: Arc<AtomicBool>,
}

impl Context {
    /// Opens the store and starts the engine.
    pub fn join(environment: Environment, config: Config, access: Access) -> Result<Self, Error> {
        Self::join_reaching(environment, config, access, None)
    }

    /// The same, and asks a peer, by its name, address or folder, for what is not in the store.
    pub fn join_reaching(
        environment: Environment,
        config: Config,
        access: Access,
        peer: Option<(&str, Tell)>,
    ) -> Result<Self, Error> {
        let store = match access {
            Access::None => Store::memory()?,
            Access::Write | Access::Read => open(&environment, &config, access)?,
        };
        let registry: Arc<dyn Registry> = Arc::new(install::table());
        let engine =
            Local::new(config.threads.value).map_err(|error| Error::Machine(error.to_string()))?;
        let limit = config.memory.value.unwrap_or_else(half_of_memory);
        let stop: Arc<AtomicBool> = Arc::default();
        let remote = match peer {
            None => None,
            Some((word, tell)) => {
                adopt::may(&store)?;
                let reached = peers::reach(&environment, &config, word)?;
                let distrust = config.distrust.value.clone();
                let store = store.clone();
                Some(Arc::new(Remote::new(store, reached, distrust, stop.clone(), tell)))
            }
        };
        let elsewhere = remote.clone().map(|remote| remote as Arc<dyn Elsewhere>);
        let shelf: Arc<dyn Shelf> = Stored::reaching(store.clone(), elsewhere);
        let exec = exec::drive::Context {
            registry: registry.clone(),
            fusions: Arc::new(Kernels),
            engine: Arc::new(engine),
            shelf,
            budget: Budget::new(limit),
        };
        Ok(Self { environment, config, registry, store, exec, remote, stop })
    }

    /// Returns the same parts, joined so that a peer is asked for what is not in the store.
    pub fn reaching(&self, peer: Reached, tell: Tell) -> Result<Self, Error> {
        adopt::may(&self.store)?;
        let (store, distrust) = (self.store.clone(), self.config.distrust.value.clone());
        let remote = Arc::new(Remote::new(store, peer, distrust, self.stop.clone(), tell));
        let elsewhere = Some(remote.clone() as Arc<dyn Elsewhere>);
        let shelf: Arc<dyn Shelf> = Stored::reaching(self.store.clone(), elsewhere);
        Ok(Self {
            environment: self.environment.clone(),
            config: self.config.clone(),
            registry: self.registry.clone(),
            store: self.store.clone(),
            exec: exec::drive::Context { shelf, ..self.exec.clone() },
            remote: Some(remote),
            stop: self.stop.clone(),
        })
    }

    /// Returns until when results are kept, in milliseconds since 1970; none means for ever.
    pub fn until_ms(&self) -> Option<u64> {
        let ttl = self.config.ttl.value?;
        Some(upkeep::now_ms().saturating_add(ttl.as_millis() as u64))
    }

    /// Returns what the settings say of keeping.
    pub fn keep(&self) -> exec::keep::Keep {
        match self.config.keep.value {
            Keep::Auto => exec::keep::Keep::Auto,
            Keep::All => exec::keep::Keep::All,
            Keep::Goals => exec::keep::Keep::Goals,
        }
    }
}

/// Opens the store that the settings name, or that is found.
pub fn open(
    environment: &Environment,
    config: &Config,
    access: Access,
) -> Result<Arc<Store>, Error> {
    let place = find(environment, config)?;
    if access == Access::Read && !environment.cwd.join(&place.root).exists() {
        return Err(Error::NoStore { path: place.root });
    }
    let options = Options {
        read_only: access == Access::Read,
        distrust: config.distrust.value.clone(),
        environment: for_store(environment, config),
        ..Options::default()
    };
    Ok(Store::open(&place, &options)?)
}

/// Finds the store that the settings name, or that lies upwards, or the user's own.
pub fn find(environment: &Environment, config: &Config) -> Result<Place, Error> {
    Ok(place::find(
        config.store.value.as_deref(),
        &for_store(environment, config),
        &environment.cwd,
        &config.safe_stores.value,
    )?)
}

fn for_store(environment: &Environment, config: &Config) -> place::Environment {
    place::Environment {
        store: config.store.value.clone(),
        home: environment.home.clone(),
        cache: environment.cache.clone(),
        state: environment.state.clone(),
        machine: None,
    }
}

fn half_of_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let bytes = info.totalram.saturating_mul(info.mem_unit.into());
    (bytes / 2).max(1 << 28)
}
