//! SIGINT and SIGTERM.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::app::error::Error;

/// For each signal that is listened to its number, once it came.
static CAME: Mutex<Vec<Arc<AtomicUsize>>> = Mutex::new(Vec::new());

/// The first of the two sets `stop`, so that what is under way is finished; a second one ends at once.
pub fn listen(stop: &Arc<AtomicBool>) -> Result<(), Error> {
    let failed = |source| Error::Machine(format!("could not listen to signals: {source}"));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(stop))
            .map_err(failed)?;
        flag::register(signal, Arc::clone(stop)).map_err(failed)?;
        let came = Arc::default();
        flag::register_usize(signal, Arc::clone(&came), signal as usize).map_err(failed)?;
        CAME.lock().unwrap_or_else(PoisonError::into_inner).push(came);
    }
    Ok(())
}

/// Returns the signal that asked to stop, once one did.
pub fn came() -> Option<u8> {
    let all = CAME.lock().unwrap_or_else(PoisonError::into_inner);
    let signals = all.iter().map(|came| came.load(Ordering::Relaxed));
    signals.filter_map(|signal| u8::try_from(signal).ok()).find(|signal| *signal > 0)
}
