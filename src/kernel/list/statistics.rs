//! Counts and statistics of one image, and vectors for other namespaces.
#![expect(clippy::inline_always, reason = "`apply` compiles anew only what is inlined into it")]

use rayon::slice::ParallelSliceMut;

use crate::kernel::argument::{self, CHUNK};
use crate::kernel::list::agreement::{named, numbers};
use crate::kernel::list::samples::{Number, Samples, counted, folded};
use crate::kernel::number::exact::{Doubles, Many};
use crate::kernel::number::operand::number;
use crate::kernel::number::{simd, sweep};
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// More different values are refused.
const VALUES: usize = 1_000_000;
/// Rows that one task takes.
const ROWS: usize = 128;

/// A table of more values is not worth its making.
const TABLE: f64 = 1e6;

/// Returns the different numbers in order, NaN last, each with its count; zeros are one.
fn distinct(samples: Samples<'_>) -> Vec<(Number, u64)> {
    if !samples.is_narrow() {
        let keys = keys(samples, &|from, out: &mut [i128]| {
            for (at, out) in (from..).zip(out) {
                *out = match samples.at(at) {
                    Number::Integer(integer) => integer,
                    Number::Float(float) => float as i128,
                };
            }
        });
        return grouped(keys).map(|(key, count)| (Number::Integer(key), count)).collect();
    }
    if let Some((least, greatest)) = span(samples)
        && greatest - least < TABLE
    {
        return tabled(samples, least, (greatest - least) as usize + 1);
    }
    let keys = keys(samples, &|from, out: &mut [u64]| {
        let mut numbers = vec![0.0; out.len()];
        samples.widened(from, &mut numbers);
        for (out, number) in out.iter_mut().zip(numbers) {
            *out = key(number);
        }
    });
    grouped(keys).map(|(key, count)| (Number::Float(of_key(key)), count)).collect()
}

/// Returns an integer of the same order.
fn key(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    let ordered = bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | 1 << 63);
    if number.is_nan() { u64::MAX } else { ordered }
}

fn of_key(key: u64) -> f64 {
    if key == u64::MAX {
        return f64::NAN;
    }
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// Returns the sorted keys of all voxels; `fill` writes those from a voxel on.
fn keys<K: bytemuck::Pod + Ord + Send>(
    samples: Samples<'_>,
    fill: &(dyn Fn(usize, &mut [K]) + Sync),
) -> Buffer<K> {
    let mut keys = Buffer::<K>::take(samples.count());
    share::pieces(&mut keys, CHUNK, &|chunk, keys: &mut [K]| fill(chunk * CHUNK, keys));
    keys.par_sort_unstable();
    keys
}

/// Counts equal neighbours.
fn grouped<K: bytemuck::Pod + Ord>(keys: Buffer<K>) -> impl Iterator<Item = (K, u64)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let first = *keys.get(from)?;
        let count = keys[from..].iter().take_while(|key| **key == first).count();
        from += count;
        Some((first, count as u64))
    })
}

/// Returns the least and the greatest number if all are integers.
fn span(samples: Samples<'_>) -> Option<(f64, f64)> {
    let none = (f64::INFINITY, f64::NEG_INFINITY, true);
    let tasks = folded([samples], CHUNK, &|| none, &|state, _, [numbers]| {
        if state.2 {
            *state = wider(*state, simd::apply(span_of, numbers));
        }
    });
    let (least, greatest, integers) = tasks.into_iter().fold(none, wider);
    integers.then_some((least, greatest))
}

type Span = (f64, f64, bool);

#[inline(always)]
fn wider(a: Span, b: Span) -> Span {
    (if b.0 < a.0 { b.0 } else { a.0 }, if b.1 > a.1 { b.1 } else { a.1 }, a.2 & b.2)
}

