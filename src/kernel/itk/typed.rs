//! Images in their voxel type, scalars in that type, and passes over voxels.
#![expect(clippy::inline_always, reason = "`apply` compiles anew only what is inlined into it")]

use std::sync::Arc;

use crate::kernel::argument::{self, CHUNK};
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::number::simd;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Rows of a mask that one task takes.
const ROWS: usize = 64;

/// Returns a number image in its own type; a mask is u8 0 and 1, a colour image is refused.
pub fn volume(value: &Value) -> Result<Volume, Refusal> {
    match value {
        Value::Volume(volume) => Ok(volume.clone()),
        Value::Mask(mask) => Ok(unpacked(mask)),
        _ => Err(argument::kind()),
    }
}

/// Returns the argument `at` as [`volume`] does.
pub fn volume_at(args: &[Value], at: usize) -> Result<Volume, Refusal> {
    volume(argument::at(args, at)?)
}

/// The same, and refuses floats.
pub fn integers_at(args: &[Value], at: usize) -> Result<Volume, Refusal> {
    let volume = volume_at(args, at)?;
    if volume.voxels.kind().is_integer() { Ok(volume) } else { Err(argument::kind()) }
}

fn unpacked(mask: &Mask) -> Volume {
    let (nx, stride) = (mask.grid.dims()[0], mask.grid.row_words());
    let mut out = Buffer::<u8>::take(mask.grid.voxels());
    share::pieces(&mut out, nx, &|row, out: &mut [u8]| {
        let words = &mask.words[row * stride..][..stride];
        for (out, word) in out.chunks_mut(64).zip(words) {
            for (bit, out) in out.iter_mut().enumerate() {
                *out = (word >> bit & 1) as u8;
            }
        }
    });
    Volume { grid: mask.grid.clone(), voxels: Voxels::U8(Arc::new(out)) }
}

/// Returns the scalar of argument `at` in a voxel type.
///
/// Integers are truncated toward zero. What the type does not hold is refused: C++ leaves it open.
pub fn scalar_at<T: Voxel>(args: &[Value], at: usize) -> Result<T, Refusal> {
    scalar(argument::number(argument::at(args, at)?)?)
}

/// The same of a number.
pub fn scalar<T: Voxel>(number: f64) -> Result<T, Refusal> {
    let (least, greatest) = (T::LEAST.wide(), T::GREATEST.wide());
    let holds = if T::INTEGER {
        // The greatest of 64 bits is no f64: the next above it is, and is too great.
        let whole = number.trunc();
        whole >= least && whole <= greatest && (whole < greatest || greatest < 9e18)
    } else {
        !number.is_finite() || T::of(number).wide().is_finite()
    };
    if holds {
        Ok(T::of(number).tidy())
    } else {
        Err(Refusal::with(Code::Range, &[number, least, greatest]))
    }
}

/// Returns the integer of argument `at`, which must lie in a range.
pub fn integer_at(args: &[Value], at: usize, least: i64, greatest: i64) -> Result<i64, Refusal> {
    let integer = argument::integer(argument::at(args, at)?)?;
    if (least..=greatest).contains(&integer) {
        return Ok(integer);
    }
    let numbers = [integer, least, greatest].map(|number| number as f64);
    Err(Refusal::with(Code::Range, &numbers))
}

/// Returns the truth of argument `at`.
pub fn truth_at(args: &[Value], at: usize) -> Result<bool, Refusal> {
    argument::boolean(argument::at(args, at)?)
}

/// Returns a number for each axis: one for all, or a sequence that has one for each.
///
/// `SimpleITK` takes longer sequences and leaves the rest unread, so that one program does for 2-D and
/// 3-D; so do we.
pub fn each_axis<'a>(value: &'a Value, grid: &Grid) -> Result<Vec<&'a Value>, Refusal> {
    let axes = grid.dims().len();
    match value {
        Value::Sequence(items) if items.len() < axes => {
            Err(Refusal::with(Code::Length, &[items.len() as f64, axes as f64]))
        }
        Value::Sequence(items) => Ok(items.iter().take(axes).collect()),
        one => Ok(vec![one; axes]),
    }
}

/// Computes each voxel of an image from that of another.
pub fn map<T: Voxel, U: Voxel>(voxels: &[T], of: impl Fn(T) -> U + Sync + Copy) -> Voxels {
    let mut out = Buffer::<U>::take(voxels.len());
    share::pieces(&mut out, CHUNK, &|chunk, out| {
        let voxels = &voxels[chunk * CHUNK..];
        simd::apply(map_all, (voxels, out, of));
    });
    U::voxels(out)
}

