//! One batch: its objects, its records, its rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::claim::Claim;
use crate::store::entry::{Entry, Event, Inputs, Made, Parts, Ran, Summary, What};
use crate::store::error::{Error, io_error};
use crate::store::fault;
use crate::store::index::ask::{Change, FOREVER, Rows, SegmentRow, Table};
use crate::store::index::fill::Keys;
use crate::store::item::{Item, again, look_again, rows_of_objects};
use crate::store::lock::{self, Lock};
use crate::store::log::append::{self, Head};
use crate::store::log::receipt::Receipt;
use crate::store::log::record::{Body, Draft, Run};
use crate::store::log::segment;
use crate::store::lookup::Answer;
use crate::store::memo::now_ns;
use crate::store::object::objects::Pending;
use crate::store::object::proof::Proof;
use crate::store::open::{Kind, Store, guard};
use crate::store::writer::Floor;

/// Gathers a batch and seals it.
pub(in crate::store) struct Sealer {
    store: Arc<Store>,
    events: Option<Sender<Event>>,
    batch: Vec<Item>,
    pending: Vec<Pending>,
    bytes: usize,
    summary: Summary,
}

impl Sealer {
    pub(in crate::store) fn new(store: Arc<Store>, events: Option<Sender<Event>>) -> Self {
        let summary = Summary::default();
        Self { store, events, batch: Vec::new(), pending: Vec::new(), bytes: 0, summary }
    }

