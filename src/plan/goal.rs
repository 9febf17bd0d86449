//! What a program wants: effects happen at goals, in program order.

use std::path::PathBuf;

use crate::plan::graph::{Operand, Origin};

/// One `print` or `save`.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What is wanted of the value.
    pub action: Action,
    /// The value.
    pub value: Operand,
    /// Where it was written.
    pub origin: Origin,
}

/// What happens with the value of a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is written to stdout as `label=value`.
    Print {
        /// The label.
        label: String,
    },
    /// It is written into a file; the operand is the `vox1.encode` node (or a template that becomes
    /// one).
    Save {
        /// As the program says it: relative ones go below the output folder.
        path: PathBuf,
    },
}
