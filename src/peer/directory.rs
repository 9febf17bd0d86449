//! A store in a folder: another store, or what was copied of one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::{BlobId, NodeId};
use crate::peer::check::{self, Patience};
use crate::peer::error::Error;
use crate::peer::source::{Offer, Progress, Source};
use crate::store::index::ask::Table;
use crate::store::log::list;
use crate::store::object::layout::Layout;
use crate::store::open::{Options, Store};
use crate::store::place::Place;

/// A folder with `objects/` in it. Nothing is written there.
pub struct Directory {
    name: String,
    layout: Layout,
    /// Opened when a node is asked for the first time.
    store: Mutex<Option<Arc<Store>>>,
}

impl Directory {
    /// Takes a folder.
    pub fn at(root: &Path) -> Result<Self, Error> {
        let layout = Layout::new(root);
        if !layout.objects().is_dir() {
            return Err(Error::NoStore { path: root.to_owned() });
        }
        let name = root.display().to_string();
        Ok(Self { name, layout, store: Mutex::default() })
    }

    /// Reads a plain file; what else lies under its name is nothing that a store has.
    fn read(
        &self,
        path: &Path,
        most: u64,
        what: impl FnOnce() -> String,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<u8>>, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        // Before it is opened: opening a pipe waits for whoever writes it.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let len = file.metadata().map_err(failed)?.len();
        let taken = check::take(&mut file, Some(len), most, &Patience::default(), progress);
        taken.map(Some).map_err(|fault| fault.of(&self.name, what))
    }

    /// Returns the store, opened for reading.
    fn store(&self) -> Result<Arc<Store>, Error> {
        let mut opened = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*opened {
            return Ok(store.clone());
        }
        let place = Place { root: self.layout.root().to_owned(), is_cache: false };
        let options = Options { read_only: true, ..Options::default() };
        let store = Store::open(&place, &options)?;
        Ok(opened.insert(store).clone())
    }
}

impl Source for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    fn heads(&self) -> Result<Vec<Offer>, Error> {
        let size = |path: &PathBuf| fs::metadata(path).ok().map(|metadata| metadata.len());
        let offers = list::all(&self.layout)?.into_iter().map(|found| Offer {
            writer: found.writer,
            name: found.name,
            size: size(&found.path),
        });
        Ok(offers.collect())
    }

    fn segment(&self, offer: &Offer, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error> {
        let path = self.layout.segment(offer.writer, &offer.name);
        self.read(&path, check::SEGMENT, || check::of(offer), progress)
    }

    fn object(&self, id: BlobId, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error> {
        self.read(&self.layout.object(id), check::OBJECT, || format!("object {id}"), progress)
    }

    fn receipt(&self, node: NodeId) -> Result<Vec<Offer>, Error> {
        let store = self.store()?;
        let mut offers = Vec::new();
        // A spot is found by the first bytes of the node; a segment too many does no harm.
        for spot in store.ask(|index| index.spots(Table::Node, node.0.prefix()))? {
            let Some(row) = store.ask(|index| index.segment(spot.segment))? else { continue };
            if row.bad.is_none() {
                offers.push(Offer { writer: row.writer, name: row.name, size: None });
            }
        }
        Ok(offers)
    }
}
