//! The handle of a store: opening, making, adopting it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::id::{BlobId, Digest, NodeId};
use crate::store::claim::{self, Claim, Claims, Holder, Try};
use crate::store::error::{Error, io_error};
use crate::store::index::ask::{Change, Index, Spot, Stamp};
use crate::store::index::error::Error as IndexError;
use crate::store::index::fill::{self, Listed};
use crate::store::index::scan::Scan;
use crate::store::index::segments::{At, Error as ReadError, Segments};
use crate::store::index::sqlite::{Journal, Sqlite};
use crate::store::lock::Lock;
use crate::store::lookup::{Answer, Found};
use crate::store::memo::{self, now_ns};
use crate::store::object::disk;
use crate::store::object::layout::{Layout, WriterId};
use crate::store::object::memory::Memory;
use crate::store::object::objects::Objects;
use crate::store::object::proof::Proof;
use crate::store::object::tree::Tree;
use crate::store::place::{self, Environment, Place};
use crate::store::runs::Live;
use crate::store::share;
use crate::store::writer::{self, Floor, Identity};

/// The tag of folders that backup programs leave out.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder is a cache of vox; what is in it can be computed again.\n";

/// How a store is opened; the defaults are those of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Writes nothing: the index is made in memory, from the segments.
    pub read_only: bool,
    /// Behaves as if the store lay on a network file system, for tests.
    pub force_network: bool,
    /// Writers whose records are not believed.
    pub distrust: Vec<WriterId>,
    /// What the environment says.
    pub environment: Environment,
}

