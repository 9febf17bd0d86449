//! People and programs over HTTP.
//!
//! Read [`bind`] (where it listens) and [`token`] (who may), then [`server`] (connections come and go),
//! [`patience`] (how long one is waited for), [`guard`] (what every request passes), [`state`] (what all
//! share) and [`route`], the table of routes with the document that is made from it. [`reply`] alone makes
//! statuses of errors, [`ask`] reads what was sent, [`health`] answers without looking into the store.
//! What programs do is done by children ([`job`]): [`runs`] begins and tells them, [`program`] asks them about
//! programs; [`upkeep`] tells how the store is.
//!
//! This is the only room where code is async: work on the store goes to [`state::Served::work`]. It may
//! import every room below; it computes nothing itself but renderings, and nothing is served that the
//! document lacks.

pub mod access;
pub mod ask;
pub mod bind;
pub mod guard;
pub mod health;
pub mod job;
pub mod metrics;
pub mod patience;
pub mod program;
pub mod reply;
pub mod route;
pub mod runs;
pub mod server;
pub mod state;
pub mod token;
pub mod upkeep;
