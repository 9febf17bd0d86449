//! Numbers of images, and rescaling by them.
#![expect(clippy::inline_always, reason = "`apply` compiles anew only what is inlined into it")]

use crate::each_voxel_type;
use crate::kernel::argument::{self, CHUNK};
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::list::samples::{Samples, folded};
use crate::kernel::number::exact::{Doubles, Many};
use crate::kernel::number::operand::number;
use crate::kernel::number::simd;
use crate::kernel::share;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::Voxels;

/// Returns the least and the greatest voxel, NaN passed over; of nothing else, NaN twice.
pub fn minimum_maximum(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::volume_at(call.args, 0)?;
    let (least, greatest) = each_voxel_type!(&volume.voxels, voxels => ends(voxels));
    Ok(Value::sequence(vec![number(least), number(greatest)]).into())
}

/// Returns the least and the greatest voxel, NaN passed over; of nothing else, NaN twice.
pub fn ends<T: Voxel>(voxels: &[T]) -> (f64, f64) {
    let chunks: Vec<&[T]> = voxels.chunks(CHUNK).collect();
    let found = share::numbered(chunks.len(), &|at| simd::apply(ends_of::<T>, chunks[at]));
    let found = found.into_iter().flatten().reduce(|a, b| (lesser(a.0, b.0), greater(a.1, b.1)));
    // Zeros of both signs are equal, and which of them came first must not show.
    found.map_or((f64::NAN, f64::NAN), |(least, greatest)| {
        (least.wide() + 0.0, greatest.wide() + 0.0)
    })
}

#[inline(always)]
fn ends_of<T: Voxel>(voxels: &[T]) -> Option<(T, T)> {
    // What is NaN is neither lesser nor greater than the first that is not.
    let first = *voxels.iter().find(|voxel| voxel.partial_cmp(voxel).is_some())?;
    // As many at once as a vector has.
    let (lanes, rest) = voxels.as_chunks::<16>();
    let (mut least, mut greatest) = ([first; 16], [first; 16]);
    for lane in lanes {
        for x in 0..16 {
            least[x] = lesser(least[x], lane[x]);
            greatest[x] = greater(greatest[x], lane[x]);
        }
    }
    for (x, voxel) in rest.iter().enumerate() {
        least[x] = lesser(least[x], *voxel);
        greatest[x] = greater(greatest[x], *voxel);
    }
    Some((least.into_iter().fold(first, lesser), greatest.into_iter().fold(first, greater)))
}

#[inline(always)]
fn lesser<T: Voxel>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

#[inline(always)]
fn greater<T: Voxel>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// Returns least, greatest, mean, standard deviation, variance (over n - 1), sum and count.
///
/// Sums are exact and rounded once; NaN makes all but the first two and the count NaN.
pub fn statistics(call: &Call<'_>) -> Result<Output, Refusal> {
    let image = argument::at(call.args, 0)?;
    let volume = typed::volume(image)?;
    let (least, greatest) = each_voxel_type!(&volume.voxels, voxels => ends(voxels));
    let samples = Samples::of(image)?;
    let count = samples.count() as f64;
    let task = CHUNK.max(samples.count().div_ceil(64));
    let tasks =
        folded([samples], task, &<(Many, Doubles)>::default, &|(many, some), from, [numbers]| {
            if samples.is_narrow() {
                many.add(numbers);
            } else {
                // Integers of 64 bits are not all f64.
                (from..from + numbers.len()).for_each(|at| samples.at(at).add_to(some));
            }
        });
    let sum = total(tasks).round();
    let mean = sum / count;
    let tasks = folded([samples], task, &<(Many, Doubles)>::default, &|(many, _), _, [numbers]| {
        let squares: Vec<f64> =
            numbers.iter().map(|number| (number - mean) * (number - mean)).collect();
        many.add(&squares);
    });
    let variance = total(tasks).round() / (count - 1.0);
    let all = [least, greatest, mean, variance.sqrt(), variance, sum, count];
    Ok(Value::sequence(all.map(number).to_vec()).into())
}

fn total(tasks: Vec<(Many, Doubles)>) -> Doubles {
    let mut all = Doubles::default();
    for (many, some) in tasks {
        all.merge(&many.finish());
        all.merge(&some);
    }
    all
}

/// Returns an image whose least voxel is a number and whose greatest is another.
pub fn rescale(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::volume_at(call.args, 0)?;
    let low = argument::number(argument::at(call.args, 1)?)?;
    let high = argument::number(argument::at(call.args, 2)?)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => rescaled(voxels, low, high)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn rescaled<T: Voxel>(voxels: &[T], low: f64, high: f64) -> Result<Voxels, Refusal> {
    let (low, high) = (typed::scalar::<T>(low)?.wide(), typed::scalar::<T>(high)?.wide());
    if low > high || low.is_nan() || high.is_nan() {
        return Err(Refusal::with(Code::Range, &[low, high]));
    }
    let (least, greatest) = ends(voxels);
    let scale = if greatest > least { (high - low) / (greatest - least) } else { 0.0 };
    let shift = low - least * scale;
    let is_constant = greatest <= least;
    Ok(typed::map(voxels, move |voxel: T| {
        if is_constant {
            return T::of(low);
        }
        let number = voxel.wide() * scale + shift;
        // What rounding carries past the ends comes back; NaN stays.
        T::of(if number < low {
            low
        } else if number > high {
            high
        } else {
            number
        })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn constant_images_become_the_least() {
        let Voxels::F32(got) = rescaled(&[7.0f32; 4], 3.0, 9.0).unwrap() else { panic!("f32") };
        assert_eq!(got[..], [3.0; 4]);
        assert_eq!(rescaled(&[7u8; 4], 9.0, 3.0).unwrap_err().code, Code::Range);
        assert_eq!(rescaled(&[7u8; 4], 0.0, 256.0).unwrap_err().code, Code::Range);
        let Voxels::U8(got) = rescaled(&[0u8, 1, 250, 255], 0.0, 100.0).unwrap() else {
            panic!("u8")
        };
        assert_eq!(got[..], [0, 0, 98, 100]);
    }

    proptest! {
        #[test]
        fn ends_are_those_of_the_sorted(mut voxels in prop::collection::vec(-50i16..50, 1..70)) {
            let got = ends(&voxels);
            voxels.sort_unstable();
            prop_assert_eq!(got, (f64::from(voxels[0]), f64::from(voxels[voxels.len() - 1])));
            let mut floats: Vec<f32> = voxels.iter().map(|voxel| f32::from(*voxel)).collect();
            floats.insert(voxels.len() / 2, f32::NAN);
            prop_assert_eq!(ends(&floats), got);
        }
    }
}
