//! Bytes and their history.
//!
//! - [`object`]: values as files, named by their bytes;
//! - [`log`]: what was run, on what, giving what: receipts, records, segments;
//! - [`fault`]: counts the steps that reach the disk, so that tests can stop at each.
//!
//! The store never looks into a value. Inside: `log` stands on `object`.

pub mod fault;
pub mod log;
pub mod object;
