//! What another store has becomes this one's too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::config::Config;
use crate::app::context::{self, Access};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::peers::{self, Reached, Trust};
use crate::app::upkeep;
use crate::gc::compact;
use crate::gc::sweep::How as GcHow;
use crate::id::{BlobId, Digest, NodeId};
use crate::peer::pull::{self, How, Report};
use crate::peer::source::Progress;
use crate::store::open::Store;

/// What `vox pull` was told.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The name of a peer, an address, or a folder.
    pub peer: String,
    /// Objects, or nodes of a peer that is believed; all when there are none.
    pub ids: Vec<Digest>,
    /// Fetch no objects.
    pub lazy: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// What came.
#[derive(Debug)]
pub struct Pulled {
    /// What people call the peer.
    pub peer: String,
    /// What is believed of it.
    pub trust: Trust,
    /// Where it is kept.
    pub root: PathBuf,
    /// What was done.
    pub report: Report,
    /// Segments that were dropped because a bigger one that came covers them.
    pub covered: u64,
    /// Ids that the peer knows neither as objects nor, where it is believed, as nodes.
    pub unknown: Vec<Digest>,
    /// How long it took.
    pub took: Duration,
}

/// Fetches.
pub fn pull(
    environment: &Environment,
    config: &Config,
    wish: &Wish,
    progress: &dyn Progress,
) -> Result<Pulled, Error> {
    let began = Instant::now();
    let reached = peers::reach(environment, config, &wish.peer)?;
    refuse_self(environment, config, wish)?;
    if wish.ids.is_empty() && reached.trust == Trust::Bytes && !reached.is_named {
        return Err(Error::Usage(format!(
            "nothing of what `{0}` says of computations is believed, because the configuration does \
             not name it: give the ids of objects, or write into `vox.toml`\n\n\
             [peer.NAME]\nurl = \"{0}\"\ntrust = \"receipts\"\n",
            reached.source.name()
        )));
    }
    let store = store(environment, config, wish.dry_run)?;
    let how = How {
        dry_run: wish.dry_run,
        lazy: wish.lazy,
        distrust: config.distrust.value.clone(),
        now_ms: upkeep::now_ms(),
    };
    let Reached { source, trust, .. } = reached;
    let mut unknown = Vec::new();
    let report = if !wish.ids.is_empty() {
        let ids: Vec<BlobId> = wish.ids.iter().map(|id| BlobId(*id)).collect();
        let mut report = pull::pull_objects(&store, &*source, &ids, &how, progress)?;
        for id in std::mem::take(&mut report.absent) {
            let node = NodeId(id.0);
            let is_known = trust == Trust::Receipts
                && pull::pull_node(&store, &*source, node, &how, progress, &mut report)?;
            if is_known {
                report.objects.absent -= 1;
            } else {
                unknown.push(id.0);
            }
        }
        report
    } else if trust == Trust::Receipts {
        pull::pull(&store, &*source, &how, progress)?
    } else {
        pull::pull_known(&store, &*source, &how, progress)?
    };
    let mut covered = 0;
    // Where locks do not reach everybody nothing is removed.
    if report.segments.fetched > 0 && !wish.dry_run && !store.layout().network().exists() {
        covered = compact::drop_covered(&store, GcHow::default())?.covered;
    }
    Ok(Pulled {
        peer: source.name().to_owned(),
        trust,
        root: store.layout().root().to_owned(),
        report,
        covered,
        unknown,
        took: began.elapsed(),
    })
}

/// A store has nothing that it has not.
fn refuse_self(environment: &Environment, config: &Config, wish: &Wish) -> Result<(), Error> {
    let own = environment.cwd.join(context::find(environment, config)?.root);
    let other = match config.peers.get(&wish.peer) {
        Some(peer) => environment.cwd.join(&peer.value.url),
        None => environment.cwd.join(&wish.peer),
    };
    match (own.canonicalize(), other.canonicalize()) {
        (Ok(own), Ok(other)) if own == other => Err(Error::Usage(format!(
            "`{}` is the store into which is pulled: name another with --store",
            wish.peer
        ))),
        _ => Ok(()),
    }
}

fn store(environment: &Environment, config: &Config, dry_run: bool) -> Result<Arc<Store>, Error> {
    let access = if dry_run { Access::Read } else { Access::Write };
    match context::open(environment, config, access) {
        // What would come into a store that is not there yet: everything.
        Err(Error::NoStore { .. }) => Ok(Store::memory()?),
        opened => opened,
    }
}
