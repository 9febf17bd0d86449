//! Computing: from a plan to the values of its goals.
//!
//! Read [`schedule`] and [`demand`] first (pure: what is wanted, what is ready, what may be forgotten), then [`drive`]
//! (the loop) with its parts: [`ask`] (what the store knows), [`start`] (memory, claim, job), [`take`]
//! (results and their records), [`goals`], [`expand`] (templates). Below them: [`job`] and [`engine`]
//! (with the engines of this process in [`local`]), [`shelf`] (the store as a run needs it) and
//! [`stored`] (over a store), [`elsewhere`] (stores of others), [`values`],
//! [`inputs`] and [`outputs`] (files), [`keep`] (what is kept), [`fuse`] and [`cone`] (what runs
//! together, what hangs together), [`budget`] (memory), [`why`], [`report`], [`event`], [`error`].
//!
//! Imports `store`, `plan`, `codec`, `primitive`, `value`, `canon`, `id` and `pool`. Invariants: a run
//! never removes anything; the driver's thread is no worker, and a worker waits for no claim, lock or
//! job; threads, memory and order never show in a result.

pub mod ask;
pub mod budget;
pub mod cone;
pub mod demand;
pub mod drive;
pub mod elsewhere;
pub mod engine;
pub mod error;
pub mod event;
pub mod expand;
pub mod fuse;
pub mod goals;
pub mod inputs;
pub mod job;
pub mod keep;
pub mod local;
pub mod outputs;
pub mod report;
pub mod schedule;
pub mod shelf;
pub mod start;
pub mod stored;
pub mod take;
pub mod values;
pub mod why;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod toys;
