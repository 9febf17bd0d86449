//! Logic: truth values, and masks 64 voxels at a time.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::number::operand::{Counted, Operand, each, each_pair};
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::{self, Side};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Both.
pub fn and(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a && b, |a, b| sweep::words(a, b, |a, b| a & b)))
}

/// One or both.
pub fn or(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a || b, |a, b| sweep::words(a, b, |a, b| a | b)))
}

/// Not.
pub fn not(call: &Call<'_>) -> Result<Output, Refusal> {
    each(call, |a| match a {
        Operand::Bool(truth) => Ok((Value::Bool(!truth), 0)),
        Operand::Image(Source::Volume(Volume { voxels: Voxels::F32(_), .. })) => {
            let Operand::Image(source) = a else { return Err(argument::kind()) };
            Ok((Value::Mask(sweep::within(source, 0.0, 0.0, Side::Holds).0), 0))
        }
        Operand::Image(source) => {
            let mask = truths(source)?;
            Ok((Value::Mask(sweep::words(&mask, &mask, |a, _| !a)), 0))
        }
        _ => Err(argument::kind()),
    })
}

/// Returns where an image is not 0, NaN too.
pub fn truths(source: Source<'_>) -> Result<Mask, Refusal> {
    match source {
        Source::Mask(mask) => Ok(mask.clone()),
        Source::Volume(Volume { voxels: Voxels::F32(_), .. }) => {
            Ok(sweep::within(source, 0.0, 0.0, Side::Fails).0)
        }
        Source::Volume(volume) => argument::mask(&Value::Volume(volume.clone())),
    }
}

fn pair(
    a: Operand<'_>,
    b: Operand<'_>,
    truth: fn(bool, bool) -> bool,
    masks: fn(&Mask, &Mask) -> Mask,
) -> Counted {
    let mask = match (a, b) {
        (Operand::Bool(a), Operand::Bool(b)) => return Ok((Value::Bool(truth(a, b)), 0)),
        (Operand::Image(image), Operand::Bool(known))
        | (Operand::Bool(known), Operand::Image(image)) => {
            // A constant beside a mask leaves the mask or is the result.
            if truth(known, false) == truth(known, true) {
                Mask::constant(Arc::clone(image.grid()), truth(known, true))
            } else {
                truths(image)?
            }
        }
        (Operand::Image(a), Operand::Image(b)) => masks(&truths(a)?, &truths(b)?),
        _ => return Err(argument::kind()),
    };
    Ok((Value::Mask(mask), 0))
}