/// Computes each voxel of an image from those of two others.
pub fn zip<T: Voxel, S: Voxel, U: Voxel>(
    a: &[T],
    b: &[S],
    of: impl Fn(T, S) -> U + Sync + Copy,
) -> Voxels {
    let mut out = Buffer::<U>::take(a.len());
    share::pieces(&mut out, CHUNK, &|chunk, out| {
        let (a, b) = (&a[chunk * CHUNK..], &b[chunk * CHUNK..]);
        simd::apply(zip_all, (a, b, out, of));
    });
    U::voxels(out)
}

// The functions below get their arguments by value: behind a reference, what is written might change
// them, and no vectors came of it.

#[inline(always)]
fn map_all<T: Voxel, U: Voxel, F: Fn(T) -> U>((voxels, out, of): (&[T], &mut [U], F)) {
    for (out, voxel) in out.iter_mut().zip(voxels) {
        *out = of(*voxel).tidy();
    }
}

#[inline(always)]
fn zip_all<T: Voxel, S: Voxel, U: Voxel, F: Fn(T, S) -> U>(
    (a, b, out, of): (&[T], &[S], &mut [U], F),
) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = of(*a, *b).tidy();
    }
}

#[inline(always)]
fn pack_all<T: Voxel, F: Fn(T) -> bool>((voxels, words, is): (&[T], &mut [u64], F)) {
    simd::pack(voxels.len(), words, |x| is(voxels[x]));
}

/// Computes each voxel of an image from its place.
pub fn made<U: Voxel>(len: usize, of: impl Fn(usize) -> U + Sync) -> Buffer<U> {
    let mut out = Buffer::<U>::take(len);
    share::pieces(&mut out, CHUNK, &|chunk, out| {
        for (at, out) in out.iter_mut().enumerate() {
            *out = of(chunk * CHUNK + at).tidy();
        }
    });
    out
}

/// Returns the voxels as f64, each rounded once.
pub fn widened<T: Voxel>(voxels: &[T]) -> Buffer<f64> {
    made(voxels.len(), |at| voxels[at].wide())
}

/// Makes a value of voxels on a grid.
pub fn image(grid: &Arc<Grid>, voxels: Voxels) -> Value {
    Value::Volume(Volume { grid: grid.clone(), voxels })
}

/// Packs where a voxel is so.
pub fn packed<T: Voxel>(
    grid: &Arc<Grid>,
    voxels: &[T],
    is: impl Fn(T) -> bool + Sync + Copy,
) -> Mask {
    let (nx, stride) = (grid.dims()[0], grid.row_words());
    let mut words = Buffer::<u64>::take(grid.rows() * stride);
    share::pieces(&mut words, stride * ROWS, &|block, words| {
        for (row, words) in (block * ROWS..).zip(words.chunks_exact_mut(stride)) {
            let voxels = &voxels[row * nx..][..nx];
            simd::apply(pack_all, (voxels, words, is));
        }
    });
    Mask::new(grid.clone(), words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn scalars_are_truncated_or_refused() {
        assert_eq!(scalar::<u8>(10.9).unwrap(), 10);
        assert_eq!(scalar::<u8>(-0.9).unwrap(), 0);
        assert_eq!(scalar::<i16>(-3.7).unwrap(), -3);
        assert_eq!(scalar::<u8>(255.9).unwrap(), 255);
        for bad in [-1.0, 256.0, f64::NAN, f64::INFINITY] {
            assert_eq!(scalar::<u8>(bad).unwrap_err().code, Code::Range);
        }
        assert_eq!(scalar::<i64>(-9_223_372_036_854_775_808.0).unwrap(), i64::MIN);
        assert!(scalar::<i64>(9_223_372_036_854_775_808.0).is_err());
        assert!(scalar::<u64>(18_446_744_073_709_551_616.0).is_err());
        assert_eq!(scalar::<u32>(4_294_967_295.5).unwrap(), u32::MAX);
        assert!(scalar::<f32>(1e39).is_err());
        assert_eq!(scalar::<f32>(f64::INFINITY).unwrap(), f32::INFINITY);
    }

    #[test]
    fn masks_are_bytes_and_back() {
        let grid = Arc::new(Grid::plain(&[65, 3, 2]).unwrap());
        let mask = Mask::from_fn(grid.clone(), |x, y, z| (x * 7 + y + z) % 3 == 0);
        let bytes = volume(&Value::Mask(mask.clone())).unwrap();
        let Voxels::U8(voxels) = &bytes.voxels else { panic!("u8") };
        assert_eq!(**packed(&grid, voxels, |voxel| voxel == 1).words, **mask.words);
    }
}