    pub(in crate::store) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::store) fn holds_claims(&self) -> bool {
        self.batch.iter().any(|item| item.claim.is_some())
    }

    pub(in crate::store) fn is_wanted(&self) -> bool {
        self.batch.iter().filter_map(|item| item.claim.as_ref()).any(Claim::wanted)
    }

    /// Takes an entry into the batch: its objects are compressed and written, not yet durable.
    pub(in crate::store) fn take(&mut self, entry: Entry) {
        let weight = entry.weight();
        let node = match &entry.what {
            What::Run(Ran { receipt: Made::Known(receipt), .. }) => Some(receipt.node),
            What::Def(def) => Some(NodeId(Digest::of(&def.definition))),
            _ => None,
        };
        match self.prepare(entry) {
            Ok(item) => {
                self.bytes += weight;
                self.batch.push(item);
            }
            Err(error) => self.left(node.into_iter().collect(), 1, Some(Arc::new(error))),
        }
    }

    fn prepare(&mut self, entry: Entry) -> Result<Item, Error> {
        let Entry { what, lam, claim } = entry;
        let mut item = Item {
            node: None,
            body: None,
            lam,
            keys: Keys::default(),
            objects: Vec::new(),
            needs: Vec::new(),
            us: 0,
            settles: false,
            until_ms: FOREVER,
            claim,
        };
        match what {
            What::Run(ran) => self.prepare_run(ran, &mut item)?,
            What::Def(def) => {
                item.node = Some(NodeId(Digest::of(&def.definition)));
                item.keys.node = item.node;
                item.body = Some(Body::Def(def));
            }
            What::Object(object) => {
                self.put(object, &mut item)?;
            }
            What::Pin(pin) => {
                item.keys.pin = true;
                item.body = Some(Body::Pin(pin));
            }
        }
        Ok(item)
    }

    fn prepare_run(&mut self, ran: Ran, item: &mut Item) -> Result<(), Error> {
        for object in ran.refs {
            self.put(object, item)?;
        }
        let put = match ran.object {
            Some(object) => Some(self.put(object, item)?),
            None => None,
        };
        let receipt = match (ran.receipt, put) {
            (Made::Known(receipt), _) => receipt,
            (Made::Named(make), Some((id, _))) => make(id),
            (Made::Named(_), None) => {
                return Err(crate::store::log::error::Error::Receipt("no bytes to name").into());
            }
        };
        if let Some(output) = receipt.output() {
            if output.val.is_none() {
                item.needs.push(output.out);
            }
            item.needs.extend(&output.refs);
        }
        let inputs = match ran.inputs {
            Inputs::Unknown => None,
            Inputs::Known(inputs) => Some(inputs),
            Inputs::Later(ask) => ask(),
        };
        item.node = Some(receipt.node);
        item.keys = Keys::of_run(&receipt, inputs.as_deref());
        (item.us, item.settles) = (ran.us, ran.settles);
        item.until_ms = ran.until.unwrap_or(FOREVER);
        item.body = Some(Body::Run(Run {
            receipt: receipt.bytes(),
            us: ran.us,
            host: host_triple(),
            inputs,
            until: ran.until,
            bytes: put.map(|(_, len)| len),
            settles: ran.settles,
        }));
        Ok(())
    }

    fn put(&mut self, object: Box<dyn Parts>, item: &mut Item) -> Result<(BlobId, u64), Error> {
        let pending = self.store.objects.put(&object.parts())?;
        let (id, len) = (pending.id(), pending.len());
        self.pending.push(pending);
        item.objects.push((id, object));
        item.needs.push(id);
        Ok((id, len))
    }

    /// Seals the batch; what cannot be stored is left, and said.
    pub(in crate::store) fn seal(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let pending = std::mem::take(&mut self.pending);
        self.bytes = 0;
        if batch.is_empty() {
            return;
        }
        let nodes: Vec<NodeId> = batch.iter().filter_map(|item| item.node).collect();
        let count = batch.len() as u64;
        match self.seal_batch(batch, pending) {
            Ok(()) => {}
            Err(error) => self.left(nodes, count, Some(Arc::new(error))),
        }
    }

    /// Seals what is left and sums up.
    pub(in crate::store) fn finish(mut self) -> Summary {
        self.seal();
        // Last-use times are a help to the collector, and may be lost.
        self.store.flush_uses().ok();
        self.summary
    }

    fn seal_batch(&mut self, batch: Vec<Item>, pending: Vec<Pending>) -> Result<(), Error> {
        let store = self.store.clone();
        let stored: HashMap<BlobId, u64> =
            pending.iter().map(|one| (one.id(), one.stored_len())).collect();
        let mut proofs: HashMap<BlobId, Proof> = match store.objects.settle(pending) {
            Ok(settled) => settled.into_iter().collect(),
            // After a failed sync the pages count as clean, so a second sync proves nothing: all
            // is written again from the start, once.
            Err(_) => again(&store, &batch)?,
        };
        let sealing = match store.kind {
            Kind::Files { .. } => Some(
                lock::sealing(store.layout.local())
                    .map_err(io_error("lock", &store.layout.gc_lock()))?,
            ),
            Kind::Memory(_) => None,
        };
        // Under the lock nothing is removed: what is here now is here until the rows are.
        look_again(&store, &batch, &mut proofs)?;
        let (mut whole, mut left) = (Vec::new(), Vec::new());
        for item in batch {
            let is_whole = item.needs.iter().all(|id| proofs.contains_key(id));
            if is_whole { whole.push(item) } else { left.push(item) }
        }
        let new = self.new_records(&whole)?;
        let at = now_ms();
        let (mut drafts, mut keys) = (Vec::new(), Vec::new());
        for (item, is_new) in whole.iter_mut().zip(new) {
            if let Some(body) = item.body.take().filter(|_| is_new) {
                drafts.push(Draft { lam: item.lam, at, body });
                keys.push(item.keys);
            }
        }
        let segments = self.append(&drafts, &keys)?;
        let objects = rows_of_objects(&whole, &proofs);
        let change = Change { segments, objects, ..Change::default() };
        fault::step();
        // Rows may be lost: they come back from the log.
        let told = store.ask(|index| index.apply(&change));
        drop(sealing);
        if let (Ok(ids), Kind::Memory(_)) = (&told, &store.kind) {
            hold(&store, ids, &change, &drafts)?;
        }
        self.summary.bytes += stored.values().sum::<u64>();
        self.stored(whole);
        if !left.is_empty() {
            let nodes = left.iter().filter_map(|item| item.node).collect();
            self.left(nodes, left.len() as u64, None);
        }
        Ok(())
    }

    /// Says of each item whether its record is new: not in the log, or there without `in`.
    fn new_records(&self, items: &[Item]) -> Result<Vec<bool>, Error> {
        let mut keys: Vec<u64> =
            items.iter().filter_map(|item| Some(item.node?.0.prefix())).collect();
        // In SQLite's order, so that pages are visited once.
        keys.sort_unstable_by_key(|key| *key as i64);
        keys.dedup();
        let known: HashSet<u64> =
            self.store.ask(|index| index.known(Table::Node, &keys))?.into_iter().collect();
        let mut seen: HashMap<NodeId, bool> = HashMap::with_capacity(items.len());
        items
            .iter()
            .map(|item| {
                let Some(node) = item.node else { return Ok(true) };
                let brings = item.keys.cut.is_some();
                if let Some(had) = seen.get_mut(&node) {
                    let is_new = (brings && !*had) || item.settles;
                    *had |= brings;
                    return Ok(is_new);
                }
                seen.insert(node, brings);
                Ok(!known.contains(&node.0.prefix()) || self.is_new(node, item)?)
            })
            .collect()
    }

    fn is_new(&self, node: NodeId, item: &Item) -> Result<bool, Error> {
        let Some(Body::Run(run)) = &item.body else {
            return Ok(!self.store.defined(node)?);
        };
        match self.store.receipt(node)? {
            Answer::Found(found) => {
                let same = found.receipt == Receipt::read(&run.receipt)?;
                let brings = run.inputs.is_some() && found.inputs.is_none();
                // A record that lets go of the value earlier does not speak for this run.
                let longer = item.until_ms > found.until_ms;
                Ok(!same || item.settles || brings || longer)
            }
            Answer::Conflict(_) | Answer::None => Ok(true),
        }
    }

    /// Seals the drafts behind the head of this store's log; returns the rows they make.
    fn append(&self, drafts: &[Draft], keys: &[Keys]) -> Result<Vec<(SegmentRow, Rows)>, Error> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let layout = &self.store.layout;
        let (identity, alone) = match &self.store.kind {
            Kind::Files { identity, alone } => (identity, alone),
            Kind::Memory(floor) => return append_held(&mut guard(floor), drafts, keys),
        };
        let path = layout.log_lock();
        let lock = Lock::exclusive(&path).map_err(io_error("lock", &path))?;
        let mut floor = match alone {
            Some(floor) => guard(floor).clone(),
            None => Floor::current(&layout.writer(), layout, identity)?,
        };
        let sealed = append::seal(layout, floor.writer, floor.head, drafts)?;
        let mut keys = keys.iter();
        let mut rows = Vec::with_capacity(sealed.len());
        for sealed in &sealed {
            let mut of = Rows::default();
            for (place, keys) in sealed.places.iter().zip(keys.by_ref()) {
                of.add(place.position, keys);
            }
            let (writer, name) = (sealed.span.writer, sealed.span.name);
            rows.push((SegmentRow { writer, name, proof: Some(sealed.proof), bad: None }, of));
            floor.head = Head { seq: name.last, hash: sealed.span.after };
            floor.last = Some(name);
        }
        if let Some(alone) = alone {
            *guard(alone) = floor;
        } else {
            fault::step();
            floor.write(&layout.writer())?;
            self.store.own_too(&floor);
        }
        drop(lock);
        Ok(rows)
    }

    fn stored(&mut self, items: Vec<Item>) {
        self.summary.stored += items.len() as u64;
        let mut nodes = Vec::with_capacity(items.len());
        let mut blobs = Vec::new();
        for item in items {
            match item.node {
                Some(node) => nodes.push(node),
                None => blobs.extend(item.objects.iter().map(|(id, _)| *id)),
            }
            // The claim goes here: the record is visible to others.
            drop(item.claim);
        }
        self.tell(Event::Stored { nodes, blobs });
    }

    fn left(&mut self, nodes: Vec<NodeId>, count: u64, error: Option<Arc<Error>>) {
        self.summary.left += count;
        if self.summary.error.is_none() {
            self.summary.error.clone_from(&error);
        }
        self.tell(Event::Left { nodes, error });
    }

    fn tell(&mut self, event: Event) {
        // Whoever listened may have gone.
        if self.events.as_ref().is_some_and(|events| events.send(event).is_err()) {
            self.events = None;
        }
    }
}

