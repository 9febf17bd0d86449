//! The operators' code.
//!
//! Read [`argument`] first: every kernel takes its arguments through it. [`space`] holds what looks
//! at neighbours. This room may import `primitive`, `value`, `pool` and below. A kernel is a function
//! of its call: the same bits for any number of threads and any instruction set ([`cpu`]).

pub mod argument;
pub mod cpu;
pub mod number;
pub mod space;
