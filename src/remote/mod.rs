//! Many machines: groups of cases, and how they travel.
//!
//! Read [`group`] (what is to be done, as a file) and [`event`] (what a worker says while it does it), then
//! [`plan`] (pure: which cases go together, what becomes of a group that was lost), then [`transport`] (how groups
//! reach workers) with its two kinds: [`bridge`], a child process that speaks lines of JSON, and [`spool`], a
//! directory. [`error`] says what goes wrong.
//!
//! Imports `store`, `canon` and `id`. Invariants: nothing here computes, and nothing here is durable: what a worker
//! has done is in the store, so that whoever runs the same thing again finds it there. A group may run twice.

pub mod bridge;
pub mod error;
pub mod event;
pub mod group;
pub mod plan;
pub mod spool;
pub mod transport;
