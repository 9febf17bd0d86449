//! What says that a folder is a store: `vox-store.toml`.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::error::{Error, io_error};
use crate::store::object::layout::Layout;
use crate::store::open::Store;

/// The content of the file.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct Settings {
    pub(in crate::store) format: u64,
    pub(in crate::store) hash: String,
    pub(in crate::store) id: String,
}

/// Reads what a folder says of itself; none when it says nothing.
pub(in crate::store) fn settings(path: &Path) -> Result<Option<Settings>, Error> {
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

impl Store {
    /// Returns the store's name for itself; one that was adopted, or is in memory, has none of its own.
    pub fn id(&self) -> Result<String, Error> {
        let found = settings(&self.layout.settings())?;
        Ok(found.map_or_else(|| "adopted".to_owned(), |settings| settings.id))
    }
}

/// Says whether this process may write the store.
pub(in crate::store) fn is_writable(layout: &Layout) -> bool {
    let may = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
    };
    let local = layout.local();
    let there = if local.exists() { local } else { layout.root() };
    may(there) && (!layout.objects().exists() || may(&layout.objects()))
}
