//! The operators of this room as the language names them.

use crate::primitive::contract::Plain;

/// Returns the operators.
pub fn primitives() -> Vec<Plain> {
    Vec::new()
}
