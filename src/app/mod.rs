//! Joins the parts and hands out plain structs.

pub mod cases;
pub mod demo;
pub mod table;
