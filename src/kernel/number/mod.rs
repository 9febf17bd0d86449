//! Operators that look at one voxel at a time, at counts, or at ranks.
//!
//! Read [`source`] (images as f32), [`sweep`] (one pass in tasks of fixed size) and [`operand`] (what
//! may stand beside an infix operator, and sequences) first; then the operators: [`arithmetic`],
//! [`compare`], [`logic`], [`select`], [`base`], [`colour`], [`measure`], [`percentiles`], [`otsu`];
//! [`chain`] runs several of them in one pass.
//! [`list`] is what they say of themselves. Below them lie [`simd`], [`gather`] and [`exact`].

pub mod arithmetic;
pub mod base;
pub mod chain;
#[cfg(test)]
mod chained;
pub mod colour;
pub mod compare;
pub mod exact;
pub mod gather;
pub mod list;
pub mod logic;
pub mod measure;
pub mod operand;
pub mod otsu;
pub mod percentiles;
pub mod select;
pub mod simd;
pub mod source;
pub mod sweep;
#[cfg(test)]
mod trial;
