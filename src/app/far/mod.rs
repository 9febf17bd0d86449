//! A cohort on many machines: the end that hands groups out, and the end that runs them.
//!
//! Read [`engine`] (where a cohort runs, and what a group of it says), then [`distribute`] (who does what), `driver` (the
//! loop: groups go out, cases come back), `reader` (what workers told is read from the store), with `offers` (stores
//! of workers that are not shared) and `common` (nodes that all cases share). [`worker`] is the other end.

mod common;
pub mod distribute;
mod driver;
pub mod engine;
mod offers;
mod reader;
pub mod worker;
