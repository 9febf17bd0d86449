//! Which fused kernels there are.

use crate::kernel::space::fused::{self, Fused};
use crate::primitive::contract::Output;
use crate::primitive::fused::{Fusions, Pattern};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// The kernels of thresholded distances.
pub struct Kernels;

impl Fusions for Kernels {
    fn has(&self, _: Pattern) -> bool {
        true
    }

    fn run(&self, pattern: Pattern, args: &[Value]) -> Result<Output, Refusal> {
        let [mask, Value::Number(r)] = args else { return Err(Refusal::new(Code::Kind)) };
        fused::run(of(pattern), mask, *r).map(Output::from)
    }
}

fn of(pattern: Pattern) -> Fused {
    match pattern {
        Pattern::DistanceBelow => Fused::Below,
        Pattern::DistanceAtMost => Fused::AtMost,
        Pattern::DistanceAbove => Fused::Above,
        Pattern::DistanceAtLeast => Fused::AtLeast,
        Pattern::OutsideAtLeast => Fused::OutsideAtLeast,
        Pattern::OutsideAtMost => Fused::OutsideAtMost,
    }
}
