//! What a run learned about its store, said before its last line.

use crate::cli::out;
use crate::cli::words::Voice;
use crate::store::open::{Notice, Store};

/// Says what there is to tell, also when asked to be quiet only about damage.
pub(super) fn tell(store: &Store, voice: Voice) {
    for notice in store.notices() {
        match notice {
            Notice::Damaged { blob, reason } => {
                let then = if store.is_read_only() { "left" } else { "put into quarantine" };
                out::say(&format!(
                    "warning: object {blob} was damaged: {reason}; {then}, and computed again where needed"
                ));
            }
            Notice::Segment { path, reason } => {
                out::say(&format!(
                    "warning: segment `{}` is damaged and ignored: {reason}",
                    path.display()
                ));
            }
            Notice::Conflict { node, writers } if !voice.quiet => {
                let writers: Vec<String> = writers.iter().map(ToString::to_string).collect();
                out::say(&format!(
                    "warning: records of node {node} differ, of {}; this host's own stands, or it was computed again",
                    writers.join(" and ")
                ));
            }
            Notice::Conflict { .. } => {}
        }
    }
}
