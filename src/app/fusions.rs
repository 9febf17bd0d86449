//! Which fused kernels there are.

use crate::kernel::number::chain;
use crate::kernel::space::fused::{self, Fused};
use crate::primitive::contract::Output;
use crate::primitive::fused::{Fusions, Pattern};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// The kernels of thresholded distances and of voxelwise operators in one pass.
pub struct Kernels;

impl Fusions for Kernels {
    fn has(&self, pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Voxelwise(steps) => steps.iter().all(|step| chain::knows(step.op)),
            _ => true,
        }
    }

    fn run(&self, pattern: &Pattern, args: &[Value]) -> Result<Output, Refusal> {
        let distance = match pattern {
            Pattern::Voxelwise(steps) => return chain::run(steps, args).map(Output::from),
            Pattern::DistanceBelow => Fused::Below,
            Pattern::DistanceAtMost => Fused::AtMost,
            Pattern::DistanceAbove => Fused::Above,
            Pattern::DistanceAtLeast => Fused::AtLeast,
            Pattern::OutsideAtLeast => Fused::OutsideAtLeast,
            Pattern::OutsideAtMost => Fused::OutsideAtMost,
        };
        let [mask, Value::Number(r)] = args else { return Err(Refusal::new(Code::Kind)) };
        fused::run(distance, mask, *r).map(Output::from)
    }
}
