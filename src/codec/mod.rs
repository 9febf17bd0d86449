//! Values as bytes.

pub mod encode;
