//! The collector: decides, then removes in small batches while nobody seals.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::gc::census::{Census, census};
use crate::gc::error::{Error, lock_error};
use crate::gc::policy::{self, Candidate, Limits, Why};
use crate::gc::reach::{Keeper, Roots};
use crate::gc::usage::Usage;
use crate::id::BlobId;
use crate::store::index::ask::{Change, ObjectRow};
use crate::store::lock;
use crate::store::object::objects::Sweep;
use crate::store::open::Store;
use crate::store::runs;

/// Files that go while nobody seals: more would keep the sealers waiting.
const BATCH: usize = 256;
/// What was left behind by who died is older than anything that is going on.
const STRAY: Duration = Duration::from_secs(24 * 3600);

/// How it is collected.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much may stay.
    pub limits: Limits,
    /// Whether anything is removed.
    pub how: How,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// How thorough.
    pub pace: Pace,
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Decides and removes nothing.
    pub dry_run: bool,
    /// Somebody says that nobody else writes, where locks do not reach.
    pub alone: bool,
}

/// How much time there is.
#[derive(Clone, Copy, Debug, Default)]
pub enum Pace {
    /// As long as it takes: all objects are counted anew, and what the dead left behind goes too.
    #[default]
    Thorough,
    /// Until then, and only if nobody seals or collects just now; by what the index knows.
    Until(Instant),
}

/// An object that went, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Which.
    pub id: BlobId,
    /// The bytes that it took.
    pub bytes: u64,
    /// Why.
    pub why: Why,
    /// Seconds since it was last used.
    pub age_s: u64,
    /// What it costs to compute it again, in microseconds.
    pub cost_us: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What went, in the order in which it went.
    pub removed: Vec<Removed>,
    /// Objects and bytes that stay because somebody keeps them.
    pub kept: BTreeMap<Keeper, (u64, u64)>,
    /// Objects that were used or kept between deciding and removing.
    pub spared: u64,
    /// Dot-temporaries and quarantined files that went.
    pub strays: u64,
    /// Rows of files outside that are there no more.
    pub memos: u64,
    /// Runs that had been killed.
    pub runs: u64,
    /// What counting anew found.
    pub census: Option<Census>,
    /// What there was.
    pub before: Usage,
    /// What there is.
    pub after: Usage,
    /// The time was up before all was done.
    pub stopped: bool,
}

impl Report {
    /// Returns the bytes that went.
    pub fn freed(&self) -> u64 {
        self.removed.iter().map(|one| one.bytes).sum()
    }
}

/// Refuses where locks do not reach everybody who writes.
pub fn may(store: &Store, how: How) -> Result<(), Error> {
    let path = store.layout().root().to_owned();
    if store.is_read_only() {
        return Err(crate::store::error::Error::ReadOnly { path }.into());
    }
    if store.layout().network().exists() && !how.alone {
        return Err(Error::Network { path });
    }
    Ok(())
}

/// Brings a store below its limits.
pub fn collect(store: &Store, objects: &dyn Sweep, options: &Options) -> Result<Report, Error> {
    may(store, options.how)?;
    store.refresh()?;
    // What this process has used counts.
    store.flush_uses()?;
    let mut report = Report::default();
    let is_thorough = matches!(options.pace, Pace::Thorough);
    if is_thorough || store.ask(|index| index.walked())?.is_none() {
        report.census = Some(census(store, options.now_ms)?);
    }
    report.before = Usage::of(store, options.now_ms)?;
    let mut roots = Roots::look(store)?;
    let kept = roots.reach(store)?;
    let candidates = candidates(store, &kept, report.before.block)?;
    for one in candidates.iter().filter(|one| one.is_kept) {
        let (count, bytes) = report.kept.entry(kept[&one.id].clone()).or_default();
        *count += 1;
        *bytes += one.bytes;
    }
    let chosen =
        policy::choose(&candidates, report.before.fixed(), &options.limits, options.now_ms);
    let removed = |(at, why): &(usize, Why)| {
        let one = &candidates[*at];
        let age_s = (options.now_ms / 1000).saturating_sub(one.used);
        Removed { id: one.id, bytes: one.bytes, why: *why, age_s, cost_us: one.cost_us }
    };
    if options.how.dry_run {
        report.removed = chosen.iter().map(removed).collect();
        report.after = report.before.clone();
        report.after.objects.objects -= chosen.len() as u64;
        report.after.objects.bytes -= report.freed();
        return Ok(report);
    }
    let mut going = Going { store, objects, roots: &mut roots, kept };
    for batch in chosen.chunks(BATCH) {
        if let Pace::Until(end) = options.pace
            && Instant::now() >= end
        {
            report.stopped = true;
            break;
        }
        let batch: Vec<Removed> = batch.iter().map(removed).collect();
        let Some(gone) = going.remove(&batch, options)? else {
            report.stopped = true;
            break;
        };
        report.spared += (batch.len() - gone.len()) as u64;
        report.removed.extend(gone);
    }
    if is_thorough {
        tidy(store, objects, options, &mut report)?;
    }
    report.after = Usage::of(store, options.now_ms)?;
    Ok(report)
}

