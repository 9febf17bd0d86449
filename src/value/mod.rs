//! What a program computes: numbers, texts, sequences, records, and images on their grids.
//!
//! Read [`data`] first, then [`grid`], [`mask`] and [`volume`]. This room may import `id`, `canon` and
//! `pool`. Values are immutable and cheap to clone; they do not know the store they came from.

pub mod data;
pub mod grid;
pub mod kind;
pub mod mask;
pub mod text;
pub mod volume;
