//! Runs imgQL image analyses and keeps every result.
//!
//! The tree is the walk of the data; read it in this order: [`lang`].

pub mod lang;
