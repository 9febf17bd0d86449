//! A counter before every durable effect.
//!
//! With the feature `fault`, `VOX_CRASH_AT=n` aborts the process before its nth effect; a test walks
//! n upward until the process survives. Without the feature nothing of this is compiled.

/// Counts one durable effect that is about to happen.
#[inline]
pub fn step() {
    #[cfg(feature = "fault")]
    counted::step();
}

#[cfg(feature = "fault")]
mod counted {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static STEPS: AtomicU64 = AtomicU64::new(0);
    static CRASH_AT: OnceLock<Option<u64>> = OnceLock::new();

    #[expect(clippy::disallowed_methods, reason = "only tests build this, and set it")]
    pub(super) fn step() {
        let crash_at =
            CRASH_AT.get_or_init(|| std::env::var("VOX_CRASH_AT").ok()?.trim().parse().ok());
        let steps = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
        if crash_at.is_some_and(|at| steps >= at) {
            std::process::abort();
        }
    }
}
