//! A store where somebody wants it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::config::Config;
use crate::app::context::{self, Access};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::store::share;

/// Makes a store: at the place that the settings name, else `.vox` in a folder; says where, and
/// whether it is new.
///
/// A shared one is a folder with set-group-id that its group may write; all below it follows.
pub fn init(
    environment: &Environment,
    mut config: Config,
    folder: Option<&Path>,
    shared: bool,
) -> Result<(PathBuf, bool), Error> {
    let below = environment.cwd.join(folder.unwrap_or(Path::new(""))).join(".vox");
    let root = match (&config.store.value, folder) {
        (Some(store), None) => environment.cwd.join(store),
        _ => below,
    };
    let is_new = !root.join("vox-store.toml").exists() && !root.join("objects").exists();
    if shared && !is_new && !share::is_shared(&root) {
        return Err(Error::Usage(format!(
            "`{}` is a store of one user: make a shared one elsewhere and copy `objects/` into it",
            root.display()
        )));
    }
    let failed = |source| Error::Write { path: root.clone(), source };
    share::create(&root).map_err(failed)?;
    if shared && is_new {
        let is_empty = fs::read_dir(&root).map_err(failed)?.next().is_none();
        if is_empty {
            share::share(&root).map_err(failed)?;
        }
    }
    config.store.value = Some(root.clone());
    context::open(environment, &config, Access::Write)?;
    Ok((root, is_new))
}
