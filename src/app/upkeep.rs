//! Work on a store as a whole.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::app::config::Config;
use crate::app::context::{self, Access, Context};
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::app::origins::{Again, Origins};
use crate::app::quantity::{round_size, size};
use crate::app::run::Answer;
use crate::canon;
use crate::exec::event::Outcome;
use crate::gc::compact::{self, Compacted};
use crate::gc::forget::{self, Forgotten};
use crate::gc::policy::Limits;
use crate::gc::reach::Roots;
use crate::gc::sweep::{self, How, Options, Pace};
use crate::gc::usage::{self, Usage};
use crate::gc::{census, error};
use crate::id::{BlobId, Digest, NodeId};
use crate::kernel::install;
use crate::lower::suggest;
use crate::plan::goal::Action;
use crate::store;
use crate::store::entry::{Entry, What};
use crate::store::log::record::Target;
use crate::store::lookup;
use crate::store::object::disk;
use crate::store::object::tree::Tree;
use crate::store::open::Store;
use crate::store::pins::Standing;
use crate::store::verify::Report;

/// What the check of a store found.
#[derive(Debug)]
pub struct Verified {
    /// Where the store is.
    pub root: PathBuf,
    /// What was found.
    pub report: Report,
    /// For each damaged object, in their order: how its value could be had again.
    pub again: Vec<Vec<Again>>,
}

/// Checks every file of the store that the settings name.
pub fn verify(environment: &Environment, config: &Config) -> Result<Verified, Error> {
    let store = context::open(environment, config, Access::Read)?;
    let mut report = store.verify()?;
    let mut damaged: HashSet<BlobId> = report.damaged.iter().map(|(id, _)| *id).collect();
    let mut ids = Vec::new();
    store.objects().walk(&mut |id, _| ids.push(id)).map_err(store::error::Error::from)?;
    for id in ids {
        if !damaged.contains(&id)
            && let Some(reason) = form(&store, id)?
        {
            report.objects -= 1;
            report.damaged.push((id, reason));
            damaged.insert(id);
        }
    }
    let mut again = Vec::new();
    if !damaged.is_empty() {
        // The memo of input files is in the index, which is opened for this only.
        let store = there(environment, config)?;
        let origins = Origins::of(&store)?;
        let registry = install::table();
        for (id, _) in &report.damaged {
            again.push(origins.again(&store, &registry, &damaged, *id)?);
        }
    }
    Ok(Verified { root: store.layout().root().to_owned(), report, again })
}

/// Opens a store that is there already, with its index where that may be used.
pub fn there(environment: &Environment, config: &Config) -> Result<Arc<Store>, Error> {
    let place = context::find(environment, config)?;
    if !environment.cwd.join(&place.root).exists() {
        return Err(Error::NoStore { path: place.root });
    }
    context::open(environment, config, Access::Write)
}

/// Looks for what was stored of some nodes; returns those of which something is missing, and what.
pub fn missing(
    environment: &Environment,
    config: &Config,
    nodes: &[NodeId],
) -> Result<(PathBuf, Vec<(NodeId, String)>), Error> {
    let store = there(environment, config)?;
    let mut missing = Vec::new();
    for node in nodes {
        if let Some(what) = lacks(&store, *node)? {
            missing.push((*node, what));
        }
    }
    Ok((store.layout().root().to_owned(), missing))
}

fn lacks(store: &Store, node: NodeId) -> Result<Option<String>, Error> {
    let found = match store.receipt(node)? {
        lookup::Answer::Found(found) => found,
        lookup::Answer::Conflict(_) => return Ok(Some("its records differ".to_owned())),
        lookup::Answer::None => {
            let is_defined = store.defined(node)?;
            return Ok((!is_defined).then(|| "there is no record of it".to_owned()));
        }
    };
    let Some(output) = found.receipt.output() else { return Ok(None) };
    let own = output.val.is_none().then_some(&output.out);
    for id in own.into_iter().chain(&output.refs) {
        let proved = match store.objects().open(*id) {
            Ok(None) => return Ok(Some(format!("the object {id} is not here"))),
            Ok(Some(blob)) => blob.prove(),
            Err(error) => Err(error),
        };
        match proved {
            Ok(()) => {}
            Err(error) if error.is_damage() => return Ok(Some(error.to_string())),
            Err(error) => return Err(store::error::Error::from(error).into()),
        }
    }
    Ok(None)
}

