//! The values in memory.

use std::sync::Arc;

use crate::exec::budget::{Budget, Grant};
use crate::plan::graph::NodeIndex;
use crate::value::data::Value;

/// Values below this many bytes do not count against the budget.
const COUNTED: usize = 4096;

/// The values of nodes, while somebody may want them.
pub struct Values {
    values: Vec<Option<(Value, Option<Grant>)>>,
    budget: Arc<Budget>,
}

impl Values {
    /// Begins empty.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { values: Vec::new(), budget }
    }

    /// Makes room for so many nodes.
    pub fn grow(&mut self, len: usize) {
        self.values.resize_with(len, || None);
    }

    /// Puts a value in.
    pub fn put(&mut self, node: NodeIndex, value: Value) {
        let size = value.size();
        let grant = (size >= COUNTED).then(|| self.budget.value(size as u64));
        self.values[node.0 as usize] = Some((value, grant));
    }

    /// Returns a value that is there.
    pub fn get(&self, node: NodeIndex) -> Option<&Value> {
        self.values[node.0 as usize].as_ref().map(|(value, _)| value)
    }

    /// Forgets a value.
    pub fn drop(&mut self, node: NodeIndex) {
        self.values[node.0 as usize] = None;
    }
}
