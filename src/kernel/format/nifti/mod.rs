//! NIfTI-1 and NIfTI-2, in one file or two, deflated or not.
//!
//! Read [`header`], [`place`] (where the voxels lie in the world), [`read`], then [`write`](mod@write).

pub mod header;
pub mod place;
pub mod read;
pub mod write;
