//! How groups reach workers, and how word comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::remote::error::Error;
use crate::remote::event::Event;
use crate::remote::group::Group;

/// A group on its way.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its name, as engines know it.
    pub key: String,
    /// What to do.
    pub group: Group,
    /// What the host must have.
    pub needs: BTreeMap<String, u64>,
    /// Greater is sooner: what others wait for, then what was tried before.
    pub priority: i64,
    /// Hosts that have some of it already: a wish.
    pub near: Vec<String>,
    /// Hosts that could not: a wish.
    pub avoid: Vec<String>,
}

/// What a transport tells.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// So many groups can run at once.
    Slots(usize),
    /// The engine has it.
    Accepted(String),
    /// What a worker said of a group.
    Worker(String, Event),
    /// The worker of a group ended, with this exit code.
    Exit(String, i32),
    /// A group is lost.
    Lost(String, String),
    /// Nobody may or can run a group.
    Refused {
        /// Which; nothing, where it is so for all.
        key: Option<String>,
        /// Why.
        reason: String,
        /// Who said so.
        host: Option<String>,
    },
}

/// Carries groups to workers: names and small values only, the rest is in the store.
///
/// For whoever implements one: a group may run more than once, also at the same time, and may be told of again. All
/// that a worker says is passed on in its order, its exit last; a group of which nothing can be known any more is
/// `Lost`. Deciding is not its business: what is lost is sent again by whoever sent it, as other groups.
pub trait Transport: Send {
    /// Sends a group; does not wait for it.
    fn run(&mut self, order: &Order) -> Result<(), Error>;

    /// Gives a group up: its worker is ended, or never begins. Nobody wants to hear of it again.
    fn cancel(&mut self, key: &str) -> Result<(), Error>;

    /// Returns what is told next, or nothing when so much time has passed.
    fn receive(&mut self, patience: Duration) -> Result<Option<Message>, Error>;

    /// Ends everything; after it nothing of the transport is left within two seconds.
    fn end(&mut self);
}
