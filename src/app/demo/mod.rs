//! A small cohort to try vox with: heads that are computed, their lesions known.
//!
//! Read [`phantom`] (one head), then [`cohort`] (the folder) and [`preview`] (the picture).

pub mod cohort;
pub mod phantom;
pub mod preview;
