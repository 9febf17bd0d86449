//! Fetching: missing segments, then the objects that receipts name.
//!
//! A few threads fetch and verify; the caller's makes durable what they bring, in batches. Whatever
//! ends it early, what was brought by then stays, and the next time only the rest is fetched.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::id::{BlobId, NodeId};
use crate::peer::adopt;
use crate::peer::check;
use crate::peer::error::Error;
use crate::peer::missing::{self, Here, Named, Worth};
use crate::peer::source::{Offer, Progress, Source, Thing};
use crate::store::log::segment::{Segment, Span};
use crate::store::object::layout::WriterId;
use crate::store::object::objects::Pending;
use crate::store::open::Store;

/// Threads that fetch: they wait for the network.
const AT_ONCE: usize = 8;
/// So many things are made durable together,
const BATCH: usize = 64;
/// or so many bytes,
const FULL: u64 = 64 << 20;
/// or what came in this time.
const WHILE: Duration = Duration::from_secs(1);

/// How it is fetched.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// Writes nothing. Missing segments are fetched to see what their receipts name.
    pub dry_run: bool,
    /// Fetches no objects.
    pub lazy: bool,
    /// Writers whose records are not believed: nothing of theirs is fetched.
    pub distrust: Vec<WriterId>,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// What became of one kind of things.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Count {
    /// The peer lists so many, or receipts name so many.
    pub listed: u64,
    /// Those that were here.
    pub here: u64,
    /// Those that were fetched; in a dry run, that would be.
    pub fetched: u64,
    /// The bytes of these, as stored, where they were fetched.
    pub bytes: u64,
    /// Those that the peer has not.
    pub absent: u64,
}

