//! What jobs did, all together.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::serve::job::told::{Kind, Told};

/// What jobs did since the server began.
#[derive(Default)]
pub struct Tally {
    /// Jobs that ended.
    pub ended: AtomicU64,
    /// Collections that removed.
    pub collections: AtomicU64,
    /// Objects that they removed.
    pub objects: AtomicU64,
    /// Bytes that they freed.
    pub bytes: AtomicU64,
}

impl Tally {
    /// Counts a job that ended.
    pub fn count(&self, told: &Told) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = told.answer.as_ref().filter(|_| told.kind == Kind::Gc) else { return };
        if answer["dry_run"] == false {
            let removed = answer["removed"].as_array().map_or(0, Vec::len);
            self.collections.fetch_add(1, Ordering::Relaxed);
            self.objects.fetch_add(removed as u64, Ordering::Relaxed);
            self.bytes.fetch_add(answer["freed"].as_u64().unwrap_or(0), Ordering::Relaxed);
        }
    }
}
