//! Settings, and where each came from.
//!
//! A flag wins over `VOX_*`, that over the nearest `vox.toml` upwards, that over the user's file, that
//! over the machine's, that over the default. Parsed once; no room below reads any of them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::app::environment::Environment;
use crate::app::peers::{self, Peer, PeerTable};
use crate::app::quantity::{self, THREADS, size};
use crate::store::object::layout::WriterId;

/// A value that remembers where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it was set.
    pub origin: Origin,
}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// This file.
    File(PathBuf),
    /// This variable.
    Variable(String),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Which results of nodes that are no goals are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Those that cost more to compute again than to store.
    Auto,
    /// All.
    All,
    /// None.
    Goals,
}

impl Keep {
    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "all" => Some(Self::All),
            "goals" => Some(Self::Goals),
            _ => None,
        }
    }

    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::All => "all",
            Self::Goals => "goals",
        }
    }
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store, where it is named; else it is looked for.
    pub store: Setting<Option<PathBuf>>,
    /// How many bytes the store may take; none means that it grows.
    pub max_size: Setting<Option<u64>>,
    /// How long results are kept at least and, once collected, at most; none means for ever.
    pub ttl: Setting<Option<Duration>>,
    /// Threads that compute; 0, the default, means all cores.
    pub threads: Setting<usize>,
    /// Bytes that values of running jobs may take; none means half of the memory.
    pub memory: Setting<Option<u64>>,
    /// What is kept.
    pub keep: Setting<Keep>,
    /// Stores and configurations of other users that may be used when found upwards.
    pub safe_stores: Setting<Vec<PathBuf>>,
    /// Stores elsewhere, by name.
    pub peers: BTreeMap<String, Setting<Peer>>,
    /// Writers whose records are not believed.
    pub distrust: Setting<Vec<WriterId>>,
    /// The files that were read, nearest first.
    pub files: Vec<PathBuf>,
}

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--store`.
    pub store: Option<PathBuf>,
    /// `--threads`.
    pub threads: Option<usize>,
    /// `--memory`.
    pub memory: Option<u64>,
    /// `--keep`.
    pub keep: Option<Keep>,
    /// `--ttl`.
    pub ttl: Option<Duration>,
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or variable that holds something else.
    #[error("{place}: {message}")]
    Bad {
        /// File or variable.
        place: String,
        /// What is wrong, and what to write.
        message: String,
    },
    /// A file found upwards that another user owns.
    #[error(
        "`{}` belongs to another user (uid {owner}) and was found by looking upwards, so it is not used: \
         run elsewhere, or list its folder in `safe_stores` of your own configuration",
        path.display()
    )]
    Planted {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
}

/// What a configuration file may hold.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<toml::Value>,
    threads: Option<i64>,
    memory: Option<String>,
    keep: Option<String>,
    safe_stores: Option<Vec<PathBuf>>,
    #[serde(default)]
    peer: BTreeMap<String, PeerTable>,
    distrust: Option<Vec<String>>,
}

/// What `[store]` may hold; `store = "DIR"` is its `path` alone.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    path: Option<PathBuf>,
    max_size: Option<String>,
    ttl: Option<String>,
}

impl Config {
    /// Gathers the settings.
    pub fn gather(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let mut config = Self {
            store: Setting { value: None, origin: Origin::Default },
            max_size: Setting { value: None, origin: Origin::Default },
            ttl: Setting { value: None, origin: Origin::Default },
            threads: Setting { value: 0, origin: Origin::Default },
            memory: Setting { value: None, origin: Origin::Default },
            keep: Setting { value: Keep::Auto, origin: Origin::Default },
            safe_stores: Setting { value: Vec::new(), origin: Origin::Default },
            peers: BTreeMap::new(),
            distrust: Setting { value: Vec::new(), origin: Origin::Default },
            files: Vec::new(),
        };
        // The weakest first: what comes later stands.
        config.read_file(Path::new("/etc/vox/config.toml"))?;
        if let Some(folder) = &environment.config {
            config.read_file(&folder.join("vox/config.toml"))?;
        }
        if let Some(path) = nearest(environment) {
            config.refuse_planted(&path)?;
            config.read_file(&path)?;
        }
        config.files.reverse();
        config.read_variables(environment)?;
        config.read_flags(flags);
        Ok(config)
    }

    fn refuse_planted(&self, path: &Path) -> Result<(), Error> {
        let owner = match fs::metadata(path) {
            Ok(meta) => meta.uid(),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        let safe = path.parent().is_some_and(|folder| {
            self.safe_stores.value.iter().any(|safe| folder == safe || *safe == folder.join(".vox"))
        });
        if owner == rustix::process::getuid().as_raw() || safe {
            return Ok(());
        }
        Err(Error::Planted { path: path.to_owned(), owner })
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        let bad = |message: String| Error::Bad { place: path.display().to_string(), message };
        let file: File = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let origin = Origin::File(path.to_owned());
        // Relative paths are meant from the file that holds them.
        let folder = path.parent().unwrap_or(Path::new("/"));
        let store = match file.store {
            Some(toml::Value::String(path)) => {
                StoreTable { path: Some(path.into()), ..StoreTable::default() }
            }
            Some(table) => table.try_into().map_err(|error| bad(format!("[store]: {error}")))?,
            None => StoreTable::default(),
        };
        if let Some(path) = store.path {
            self.store = Setting { value: Some(folder.join(path)), origin: origin.clone() };
        }
        if let Some(limit) = store.max_size {
            let value = size(&limit).ok_or_else(|| bad(bad_size("store.max_size", &limit)))?;
            self.max_size = Setting { value: Some(value), origin: origin.clone() };
        }
        if let Some(ttl) = store.ttl {
            let value = quantity::span(&ttl).ok_or_else(|| bad(bad_span("store.ttl", &ttl)))?;
            self.ttl = Setting { value: Some(value), origin: origin.clone() };
        }
        if let Some(threads) = file.threads {
            let value = usize::try_from(threads).ok().filter(|n| THREADS.contains(n));
            let value = value.ok_or_else(|| bad(bad_threads(&threads.to_string())))?;
            self.threads = Setting { value, origin: origin.clone() };
        }
        if let Some(memory) = file.memory {
            let value = size(&memory).ok_or_else(|| bad(bad_size("memory", &memory)))?;
            self.memory = Setting { value: Some(value), origin: origin.clone() };
        }
        if let Some(keep) = file.keep {
            let value = Keep::parse(&keep).ok_or_else(|| bad(bad_keep(&keep)))?;
            self.keep = Setting { value, origin: origin.clone() };
        }
        if let Some(stores) = file.safe_stores {
            let value = stores.into_iter().map(|store| folder.join(store)).collect();
            self.safe_stores = Setting { value, origin: origin.clone() };
        }
        for (name, table) in file.peer {
            let value =
                Peer::of(table, folder).map_err(|why| bad(format!("[peer.{name}]: {why}")))?;
            self.peers.insert(name, Setting { value, origin: origin.clone() });
        }
        if let Some(writers) = file.distrust {
            let value = peers::writers(&writers).map_err(bad)?;
            self.distrust = Setting { value, origin };
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    fn read_variables(&mut self, environment: &Environment) -> Result<(), Error> {
        let variable = |name: &str| {
            let full = format!("VOX_{}", name.to_ascii_uppercase());
            environment
                .vox(name)
                .filter(|value| !value.is_empty())
                .map(|value| (value.to_owned(), Origin::Variable(full)))
        };
        let bad = |origin: &Origin, message| Error::Bad { place: origin.to_string(), message };
        if let Some((store, origin)) = variable("store") {
            self.store = Setting { value: Some(environment.cwd.join(store)), origin };
        }
        if let Some((limit, origin)) = variable("store_max_size") {
            let value =
                size(&limit).ok_or_else(|| bad(&origin, bad_size("store.max_size", &limit)))?;
            self.max_size = Setting { value: Some(value), origin };
        }
        if let Some((ttl, origin)) = variable("store_ttl") {
            let value =
                quantity::span(&ttl).ok_or_else(|| bad(&origin, bad_span("store.ttl", &ttl)))?;
            self.ttl = Setting { value: Some(value), origin };
        }
        if let Some((threads, origin)) = variable("threads") {
            let value =
                quantity::threads(&threads).ok_or_else(|| bad(&origin, bad_threads(&threads)))?;
            self.threads = Setting { value, origin };
        }
        if let Some((memory, origin)) = variable("memory") {
            let value = size(&memory).ok_or_else(|| bad(&origin, bad_size("memory", &memory)))?;
            self.memory = Setting { value: Some(value), origin };
        }
        if let Some((keep, origin)) = variable("keep") {
            let value = Keep::parse(&keep).ok_or_else(|| bad(&origin, bad_keep(&keep)))?;
            self.keep = Setting { value, origin };
        }
        Ok(())
    }

    fn read_flags(&mut self, flags: &Flags) {
        if let Some(store) = &flags.store {
            self.store = Setting { value: Some(store.clone()), origin: Origin::Flag("--store") };
        }
        if let Some(threads) = flags.threads {
            self.threads = Setting { value: threads, origin: Origin::Flag("--threads") };
        }
        if let Some(memory) = flags.memory {
            self.memory = Setting { value: Some(memory), origin: Origin::Flag("--memory") };
        }
        if let Some(keep) = flags.keep {
            self.keep = Setting { value: keep, origin: Origin::Flag("--keep") };
        }
        if let Some(ttl) = flags.ttl {
            self.ttl = Setting { value: Some(ttl), origin: Origin::Flag("--ttl") };
        }
    }
}

fn bad_threads(text: &str) -> String {
    format!("threads: `{text}` is no count from 1 to 1024; leave it out to use all cores")
}

fn bad_size(name: &str, text: &str) -> String {
    format!("{name}: `{text}` is no size; write for example 500M, 8G or 1.5TiB")
}

fn bad_span(name: &str, text: &str) -> String {
    format!("{name}: `{text}` is no length of time; write for example 30d, 12h or 1y")
}

fn bad_keep(text: &str) -> String {
    format!("keep: `{text}` is none of auto, all, goals")
}

/// Finds the nearest `vox.toml` upwards: not above the home directory nor on another file system.
fn nearest(environment: &Environment) -> Option<PathBuf> {
    let device = fs::metadata(&environment.cwd).ok()?.dev();
    for folder in environment.cwd.ancestors() {
        if fs::metadata(folder).ok()?.dev() != device {
            return None;
        }
        let path = folder.join("vox.toml");
        if path.is_file() {
            return Some(path);
        }
        if environment.home.as_deref() == Some(folder) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn environment(cwd: &Path) -> Environment {
        Environment {
            cwd: cwd.to_owned(),
            home: Some(cwd.to_owned()),
            config: Some(cwd.join("etc")),
            ..Environment::default()
        }
    }

    #[test]
    fn the_nearer_place_wins_and_is_remembered() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/vox")).unwrap();
        fs::write(
            root.path().join("etc/vox/config.toml"),
            "keep = \"all\"\nthreads = 3\nstore = \"s\"",
        )
        .unwrap();
        fs::write(root.path().join("vox.toml"), "keep = \"goals\"\nmemory = \"1G\"").unwrap();
        let mut environment = environment(root.path());
        let config = Config::gather(&Flags::default(), &environment).unwrap();
        assert_eq!(config.keep.value, Keep::Goals);
        assert_eq!(config.keep.origin, Origin::File(root.path().join("vox.toml")));
        assert_eq!(config.threads.value, 3);
        assert_eq!(config.memory.value, Some(1_000_000_000));
        assert_eq!(config.store.value, Some(root.path().join("etc/vox/s")));
        environment.vox = vec![("threads".to_owned(), "5".to_owned())];
        let flags = Flags { keep: Some(Keep::Auto), ..Flags::default() };
        let config = Config::gather(&flags, &environment).unwrap();
        assert_eq!(config.threads.origin, Origin::Variable("VOX_THREADS".to_owned()));
        assert_eq!(config.keep.origin, Origin::Flag("--keep"));
    }

    #[test]
    fn what_concerns_the_store_is_a_table_too() {
        let root = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(root.path().join("vox.toml"), text).unwrap();
        let mut environment = environment(root.path());
        let gather = |environment: &Environment| Config::gather(&Flags::default(), environment);
        write("[store]\npath = \"s\"\nmax_size = \"5G\"\nttl = \"30d\"");
        let config = gather(&environment).unwrap();
        assert_eq!(config.store.value, Some(root.path().join("s")));
        assert_eq!(config.max_size.value, Some(5_000_000_000));
        assert_eq!(config.ttl.value, Some(Duration::from_secs(30 * 86_400)));
        environment.vox = vec![("store_max_size".to_owned(), "1M".to_owned())];
        let config = gather(&environment).unwrap();
        assert_eq!(config.max_size.value, Some(1_000_000));
        assert_eq!(config.max_size.origin, Origin::Variable("VOX_STORE_MAX_SIZE".to_owned()));
        for (text, word) in [("max = \"5G\"", "max"), ("max_size = \"5 apples\"", "apples")] {
            write(&format!("[store]\n{text}"));
            let error = gather(&environment).unwrap_err().to_string();
            assert!(error.contains("vox.toml") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("vox.toml"), "kep = \"goals\"").unwrap();
        let error = Config::gather(&Flags::default(), &environment(root.path())).unwrap_err();
        assert!(error.to_string().contains("vox.toml"), "{error}");
        assert!(error.to_string().contains("kep"), "{error}");
    }
}
