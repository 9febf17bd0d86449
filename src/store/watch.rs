//! What others bring while a process runs: segments that a copying program leaves in the log.
//!
//! Only a hint: on network file systems nothing may be told, and events can be lost. Whoever misses
//! one computes what it could have found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::store::object::layout::Layout;

/// Watches the log of one store; dropped, it ends.
pub struct Watch {
    came: Arc<AtomicBool>,
    #[expect(dead_code, reason = "it watches until it is dropped")]
    watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to watch; nothing where the system has no means for it.
    pub fn begin(layout: &Layout) -> Option<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let tell = came.clone();
        let heard = move |event: notify::Result<Event>| {
            // Reading is told too, and of no interest; what cannot be told may have been anything.
            if event.map_or(true, |event| !event.kind.is_access()) {
                tell.store(true, Ordering::Relaxed);
            }
        };
        let mut watcher = notify::recommended_watcher(heard).ok()?;
        watcher.watch(&layout.log(), RecursiveMode::Recursive).ok()?;
        Some(Self { came, watcher })
    }

    /// Says whether something came since this was last asked.
    pub fn came(&self) -> bool {
        self.came.swap(false, Ordering::Relaxed)
    }
}
