//! The contract of operators: what they are called, what they take, what they promise.
//!
//! Read [`signature`], then [`contract`], [`refusal`], [`registry`] and [`fused`]. This room may import `value`,
//! `canon` and `id`. A kernel is a function of its arguments: no clock, no environment, no path.

pub mod contract;
pub mod fused;
pub mod refusal;
pub mod registry;
pub mod signature;