impl Count {
    fn add(&mut self, more: Self) {
        self.listed += more.listed;
        self.here += more.here;
        self.fetched += more.fetched;
        self.bytes += more.bytes;
        self.absent += more.absent;
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Parts of logs.
    pub segments: Count,
    /// Values.
    pub objects: Count,
    /// Of objects that were asked for by id, those that the peer has not.
    pub absent: Vec<BlobId>,
}

/// Fetches all that a peer has and this store has not, believing its receipts.
pub fn pull(
    store: &Store,
    source: &dyn Source,
    how: &How,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    if !how.dry_run {
        adopt::may(store)?;
    }
    let mut offers = source.heads()?;
    offers.sort_unstable();
    offers.dedup_by_key(|offer| (offer.writer, offer.name));
    offers.retain(|offer| !how.distrust.contains(&offer.writer));
    let mut report = Report::default();
    report.segments.listed = offers.len() as u64;
    let here = Here::look(store)?;
    let (mut known, mut new) = (Vec::new(), Vec::new());
    for offer in offers {
        if here.has(&offer)? { known.push(offer) } else { new.push(offer) }
    }
    report.segments.here = known.len() as u64;
    let mut named = Named::new();
    segments(store, source, &new, how, progress, &mut report.segments, &mut named)?;
    if !how.lazy {
        here.name(&known, &mut named)?;
        report.objects = objects(store, source, &named, how, progress)?.0;
    }
    Ok(report)
}

/// Fetches the objects that receipts known here name: nothing else of the peer is believed.
pub fn pull_known(
    store: &Store,
    source: &dyn Source,
    how: &How,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    if !how.dry_run {
        adopt::may(store)?;
    }
    let mut named = Named::new();
    missing::name_all(store, &how.distrust, &mut named)?;
    let objects = objects(store, source, &named, how, progress)?.0;
    Ok(Report { objects, ..Report::default() })
}

/// Fetches objects by their ids.
pub fn pull_objects(
    store: &Store,
    source: &dyn Source,
    ids: &[BlobId],
    how: &How,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    if !how.dry_run {
        adopt::may(store)?;
    }
    let named: Named = ids.iter().map(|id| (*id, Worth::default())).collect();
    let (objects, absent) = objects(store, source, &named, how, progress)?;
    Ok(Report { objects, absent, ..Report::default() })
}

/// Fetches what a peer recorded of a node, and its value; false when it has recorded nothing.
pub fn pull_node(
    store: &Store,
    source: &dyn Source,
    node: NodeId,
    how: &How,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<bool, Error> {
    if how.dry_run {
        return Ok(false);
    }
    let mut offers = source.receipt(node)?;
    offers.retain(|offer| !how.distrust.contains(&offer.writer));
    let here = Here::look(store)?;
    let mut new = Vec::new();
    for offer in offers {
        report.segments.listed += 1;
        if here.has(&offer)? { report.segments.here += 1 } else { new.push(offer) }
    }
    segments(store, source, &new, how, progress, &mut report.segments, &mut Named::new())?;
    let receipts = store.receipts(node)?;
    if !how.lazy {
        let named = receipts.iter().flat_map(missing::objects);
        let named: Named = named.map(|id| (id, Worth::default())).collect();
        let (count, _) = objects(store, source, &named, how, progress)?;
        report.objects.add(count);
    }
    Ok(!receipts.is_empty())
}

/// Fetches segments and adopts them; adds what their receipts name.
pub fn segments(
    store: &Store,
    source: &dyn Source,
    offers: &[Offer],
    how: &How,
    progress: &dyn Progress,
    count: &mut Count,
    named: &mut Named,
) -> Result<(), Error> {
    let sizes: Option<u64> = offers.iter().map(|offer| offer.size).sum();
    progress.begins(Thing::Segment, offers.len() as u64, sizes);
    let fetch = |offer: &Offer| -> Result<Option<(Segment, Vec<u8>)>, Error> {
        let Some(stored) = source.segment(offer, progress)? else { return Ok(None) };
        let segment = check::segment(source.name(), offer, &stored)?;
        Ok(Some((segment, stored)))
    };
    let weigh = |(_, stored): &(Segment, Vec<u8>)| stored.len() as u64;
    let keep = |batch: Vec<(Segment, Vec<u8>)>| {
        let mut spans: Vec<(Span, Vec<u8>)> = Vec::with_capacity(batch.len());
        for (segment, stored) in batch {
            missing::name(&segment, |_| true, named)?;
            count.fetched += 1;
            count.bytes += stored.len() as u64;
            spans.push((segment.span, stored));
        }
        if !how.dry_run {
            adopt::segments(store, &spans)?;
            spans.iter().for_each(|_| progress.kept(Thing::Segment));
        }
        Ok(())
    };
    count.absent += each(offers, progress, &fetch, &weigh, keep)?;
    Ok(())
}

/// Fetches those of some objects that are not here; returns those too that the peer has not.
fn objects(
    store: &Store,
    source: &dyn Source,
    named: &Named,
    how: &How,
    progress: &dyn Progress,
) -> Result<(Count, Vec<BlobId>), Error> {
    let mut count = Count { listed: named.len() as u64, ..Count::default() };
    let mut wanted = Vec::new();
    for (id, worth) in named {
        if store.has(*id)? { count.here += 1 } else { wanted.push((*id, *worth)) }
    }
    if how.dry_run {
        // Whether the peer has them only fetching would say.
        count.fetched = wanted.len() as u64;
        return Ok((count, Vec::new()));
    }
    progress.begins(Thing::Object, wanted.len() as u64, None);
    let absent = std::sync::Mutex::new(Vec::new());
    let fetch = |(id, worth): &(BlobId, Worth)| -> Result<Option<(Pending, Worth)>, Error> {
        let Some(stored) = source.object(*id, progress)? else {
            absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(*id);
            return Ok(None);
        };
        let pending = check::object(source.name(), &**store.objects(), *id, &stored)?;
        Ok(Some((pending, *worth)))
    };
    let weigh = |(pending, _): &(Pending, Worth)| pending.stored_len();
    let keep = |batch: Vec<(Pending, Worth)>| {
        let bytes: u64 = batch.iter().map(weigh).sum();
        let kept = adopt::objects(store, batch, how.now_ms)?;
        count.fetched += kept;
        count.bytes += bytes;
        (0..kept).for_each(|_| progress.kept(Thing::Object));
        Ok(())
    };
    let none = each(&wanted, progress, &fetch, &weigh, keep)?;
    count.absent = none;
    let mut absent = absent.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    absent.sort_unstable();
    Ok((count, absent))
}

/// Fetches one object, and says whether it is here now.
pub fn object(
    store: &Store,
    source: &dyn Source,
    id: BlobId,
    now_ms: u64,
    progress: &dyn Progress,
) -> Result<bool, Error> {
    let Some(stored) = source.object(id, progress)? else { return Ok(false) };
    let pending = check::object(source.name(), &**store.objects(), id, &stored)?;
    Ok(adopt::objects(store, vec![(pending, Worth::default())], now_ms)? > 0)
}

/// Calls `fetch` for all items on a few threads, and `keep` on this one for what they bring; returns
/// for how many items there was nothing.
///
/// After an error no item is begun, what was brought is kept, and the first error is returned.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    progress: &dyn Progress,
    fetch: &(dyn Fn(&T) -> Result<Option<R>, Error> + Sync),
    weigh: &dyn Fn(&R) -> u64,
    mut keep: impl FnMut(Vec<R>) -> Result<(), Error>,
) -> Result<u64, Error> {
    if items.is_empty() {
        return Ok(0);
    }
    let (next, absent, ended) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    // A thread with something in its hands waits here while this one syncs: that bounds the memory.
    let (sender, receiver) = mpsc::sync_channel::<Result<R, Error>>(AT_ONCE);
    let work = |sender: SyncSender<Result<R, Error>>| {
        while !ended.load(Ordering::Relaxed) {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let brought = if progress.is_stopped() { Err(Error::Stopped) } else { fetch(item) };
            let brought = match brought {
                Ok(Some(brought)) => Ok(brought),
                Ok(None) => {
                    absent.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Err(error) => {
                    ended.store(true, Ordering::Relaxed);
                    Err(error)
                }
            };
            if sender.send(brought).is_err() {
                return;
            }
        }
    };
    let mut first = None;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(items.len()))
            .map(|_| {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || work(sender))
            })
            .collect();
        drop(sender);
        let mut batch = Vec::new();
        let (mut bytes, mut since) = (0, Instant::now());
        loop {
            let came = receiver.recv_timeout(WHILE);
            let is_over = matches!(came, Err(RecvTimeoutError::Disconnected));
            match came {
                Ok(Ok(one)) => {
                    if batch.is_empty() {
                        since = Instant::now();
                    }
                    bytes += weigh(&one);
                    batch.push(one);
                }
                Ok(Err(error)) => {
                    first.get_or_insert(error);
                }
                Err(_) => {}
            }
            let is_due = batch.len() >= BATCH || bytes >= FULL || since.elapsed() >= WHILE;
            if !batch.is_empty() && (is_over || is_due) {
                bytes = 0;
                if let Err(error) = keep(std::mem::take(&mut batch)) {
                    ended.store(true, Ordering::Relaxed);
                    first.get_or_insert(error);
                }
            }
            if is_over {
                break;
            }
        }
        if threads.into_iter().any(|thread| thread.join().is_err()) {
            first.get_or_insert(Error::Thread);
        }
    });
    match first {
        Some(error) => Err(error),
        None => Ok(absent.into_inner()),
    }
}
