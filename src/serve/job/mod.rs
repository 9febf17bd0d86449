//! Work that the server has done by child processes of the same binary.
//!
//! Read [`child`] (one process with its limits), [`request`] (what may be asked of one) and [`jobs`] (the
//! queue, the threads that start children, and what became of them), counted by [`tally`]. A panic, a limit or a lack of memory
//! ends the child; the server reads lines and computes nothing.

pub mod child;
pub mod jobs;
pub mod one;
pub mod request;
pub mod said;
pub mod tally;
pub mod told;
