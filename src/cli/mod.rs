//! People at a terminal.
//!
//! Read [`args`] (what can be said), then [`dispatch`] (the table of commands) and `command`, one file
//! a command. Data goes to stdout, words to stderr; [`exit`] alone knows numbers.

pub mod args;
pub mod render;
