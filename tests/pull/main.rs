//! Stores elsewhere: what each kind of them promises, what a lie costs, and what people see of it.
//!
//! Read [`example`] (small stores) and [`server`] (a web server that can lie) first; then [`laws`] (what
//! every source keeps), [`lies`], [`orders`] (pulls in any order, interrupted), [`commands`] (`vox pull`
//! and `vox run --remote` from outside), [`stops`] (a stop before any durable effect).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod commands;
#[path = "../run/desk.rs"]
#[allow(dead_code, reason = "shared with the tests of runs, which use all of it")]
mod desk;
mod example;
mod laws;
mod lies;
mod orders;
mod server;
#[cfg(feature = "fault")]
mod stops;
