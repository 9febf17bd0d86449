//! The operators' code.
//!
//! Read [`argument`] first: every kernel takes its arguments through it. [`number`] holds what looks
//! at single voxels, counts and ranks, [`space`] what looks at neighbours, [`list`] sequences, texts
//! and tables, [`format`](mod@format) files, and [`itk`] the part of `SimpleITK` under its names;
//! [`share`] gives them threads. [`install`] puts them all together. This room may import
//! `primitive`, `value`, `pool` and below. A kernel is a function of its call: the same bits for any number of
//! threads and any instruction set ([`cpu`]).

pub mod argument;
pub mod cpu;
pub mod format;
pub mod install;
pub mod itk;
pub mod list;
pub mod number;
pub mod share;
pub mod space;
