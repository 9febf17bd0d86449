//! A cohort on many machines, as far as one can be many: workers are processes, and hosts have state folders of
//! their own.
//!
//! Read [`cohort`] first: six small cases, and `vox run` over them. Then [`engine`] (the same on every engine, and what
//! happens when workers are lost), [`stores`] (what is there already, stores that are not shared) and [`worker`] (one group: codes, signals, lifelines).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; a skipped one says so")]

#[allow(dead_code, reason = "the desk of the other tests has more than is used here")]
#[path = "../run/desk.rs"]
mod desk;

mod cohort;
mod engine;
mod launch;
mod stores;
mod worker;
