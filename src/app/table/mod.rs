//! The table of a cohort: one row a case, one column a printed label.
//!
//! [`cell`] is what a case printed, [`style`] what a file's suffix asks for; [`text`](mod@text) and
//! `parquet` (a feature of the crate) make the file's bytes, and [`file`](mod@file) has the rows and decides when
//! they are written. What always holds: the file is whole, has whole rows, and has them all when the run ends, however
//! it ends short of a kill.

pub mod cell;
pub mod file;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod style;
pub mod text;
