//! One file a command.

pub mod config;
pub mod demo;
pub mod index;
pub mod init;
mod profile;
pub mod run;
pub mod verify;
