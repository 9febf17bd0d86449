//! The operators' code.
