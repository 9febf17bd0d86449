//! `vox serve` from outside: a child process, and a client of sockets and bytes.
//!
//! Read [`desk`] first: a store with results, the server over it, and what it answers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; a skipped one says so")]

mod bytes;
mod desk;
mod document;
mod door;
mod jobs;
mod put;
mod rough;
mod value;