/// Seals drafts in memory: a place, and no file.
fn append_held(
    floor: &mut Floor,
    drafts: &[Draft],
    keys: &[Keys],
) -> Result<Vec<(SegmentRow, Rows)>, Error> {
    let bytes: Vec<Vec<u8>> = drafts
        .iter()
        .zip(floor.head.seq + 1..)
        .map(|(draft, seq)| draft.numbered(seq).bytes())
        .collect();
    let built = segment::build(floor.writer, floor.head.seq + 1, floor.head.hash, &bytes)?;
    let mut rows = Rows::default();
    for (place, keys) in built.places.iter().zip(keys) {
        rows.add(place.position, keys);
    }
    let (writer, name) = (built.span.writer, built.span.name);
    floor.head = Head { seq: name.last, hash: built.span.after };
    Ok(vec![(SegmentRow { writer, name, proof: None, bad: None }, rows)])
}

/// Keeps the records of a batch that has no file.
fn hold(store: &Store, ids: &[i64], change: &Change, drafts: &[Draft]) -> Result<(), Error> {
    let (Some(id), Some((row, _))) = (ids.first(), change.segments.first()) else {
        return Ok(());
    };
    // Built once more for the places: batches in memory are small, or nobody counts.
    let bytes: Vec<Vec<u8>> = drafts
        .iter()
        .zip(row.name.first..)
        .map(|(draft, seq)| draft.numbered(seq).bytes())
        .collect();
    let before = crate::store::log::record::BEGINNING;
    let first = row.name.first;
    let built = segment::build(row.writer, first, before, &bytes)?;
    let places = built.places.iter().map(|place| place.position.packed());
    store.segments.hold(*id, row.writer, places.zip(bytes).collect());
    Ok(())
}

/// Returns the target triple that this program runs on.
fn host_triple() -> String {
    let arch = std::env::consts::ARCH;
    if cfg!(target_os = "macos") {
        format!("{arch}-apple-darwin")
    } else if cfg!(windows) {
        format!("{arch}-pc-windows-msvc")
    } else if cfg!(target_env = "musl") {
        format!("{arch}-unknown-linux-musl")
    } else {
        format!("{arch}-unknown-linux-gnu")
    }
}

/// Returns milliseconds since 1970.
fn now_ms() -> u64 {
    (now_ns() / 1_000_000) as u64
}
