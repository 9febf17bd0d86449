//! Arithmetic: numbers in f64, images voxel by voxel in f32, each result rounded once.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use rayon::prelude::*;

use crate::kernel::argument;
use crate::kernel::number::operand::{Counted, Operand, each, each_pair, number};
use crate::kernel::number::simd;
use crate::kernel::number::source::{Cut, Source};
use crate::kernel::number::sweep;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::volume::Volume;

/// Adds.
pub fn add(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a + b, |a, b| a + b))
}

/// Subtracts.
pub fn sub(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a - b, |a, b| a - b))
}

/// Multiplies.
pub fn mul(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a * b, |a, b| a * b))
}

/// Divides; with an image, by zero gives `FLT_MAX` whatever the numerator is.
pub fn div(call: &Call<'_>) -> Result<Output, Refusal> {
    each_pair(call, |a, b| pair(a, b, |a, b| a / b, quotient))
}

/// The quotient of two voxels.
#[inline(always)]
pub fn quotient(a: f32, b: f32) -> f32 {
    if b == 0.0 { f32::MAX } else { a / b }
}

/// Multiplies an image by the reciprocal of a number, 1/k in f64 and narrowed once.
pub fn div_vs(call: &Call<'_>) -> Result<Output, Refusal> {
    let [a, b] = call.args else { return Err(argument::kind()) };
    match (Operand::of(a), Operand::of(b)) {
        (Operand::Number(a), Operand::Number(b)) => Ok(number(a / b).into()),
        (Operand::Image(a), Operand::Number(k)) => {
            let (volume, rounded) = if k == 0.0 {
                sweep::map(a, |_| f32::MAX)
            } else {
                let factor = (1.0 / k) as f32;
                sweep::map(a, move |a| a * factor)
            };
            Ok(sweep::told(Value::Volume(volume), rounded))
        }
        _ => Err(argument::kind()),
    }
}

/// Flips the sign.
pub fn neg(call: &Call<'_>) -> Result<Output, Refusal> {
    each(call, |a| alone(a, |a| -a, |a| -a))
}

/// Clears the sign.
pub fn abs(call: &Call<'_>) -> Result<Output, Refusal> {
    each(call, |a| alone(a, f64::abs, f32::abs))
}

/// Returns the greatest voxel of an image, or the greater of two.
pub fn max(call: &Call<'_>) -> Result<Output, Refusal> {
    extreme(call, greater, |a, b| f64::from_bits(a.to_bits() & b.to_bits()), Extreme::Greatest)
}

/// Returns the least voxel of an image, or the lesser of two.
pub fn min(call: &Call<'_>) -> Result<Output, Refusal> {
    extreme(call, lesser, |a, b| f64::from_bits(a.to_bits() | b.to_bits()), Extreme::Least)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Greatest,
    Least,
}

/// The greater of two; a NaN gives way, and -0.0 lies below 0.0.
#[inline(always)]
pub fn greater(a: f32, b: f32) -> f32 {
    // Equal numbers differ in the sign of a zero at most: the positive one is without the bit.
    let equal = f32::from_bits(a.to_bits() & b.to_bits());
    let known = if a > b {
        a
    } else if a < b {
        b
    } else {
        equal
    };
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        known
    }
}

/// The lesser of two; a NaN gives way, and -0.0 lies below 0.0.
#[inline(always)]
pub fn lesser(a: f32, b: f32) -> f32 {
    let equal = f32::from_bits(a.to_bits() | b.to_bits());
    let known = if a < b {
        a
    } else if a > b {
        b
    } else {
        equal
    };
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        known
    }
}

fn extreme(
    call: &Call<'_>,
    voxels: impl Fn(f32, f32) -> f32 + Sync + Copy,
    equal: fn(f64, f64) -> f64,
    which: Extreme,
) -> Result<Output, Refusal> {
    match call.args {
        [a] => {
            let Some(source) = Source::of(a) else { return Err(argument::kind()) };
            let (found, rounded) = over_all(source, which);
            Ok(sweep::told(number(f64::from(found)), rounded))
        }
        [a, b] => {
            argument::same_grid(&[a, b])?;
            let numbers = |a: f64, b: f64| {
                if a.is_nan() || b.is_nan() {
                    return if a.is_nan() { b } else { a };
                }
                if a == b {
                    return equal(a, b);
                }
                if (a > b) == (which == Extreme::Greatest) { a } else { b }
            };
            let (value, rounded) = pair(Operand::of(a), Operand::of(b), numbers, voxels)?;
            Ok(sweep::told(value, rounded))
        }
        _ => Err(argument::kind()),
    }
}