#[inline(always)]
fn span_of(numbers: &[f64]) -> Span {
    let (mut least, mut greatest) = ([f64::INFINITY; 16], [f64::NEG_INFINITY; 16]);
    let mut odd = 0;
    // As many at once as a vector has.
    for lane in numbers.chunks(16) {
        for (x, number) in lane.iter().enumerate() {
            least[x] = if *number < least[x] { *number } else { least[x] };
            greatest[x] = if *number > greatest[x] { *number } else { greatest[x] };
            odd |= u64::from(f64::from(*number as i32) != *number);
        }
    }
    let none = (f64::INFINITY, f64::NEG_INFINITY, odd == 0);
    least.into_iter().zip(greatest).fold(none, |span, (a, b)| wider(span, (a, b, true)))
}

/// Counts integers from `least` on, of which there are at most `len` different ones.
fn tabled(samples: Samples<'_>, least: f64, len: usize) -> Vec<(Number, u64)> {
    let task = CHUNK.max(4 * len).max(samples.count().div_ceil(64)).min(1 << 31);
    let begin = || vec![0u32; 2 * len];
    let tasks = folded([samples], task, &begin, &|tables, _, [numbers]| {
        // Equal neighbours would wait for each other in one table.
        let (even, odd) = tables.split_at_mut(len);
        for pair in numbers.chunks(2) {
            even[(pair[0] - least) as usize] += 1;
            if let Some(second) = pair.get(1) {
                odd[(second - least) as usize] += 1;
            }
        }
    });
    let mut counts = vec![0u64; len];
    for table in tasks.iter().flat_map(|tables| tables.chunks_exact(len)) {
        counts.iter_mut().zip(table).for_each(|(sum, count)| *sum += u64::from(*count));
    }
    let all = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    all.map(|(at, count)| (Number::Float(least + at as f64), count)).collect()
}

/// Counts the voxels of a value, or of every value.
pub fn count_pixels(call: &Call<'_>) -> Result<Output, Refusal> {
    let samples = Samples::of(argument::at(call.args, 0)?)?;
    let total = samples.count() as f64;
    if let Some(value) = call.args.get(1) {
        let value = argument::number(value)?;
        let count = equal(samples, value);
        return Ok(named([
            ("value", number(value)),
            ("count", number(count as f64)),
            ("total_pixels", number(total)),
            ("percentage", number(100.0 * count as f64 / total)),
        ]));
    }
    let counts = distinct(samples);
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

/// Counts the voxels of a value.
fn equal(samples: Samples<'_>, value: f64) -> u64 {
    if !samples.is_narrow() {
        let value = Number::Float(value);
        return counted(samples.count(), &|at| samples.at(at).equals(value));
    }
    let tasks = folded([samples], CHUNK, &|| 0, &|count: &mut u64, _, [numbers]| {
        *count += simd::widest(|| numbers.iter().map(|x| u64::from(*x == value)).sum::<u64>());
    });
    tasks.into_iter().sum()
}

/// Returns where an image equals a number, as a mask or as an image of two numbers.
pub fn threshold_equal(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, wanted, rest @ ..] = call.args else { return Err(argument::kind()) };
    let samples = Samples::of(image)?;
    let wanted = argument::number(wanted)?;
    let grid = image.grid().ok_or_else(argument::kind)?;
    if rest.len() > 2 {
        return Err(argument::kind());
    }
    // The numbers from a voxel on, one for those that are equal and NaN for the others.
    let marked = |from: usize, out: &mut [f64]| {
        if samples.is_narrow() {
            return samples.widened(from, out);
        }
        let equal = |at: usize| samples.at(at).equals(Number::Float(wanted));
        for (at, out) in (from..).zip(out) {
            *out = if equal(at) { wanted } else { f64::NAN };
        }
    };
    if rest.is_empty() {
        let (nx, stride) = (grid.dims()[0], grid.row_words());
        let mut words = Buffer::<u64>::take(grid.rows() * stride);
        share::pieces(&mut words, stride * ROWS, &|block, words| {
            let mut numbers = vec![0.0; nx];
            for (row, words) in (block * ROWS..).zip(words.chunks_exact_mut(stride)) {
                marked(row * nx, &mut numbers);
                simd::apply(pack_equal, (&numbers, wanted, words));
            }
        });
        return Ok(Value::Mask(Mask::new(grid.clone(), words)).into());
    }
    let value = |at: usize, missing: f32| match rest.get(at) {
        Some(number) => Ok(sweep::canonical(argument::number(number)? as f32)),
        None => Ok::<f32, Refusal>(missing),
    };
    let (equal, other) = (value(0, 1.0)?, value(1, 0.0)?);
    let mut out = Buffer::take(grid.voxels());
    share::pieces(&mut out, CHUNK, &|chunk, out: &mut [f32]| {
        let mut numbers = vec![0.0; out.len()];
        marked(chunk * CHUNK, &mut numbers);
        simd::widest(|| {
            for (out, number) in out.iter_mut().zip(&numbers) {
                *out = if *number == wanted { equal } else { other };
            }
        });
    });
    Ok(Value::Volume(Volume::f32(grid.clone(), out)).into())
}

