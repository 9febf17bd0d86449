//! Joins the parts and hands out plain structs.

pub mod cases;
pub mod config;
pub mod demo;
pub mod environment;
pub mod table;
