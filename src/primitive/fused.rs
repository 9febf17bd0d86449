//! Groups of operators with a kernel of their own.
//!
//! A fused kernel gives the bits that its nodes would have given one after the other; what it saves
//! is the values in between. Fusing enters no name: the group answers for its last node.

use crate::primitive::contract::Output;
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;

/// A shape of nodes that one kernel computes; `a` is a mask and `r` a number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// `lt(dt(a), r)`.
    DistanceBelow,
    /// `le(dt(a), r)`.
    DistanceAtMost,
    /// `lt(r, dt(a))`.
    DistanceAbove,
    /// `le(r, dt(a))`.
    DistanceAtLeast,
    /// `le(r, mask(dt(a), lt(0, dt(a))))`: `distgeq`.
    OutsideAtLeast,
    /// `le(mask(dt(a), lt(0, dt(a))), r)`: `distleq`.
    OutsideAtMost,
    /// Operators that look at one voxel of each image, arguments first; the last one answers.
    Voxelwise(Vec<Step>),
}

/// One operator of a voxelwise group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// Its qualified name.
    pub op: &'static str,
    /// Where its arguments come from.
    pub args: Vec<Place>,
    /// Does it give a mask? Else it gives a number image.
    pub is_mask: bool,
}

/// Where an argument of a step comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// An argument of the group.
    Arg(usize),
    /// A step before.
    Step(usize),
}

/// The fused kernels that there are.
///
/// For whoever implements one: the same promises as of a primitive, and the very bits of the nodes
/// one by one. A refusal is no result here: the nodes are then run one by one, and say which of them
/// refuses, and what there is to tell.
pub trait Fusions: Send + Sync {
    /// Says whether the shape has a kernel.
    fn has(&self, pattern: &Pattern) -> bool;

    /// Computes the last node of a shape from the arguments of the group: `a` and `r`, or those that
    /// steps name.
    fn run(&self, pattern: &Pattern, args: &[Value]) -> Result<Output, Refusal>;
}

/// No fused kernels: every node runs by itself.
pub struct Unfused;

impl Fusions for Unfused {
    fn has(&self, _: &Pattern) -> bool {
        false
    }

    fn run(&self, _: &Pattern, _: &[Value]) -> Result<Output, Refusal> {
        Err(Refusal::new(crate::primitive::refusal::Code::Kind))
    }
}
