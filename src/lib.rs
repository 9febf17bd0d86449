//! Runs imgQL image analyses and keeps every result.
//!
//! The tree is the walk of the data, and imports run down only. From the ground up: names and text
//! ([`id`], [`lang`], [`pool`]); the bytes that are hashed ([`canon`]); what a program computes
//! ([`value`]); values as bytes and the contract of operators ([`codec`], [`primitive`]); the DAG
//! ([`plan`]); text to plan, operators, and bytes with their history ([`lower`], [`kernel`],
//! [`store`]); computing ([`exec`]), removing ([`gc`]) and fetching ([`peer`]); other machines ([`remote`]); the parts joined ([`app`]);
//! people and programs over HTTP ([`serve`]), people at a terminal ([`cli`]).

pub mod app;
pub mod canon;
pub mod cli;
pub mod codec;
pub mod exec;
pub mod gc;
pub mod id;
pub mod kernel;
pub mod lang;
pub mod lower;
pub mod peer;
pub mod plan;
pub mod pool;
pub mod primitive;
pub mod remote;
pub mod serve;
pub mod store;
pub mod value;
