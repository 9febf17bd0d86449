//! Bytes and their history.
//!
//! Ground: [`object`] (values as files, named by their bytes), [`log`] (what was run, on what, giving
//! what: receipts, records, segments), [`index`] (where to find what the log says), [`lock`],
//! [`share`] (folders of a group), [`fault`] (counts the steps that reach the disk). Above them:
//! [`place`] (where a store is), [`open`] (the handle), [`writer`] (who writes), [`lookup`] (node to
//! receipt to bytes), [`pins`] (what people keep), [`claim`] (whose turn it is), [`entry`],
//! [`commit`], [`item`] and [`seal`] (results on their way to the disk), [`memo`] (files outside),
//! [`runs`] (what is going on), [`verify`] (everything checked again), [`history`] (all that the
//! log says), [`watch`] (what others bring
//! meanwhile), [`error`].
//!
//! Imports `id`, `canon` and `pool`. The store never looks into a value. The order of writing is
//! object, record, row, acknowledgement: a crash between two of them leaves garbage, never a lie.

pub mod claim;
pub mod commit;
pub mod entry;
pub mod error;
pub mod fault;
pub mod history;
pub mod index;
pub mod item;
pub mod lock;
pub mod log;
pub mod lookup;
pub mod memo;
pub mod object;
pub mod open;
pub mod pins;
pub mod place;
pub mod runs;
pub mod seal;
pub mod share;
pub mod verify;
pub mod watch;
pub mod writer;
