//! People at a terminal.
//!
//! Read [`args`], [`language_args`], [`store_args`], [`share_args`] and [`far_args`] (what can be said), then [`dispatch`]
//! (the table of commands) and [`command`], one
//! file a command. Data goes to stdout through [`out`], words to stderr through [`words`], pictures of
//! mistakes come from [`render`], of plans from [`graph`], those of results that are not there from [`failure`]; [`teller`] and
//! [`progress`] speak while a run is on, [`signal`] ends it, and so does
//! the end of the process that began it ([`lifeline`]). [`exit`] alone knows numbers. It may import every room below.

pub mod args;
pub mod command;
pub mod dispatch;
pub mod exit;
pub mod failure;
pub mod far_args;
pub mod graph;
pub mod json;
pub mod language_args;
pub mod lifeline;
pub mod out;
pub mod progress;
pub mod render;
pub mod share_args;
pub mod signal;
pub mod store_args;
pub mod teller;
pub mod words;
