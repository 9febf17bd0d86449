//! Joins the parts and hands out plain structs.
//!
//! Read [`context`] (the parts), [`run`] (one case) and [`cohort`] (many), then what they stand on:
//! [`environment`] and [`config`], [`files`] (in a [`world`], which may be [`beneath`] some folders) and [`outputs`], [`cases`] and [`table`], [`quantity`]
//! (sizes and times in words). What is told of a program without running it: [`check`], [`planning`],
//! [`format`](mod@format) and [`syntax`]; of the language: [`ops`]. [`init`] makes a store, [`upkeep`] looks
//! after it, with [`origins`] (where values come from) and [`deep`] (receipts computed again). What other stores have
//! comes through [`peers`] (who they are), [`sharing`] (all of it) and [`remote`] (while a run goes on). A cohort on
//! many machines is [`far`]. [`demo`] is a small cohort to try all this with. It may import every room below; it
//! prints nothing.

pub mod beneath;
pub mod cases;
pub mod check;
pub mod cohort;
pub mod config;
pub mod context;
pub mod deep;
pub mod demo;
pub mod environment;
pub mod error;
pub mod far;
pub mod files;
pub mod format;
pub mod fusions;
pub mod init;
pub mod listing;
pub mod ops;
pub mod origins;
pub mod outputs;
pub mod peers;
pub mod planning;
pub mod quantity;
pub mod remote;
pub mod run;
pub mod sharing;
pub mod syntax;
pub mod table;
pub mod upkeep;
pub mod world;
