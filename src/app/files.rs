//! Answers lowering's questions about files, and keeps what it read for the run.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::world::World;
use crate::exec::inputs::{Content, Inputs};
use crate::id::Digest;
use crate::kernel::format::probe;
use crate::lower::files::{FileError, Files, Found, Header};
use crate::store::memo;
use crate::store::open::Store;

/// Texts of imports by the paths under which they are looked up.
pub type Imports = Arc<BTreeMap<PathBuf, String>>;

/// The file system as one run sees it.
pub struct Disk {
    /// Without one nothing is hashed: digests stand for paths, and only headers are read.
    store: Option<Arc<Store>>,
    inputs: Arc<Inputs>,
    world: World,
    rehash: bool,
    /// Is a file that the memo does not know not read, but said to be unreadable?
    only_known: bool,
    /// Imports that were brought along; then no others are there.
    imports: Option<Imports>,
    /// Two questions about one path get one answer.
    known: Mutex<HashMap<PathBuf, Result<Found, FileError>>>,
    /// Nanoseconds spent on looking.
    took: AtomicU64,
}

impl Disk {
    /// Begins knowing nothing; contents that had to be read are left in `inputs`.
    ///
    /// With `rehash` the memo is not asked.
    pub fn new(store: Arc<Store>, inputs: Arc<Inputs>, world: &World, rehash: bool) -> Self {
        Self {
            store: Some(store),
            inputs,
            world: world.clone(),
            rehash,
            only_known: false,
            imports: None,
            known: Mutex::default(),
            took: AtomicU64::new(0),
        }
    }

    /// Begins knowing nothing, for whoever plans and runs nothing.
    pub fn reading(store: Arc<Store>, world: &World, rehash: bool) -> Self {
        Self::new(store, Arc::new(Inputs::new(Arc::new(world.clone()))), world, rehash)
    }

    /// Begins knowing nothing, and reads headers only: enough to check a program, not to run it.
    pub fn headers(world: &World) -> Self {
        Self {
            store: None,
            inputs: Arc::new(Inputs::new(Arc::new(world.clone()))),
            world: world.clone(),
            rehash: false,
            only_known: false,
            imports: None,
            known: Mutex::default(),
            took: AtomicU64::new(0),
        }
    }

    /// Takes imports that were brought along; where there are some, none are looked for in files.
    pub fn importing(self, imports: Option<Imports>) -> Self {
        Self { imports, ..self }
    }

    /// Hashes nothing: files that the memo does not know cannot be read then.
    pub fn knowing(self) -> Self {
        Self { only_known: true, ..self }
    }

    /// Returns how long reading and hashing files has taken.
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.took.load(Ordering::Relaxed))
    }

    fn look(&self, path: &Path) -> Result<Found, FileError> {
        let first = self.open(path)?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let mut begin = first.begin;
        let format = probe::probe(&name, &begin);
        let mut paths = vec![path.to_owned()];
        let mut digests = vec![first.digest];
        if format.is_image() {
            let names = probe::files(format, &name, &begin);
            if names.len() > 1 {
                (paths, digests) = (Vec::new(), Vec::new());
                for (at, name) in names.iter().enumerate() {
                    let path = path.with_file_name(name);
                    let part = self.open(&path)?;
                    if at == 0 {
                        begin = part.begin;
                    }
                    paths.push(path);
                    digests.push(part.digest);
                }
            }
        }
        let mut header = probe::header(format, &begin);
        if header.is_err() && begin.len() == probe::PREFIX {
            // What comes before the header is longer than usual: all of the file tells.
            let whole =
                self.world.file(&paths[0]).and_then(|(mut file, _)| Content::read(&mut file));
            if let Ok(whole) = whole {
                header = probe::header(format, whole.bytes());
            }
        }
        // A header that cannot be read is the reader's to refuse, when a goal needs the image.
        let header = header.ok().flatten().map(|header| Header {
            grid: header.grid,
            frames: header.frames.unwrap_or(1),
            colour: header.colour.is_some(),
        });
        Ok(Found { paths, digests, format: format.word().to_owned(), header })
    }

    fn open(&self, path: &Path) -> Result<Part, FileError> {
        let failed = |error| trouble(path, &error);
        let (mut file, full) = self.world.file(path).map_err(failed)?;
        let Some(store) = &self.store else {
            let mut begin = Vec::new();
            file.take(probe::PREFIX as u64).read_to_end(&mut begin).map_err(failed)?;
            return Ok(Part { digest: Digest::of(full.as_os_str().as_encoded_bytes()), begin });
        };
        // The memo is a help: without it the file is hashed.
        let memo = if self.rehash { None } else { store.memo(&full, &file).ok().flatten() };
        if let Some(digest) = memo {
            let mut begin = Vec::new();
            (&mut file).take(probe::PREFIX as u64).read_to_end(&mut begin).map_err(failed)?;
            return Ok(Part { digest, begin });
        }
        if self.only_known {
            return Err(FileError::Unreadable(path.to_owned(), "it was not hashed yet".to_owned()));
        }
        let before = memo::look(&full, &file);
        file.rewind().map_err(failed)?;
        let content = Content::read(&mut file).map_err(failed)?;
        let digest = Digest::of(content.bytes());
        if let Ok(before) = before {
            store.remember(&full, &file, &before, digest).ok();
        }
        let begin = content.bytes()[..content.bytes().len().min(probe::PREFIX)].to_vec();
        self.inputs.put(digest, content);
        Ok(Part { digest, begin })
    }
}

/// One file: its digest and its first bytes.
struct Part {
    digest: Digest,
    begin: Vec<u8>,
}

impl Files for Disk {
    fn probe(&self, path: &Path) -> Result<Found, FileError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(path) {
            return found.clone();
        }
        let began = Instant::now();
        let found = self.look(path);
        self.took.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        known().entry(path.to_owned()).or_insert(found).clone()
    }

    fn list(
        &self,
        root: &Path,
        glob: &str,
        recursive: bool,
        full: bool,
    ) -> Result<Vec<String>, FileError> {
        self.world.list(root, glob, recursive, full).map_err(|error| trouble(root, &error))
    }

    fn import_text(&self, path: &Path) -> Result<Option<String>, FileError> {
        if let Some(imports) = &self.imports {
            return Ok(imports.get(path).cloned());
        }
        let mut text = String::new();
        let read = self.world.file(path).and_then(|(mut file, _)| file.read_to_string(&mut text));
        match read {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(trouble(path, &error)),
        }
    }

    fn identity(&self, path: &Path) -> Option<String> {
        if self.imports.as_ref().is_some_and(|imports| imports.contains_key(path)) {
            // By its name: it need not be here.
            return None;
        }
        self.world.identity(path)
    }
}

/// Returns what is wrong with a path.
fn trouble(path: &Path, error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        _ => FileError::Unreadable(path.to_owned(), error.to_string()),
    }
}
