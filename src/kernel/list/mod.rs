//! Operators on sequences, records and texts, tables about images, and drawing.
//!
//! [`sequence`] and [`overlay`] are the namespace `default`, [`texts`] and [`template`] `strings`,
//! [`agreement`] and [`statistics`] `arrays` (which look at numbers through [`samples`]), [`drawing`]
//! is `geom`. [`table`] is what they say of themselves.

pub mod agreement;
pub mod drawing;
pub mod overlay;
pub mod samples;
pub mod sequence;
pub mod statistics;
pub mod table;
pub mod template;
pub mod texts;
#[cfg(test)]
mod trial;
