//! One file a command.

pub mod check;
mod cohort;
pub mod config;
pub mod demo;
pub mod explain;
pub mod fmt;
pub mod gc;
pub mod index;
pub mod init;
mod notices;
pub mod ops;
pub mod pin;
pub mod plan;
mod profile;
pub mod pull;
pub mod run;
pub mod serve;
mod spool;
pub mod status;
mod telling;
pub mod verify;
pub mod worker;
