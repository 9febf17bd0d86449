//! Reading and writing files, as kernels: bytes in, values out, and back.
//!
//! Read [`probe`] (which format it is, and what its header says), [`read`] and [`encode`] (the two
//! kernels), then a format: [`nifti`], [`png`], [`npy`], [`json`], [`table`], [`text`]; [`inflate`] and
//! [`gzip`] serve them. No path is opened here. Sizes that a file announces are held against the bytes
//! that are there before memory is taken. JPEG, TIFF, MHA and NRRD are known by content and refused.

pub mod encode;
pub mod gzip;
pub mod inflate;
pub mod json;
pub mod list;
pub mod nifti;
pub mod npy;
pub mod number;
pub mod png;
pub mod probe;
pub mod read;
pub mod table;
pub mod text;
