//! Objects: values as files, named by the digest of their uncompressed bytes.
//!
//! Read in this order: [`objects`] (the traits), [`blob`] (an opened object), [`tree`] and
//! [`memory`] (the two stores), [`frame`] (zstd frames and their table), [`layout`] (where things
//! lie), [`disk`] (the only room that changes the file system), [`map`] (read-only maps),
//! [`proof`] (what a file looked like when its bytes were proved), [`system`] (what the file system
//! can do), [`error`].
//!
//! Imports `id` and `pool` only. No file is ever modified: files appear whole by rename, and vanish.

pub mod blob;
pub mod disk;
pub mod error;
pub mod frame;
#[cfg(test)]
mod laws;
pub mod layout;
pub mod map;
pub mod memory;
pub mod objects;
pub mod proof;
pub mod system;
pub mod tree;
