//! Reading and writing files, as kernels: bytes in, values out, and back.
//!
//! Read [`probe`] (which format it is, and what its header says), [`read`] and [`encode`] (the two
//! kernels), then a format: [`nifti`], [`raster`] (what [`mha`] and [`nrrd`] share), [`png`], [`jpeg`],
//! [`tiff`], [`npy`], [`json`], [`table`], [`text`]; [`inflate`] and [`gzip`] serve them. No path is opened here. Sizes that a file announces are held against the bytes
//! that are there before memory is taken.

pub mod encode;
pub mod gzip;
pub mod inflate;
pub mod jpeg;
pub mod json;
pub mod list;
pub mod mha;
pub mod nifti;
pub mod npy;
pub mod nrrd;
pub mod number;
pub mod png;
pub mod probe;
pub mod raster;
pub mod read;
#[cfg(test)]
mod sample;
pub mod table;
pub mod text;
pub mod tiff;