/// Something that a run should tell its user.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// Records of one node differ.
    Conflict {
        /// The node.
        node: NodeId,
        /// Whose records they are.
        writers: Vec<WriterId>,
    },
    /// An object's bytes were wrong; it was put aside and counts as not here.
    Damaged {
        /// The object.
        blob: BlobId,
        /// What is wrong.
        reason: String,
    },
    /// A segment is ignored.
    Segment {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Whose turn it is to compute a node.
pub enum Turn {
    /// It is done, and its value is here.
    Done(Box<Found>),
    /// The caller's.
    Yours(Claim),
    /// Somebody else's.
    Theirs(Holder),
}

/// A store: objects, log and index, for all threads of this process.
pub struct Store {
    pub(in crate::store) layout: Layout,
    pub(in crate::store) objects: Arc<dyn Objects>,
    pub(in crate::store) index: Arc<dyn Index>,
    pub(in crate::store) segments: Segments,
    pub(in crate::store) read_only: bool,
    pub(in crate::store) kind: Kind,
    pub(in crate::store) distrust: HashSet<WriterId>,
    claims: Arc<dyn Claims>,
    /// Whose records are this host's own, the present writer last.
    own: Mutex<Vec<WriterId>>,
    notices: Mutex<(HashSet<Notice>, Vec<Notice>)>,
    /// Objects that were used since this was last written down: how often.
    used: Mutex<HashMap<BlobId, u64>>,
}

/// What a store is made of.
#[derive(Debug)]
pub(in crate::store) enum Kind {
    /// Files, and who writes them.
    Files {
        identity: Identity,
        /// The floor of a process that cannot share one with others.
        alone: Option<Mutex<Floor>>,
    },
    /// The memory of this process: its writer's head.
    Memory(Mutex<Floor>),
}

#[derive(Serialize, Deserialize)]
struct Settings {
    format: u64,
    hash: String,
    id: String,
}

impl Store {
    /// Opens the store at a place; makes it when nothing is there, adopts a folder with `objects/`.
    pub fn open(place: &Place, options: &Options) -> Result<Arc<Self>, Error> {
        let root = &place.root;
        let mut layout = Layout::new(root);
        let machine = place::machine(&options.environment);
        let (id, read_only) = settle(&layout, place, options.read_only)?;
        let is_local = place::is_local(root) && !options.force_network;
        let mut journal = Journal::Wal;
        let mut shared = true;
        if !is_local && !read_only {
            if let Some(state) = place::state(&options.environment, &machine, &id, root) {
                layout = Layout::with_local(root, &state);
            } else {
                (journal, shared) = (Journal::Rollback, false);
            }
            if !layout.network().exists() {
                disk::replace(&layout.network(), b"written over a network file system\n")?;
            }
        }
        let identity = Identity::of(root, machine)?;
        let mut index: Arc<dyn Index> = Arc::new(Scan::new());
        let mut claims: Arc<dyn Claims> = Arc::new(claim::Memory::default());
        let mut alone = None;
        let mut own = Vec::new();
        if !read_only {
            for folder in [layout.claims(), layout.runs(), layout.quarantine()] {
                share::create(&folder).map_err(io_error("create", &folder))?;
            }
            index = Arc::new(Sqlite::open(&layout.index(), journal)?);
            if shared {
                claims = Arc::new(claim::Files::at(&layout.claims(), &place::host()));
            } else {
                let floor = Floor::mint(None, identity.clone())?;
                own.push(floor.writer);
                alone = Some(Mutex::new(floor));
            }
        }
        if let Some(floor) = Floor::read(&layout.writer())?
            && floor.identity.machine == identity.machine
        {
            own.splice(0..0, floor.own());
        }
        let store = Self {
            objects: Arc::new(Tree::new(&layout)),
            segments: Segments::of(&layout, is_local),
            layout,
            index,
            read_only,
            kind: Kind::Files { identity, alone },
            distrust: options.distrust.iter().copied().collect(),
            claims,
            own: Mutex::new(own),
            notices: Mutex::default(),
            used: Mutex::default(),
        };
        store.refresh()?;
        Ok(Arc::new(store))
    }

    /// Makes a store that is gone with the process: for tests, and for runs that keep nothing.
    pub fn memory() -> Result<Arc<Self>, Error> {
        let identity = Identity { machine: String::new(), root: String::new(), inode: 0 };
        let floor = Floor::mint(None, identity)?;
        Ok(Arc::new(Self {
            layout: Layout::new(Path::new("")),
            objects: Arc::new(Memory::default()),
            index: Arc::new(Scan::new()),
            segments: Segments::held(),
            read_only: false,
            own: Mutex::new(vec![floor.writer]),
            kind: Kind::Memory(Mutex::new(floor)),
            distrust: HashSet::new(),
            claims: Arc::new(claim::Memory::default()),
            notices: Mutex::default(),
            used: Mutex::default(),
        }))
    }

    /// Returns where the store's files are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Says whether nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns the objects.
    pub fn objects(&self) -> &Arc<dyn Objects> {
        &self.objects
    }

    /// Returns the index.
    pub fn index(&self) -> &Arc<dyn Index> {
        &self.index
    }

    /// Returns whose records are this host's own, the present writer last.
    pub fn own(&self) -> Vec<WriterId> {
        guard(&self.own).clone()
    }

    pub(in crate::store) fn own_too(&self, floor: &Floor) {
        *guard(&self.own) = floor.own().collect();
    }

    /// Looks for segments that arrived or went since; others may write at any time.
    pub fn refresh(&self) -> Result<Listed, Error> {
        if matches!(self.kind, Kind::Memory(_)) {
            return Ok(Listed::default());
        }
        let refresh = || fill::refresh(&self.layout, &*self.index, now_ns(), !self.read_only);
        let mut listed = refresh();
        if matches!(listed, Err(ReadError::Index(IndexError::Lost { .. }))) {
            listed = refresh();
        }
        let listed = listed?;
        if listed.gone > 0 {
            self.segments.close();
        }
        for (path, reason) in &listed.bad {
            self.notice(Notice::Segment { path: path.clone(), reason: reason.clone() });
        }
        Ok(listed)
    }

    /// Lists the whole log again, whatever the folders' times say: the index names what is not there.
    pub(in crate::store) fn relist(&self) -> Result<(), Error> {
        let never = Stamp { mtime_ns: 0, ctime_ns: 0 };
        let known = self.ask(|index| index.stamps())?;
        let stamps = known.into_keys().map(|folder| (folder, never)).collect();
        let change = Change { stamps, ..Change::default() };
        self.ask(|index| index.apply(&change))?;
        self.refresh().map(drop)
    }

    /// Tries to take a node for `operator`; never waits.
    ///
    /// A node is looked up once more after it was taken: whoever held it before may have finished.
    pub fn claim(&self, node: NodeId, operator: &str) -> Result<Turn, Error> {
        let claim = match Arc::clone(&self.claims).claim(node, operator)? {
            Try::Theirs(holder) => return Ok(Turn::Theirs(holder)),
            Try::Yours(claim) => claim,
        };
        self.rest()?;
        match self.receipt(node)? {
            Answer::Found(found) if found.here => Ok(Turn::Done(found)),
            _ => Ok(Turn::Yours(claim)),
        }
    }

    /// Tries to take a node whatever is known of it: what is asked for again must run again.
    pub fn claim_again(&self, node: NodeId, operator: &str) -> Result<Turn, Error> {
        Ok(match Arc::clone(&self.claims).claim(node, operator)? {
            Try::Theirs(holder) => Turn::Theirs(holder),
            Try::Yours(claim) => Turn::Yours(claim),
        })
    }

    /// Says that nothing is asked for a while: no transaction stays open, and the next answer is fresh.
    pub fn rest(&self) -> Result<(), Error> {
        self.ask(|index| index.rest())
    }

    /// Leaves word that this process waits for a node: its holder seals the result at once.
    pub fn wait_marker(&self, node: NodeId) -> Result<(), Error> {
        self.claims.want(node)
    }

    /// Begins a run with these goals (label and node): what they need is not evicted meanwhile.
    pub fn begin_run(&self, goals: Vec<(String, NodeId)>) -> Result<Live, Error> {
        let on_disk = matches!(self.kind, Kind::Files { .. }) && !self.read_only;
        let folder = on_disk.then(|| self.layout.runs());
        Live::begin(folder.as_deref(), self.index.clone(), goals)
    }

    /// Returns the digest of an opened file, if it still looks as it did when it was hashed.
    pub fn memo(&self, path: &Path, file: &File) -> Result<Option<Digest>, Error> {
        memo::digest(&*self.index, path, file)
    }

    /// Remembers the digest of a file that was read or written since it looked like `before`.
    pub fn remember(
        &self,
        path: &Path,
        file: &File,
        before: &Proof,
        digest: Digest,
    ) -> Result<bool, Error> {
        memo::remember(&*self.index, path, file, before, digest)
    }

    /// Forgets a file whose bytes turned out to be others.
    pub fn forget(&self, path: &Path) -> Result<(), Error> {
        memo::forget(&*self.index, path)
    }

    /// Returns what there is to tell since this was last asked.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut guard(&self.notices).1)
    }

    /// Writes down which objects were used: in memory it costs nothing, in the index a row each.
    pub fn flush_uses(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *guard(&self.used));
        let now = (now_ns() / 1_000_000_000) as u64;
        let used = used.into_iter().map(|(id, uses)| (id, now, uses)).collect();
        let read = self.segments.take_read().into_iter().map(|id| (id, now / 86_400)).collect();
        let change = Change { read, used, ..Change::default() };
        self.ask(|index| index.apply(&change)).map(drop)
    }

    pub(in crate::store) fn touch(&self, id: BlobId) {
        *guard(&self.used).entry(id).or_default() += 1;
    }

    pub(in crate::store) fn notice(&self, notice: Notice) {
        let (known, new) = &mut *guard(&self.notices);
        if known.insert(notice.clone()) {
            new.push(notice);
        }
    }

    /// Asks the index; one that was lost is filled again and asked again.
    pub fn ask<T>(&self, ask: impl Fn(&dyn Index) -> Result<T, IndexError>) -> Result<T, Error> {
        match ask(&*self.index) {
            Err(IndexError::Lost { .. }) => {
                self.segments.close();
                self.refresh()?;
                Ok(ask(&*self.index)?)
            }
            answer => Ok(answer?),
        }
    }

    pub(in crate::store) fn at(&self, spot: Spot) -> Result<At, Error> {
        let at = self.segments.at(&*self.index, spot);
        if matches!(at, Ok(At::Nothing)) {
            for (path, reason) in self.segments.bad() {
                self.notice(Notice::Segment { path, reason });
            }
        }
        match at {
            Err(ReadError::Index(IndexError::Lost { .. })) => Ok(At::Gone),
            at => Ok(at?),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Last-use times are a help to the collector, and may be lost.
        self.flush_uses().ok();
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Index(error) => error.into(),
            ReadError::Log(error) => error.into(),
        }
    }
}

