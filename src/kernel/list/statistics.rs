//! Counts and statistics of one image, and vectors for other namespaces.

use crate::kernel::argument;
use crate::kernel::list::agreement::{named, numbers};
use crate::kernel::list::samples::{Number, Samples};
use crate::kernel::number::exact::Doubles;
use crate::kernel::number::operand::number;
use crate::kernel::number::sweep;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// More different values are refused.
const VALUES: usize = 1_000_000;

/// Orders numbers, NaN last.
fn order(a: &Number, b: &Number) -> std::cmp::Ordering {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => a.cmp(b),
        (a, b) => {
            let (a, b) = (a.to_f64(), b.to_f64());
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
    }
}

/// Returns the numbers in order, and the different ones with their counts.
fn distinct(samples: Samples<'_>) -> (Vec<Number>, Vec<(Number, u64)>) {
    let mut all = samples.all();
    all.sort_unstable_by(order);
    let mut counts: Vec<(Number, u64)> = Vec::new();
    for sample in &all {
        match counts.last_mut() {
            Some((last, count)) if order(last, sample).is_eq() => *count += 1,
            _ => counts.push((*sample, 1)),
        }
    }
    (all, counts)
}

/// Counts the voxels of a value, or of every value.
pub fn count_pixels(call: &Call<'_>) -> Result<Output, Refusal> {
    let samples = Samples::of(argument::at(call.args, 0)?)?;
    let total = samples.count() as f64;
    if let Some(value) = call.args.get(1) {
        let value = argument::number(value)?;
        let mut count = 0u64;
        samples.each(|sample| count += u64::from(sample.equals(Number::Float(value))));
        return Ok(named([
            ("value", number(value)),
            ("count", number(count as f64)),
            ("total_pixels", number(total)),
            ("percentage", number(100.0 * count as f64 / total)),
        ]));
    }
    let (_, counts) = distinct(samples);
    if counts.len() > VALUES {
        return Err(Refusal::with(Code::Size, &[counts.len() as f64, VALUES as f64]));
    }
    // 0.0 stands for both zeros.
    Ok(named([
        ("unique_values", numbers(counts.iter().map(|(value, _)| value.to_f64() + 0.0))),
        ("counts", numbers(counts.iter().map(|(_, count)| *count as f64))),
        ("percentages", numbers(counts.iter().map(|(_, count)| 100.0 * *count as f64 / total))),
        ("total_pixels", number(total)),
    ]))
}

/// Returns where an image equals a number, as a mask or as an image of two numbers.
pub fn threshold_equal(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, wanted, rest @ ..] = call.args else { return Err(argument::kind()) };
    let samples = Samples::of(image)?;
    let wanted = Number::Float(argument::number(wanted)?);
    let grid = image.grid().ok_or_else(argument::kind)?;
    if rest.len() > 2 {
        return Err(argument::kind());
    }
    if rest.is_empty() {
        let [nx, ny, _] = grid.shape();
        let mask =
            Mask::from_fn(grid.clone(), |x, y, z| samples.at((z * ny + y) * nx + x).equals(wanted));
        return Ok(Value::Mask(mask).into());
    }
    let value = |at: usize, missing: f32| match rest.get(at) {
        Some(number) => Ok(sweep::canonical(argument::number(number)? as f32)),
        None => Ok::<f32, Refusal>(missing),
    };
    let (equal, other) = (value(0, 1.0)?, value(1, 0.0)?);
    let mut out = Buffer::take(grid.voxels());
    for (at, voxel) in out.iter_mut().enumerate() {
        *voxel = if samples.at(at).equals(wanted) { equal } else { other };
    }
    Ok(Value::Volume(Volume::f32(grid.clone(), out)).into())
}

/// Describes all voxels of an image; NaN among them makes the numbers NaN.
pub fn array_stats(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    let samples = Samples::of(image)?;
    let grid = image.grid().ok_or_else(argument::kind)?;
    let (sorted, counts) = distinct(samples);
    let n = sorted.len();
    let mut sum = Doubles::default();
    for sample in &sorted {
        sample.add_to(&mut sum);
    }
    let mean = sum.round() / n as f64;
    // Squares of deviations from the rounded mean are f64; their sum is exact.
    let mut squares = Doubles::default();
    for sample in &sorted {
        let deviation = sample.to_f64() - mean;
        squares.add(deviation * deviation);
    }
    let std = (squares.round() / n as f64).sqrt();
    let nan = sorted[n - 1].to_f64().is_nan();
    let (low, high) = (sorted[(n - 1) / 2].to_f64(), sorted[n / 2].to_f64());
    let median = f64::midpoint(low, high);
    let known = |x: f64| number(if nan { f64::NAN } else { x + 0.0 });
    let shape = grid.dims().iter().rev().map(|n| *n as f64);
    Ok(named([
        ("mean", known(mean)),
        ("std", known(std)),
        ("min", known(sorted[0].to_f64())),
        ("max", known(sorted[n - 1].to_f64())),
        ("median", known(median)),
        ("shape", numbers(shape)),
        ("total_elements", number(n as f64)),
        ("unique_values", number(counts.len() as f64)),
    ]))
}

/// Returns a sequence of integers that fit 32 bits.
pub fn vector_uint32(call: &Call<'_>) -> Result<Output, Refusal> {
    let [items] = call.args else { return Err(argument::kind()) };
    for item in argument::sequence(items)? {
        argument::integer(item)?;
        let number = argument::number(item)?;
        if !(0.0..=f64::from(u32::MAX)).contains(&number) {
            return Err(Refusal::with(Code::Range, &[number, 0.0, f64::from(u32::MAX)]));
        }
    }
    Ok(items.clone().into())
}

/// Returns a sequence of numbers.
pub fn vector_double(call: &Call<'_>) -> Result<Output, Refusal> {
    let [items] = call.args else { return Err(argument::kind()) };
    for item in argument::sequence(items)? {
        argument::number(item)?;
    }
    Ok(items.clone().into())
}
