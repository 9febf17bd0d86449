//! One file a command.

pub mod config;
pub mod demo;
pub mod gc;
pub mod index;
pub mod init;
mod notices;
pub mod pin;
mod profile;
pub mod run;
pub mod status;
pub mod verify;