/// Maps f32 to integers of the same order, -0.0 below 0.0; NaN lies below all when looking for the
/// greatest and above all when looking for the least.
#[inline(always)]
fn key(x: f32, nan: i32) -> i32 {
    let bits = x.to_bits().cast_signed();
    if x.is_nan() { nan } else { bits ^ (bits >> 31 & i32::MAX) }
}

/// Returns the best key of the voxels, in sixteen lanes so that they do not wait for each other.
#[inline(always)]
fn best_key(voxels: &[f32], nan: i32, better: impl Fn(i32, i32) -> i32) -> i32 {
    let mut lanes = [nan; 16];
    let mut pieces = voxels.chunks_exact(16);
    for piece in &mut pieces {
        for (lane, x) in lanes.iter_mut().zip(piece) {
            *lane = better(*lane, key(*x, nan));
        }
    }
    for (lane, x) in lanes.iter_mut().zip(pieces.remainder()) {
        *lane = better(*lane, key(*x, nan));
    }
    lanes.into_iter().fold(nan, better)
}

fn over_all(source: Source<'_>, which: Extreme) -> (f32, u64) {
    let cut = Cut::of(source.grid());
    let nan = if which == Extreme::Greatest { i32::MIN } else { i32::MAX };
    let better = move |a: i32, b: i32| if which == Extreme::Greatest { a.max(b) } else { a.min(b) };
    let task = |task: usize| {
        let mut scratch = Vec::new();
        let mut best = nan;
        let mut rounded = 0;
        for piece in cut.pieces(task) {
            let (voxels, count) = source.piece(piece, &mut scratch);
            rounded += count;
            let found = simd::widest(|| match which {
                Extreme::Greatest => best_key(voxels, i32::MIN, i32::max),
                Extreme::Least => best_key(voxels, i32::MAX, i32::min),
            });
            best = better(best, found);
        }
        (best, rounded)
    };
    let both = |a: (i32, u64), b: (i32, u64)| (better(a.0, b.0), a.1 + b.1);
    let (best, rounded) = if cut.tasks() == 1 {
        task(0)
    } else {
        (0..cut.tasks()).into_par_iter().map(task).reduce(|| (nan, 0), both)
    };
    if best == nan {
        return (sweep::NAN, rounded);
    }
    (f32::from_bits((best ^ (best >> 31 & i32::MAX)).cast_unsigned()), rounded)
}

fn alone(
    a: Operand<'_>,
    numbers: impl Fn(f64) -> f64,
    voxels: impl Fn(f32) -> f32 + Sync,
) -> Counted {
    match a {
        Operand::Number(a) => Ok((number(numbers(a)), 0)),
        Operand::Image(a) => image(sweep::map(a, voxels)),
        _ => Err(argument::kind()),
    }
}

fn pair(
    a: Operand<'_>,
    b: Operand<'_>,
    numbers: impl Fn(f64, f64) -> f64,
    voxels: impl Fn(f32, f32) -> f32 + Sync,
) -> Counted {
    match (a, b) {
        (Operand::Number(a), Operand::Number(b)) => Ok((number(numbers(a, b)), 0)),
        (Operand::Image(a), Operand::Image(b)) => image(sweep::zip(a, b, voxels)),
        (Operand::Image(a), Operand::Number(b)) => {
            let b = b as f32;
            image(sweep::map(a, move |a| voxels(a, b)))
        }
        (Operand::Number(a), Operand::Image(b)) => {
            let a = a as f32;
            image(sweep::map(b, move |b| voxels(a, b)))
        }
        _ => Err(argument::kind()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends the arms of what may refuse")]
fn image((volume, rounded): (Volume, u64)) -> Counted {
    Ok((Value::Volume(volume), rounded))
}
