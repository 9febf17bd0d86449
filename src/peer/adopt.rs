//! What was verified becomes the store's own: durable, and only then visible.

use std::collections::BTreeSet;

use crate::id::BlobId;
use crate::peer::error::{Error, lock_error};
use crate::peer::missing::Worth;
use crate::store::error::Error as StoreError;
use crate::store::index::ask::{Change, ObjectRow};
use crate::store::lock::{self, Lock};
use crate::store::log::segment::Span;
use crate::store::object::disk::{self, Mode};
use crate::store::object::objects::Pending;
use crate::store::open::Store;

/// Refuses where nothing can be kept.
pub fn may(store: &Store) -> Result<(), Error> {
    if store.is_read_only() || store.layout().root().as_os_str().is_empty() {
        return Err(StoreError::ReadOnly { path: store.layout().root().to_owned() }.into());
    }
    Ok(())
}

/// Writes verified segments as a sealer does, and lists the log again.
///
/// Writers keep their identity; what was missing before a segment may stay so.
pub fn segments(store: &Store, segments: &[(Span, Vec<u8>)]) -> Result<(), Error> {
    if segments.is_empty() {
        return Ok(());
    }
    let layout = store.layout();
    let sealing = lock::sealing(layout.local()).map_err(lock_error(&layout.gc_lock()))?;
    let log = Lock::exclusive(&layout.log_lock()).map_err(lock_error(&layout.log_lock()))?;
    let folders: BTreeSet<_> = segments
        .iter()
        .map(|(span, _)| layout.segment_folder(span.writer, span.name.first))
        .collect();
    for folder in &folders {
        disk::make_folder(&layout.objects(), folder)?;
    }
    let written = segments.iter().map(|(span, stored)| {
        disk::write(&layout.segment(span.writer, &span.name), &[stored], Mode::Fixed)
    });
    let written = written.collect::<Result<Vec<_>, _>>()?;
    disk::publish(written, &[], &[])?;
    drop((log, sealing));
    store.refresh()?;
    // What others of this process ask next knows the rows.
    store.rest()?;
    Ok(())
}

/// Gives proved objects their names, durably, and tells the index; returns how many are here now.
pub fn objects(store: &Store, batch: Vec<(Pending, Worth)>, now_ms: u64) -> Result<u64, Error> {
    if batch.is_empty() {
        return Ok(0);
    }
    let layout = store.layout();
    let (pending, worth): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|(pending, worth)| {
            let id = pending.id();
            (pending, (id, worth))
        })
        .unzip();
    let sealing = lock::sealing(layout.local()).map_err(lock_error(&layout.gc_lock()))?;
    let settled = store.objects().settle(pending)?;
    let worth_of = |id: BlobId| {
        let found = worth.iter().find(|(other, _)| *other == id);
        found.map_or(Worth::default(), |(_, worth)| *worth)
    };
    let rows = settled.iter().map(|(id, proof)| {
        let Worth { us, until_ms } = worth_of(*id);
        let (id, proof, used) = (*id, *proof, now_ms / 1000);
        ObjectRow { id, proof, used, uses: 0, cost_us: us, until_ms }
    });
    let change = Change { objects: rows.collect(), ..Change::default() };
    // Rows may be lost: then the bytes are proved once more at first sight.
    store.ask(|index| index.apply(&change))?;
    drop(sealing);
    Ok(settled.len() as u64)
}
