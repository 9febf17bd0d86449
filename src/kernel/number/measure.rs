//! Numbers of images: counts and means.

use rayon::prelude::*;

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::number::exact::Singles;
use crate::kernel::number::gather;
use crate::kernel::number::simd;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep;
use crate::kernel::number::{logic, operand};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;

/// Voxels or words that one task counts.
const TASK: usize = 1 << 17;

/// Returns the count of true voxels, or of voxels that are not 0.
pub fn volume(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    let count = match image {
        Value::Mask(mask) => true_voxels(mask),
        Value::Volume(volume) => each_voxel_type!(&volume.voxels, voxels => not_zero(voxels)),
        _ => return Err(argument::kind()),
    };
    Ok(Value::Number(count as f64).into())
}

/// Returns the count of true voxels.
pub fn true_voxels(mask: &Mask) -> u64 {
    let count = |words: &[u64]| {
        simd::widest(|| words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>())
    };
    if mask.words.len() <= 2 * TASK {
        return count(&mask.words);
    }
    mask.words.par_chunks(TASK).map(count).sum()
}

fn not_zero<T: bytemuck::Pod + PartialEq + Sync>(voxels: &[T]) -> u64 {
    let zero = T::zeroed();
    voxels
        .par_chunks(TASK)
        .map(|voxels| {
            simd::widest(|| {
                u64::from(voxels.iter().map(|voxel| u32::from(*voxel != zero)).sum::<u32>())
            })
        })
        .sum()
}

/// Returns the mean of the voxels in a mask; an empty mask has none.
pub fn avg(call: &Call<'_>) -> Result<Output, Refusal> {
    mean(call, || Err(Refusal::new(Code::Empty)))
}

/// Returns the mean of the voxels in a mask; 0.0 of an empty one.
pub fn avg0(call: &Call<'_>) -> Result<Output, Refusal> {
    mean(call, || Ok(0.0))
}

fn mean(call: &Call<'_>, empty: fn() -> Result<f64, Refusal>) -> Result<Output, Refusal> {
    let [image, mask] = call.args else { return Err(argument::kind()) };
    let (Some(source), Some(truths)) = (Source::of(image), Source::of(mask)) else {
        return Err(argument::kind());
    };
    argument::same_grid(&[image, mask])?;
    let mask = logic::truths(truths)?;
    let count = true_voxels(&mask);
    if count == 0 {
        return Ok(Value::Number(empty()?).into());
    }
    let (sum, rounded) = sum(source, &mask);
    Ok(sweep::told(operand::number(sum / count as f64), rounded))
}

/// Returns the exact sum of the voxels in a mask, rounded once.
fn sum(source: Source<'_>, mask: &Mask) -> (f64, u64) {
    let (sum, rounded) =
        gather::fold(source, mask, Singles::default, Singles::add, |a, b| a.merge(&b));
    (sum.round(), rounded)
}
