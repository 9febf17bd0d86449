//! A part of the plan with a hole: its nodes are known when some values are.
//!
//! What hangs on a path, listing or sequence known only while running is a template. It has no key;
//! when the values it waits for are there it expands to the very nodes that the written-out program
//! would have.

use crate::plan::graph::{Operand, Origin, Plan};
use crate::value::data::Value;

/// Where a template lies in its plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TemplateIndex(pub u32);

/// A hole, and how it is filled.
pub struct Template {
    /// What must be known first, in order; never literals.
    pub waits: Vec<Operand>,
    /// How it is filled.
    pub expand: Box<dyn Expand>,
    /// Where it was written.
    pub origin: Origin,
}

/// Why a template has no expansion: words for a person, as lowering would have said them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose fault it is.
    pub class: FaultClass,
    /// A stable code, `E` and four digits, or a refusal's word.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Whose fault a failed expansion is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultClass {
    /// The program's: kinds, names, ranges.
    Program,
    /// An input's: missing, unreadable, on another grid.
    Input,
    /// A kernel's refusal, such as an index beyond the end.
    Refusal,
}

/// Fills a hole.
///
/// For whoever implements one: the expansion must depend on `values` and the definition alone, and
/// may add nodes, templates and goals to the plan.
pub trait Expand: Send + Sync {
    /// Returns what the template stands for, given the values of `waits` in order.
    ///
    /// `values[i]` comes with what it is in the plan, so that an element that cannot be a literal
    /// can be reached by the node `default.index`.
    fn expand(&self, values: &[(Operand, Value)], plan: &mut Plan) -> Result<Operand, Fault>;
}
