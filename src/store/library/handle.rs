//! The handle: where its store lies, what it keeps in memory, what it counts.

use std::any::TypeId;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tempfile::TempDir;

use crate::id::{BlobId, NodeId};
use crate::store::commit::{QUEUE, Writer};
use crate::store::entry::Event;
use crate::store::error::{Error as StoreError, io_error};
use crate::store::library::cache::Cache;
use crate::store::library::error::Error;
use crate::store::library::value::Value;
use crate::store::object::memory::Memory;
use crate::store::object::objects::Sweep;
use crate::store::object::tree::Tree;
use crate::store::open::{self, Store};
use crate::store::place::Place;

/// A store of bytes and results, for all threads of a program.
///
/// Dropped, it stores what was handed over and waits for that; [`Library::flush`] says whether it went
/// well.
pub struct Library {
    pub(in crate::store::library) inner: RwLock<Arc<Inner>>,
    pub(in crate::store::library) options: Options,
    pub(in crate::store::library) kinds: Mutex<HashMap<&'static str, TypeId>>,
    pub(in crate::store::library) cache: Mutex<Cache>,
    counts: Counts,
}

/// How a library is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Values that were read or put lately stay in memory, up to so many bytes.
    pub cache: usize,
    /// So many bytes may wait for the disk; who hands over more waits for room.
    pub queue: usize,
    /// A value has at most so many bytes. At most [`MOST`], which is the default.
    pub most: u64,
    /// How the store itself is opened.
    pub store: open::Options,
}

/// The most bytes that any value may have: 64 GiB.
pub const MOST: u64 = 64 << 30;

impl Default for Options {
    fn default() -> Self {
        Self { cache: 64 << 20, queue: QUEUE, most: MOST, store: open::Options::default() }
    }
}

/// What can be replaced by an empty one: the store, and what is on its way there.
///
/// The fields go in this order: the writer stores what it has before the folder is removed.
pub(in crate::store::library) struct Inner {
    /// None when nothing can be written.
    pub(in crate::store::library) writer: Option<Writer>,
    pub(in crate::store::library) waiting: Mutex<Waiting>,
    pub(in crate::store::library) store: Arc<Store>,
    pub(in crate::store::library) sweep: Arc<dyn Sweep>,
    home: Home,
}

/// Whose the store is.
enum Home {
    /// It stays.
    Kept,
    /// It is gone with the process.
    Memory,
    /// It is gone with this handle.
    Temporary(#[expect(dead_code, reason = "it is removed when it is dropped")] TempDir),
}

/// What was handed over and is not stored yet: it can be read all the same.
pub(in crate::store::library) struct Waiting {
    pub(in crate::store::library) values: HashMap<BlobId, Value>,
    /// Of a node what it gave, and its depth.
    pub(in crate::store::library) nodes: HashMap<NodeId, (BlobId, u64)>,
    events: Receiver<Event>,
    left: u64,
    reason: Option<Arc<StoreError>>,
}

/// What a library counted, and what there is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// How many objects the store holds, as far as its index knows.
    pub objects: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
    /// How many records tell of results.
    pub records: u64,
    /// Values that were asked for and found, here or in memory.
    pub hits: u64,
    /// Of these, those that memory had.
    pub memory_hits: u64,
    /// Values that were asked for and not found.
    pub misses: u64,
    /// How many values were put.
    pub puts: u64,
    /// How many values and results wait for the disk.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// How many values memory keeps.
    pub cached: u64,
    /// Their bytes.
    pub cached_bytes: u64,
}

impl Statistics {
    /// Returns which part of the values that were asked for was found, 0 when none was asked for.
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    memory_hits: AtomicU64,
    misses: AtomicU64,
    puts: AtomicU64,
}