/// Returns what is wrong with the form of an object whose bytes have its name. The store itself never
/// looks into values.
fn form(store: &Store, id: BlobId) -> Result<Option<String>, Error> {
    let blob = store.objects().open(id).map_err(store::error::Error::from)?;
    let Some(blob) = blob else { return Ok(None) };
    let mut bytes = vec![0; blob.len()];
    blob.fill(&mut bytes).map_err(store::error::Error::from)?;
    Ok(canon::read(&bytes).err().map(|error| format!("the value is not canonical: {error}")))
}

/// Throws the index away and makes it again from the log; says how long that took.
///
/// What only the index knows is lost: the memo of input files, runs, and last-use times, which become
/// the time of the rebuild.
pub fn rebuild(environment: &Environment, config: &Config) -> Result<(PathBuf, Duration), Error> {
    let begin = Instant::now();
    let index = {
        // Reading makes no store.
        context::open(environment, config, Access::Read)?;
        let store = context::open(environment, config, Access::Write)?;
        if store.is_read_only() {
            let path = store.layout().root().to_owned();
            return Err(store::error::Error::ReadOnly { path }.into());
        }
        store.layout().index()
    };
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = index.clone().into_os_string();
        path.push(suffix);
        disk::remove(path.as_ref()).map_err(store::error::Error::from)?;
    }
    let store = context::open(environment, config, Access::Write)?;
    if !store.is_read_only() {
        // Objects have rows of their own: their cost and time to live come from the log too.
        census::census(&store, now_ms())?;
    }
    Ok((store.layout().root().to_owned(), begin.elapsed()))
}

/// The collector after a run has so long.
const AFTER_RUN: Duration = Duration::from_secs(1);

/// What `vox gc` was told.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// How much may stay, where it differs from the settings.
    pub limits: Limits,
    /// Merge small segments.
    pub compact: bool,
    /// Forget what was not read for so long.
    pub forget: Option<Duration>,
    /// Whether anything is removed.
    pub how: How,
}

/// What `vox gc` did.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The store.
    pub root: PathBuf,
    /// What may stay.
    pub limits: Limits,
    /// What the collector did.
    pub report: sweep::Report,
    /// What was merged, if that was asked for.
    pub compacted: Option<Compacted>,
    /// What was forgotten, if that was asked for.
    pub forgotten: Option<Forgotten>,
}

/// How a store is.
#[derive(Clone, Debug)]
pub struct Status {
    /// The store.
    pub root: PathBuf,
    /// What it takes.
    pub usage: Usage,
    /// What is in `local/`, in bytes.
    pub local_bytes: u64,
    /// What it may take.
    pub limit: Option<u64>,
    /// How many of its writers are this host's own.
    pub own: usize,
    /// How many pins stand.
    pub pins: usize,
    /// Objects and bytes that `vox gc` would remove.
    pub would_free: (u64, u64),
    /// Does somebody write over a network file system?
    pub is_network: bool,
}

/// A pin, and what it keeps.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// What stands.
    pub standing: Standing,
    /// How many objects it keeps that are here.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Can all that it keeps be had?
    pub is_here: bool,
}

/// Returns milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Opens a store that is there, to look after it.
fn open(environment: &Environment, config: &Config) -> Result<Arc<Store>, Error> {
    let root = context::find(environment, config)?.root;
    if !environment.cwd.join(&root).exists() {
        return Err(Error::NoStore { path: root });
    }
    context::open(environment, config, Access::Write)
}

