//! A power cut at any moment loses nothing that was acknowledged.
//!
//! [`work`] is what is done to a store, by a child whose effects on the file system are written down
//! ([`record`]). [`disk`] is a pessimistic disk: it remembers what was synced and may lose everything
//! else. [`cut`] replays each prefix of the record on it and looks at what is left; orders that sync
//! too little must fail there. [`trace`] compares the record with what the system itself saw.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod cut;
mod disk;
mod record;
mod trace;
mod work;
