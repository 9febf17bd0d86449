//! Why a node ran.

/// The reason, as far as it is known without asking the whole history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nothing is recorded of it.
    Never,
    /// Nothing is recorded of it, because an argument is another one; the first such.
    Argument(u32),
    /// It was recorded with an earlier version of its operator.
    Version {
        /// The latest that was.
        was: u32,
        /// The one that is.
        is: u32,
    },
    /// It is recorded, but its value was not kept, or is not here any more.
    Evicted,
    /// It was asked for although an answer is recorded.
    Forced,
}

impl Why {
    /// Says whether the node was recorded before: it is then redone, not computed.
    pub fn was_recorded(self) -> bool {
        matches!(self, Self::Evicted | Self::Forced)
    }
}
