//! Where the store is, and where this host keeps what is its own.
//!
//! The environment is handed in: nothing here reads variables.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::id::Digest;
use crate::store::error::{Error, io_error};
use crate::store::object::system;

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `$VOX_STORE`.
    pub store: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CACHE_HOME`.
    pub cache: Option<PathBuf>,
    /// `$XDG_STATE_HOME`.
    pub state: Option<PathBuf>,
    /// What names this machine; by default what `/etc/machine-id` says.
    pub machine: Option<String>,
}

/// Where a store is, and how it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its folder, which need not be there yet.
    pub root: PathBuf,
    /// Whether it is the user's cache, which carries a tag for backup programs.
    pub is_cache: bool,
}

/// Finds the store: the named one, `$VOX_STORE`, `.vox/` upwards from `start`, or the user's cache.
///
/// The search stops at the home folder and where another file system begins. A store found by it
/// that another user owns is refused unless it is one of `safe`.
pub fn find(
    named: Option<&Path>,
    environment: &Environment,
    start: &Path,
    safe: &[PathBuf],
) -> Result<Place, Error> {
    if let Some(root) = named.or(environment.store.as_deref()) {
        return Ok(Place { root: root.to_owned(), is_cache: false });
    }
    if let Some(root) = upwards(start, environment.home.as_deref())? {
        if !is_ours(&root) && !safe.iter().any(|one| same(one, &root)) {
            return Err(Error::Foreign { path: root });
        }
        return Ok(Place { root, is_cache: false });
    }
    let cache = environment
        .cache
        .clone()
        .filter(|path| path.is_absolute())
        .or_else(|| environment.home.as_ref().map(|home| home.join(".cache")));
    let root = cache.ok_or(Error::NoPlace)?.join("vox");
    Ok(Place { root, is_cache: true })
}

fn upwards(start: &Path, home: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    let start = start.canonicalize().map_err(io_error("find", start))?;
    let home = home.and_then(|home| home.canonicalize().ok());
    let device = fs::metadata(&start).map_err(io_error("examine", &start))?.dev();
    for folder in start.ancestors() {
        if fs::metadata(folder).map_or(true, |metadata| metadata.dev() != device) {
            return Ok(None);
        }
        let store = folder.join(".vox");
        if store.is_dir() {
            return Ok(Some(store));
        }
        if home.as_deref() == Some(folder) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Says whether this process' user owns a folder, and what it leads to when it is a link.
fn is_ours(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let owner = |metadata: std::io::Result<fs::Metadata>| metadata.is_ok_and(|m| m.uid() == user);
    owner(fs::symlink_metadata(path)) && owner(fs::metadata(path))
}

fn same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

/// Returns what names this machine.
pub fn machine(environment: &Environment) -> String {
    let read = |path: &str| {
        let text = fs::read_to_string(path).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    environment
        .machine
        .clone()
        .or_else(|| read("/etc/machine-id"))
        .or_else(|| read("/proc/sys/kernel/hostname"))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the name that people know this host by.
pub fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Says whether a folder, or the nearest one above it that exists, lies on a disk of this host.
pub fn is_local(path: &Path) -> bool {
    path.ancestors().find_map(|path| File::open(path).ok()).is_some_and(|f| system::is_local(&f))
}

/// Returns the folder of what is this host's for a store that lies elsewhere, and makes it.
///
/// On a local disk, our own, of mode 0700 and no link; when there is none such, none.
pub fn state(environment: &Environment, machine: &str, id: &str, root: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let digest = Digest::of(root.as_os_str().as_encoded_bytes()).hex();
    let name = format!("{id}-{}", &digest[..16]);
    let user = rustix::process::geteuid().as_raw();
    let home = environment.state.clone().filter(|path| path.is_absolute());
    let home = home
        .or_else(|| environment.home.as_ref().map(|home| home.join(".local").join("state")))
        .map(|state| state.join("vox"));
    let temporary = PathBuf::from(format!("/var/tmp/vox-{user}"));
    home.into_iter().chain([temporary]).find_map(|top| {
        let path = top.join(machine).join(&name);
        if !is_local(&top) {
            return None;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).ok()?;
        let is_private = |path: &Path| {
            let Ok(metadata) = fs::symlink_metadata(path) else { return false };
            let mode = metadata.permissions().mode() & 0o777;
            metadata.is_dir() && metadata.uid() == user && mode == 0o700
        };
        (is_private(&top) && is_private(&path)).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_store_is_looked_for_in_the_order_of_the_format() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let work = home.join("study").join("deep");
        fs::create_dir_all(&work).unwrap();
        let mut environment = Environment { home: Some(home.clone()), ..Environment::default() };
        let at = |environment: &Environment, named: Option<&str>| {
            find(named.map(Path::new), environment, &work, &[]).unwrap()
        };
        let cache = at(&environment, None);
        assert_eq!(cache, Place { root: home.join(".cache/vox"), is_cache: true });
        environment.cache = Some(home.join("c"));
        assert_eq!(at(&environment, None).root, home.join("c/vox"));
        // Above the home folder nothing is found, in it and below it is.
        fs::create_dir(home.join(".vox")).unwrap();
        assert_eq!(at(&environment, None).root, home.join(".vox"));
        fs::create_dir(home.join("study/.vox")).unwrap();
        assert_eq!(at(&environment, None).root, home.join("study/.vox"));
        environment.store = Some(PathBuf::from("/s"));
        assert_eq!(at(&environment, None).root, Path::new("/s"));
        assert_eq!(at(&environment, Some("/t")).root, Path::new("/t"));
    }

    #[test]
    fn the_search_stops_at_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap().join("me");
        fs::create_dir(&home).unwrap();
        fs::create_dir(dir.path().join(".vox")).unwrap();
        let environment = Environment { home: Some(home.clone()), ..Environment::default() };
        assert!(find(None, &environment, &home, &[]).unwrap().is_cache);
    }

    #[test]
    fn a_state_folder_is_private_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let environment =
            Environment { state: Some(dir.path().to_owned()), ..Environment::default() };
        let path = state(&environment, "machine", "id", dir.path()).unwrap();
        assert!(path.starts_with(dir.path().join("vox").join("machine")));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let again = state(&environment, "machine", "id", dir.path());
        assert!(again.is_none_or(|again| !again.starts_with(dir.path())));
    }
}
