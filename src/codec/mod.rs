//! Values as bytes: the canonical form whose digest is a `BlobId`.
//!
//! Read [`encode`], then [`decode`] and [`error`]. This room may import `value`, `canon`, `id` and
//! `pool`. Equal values have equal bytes, and bytes that were not written by [`encode`] are refused.
//! The voxels of an image are never copied: encoding borrows the kernel's buffer, decoding lends the
//! buffer that the bytes were read into.

pub mod decode;
pub mod encode;
pub mod error;
mod image;
