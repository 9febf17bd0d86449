//! A store elsewhere, asked while a run goes on for what is not here.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::peers::{Reached, Trust};
use crate::app::upkeep;
use crate::exec::elsewhere::Elsewhere;
use crate::id::{BlobId, NodeId};
use crate::peer::error::Error as PeerError;
use crate::peer::missing::{Here, Named};
use crate::peer::pull::{self, Count, How};
use crate::peer::source::{Offer, Progress};
use crate::store::error::Error;
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::open::Store;

/// Is told, once, why a peer is asked no more.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// A store elsewhere, and what came of it so far.
pub struct Remote {
    store: Arc<Store>,
    reached: Reached,
    distrust: Vec<WriterId>,
    tell: Tell,
    /// It failed: what it has is computed.
    given_up: AtomicBool,
    /// Segments that were fetched, or tried; held while some are.
    sought: Mutex<HashSet<(WriterId, SegmentName)>>,
    /// Has all that is recorded there been brought, because it cannot be asked for nodes?
    has_all: Mutex<bool>,
    /// Objects that are being fetched: who wants the same one waits.
    fetching: Mutex<HashMap<BlobId, Arc<Mutex<()>>>>,
    segments: AtomicU64,
    objects: AtomicU64,
    meter: Meter,
}

/// What a run has of a peer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Pulled {
    /// Segments that came.
    pub segments: u64,
    /// Objects that came.
    pub objects: u64,
    /// The bytes of both.
    pub bytes: u64,
}

/// Counts bytes, and stops when the run does.
struct Meter {
    bytes: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Progress for Meter {
    fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Remote {
    /// Takes a store elsewhere, for runs over this one; it is asked until `stop` is set.
    pub fn new(
        store: Arc<Store>,
        reached: Reached,
        distrust: Vec<WriterId>,
        stop: Arc<AtomicBool>,
        tell: Tell,
    ) -> Self {
        Self {
            store,
            reached,
            distrust,
            tell,
            given_up: AtomicBool::new(false),
            sought: Mutex::default(),
            has_all: Mutex::default(),
            fetching: Mutex::default(),
            segments: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            meter: Meter { bytes: AtomicU64::new(0), stop },
        }
    }

    /// Returns what people call it.
    pub fn name(&self) -> &str {
        self.reached.source.name()
    }

    /// Returns what came of it so far.
    pub fn pulled(&self) -> Pulled {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (segments, objects) = (count(&self.segments), count(&self.objects));
        Pulled { segments, objects, bytes: count(&self.meter.bytes) }
    }

    /// Brings all that is recorded there and not here, values aside; says whether that was something.
    pub fn catch_up(&self) -> Result<bool, Error> {
        if self.is_given_up() || self.reached.trust != Trust::Receipts {
            return Ok(false);
        }
        self.settle(self.bring_all())
    }

    fn bring_all(&self) -> Result<bool, PeerError> {
        let distrust = self.distrust.clone();
        let how = How { lazy: true, distrust, now_ms: upkeep::now_ms(), ..How::default() };
        let report = pull::pull(&self.store, &*self.reached.source, &how, &self.meter)?;
        self.segments.fetch_add(report.segments.fetched, Ordering::Relaxed);
        Ok(report.segments.fetched > 0)
    }

    fn bring(&self, nodes: &[NodeId]) -> Result<bool, PeerError> {
        let source = &*self.reached.source;
        if !source.tells()? {
            // One by one it cannot be asked: all at once, once.
            let mut has_all = self.has_all.lock().unwrap_or_else(PoisonError::into_inner);
            return if std::mem::replace(&mut *has_all, true) {
                Ok(false)
            } else {
                self.bring_all()
            };
        }
        let mut offers: Vec<Offer> = Vec::new();
        let ask = |node: &NodeId| source.receipt(*node).map(Some);
        pull::each(nodes, &self.meter, &ask, &|_| 0, |brought: Vec<Vec<Offer>>| {
            offers.extend(brought.into_iter().flatten());
            Ok(())
        })?;
        offers.sort_unstable();
        offers.dedup_by_key(|offer| (offer.writer, offer.name));
        offers.retain(|offer| !self.distrust.contains(&offer.writer));
        if offers.is_empty() {
            return Ok(false);
        }
        // Who waits here for a segment that another run of this process fetches finds it afterwards.
        let mut sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
        let had = offers.len();
        offers.retain(|offer| sought.insert((offer.writer, offer.name)));
        let here = Here::look(&self.store)?;
        let mut new = Vec::new();
        for offer in &offers {
            if !here.has(offer)? {
                new.push(*offer);
            }
        }
        let how = How { now_ms: upkeep::now_ms(), ..How::default() };
        let mut count = Count::default();
        let (store, mut named) = (&*self.store, Named::new());
        let done = pull::segments(store, source, &new, &how, &self.meter, &mut count, &mut named);
        self.segments.fetch_add(count.fetched, Ordering::Relaxed);
        done?;
        Ok(count.fetched > 0 || offers.len() < had)
    }

    /// Makes "nothing came" of what is the peer's fault, and says so the first time.
    fn settle(&self, done: Result<bool, PeerError>) -> Result<bool, Error> {
        match done {
            Ok(came) => Ok(came),
            Err(PeerError::Store(error)) => Err(error),
            Err(PeerError::Stopped) => Ok(false),
            Err(error) => {
                if !self.given_up.swap(true, Ordering::Relaxed) {
                    (self.tell)(&error.to_string());
                }
                Ok(false)
            }
        }
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl Elsewhere for Remote {
    fn records(&self, nodes: &[NodeId]) -> Result<bool, Error> {
        if self.is_given_up() || self.reached.trust != Trust::Receipts {
            return Ok(false);
        }
        self.settle(self.bring(nodes))
    }

    fn object(&self, blob: BlobId) -> Result<bool, Error> {
        if self.is_given_up() {
            return Ok(false);
        }
        let latch = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let latch = { latch }.entry(blob).or_default().clone();
        let _held = latch.lock().unwrap_or_else(PoisonError::into_inner);
        if self.store.has(blob)? {
            return Ok(true);
        }
        let (source, now) = (&*self.reached.source, upkeep::now_ms());
        let came = pull::object(&self.store, source, blob, now, &self.meter);
        let came = self.settle(came)?;
        self.objects.fetch_add(u64::from(came), Ordering::Relaxed);
        Ok(came)
    }
}
