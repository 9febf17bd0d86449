//! The part of `SimpleITK` that programs of the references use, under its own names.
//!
//! The namespace promises what `SimpleITK` 2.5 returns, voxel types included: integers wrap around and
//! scalars are truncated toward zero to the voxel type, as there. Where that is undefined in C++ a
//! scalar is refused and a voxel stays at the ends of its type (NaN becomes 0 in an integer type).
//!
//! Read [`voxel`] (the arithmetic of each type) and [`typed`] (images of one type, scalars) first.
//! Then the filters: [`pixel`] casts, [`arithmetic`], [`compare`], [`threshold`], [`statistics`],
//! [`morphology`], [`component`], [`distance`], [`resample`], and the smoothers [`flow`], [`recursive`]
//! and [`kernel`]. [`list`] and [`pointwise`] are what they say of themselves.

pub mod arithmetic;
pub mod compare;
pub mod component;
pub mod distance;
pub mod flow;
pub mod kernel;
pub mod list;
pub mod morphology;
pub mod pixel;
pub mod pointwise;
pub mod recursive;
pub mod resample;
pub mod statistics;
pub mod threshold;
#[cfg(test)]
mod trial;
pub mod typed;
pub mod voxel;
