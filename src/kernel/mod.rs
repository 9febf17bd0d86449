//! The operators' code.

pub mod format;
