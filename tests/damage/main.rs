//! Whatever happens to the bytes of a store: it is noticed, and no wrong value comes out.
//!
//! [`bytes`] flips every byte of a small store; [`files`] cuts, swaps, brings back and removes whole
//! files, the index among them, and compares all goals of a run.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod bytes;
mod files;
