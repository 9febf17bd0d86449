//! The log: what was run, on what, giving what.
//!
//! Read in this order: [`receipt`] (what a computation determines), [`record`] (one entry of the
//! log), [`segment`] (a sealed run of entries), [`append`] (sealing), [`read`] (which segments there
//! are, and how they hang together), [`error`].
//!
//! Imports `id`, `canon` and `store/object`. The log is the truth: what the index knows comes from
//! here. A segment is verified by itself and never modified.

pub mod append;
pub mod error;
pub mod read;
pub mod receipt;
pub mod record;
pub mod segment;