/// Reads, makes or adopts what says that a folder is a store; returns its id, and whether nothing can
/// be written there.
fn settle(layout: &Layout, place: &Place, read_only: bool) -> Result<(String, bool), Error> {
    let root = layout.root();
    if let Some(settings) = settings(&layout.settings())? {
        return Ok((settings.id, read_only || !is_writable(layout)));
    }
    let is_adopted = layout.objects().is_dir();
    if !is_adopted {
        let is_empty = match fs::read_dir(root) {
            // Who else is making a store here begins with `local/`.
            Ok(mut entries) => {
                entries.all(|entry| entry.is_ok_and(|entry| entry.path() == layout.local()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(io_error("list", root)(error)),
        };
        // Two that make one store see each other's `local/`.
        if !is_empty && !layout.log_lock().exists() {
            return Err(Error::NoStore { path: root.to_owned() });
        }
    }
    if read_only || (is_adopted && !is_writable(layout)) {
        if is_adopted {
            return Ok(("adopted".to_owned(), true));
        }
        return Err(Error::ReadOnly { path: root.to_owned() });
    }
    disk::make_root(root)?;
    share::create(layout.local()).map_err(io_error("create", layout.local()))?;
    let lock = layout.log_lock();
    let lock = Lock::exclusive(&lock).map_err(io_error("lock", &lock))?;
    if let Some(settings) = settings(&layout.settings())? {
        return Ok((settings.id, false));
    }
    disk::make_folder(root, &layout.log())?;
    let id = hex::encode(writer::random()?);
    let settings = Settings { format: 1, hash: "sha256".to_owned(), id: id.clone() };
    let text = toml::to_string(&settings)
        .map_err(|error| Error::Settings { path: layout.settings(), reason: error.to_string() })?;
    if place.is_cache {
        disk::replace(&layout.cache_tag(), CACHE_TAG)?;
    }
    disk::replace(&layout.settings(), text.as_bytes())?;
    drop(lock);
    Ok((id, false))
}

fn settings(path: &Path) -> Result<Option<Settings>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", path)(error)),
    };
    // The version decides first: a later one may have other keys.
    let table: toml::Table = toml::from_str(&text)
        .map_err(|error| Error::Settings { path: path.to_owned(), reason: error.to_string() })?;
    let found = |key: &str| table.get(key).map_or("none".to_owned(), ToString::to_string);
    if table.get("format").and_then(toml::Value::as_integer) != Some(1) {
        return Err(Error::Version { path: path.to_owned(), found: found("format") });
    }
    if table.get("hash").and_then(toml::Value::as_str) != Some("sha256") {
        let found = format!("1 with hash {}", found("hash"));
        return Err(Error::Version { path: path.to_owned(), found });
    }
    let id = table.get("id").and_then(toml::Value::as_str).unwrap_or("none").to_owned();
    Ok(Some(Settings { format: 1, hash: "sha256".to_owned(), id }))
}

/// Says whether this process may write the store.
fn is_writable(layout: &Layout) -> bool {
    let may = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
    };
    let local = layout.local();
    let there = if local.exists() { local } else { layout.root() };
    may(there) && (!layout.objects().exists() || may(&layout.objects()))
}

pub(in crate::store) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
