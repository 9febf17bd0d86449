//! Entries of a batch whose objects are on their way, and the last look at these.

use std::collections::{HashMap, HashSet};

use crate::id::{BlobId, NodeId};
use crate::store::claim::Claim;
use crate::store::entry::Parts;
use crate::store::error::Error;
use crate::store::index::ask::ObjectRow;
use crate::store::index::fill::Keys;
use crate::store::log::record::Body;
use crate::store::memo::now_ns;
use crate::store::object::disk;
use crate::store::object::proof::Proof;
use crate::store::open::{Kind, Store};

/// An entry whose objects lie in dot-temporaries.
pub(in crate::store) struct Item {
    pub(in crate::store) node: Option<NodeId>,
    pub(in crate::store) body: Option<Body>,
    pub(in crate::store) lam: u64,
    pub(in crate::store) keys: Keys,
    /// Objects that come with it, and their bytes for the case that they must be written again.
    pub(in crate::store) objects: Vec<(BlobId, Box<dyn Parts>)>,
    /// All objects that must be here for the record to be true.
    pub(in crate::store) needs: Vec<BlobId>,
    pub(in crate::store) us: u64,
    pub(in crate::store) settles: bool,
    /// When its objects may go: see the index.
    pub(in crate::store) until_ms: u64,
    pub(in crate::store) claim: Option<Claim>,
}

/// Writes all objects of a batch again, from the start.
pub(in crate::store) fn again(
    store: &Store,
    batch: &[Item],
) -> Result<HashMap<BlobId, Proof>, Error> {
    let objects = batch.iter().flat_map(|item| &item.objects);
    let pending = objects
        .map(|(_, object)| store.objects.put(&object.parts()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(store.objects.settle(pending)?.into_iter().collect())
}

/// Looks once more at every object of the batch and at those that its receipts mention.
///
/// What is gone is written again while its value is at hand. What was here before without our
/// doing is proved and made durable: who wrote it may have died before its last sync.
pub(in crate::store) fn look_again(
    store: &Store,
    batch: &[Item],
    proofs: &mut HashMap<BlobId, Proof>,
) -> Result<(), Error> {
    let mut pending = Vec::new();
    for (id, object) in batch.iter().flat_map(|item| &item.objects) {
        let now = store.objects.stat(*id)?;
        if now.is_none() || proofs.get(id) != now.as_ref() {
            proofs.remove(id);
            pending.push(store.objects.put(&object.parts())?);
        }
    }
    if !pending.is_empty() {
        proofs.extend(store.objects.settle(pending)?);
    }
    let needs: HashSet<BlobId> = batch
        .iter()
        .flat_map(|item| &item.needs)
        .filter(|id| !proofs.contains_key(id))
        .copied()
        .collect();
    // A row says that the bytes were proved, not that they are durable: a reader makes one at first
    // sight of what a process wrote that died before its last sync.
    let mut there = Vec::new();
    for id in needs {
        let row = store.ask(|index| index.object(id))?;
        let now = store.objects.stat(id)?;
        let proof = match (row, now) {
            (_, None) => None,
            (Some(row), Some(now)) if row.proof == now => Some(now),
            (_, Some(_)) => store.open_blob(id)?.map(|blob| blob.proof()),
        };
        if let Some(proof) = proof {
            proofs.insert(id, proof);
            there.push(store.layout.object(id));
        }
    }
    if !there.is_empty() && matches!(store.kind, Kind::Files { .. }) {
        disk::publish(Vec::new(), &there, &[store.layout.objects()])?;
    }
    Ok(())
}

pub(in crate::store) fn rows_of_objects(
    items: &[Item],
    proofs: &HashMap<BlobId, Proof>,
) -> Vec<ObjectRow> {
    let used = (now_ns() / 1_000_000_000) as u64;
    let mut rows = Vec::new();
    for item in items {
        for (id, _) in &item.objects {
            if let Some(proof) = proofs.get(id) {
                let (id, proof) = (*id, *proof);
                let (cost_us, until_ms) = (item.us, item.until_ms);
                rows.push(ObjectRow { id, proof, used, uses: 1, cost_us, until_ms });
            }
        }
    }
    rows
}