/// Decides without removing or counting; returns objects and bytes that would go.
pub fn would_free(store: &Store, limits: &Limits, now_ms: u64) -> Result<(u64, u64), Error> {
    let usage = Usage::of(store, now_ms)?;
    let is_below = |limit: Option<u64>, is: u64| limit.is_none_or(|limit| is <= limit);
    let files = usage.objects.objects + usage.segments;
    let is_small = is_below(limits.bytes, usage.bytes()) && is_below(limits.files, files);
    if is_small && usage.objects.expired == 0 && limits.age_s.is_none() {
        return Ok((0, 0));
    }
    let kept = Roots::look(store)?.reach(store)?;
    let candidates = candidates(store, &kept, usage.block)?;
    let chosen = policy::choose(&candidates, usage.fixed(), limits, now_ms);
    let bytes = chosen.iter().map(|(at, _)| candidates[*at].bytes).sum();
    Ok((chosen.len() as u64, bytes))
}

fn candidates(
    store: &Store,
    kept: &HashMap<BlobId, Keeper>,
    block: u64,
) -> Result<Vec<Candidate>, Error> {
    let of = |row: &ObjectRow| Candidate {
        id: row.id,
        bytes: row.proof.size.div_ceil(block) * block,
        used: row.used,
        cost_us: row.cost_us,
        until_ms: row.until_ms,
        is_kept: kept.contains_key(&row.id),
    };
    Ok(store.ask(|index| {
        let mut candidates = Vec::new();
        index.objects(&mut |row| candidates.push(of(&row)))?;
        Ok(candidates)
    })?)
}

/// Removing, batch by batch.
pub(in crate::gc) struct Going<'a> {
    pub(in crate::gc) store: &'a Store,
    pub(in crate::gc) objects: &'a dyn Sweep,
    pub(in crate::gc) roots: &'a mut Roots,
    pub(in crate::gc) kept: HashMap<BlobId, Keeper>,
}

impl Going<'_> {
    /// Removes what still may go of a batch, in the time of one lock; returns what went, none when
    /// somebody else is at it and there is no time to wait.
    pub(in crate::gc) fn remove(
        &mut self,
        batch: &[Removed],
        options: &Options,
    ) -> Result<Option<Vec<Removed>>, Error> {
        let local = self.store.layout().local();
        let lock = match options.pace {
            Pace::Thorough => Some(lock::collecting(local)),
            Pace::Until(_) => lock::try_collecting(local).transpose(),
        };
        let Some(lock) = lock.transpose().map_err(lock_error(local))? else { return Ok(None) };
        // Behind the lock all rows that sealers told can be seen.
        self.store.rest()?;
        if self.roots.look_again(self.store)? {
            self.kept = self.roots.reach(self.store)?;
        }
        let ids: Vec<BlobId> = batch.iter().map(|one| one.id).collect();
        let rows = self.store.ask(|index| index.objects_among(&ids))?;
        let rows: HashMap<BlobId, ObjectRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        let now = options.now_ms / 1000;
        let mut gone = Vec::with_capacity(batch.len());
        let mut lost = Vec::with_capacity(batch.len());
        for one in batch {
            let is_used = |row: &ObjectRow| now.saturating_sub(row.used) < one.age_s;
            if self.kept.contains_key(&one.id) || rows.get(&one.id).is_some_and(is_used) {
                continue;
            }
            lost.push(one.id);
            if let Some(bytes) = self.objects.remove(one.id)? {
                gone.push(Removed { bytes, ..one.clone() });
            }
        }
        lost.sort_unstable();
        // A row without a file costs a miss; so the file first, and the next census finds the rest.
        let change = Change { lost, ..Change::default() };
        self.store.ask(|index| index.apply(&change))?;
        drop(lock);
        Ok(Some(gone))
    }
}

/// Removes what the dead left behind, and rows of files that are there no more.
fn tidy(
    store: &Store,
    objects: &dyn Sweep,
    options: &Options,
    report: &mut Report,
) -> Result<(), Error> {
    let local = store.layout().local();
    let before = UNIX_EPOCH + Duration::from_millis(options.now_ms);
    let lock = lock::collecting(local).map_err(lock_error(local))?;
    report.strays =
        objects.remove_strays(before.checked_sub(STRAY).unwrap_or(SystemTime::UNIX_EPOCH))?;
    drop(lock);
    report.runs = runs::bury(&store.layout().runs(), &**store.index())?;
    for path in store.ask(|index| index.memos())? {
        let there = std::fs::symlink_metadata(&path);
        // Of what cannot be looked at nothing is known.
        if there.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            store.forget(&path)?;
            report.memos += 1;
        }
    }
    Ok(())
}
