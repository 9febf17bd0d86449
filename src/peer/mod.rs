//! Stores elsewhere: what they have and this one has not is fetched, verified and kept here.
//!
//! Read in this order: [`source`] (what a store elsewhere can be asked), its two implementations
//! [`directory`] and [`http`] (with [`wire`], the messages of a server, and [`listing`], the pages of a
//! plain one), [`check`] (what is believed of what comes), [`adopt`] (segments and objects become the
//! store's own), [`missing`] (what is not here), [`pull`] (all of it), [`error`].
//!
//! Imports `id`, `canon`, `pool` and `store`. Invariants: nothing unverified is ever visible; what has
//! arrived stays, whatever comes after; memory is taken for bytes that came, not for bytes that were
//! announced; a token goes to the address it was given for and to no other. Verification proves that
//! bytes arrived whole, not that a receipt is true: whom to believe is the caller's to say.

pub mod adopt;
pub mod check;
pub mod directory;
pub mod error;
pub mod http;
pub mod listing;
pub mod missing;
pub mod pull;
pub mod source;
pub mod wire;
