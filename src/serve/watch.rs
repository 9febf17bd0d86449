//! What goes on beside requests: results that other processes add are taken in, and what was used is
//! written down.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::serve::reply::Problem;
use crate::serve::state::Served;
use crate::store::watch::Watch;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);
/// How often all folders of the log are looked at, for those of whom nothing is told.
const LIST: Duration = Duration::from_secs(5);
/// How often is written down what was used.
const USES: Duration = Duration::from_secs(60);

/// Looks around until the server ends.
pub async fn look_around(served: Arc<Served>) {
    let mut watch = None;
    let (mut listed, mut used) = (Instant::now(), Instant::now());
    let mut is_first = true;
    loop {
        tokio::select! {
            () = served.stopped() => return,
            () = sleep(LOOK) => {}
        }
        let came = watch.as_ref().is_some_and(Watch::came);
        let is_time = listed.elapsed() >= LIST;
        // The folder of the log may be made by the first result.
        let begins = watch.is_none() && (is_first || is_time);
        is_first = false;
        if !served.was_asked() && !came && !is_time && !begins {
            continue;
        }
        let writes = used.elapsed() >= USES;
        let done = served.work(move |served| {
            let watch = if begins { Watch::begin(served.store.layout()) } else { None };
            if came || is_time || watch.is_some() {
                served.store.refresh()?;
            }
            if writes {
                served.store.flush_uses()?;
            }
            // Nothing is asked for a while: no transaction stays open.
            served.store.rest()?;
            served.was_asked();
            served.store.notices();
            Ok::<_, Problem>(watch)
        });
        match done.await {
            Ok(begun) => watch = watch.or(begun),
            Err(problem) => (served.say)(&format!("vox serve: {}", problem.said())),
        }
        if is_time {
            listed = Instant::now();
        }
        if writes {
            used = Instant::now();
        }
    }
}
