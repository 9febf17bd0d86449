//! The index: where the records of a node, a cut-off key or a small value are.
//!
//! Read in this order: [`ask`] (what may be asked), [`sqlite`] and [`scan`] (the two indexes),
//! [`tell`] (a change becomes rows in the
//! database), [`census`] (questions about all of them), [`column`](mod@column), [`schema`] (the tables), `blame` (whose fault an error is), [`fill`] (segments become rows), [`segments`] (records at their places),
//! [`error`].
//!
//! Imports `id`, `store/object`, `store/log` and `store/lock`. A cache: deleted, it comes back by
//! itself from the log.

pub mod ask;
mod blame;
pub mod census;
pub mod column;
pub mod error;
pub mod fill;
#[cfg(test)]
mod laws;
pub mod scan;
pub mod schema;
pub mod segments;
pub mod sqlite;
pub mod tell;
