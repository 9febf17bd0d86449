//! People and programs over HTTP.
//!
//! Read [`bind`] (where it listens) and [`token`] (who may), then [`server`] (connections come and go),
//! [`patience`] (how long one is waited for), [`guard`] (what every request passes), [`state`] (what all
//! share) and [`route`], the table of routes with the document that is made from it. [`reply`] alone makes
//! statuses of errors, [`ask`] reads what was sent, [`health`] answers without looking into the store.
//! What programs do is done by children ([`job`]): [`runs`] begins and tells them, [`program`] asks them about
//! programs; [`upkeep`] tells how the store is.
//!
//! Bytes of values: [`blob`] and [`put`], over [`accept`] (codings), [`answer`] (conditions and ranges) and
//! [`shelf`] (what is at hand). What values are: [`value`] and [`show`]; what images look like: [`render`] and
//! [`picture`]. What the log says: [`record`]. Beside requests: [`watch`], [`metrics`], [`access`], [`cache`].
//!
//! This is the only room where code is async: work on the store goes to [`state::Served::work`]. It may
//! import every room below; it computes nothing itself but renderings, and nothing is served that the
//! document lacks.

pub mod accept;
pub mod access;
pub mod answer;
pub mod ask;
pub mod bind;
pub mod blob;
pub mod cache;
pub mod guard;
pub mod health;
pub mod job;
pub mod metrics;
pub mod patience;
pub mod picture;
pub mod program;
pub mod put;
pub mod record;
pub mod render;
pub mod reply;
pub mod route;
pub mod runs;
pub mod server;
pub mod shelf;
pub mod show;
pub mod state;
pub mod token;
pub mod upkeep;
pub mod value;
pub mod watch;