/// Removes what may go: compacts and forgets where that is asked for, then collects.
pub fn gc(environment: &Environment, config: &Config, wanted: &Wanted) -> Result<Collected, Error> {
    let store = open(environment, config)?;
    let mut limits = wanted.limits;
    limits.bytes = limits.bytes.or(config.max_size.value);
    let now_ms = now_ms();
    let forgotten = match wanted.forget {
        Some(age) => {
            let age_s = age.as_secs();
            Some(forget::forget(&store, age_s, now_ms, wanted.how)?)
        }
        None => None,
    };
    let compacted = if wanted.compact { Some(compact::compact(&store, wanted.how)?) } else { None };
    let options = Options { limits, how: wanted.how, now_ms, pace: Pace::Thorough };
    let report = sweep::collect(&store, &Tree::new(store.layout()), &options)?;
    let root = store.layout().root().to_owned();
    Ok(Collected { root, limits, report, compacted, forgotten })
}

/// Brings the store below its limit after a run, if it is above it, nobody else is at it, and it takes
/// no longer than a second; else the next run does. What it cannot do is no error of the run.
pub fn after_run(context: &Context) -> Option<sweep::Report> {
    let (store, limit) = (&context.store, context.config.max_size.value?);
    let is_ours = !store.is_read_only() && !store.layout().root().as_os_str().is_empty();
    if !is_ours || store.layout().network().exists() {
        return None;
    }
    let end = Instant::now() + AFTER_RUN;
    let now_ms = now_ms();
    let is_counted = store.ask(|index| index.walked()).ok()?.is_some();
    if is_counted {
        let usage = Usage::of(store, now_ms).ok()?;
        if usage.bytes() <= limit && usage.objects.expired == 0 {
            return None;
        }
    }
    let limits = Limits { bytes: Some(limit), ..Limits::default() };
    let options = Options { limits, now_ms, pace: Pace::Until(end), ..Options::default() };
    sweep::collect(store, &Tree::new(store.layout()), &options).ok()
}

/// Says how the store is; its size comes from the index.
pub fn status(environment: &Environment, config: &Config) -> Result<Status, Error> {
    let store = open(environment, config)?;
    let now_ms = now_ms();
    if store.ask(|index| index.walked())?.is_none() {
        // A new index knows no object: once, all are counted.
        census::census(&store, now_ms)?;
    }
    let usage = Usage::of(&store, now_ms)?;
    let limit = config.max_size.value;
    let own = store.own();
    let limits = Limits { bytes: limit, ..Limits::default() };
    Ok(Status {
        root: store.layout().root().to_owned(),
        local_bytes: usage::local_bytes(store.layout()),
        limit,
        own: usage.writers.iter().filter(|writer| own.contains(writer)).count(),
        pins: store.pins()?.iter().filter(|standing| standing.pin.on).count(),
        would_free: sweep::would_free(&store, &usage, &limits, now_ms)?,
        is_network: store.layout().network().exists(),
        usage,
    })
}

/// What would make room: a limit for the store, as `--max-size` takes it, and the bytes that it frees.
///
/// None when no limit frees `needed` bytes, or nothing is known: this is asked when the disk is full.
pub fn room(environment: &Environment, config: &Config, needed: u64) -> Option<(String, u64)> {
    let store = open(environment, config).ok()?;
    let now_ms = now_ms();
    let usage = Usage::of(&store, now_ms).ok()?;
    let enough = needed.max(1);
    // What is freed is somewhat more than asked for, and a limit that can be read aloud.
    let limits = [usage.bytes().saturating_sub(needed.max(usage.bytes() / 4)), 1];
    limits.into_iter().find_map(|bytes| {
        let text = round_size(bytes);
        let bytes = size(&text);
        let freed =
            sweep::would_free(&store, &usage, &Limits { bytes, ..Limits::default() }, now_ms);
        let (_, freed) = freed.ok()?;
        (freed >= enough).then_some((text, freed))
    })
}

/// Returns the pins that stand, with what they keep.
pub fn pins(environment: &Environment, config: &Config) -> Result<Vec<Pinned>, Error> {
    let store = open(environment, config)?;
    let block = usage::block(store.layout().root());
    let mut pinned = Vec::new();
    for standing in Roots::look(&store)?.standing() {
        let only = Roots::of(standing.clone());
        let (mut objects, mut bytes, mut is_here) = (0, 0, true);
        for id in only.reach(&store)?.into_keys() {
            match store.objects().stat(id).map_err(store::error::Error::from)? {
                Some(proof) => {
                    objects += 1;
                    bytes += proof.size.div_ceil(block) * block;
                }
                None => is_here = false,
            }
        }
        if let Target::Node(node) = standing.pin.target {
            is_here &= !store.receipts(node)?.is_empty();
        }
        pinned.push(Pinned { standing: standing.clone(), objects, bytes, is_here });
    }
    Ok(pinned)
}

