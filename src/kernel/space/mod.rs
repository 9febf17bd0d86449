//! Kernels that look at neighbours: morphology, components, distance, correlation.
//!
//! Begin with [`list`], what the language calls them. [`neighbour`] grows and shrinks masks by one
//! voxel; [`run`] finds components, which [`component`] uses. [`weight`] makes distances integers,
//! [`distance`] computes them, [`ball`] only asks which are below a radius, [`fused`] turns
//! thresholded distances into that question. [`correlate`] is local correlation with [`bin`] and
//! [`window`] below it; [`gradient`] and [`extract`] stand alone. [`wide`] and [`lanes`] hold the
//! vector instructions, the only unsafe code here.
//!
//! Sums are of integers until one last rounding, so neither the order of work nor the width of
//! vectors can show in a result.

#![expect(
    clippy::inline_always,
    reason = "vector instructions reach only what is inlined into the function compiled for them"
)]

pub mod ball;
pub mod bin;
pub mod component;
pub mod correlate;
pub mod distance;
pub mod extract;
pub mod fused;
pub mod gradient;
pub mod lanes;
pub mod list;
pub mod neighbour;
pub mod run;
#[cfg(test)]
pub mod sample;
pub mod weight;
pub mod wide;
pub mod window;