impl Library {
    /// Opens the store in a folder; makes it when nothing is there.
    ///
    /// ```
    /// use vox::store::library::handle::{Library, Options};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("store");
    /// let key = Library::at(&path, Options::default())?.put(b"kept")?;
    /// // Another program, or this one tomorrow:
    /// let store = Library::at(&path, Options { cache: 1 << 20, ..Options::default() })?;
    /// assert!(store.has(key)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(path: &Path, options: Options) -> Result<Self, Error> {
        let inner = Inner::kept(path, &options, Home::Kept)?;
        Ok(Self::with(inner, options))
    }

    /// Makes a store in a folder of its own below the system's, which goes when it is dropped.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::temporary()?;
    /// let key = store.put(b"gone soon")?;
    /// store.clear()?;
    /// assert!(!store.has(key)?);
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn temporary() -> Result<Self, Error> {
        let options = Options::default();
        Ok(Self::with(Inner::temporary(&options)?, options))
    }

    /// Makes a store that touches no disk.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::memory()?;
    /// let key = store.put(b"nowhere else")?;
    /// assert_eq!(&*store.get(key)?.expect("it was put"), b"nowhere else");
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn memory() -> Result<Self, Error> {
        let options = Options::default();
        Ok(Self::with(Inner::memory(&options)?, options))
    }

    fn with(inner: Inner, options: Options) -> Self {
        let cache = Mutex::new(Cache::new(options.cache));
        let inner = RwLock::new(Arc::new(inner));
        Self { inner, options, kinds: Mutex::default(), cache, counts: Counts::default() }
    }

    /// Empties a temporary store or one in memory, and forgets what was counted; others are refused.
    ///
    /// Values that were read stay readable, and claims that are held are given back to a store that is
    /// no more.
    pub fn clear(&self) -> Result<(), Error> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let new = match inner.home {
            Home::Kept => return Err(Error::NotTemporary),
            Home::Memory => Inner::memory(&self.options)?,
            Home::Temporary(_) => Inner::temporary(&self.options)?,
        };
        *inner = Arc::new(new);
        *guard(&self.cache) = Cache::new(self.options.cache);
        let counts = &self.counts;
        for count in [&counts.hits, &counts.memory_hits, &counts.misses, &counts.puts] {
            count.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns what there is, and what was counted since this handle was made.
    ///
    /// ```
    /// use vox::store::library::handle::Library;
    ///
    /// let store = Library::memory()?;
    /// let key = store.put(b"bytes")?;
    /// store.get(key)?;
    /// store.get("00".repeat(32).as_str())?;
    /// let statistics = store.statistics()?;
    /// assert_eq!((statistics.objects, statistics.hits, statistics.misses), (1, 1, 1));
    /// assert_eq!(statistics.hit_rate(), 0.5);
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let inner = self.inner();
        inner.store.rest()?;
        let tally = inner.store.ask(|index| index.tally(1, 0))?;
        let segments = inner.store.ask(|index| index.segments())?;
        let good = segments.iter().filter(|(_, row)| row.bad.is_none());
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (queued, queued_bytes) = inner.writer.as_ref().map_or((0, 0), Writer::queued);
        let (cached, cached_bytes) = guard(&self.cache).held();
        Ok(Statistics {
            objects: tally.objects,
            bytes: tally.bytes,
            records: good.map(|(_, row)| row.name.records()).sum(),
            hits: count(&self.counts.hits),
            memory_hits: count(&self.counts.memory_hits),
            misses: count(&self.counts.misses),
            puts: count(&self.counts.puts),
            queued,
            queued_bytes,
            cached: cached as u64,
            cached_bytes: cached_bytes as u64,
        })
    }

    /// Returns the store below, for who needs more of it.
    pub fn store(&self) -> Arc<Store> {
        self.inner().store.clone()
    }

    pub(in crate::store::library) fn inner(&self) -> Arc<Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::store::library) fn count_get(&self, found: Found) {
        let counts = &self.counts;
        let count = match found {
            Found::InMemory => {
                counts.memory_hits.fetch_add(1, Ordering::Relaxed);
                &counts.hits
            }
            Found::InStore => &counts.hits,
            Found::Nowhere => &counts.misses,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::store::library) fn count_puts(&self, count: usize) {
        self.counts.puts.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Where a value was.
#[derive(Clone, Copy)]
pub(in crate::store::library) enum Found {
    InMemory,
    InStore,
    Nowhere,
}

impl Inner {
    fn kept(path: &Path, options: &Options, home: Home) -> Result<Self, Error> {
        let place = Place { root: path.to_owned(), is_cache: false };
        let store = Store::open(&place, &options.store)?;
        let sweep = Arc::new(Tree::new(store.layout()));
        Self::with(store, sweep, options, home)
    }

    fn temporary(options: &Options) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("vox-").tempdir();
        let folder = folder.map_err(io_error("make a folder in", &std::env::temp_dir()))?;
        let path = folder.path().join("store");
        Self::kept(&path, options, Home::Temporary(folder))
    }

    fn memory(options: &Options) -> Result<Self, Error> {
        let objects = Arc::new(Memory::default());
        let store = Store::memory_of(objects.clone())?;
        Self::with(store, objects, options, Home::Memory)
    }

    fn with(
        store: Arc<Store>,
        sweep: Arc<dyn Sweep>,
        options: &Options,
        home: Home,
    ) -> Result<Self, Error> {
        let (sender, events) = mpsc::channel();
        let is_writable = !store.is_read_only();
        let writer =
            is_writable.then(|| store.writer_of(Some(sender), options.queue)).transpose()?;
        let (values, nodes) = (HashMap::new(), HashMap::new());
        let waiting = Mutex::new(Waiting { values, nodes, events, left: 0, reason: None });
        Ok(Self { writer, waiting, store, sweep, home })
    }

    /// Returns the writer, unless nothing can be written.
    pub(in crate::store::library) fn writer(&self) -> Result<&Writer, Error> {
        let path = || self.store.layout().root().to_owned();
        Ok(self.writer.as_ref().ok_or_else(|| StoreError::ReadOnly { path: path() })?)
    }

    /// Returns what is on its way, without what has arrived meanwhile.
    pub(in crate::store::library) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        let mut waiting = guard(&self.waiting);
        waiting.listen();
        waiting
    }
}

impl Waiting {
    fn listen(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let (nodes, blobs) = match event {
                Event::Stored { nodes, blobs } => (nodes, blobs),
                Event::Left { nodes, error } => {
                    self.left += (nodes.len() as u64).max(1);
                    self.reason = self.reason.take().or(error);
                    (nodes, Vec::new())
                }
            };
            for node in nodes {
                if let Some((blob, _)) = self.nodes.remove(&node) {
                    self.values.remove(&blob);
                }
            }
            for blob in blobs {
                self.values.remove(&blob);
            }
        }
    }

    /// Forgets what was left, and says so.
    pub(in crate::store::library) fn check(&mut self) -> Result<(), Error> {
        match std::mem::take(&mut self.left) {
            0 => Ok(()),
            count => {
                // Which values they were nobody says: what is not stored is read from here no more.
                self.values.clear();
                self.nodes.clear();
                Err(Error::Left { count, source: self.reason.take() })
            }
        }
    }
}

pub(in crate::store::library) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