#[inline(always)]
fn pack_equal((numbers, wanted, words): (&[f64], f64, &mut [u64])) {
    simd::pack(numbers.len(), words, |x| numbers[x] == wanted);
}

/// Describes all voxels of an image; NaN among them makes the numbers NaN.
pub fn array_stats(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    let samples = Samples::of(image)?;
    let grid = image.grid().ok_or_else(argument::kind)?;
    let counts = distinct(samples);
    let n = samples.count();
    let mean = sum(&counts, &|number| number).round() / n as f64;
    // Squares of deviations from the rounded mean are f64; their sum is exact.
    let squares = sum(&counts, &|number| {
        let deviation = number.to_f64() - mean;
        Number::Float(deviation * deviation)
    });
    let std = (squares.round() / n as f64).sqrt();
    let (first, last) = (counts[0].0.to_f64(), counts[counts.len() - 1].0.to_f64());
    let nan = last.is_nan();
    let median = f64::midpoint(nth(&counts, (n - 1) / 2), nth(&counts, n / 2));
    let known = |x: f64| number(if nan { f64::NAN } else { x + 0.0 });
    let shape = grid.dims().iter().rev().map(|n| *n as f64);
    Ok(named([
        ("mean", known(mean)),
        ("std", known(std)),
        ("min", known(first)),
        ("max", known(last)),
        ("median", known(median)),
        ("shape", numbers(shape)),
        ("total_elements", number(n as f64)),
        ("unique_values", number(counts.len() as f64)),
    ]))
}

/// Returns the number at a place among all in order.
fn nth(counts: &[(Number, u64)], place: usize) -> f64 {
    let mut before = 0;
    let found = counts.iter().find(|(_, count)| {
        before += count;
        before > place as u64
    });
    found.map_or(f64::NAN, |(number, _)| number.to_f64())
}

/// Returns the exact sum of what `of` makes of the numbers, each as often as it is there.
fn sum(counts: &[(Number, u64)], of: &(dyn Fn(Number) -> Number + Sync)) -> Doubles {
    let parts: Vec<&[(Number, u64)]> = counts.chunks(CHUNK).collect();
    let sums = share::numbered(parts.len(), &|at| {
        let (mut many, mut some) = (Many::default(), Doubles::default());
        let mut single = Vec::new();
        for (number, count) in parts[at] {
            match of(*number) {
                Number::Integer(integer) => some.add_integer(integer * i128::from(*count)),
                Number::Float(float) if *count == 1 => single.push(float),
                Number::Float(float) => some.add_times(float, *count),
            }
        }
        many.add(&single);
        some.merge(&many.finish());
        some
    });
    let mut all = Doubles::default();
    sums.iter().for_each(|sum| all.merge(sum));
    all
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