/// Pins what an id names, under a name or the id itself; a name that kept something else keeps this
/// from now on. Without an id a name that was unpinned keeps again what it kept.
pub fn pin(
    environment: &Environment,
    config: &Config,
    what: &str,
    name: Option<&str>,
) -> Result<String, Error> {
    let store = open(environment, config)?;
    let (entry, name) = match Digest::parse(what) {
        Some(id) => {
            let target = store.named(id)?.ok_or_else(|| {
                Error::Usage(format!("{what}: the store knows no node and no object of this name"))
            })?;
            let name = name.unwrap_or(what);
            (store.pinning(name, target)?, name)
        }
        None => {
            let standing = standing(&store, what)?;
            if standing.pin.on && name.is_none() {
                return Ok(what.to_owned());
            }
            let name = name.unwrap_or(what);
            (store.pinning(name, standing.pin.target)?, name)
        }
    };
    seal(&store, vec![entry])?;
    Ok(name.to_owned())
}

/// Returns what would pin the goals of a case: NAME/LABEL, in a cohort NAME/CASE/LABEL, and the node.
pub fn goals(name: &str, case: Option<&str>, answer: &Answer) -> Vec<(String, NodeId)> {
    let mut goals = Vec::new();
    for ((action, outcome), node) in answer.goals.iter().zip(&answer.nodes) {
        let (Some(node), false) = (node, matches!(outcome, Outcome::Failed(_))) else { continue };
        let label = match action {
            Action::Print { label } => label.clone(),
            Action::Save { path } => path.display().to_string(),
        };
        let name = match case {
            Some(case) => format!("{name}/{case}/{label}"),
            None => format!("{name}/{label}"),
        };
        goals.push((name, *node));
    }
    goals
}

/// Pins nodes by names.
pub fn pin_goals(context: &Context, goals: Vec<(String, NodeId)>) -> Result<(), Error> {
    let store = &context.store;
    let before: HashMap<String, u64> =
        store.pins()?.into_iter().map(|one| (one.pin.name, one.lam)).collect();
    let pin = |(name, node)| {
        let lam = before.get(&name).copied().unwrap_or(0) + 1;
        let pin = store::log::record::Pin { name, target: Target::Node(node), on: true };
        Entry { what: What::Pin(pin), lam, claim: None }
    };
    seal(store, goals.into_iter().map(pin).collect())
}

/// Lets go of names; with `dry_run` only says what they keep.
pub fn unpin(
    environment: &Environment,
    config: &Config,
    names: &[String],
    dry_run: bool,
) -> Result<Vec<Standing>, Error> {
    let store = open(environment, config)?;
    let mut entries = Vec::new();
    let mut let_go = Vec::new();
    for name in names {
        let standing = standing(&store, name)?;
        if standing.pin.on {
            entries.push(standing.again(false));
            let_go.push(standing);
        }
    }
    if !dry_run {
        seal(&store, entries)?;
    }
    Ok(let_go)
}

fn standing(store: &Store, name: &str) -> Result<Standing, Error> {
    let all = store.pins()?;
    let names = all.iter().map(|standing| standing.pin.name.as_str());
    let nearest = suggest::nearest(name, names);
    all.iter().find(|standing| standing.pin.name == name).cloned().ok_or_else(|| {
        let hint = nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        Error::Usage(format!("no pin was ever called `{name}`, and it is no id{hint}"))
    })
}

/// Stores entries durably.
fn seal(store: &Arc<Store>, entries: Vec<Entry>) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let writer = store.writer(None)?;
    for entry in entries {
        writer.submit(entry)?;
    }
    let summary = writer.finish()?;
    match summary.error {
        Some(error) => Err(error::Error::Pins(error.to_string()).into()),
        None => Ok(()),
    }
}
