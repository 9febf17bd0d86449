//! The log: what was run, on what, giving what.
//!
//! Read in this order: [`definition`] (what a node computes), [`receipt`] (what a computation
//! determines), [`record`] (one entry of the log), [`segment`] (a sealed run of entries), [`reader`]
//! (single records of a segment), [`append`] (sealing), [`list`] (which segments there are),
//! [`survey`] (how they hang together), and [`error`].
//!
//! Imports `id`, `canon` and `store/object`. The log is the truth: what the index knows comes from
//! here. A segment is verified by itself and never modified.

pub mod append;
pub mod definition;
pub mod error;
mod fields;
pub mod list;
pub mod reader;
pub mod receipt;
pub mod record;
pub mod segment;
pub mod survey;
