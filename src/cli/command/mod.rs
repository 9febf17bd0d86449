//! One file a command.

pub mod check;
pub mod config;
pub mod demo;
pub mod explain;
pub mod fmt;
pub mod index;
pub mod init;
pub mod ops;
pub mod plan;
mod profile;
pub mod run;
pub mod verify;
