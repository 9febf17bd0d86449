//! Removing: what can be had again goes, so that the store stays below its limit.
//!
//! Read in this order: [`policy`] (pure: what goes, in which order), [`reach`] (what pins and runs that
//! are going on keep), [`history`] (what the whole log says), [`usage`] (how much there is), [`census`]
//! (all objects counted anew), [`sweep`] (the collector), [`compact`] (small segments become big ones),
//! [`forget`] (segments that nobody reads), [`error`].
//!
//! Imports `id` and `store`. Bytes go, receipts stay: what is missed is computed again. Whoever
//! removes holds `gc.lock` alone, for at most 256 files at a time, and nothing goes that is pinned or
//! that a goal of a live run stands on.

pub mod census;
pub mod compact;
pub mod error;
pub mod forget;
pub mod history;
#[cfg(test)]
mod laws;
pub mod policy;
pub mod reach;
pub mod sweep;
#[cfg(test)]
mod trial;
pub mod usage;
