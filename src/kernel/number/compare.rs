//! Comparisons: numbers in f64; with an image in f32, into the bits of a mask.
//!
//! A comparison with a constant is a test for a closed interval, whose open ends are moved to the
//! neighbouring f32; so one loop serves them all.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::number::operand::{Counted, Operand, each_pair};
use crate::kernel::number::simd::Relation;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::{self, Side};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;

/// a < b.
pub fn lt(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| ordered(a, b, Relation::Less))
}

/// a <= b.
pub fn le(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| ordered(a, b, Relation::AtMost))
}

/// a = b.
pub fn eq(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| equal(a, b, Side::Holds))
}

/// a is not b.
pub fn ne(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| equal(a, b, Side::Fails))
}

/// Returns where an image lies between two numbers, both narrowed to f32 and included.
pub fn between(call: &Call<'_>) -> Result<Output, Refusal> {
    let [lo, hi, image] = call.args else { return Err(argument::kind()) };
    let (lo, hi) = (argument::number(lo)?, argument::number(hi)?);
    let Some(source) = Source::of(image) else { return Err(argument::kind()) };
    let ends = (lo as f32, hi as f32);
    if ends.0 > ends.1 {
        return Err(Refusal::with(Code::Range, &[lo, hi]));
    }
    let (mask, rounded) = within(source, ends, Side::Holds);
    Ok(sweep::told(Value::Mask(mask), rounded))
}

/// The numbers of no closed interval.
const NONE: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

/// Returns the interval of the numbers v with v < k or v <= k.
fn below(k: f32, relation: Relation) -> (f32, f32) {
    let end = if relation == Relation::Less { k.next_down() } else { k };
    if k.is_nan() || (relation == Relation::Less && k == f32::NEG_INFINITY) {
        NONE
    } else {
        (f32::NEG_INFINITY, end)
    }
}

/// Returns the interval of the numbers v with k < v or k <= v.
fn above(k: f32, relation: Relation) -> (f32, f32) {
    let end = if relation == Relation::Less { k.next_up() } else { k };
    if k.is_nan() || (relation == Relation::Less && k == f32::INFINITY) {
        NONE
    } else {
        (end, f32::INFINITY)
    }
}

/// Makes the mask of the voxels in an interval; of a mask without looking at voxels.
fn within(source: Source<'_>, (lo, hi): (f32, f32), side: Side) -> (Mask, u64) {
    let Source::Mask(mask) = source else { return sweep::within(source, lo, hi, side) };
    let holds = |x: f32| (lo <= x && x <= hi) == (side == Side::Holds);
    let mask = match (holds(0.0), holds(1.0)) {
        (false, true) => mask.clone(),
        (true, false) => sweep::words(mask, mask, |a, _| !a),
        (always, _) => Mask::constant(Arc::clone(&mask.grid), always),
    };
    (mask, 0)
}

fn ordered(a: Operand<'_>, b: Operand<'_>, relation: Relation) -> Counted {
    match (a, b) {
        (Operand::Number(a), Operand::Number(b)) => {
            Ok((Value::Bool(if relation == Relation::Less { a < b } else { a <= b }), 0))
        }
        (Operand::Number(a), Operand::Image(b)) => {
            mask(within(b, above(a as f32, relation), Side::Holds))
        }
        (Operand::Image(a), Operand::Number(b)) => {
            mask(within(a, below(b as f32, relation), Side::Holds))
        }
        (Operand::Image(Source::Mask(a)), Operand::Image(Source::Mask(b))) => {
            let words = match relation {
                Relation::Less => sweep::words(a, b, |a, b| !a & b),
                _ => sweep::words(a, b, |a, b| !a | b),
            };
            mask((words, 0))
        }
        (Operand::Image(a), Operand::Image(b)) => mask(sweep::related(a, b, relation, Side::Holds)),
        _ => Err(argument::kind()),
    }
}

fn equal(a: Operand<'_>, b: Operand<'_>, side: Side) -> Counted {
    let truth = |equal: bool| Ok((Value::Bool(equal == (side == Side::Holds)), 0));
    match (a, b) {
        (Operand::Null, Operand::Null) => truth(true),
        (Operand::Null, _) | (_, Operand::Null) => truth(false),
        (Operand::Number(a), Operand::Number(b)) => truth(a == b),
        (Operand::Bool(a), Operand::Bool(b)) => truth(a == b),
        (Operand::Text(a), Operand::Text(b)) => truth(a == b),
        (Operand::Bytes(a), Operand::Bytes(b)) => truth(a == b),
        (Operand::Bool(truth), Operand::Image(Source::Mask(of)))
        | (Operand::Image(Source::Mask(of)), Operand::Bool(truth)) => {
            mask((of_bool(of, truth == (side == Side::Holds)), 0))
        }
        (Operand::Number(k), Operand::Image(image))
        | (Operand::Image(image), Operand::Number(k)) => {
            let k = k as f32;
            mask(within(image, if k.is_nan() { NONE } else { (k, k) }, side))
        }
        (Operand::Image(Source::Mask(a)), Operand::Image(Source::Mask(b))) => {
            let words = match side {
                Side::Holds => sweep::words(a, b, |a, b| !(a ^ b)),
                Side::Fails => sweep::words(a, b, |a, b| a ^ b),
            };
            mask((words, 0))
        }
        (Operand::Image(a), Operand::Image(b)) => mask(sweep::related(a, b, Relation::Equal, side)),
        _ => Err(argument::kind()),
    }
}

/// Returns the mask where it is `truth`.
fn of_bool(mask: &Mask, truth: bool) -> Mask {
    if truth { mask.clone() } else { sweep::words(mask, mask, |a, _| !a) }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends the arms of what may refuse")]
fn mask((mask, rounded): (Mask, u64)) -> Counted {
    Ok((Value::Mask(mask), rounded))
}
