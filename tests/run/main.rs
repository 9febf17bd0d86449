//! The main job from outside: `vox` as a person starts it, on real files, with every result kept.
//!
//! Read [`desk`] first: a folder of its own for each test, and `vox` run in it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; a skipped one says so")]

mod cohort;
mod confined;
mod copies;
mod crowd;
mod demo;
mod desk;
mod facts;
mod gc;
mod inputs;
mod kill;
mod language;
mod pair;
mod refused;
mod shared;
mod single;
mod store;
mod sweep;
mod truth;
mod words;
