//! Arguments of a call, checked and turned into what a kernel works on.

use std::sync::Arc;

use rayon::prelude::*;

use crate::each_voxel_type;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Output, Warning};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Voxels that one task of a parallel pass takes: a constant, so that it can never show in a result.
pub const CHUNK: usize = 1 << 16;

/// Returns the refusal of an argument of a kind that the operator does not take.
pub fn kind() -> Refusal {
    Refusal::new(Code::Kind)
}

/// Returns argument `at`; one that is not there is of no kind that could be taken.
pub fn at(args: &[Value], at: usize) -> Result<&Value, Refusal> {
    args.get(at).ok_or_else(kind)
}

/// Returns the number.
pub fn number(value: &Value) -> Result<f64, Refusal> {
    match value {
        Value::Number(number) => Ok(*number),
        _ => Err(kind()),
    }
}

/// Returns the number where an integer is asked: 1.0 is one; 0.5, NaN and infinities are refused.
///
/// The result is exact in magnitude below 2^53 and stays at the limits of `i64` beyond them.
pub fn integer(value: &Value) -> Result<i64, Refusal> {
    let number = number(value)?;
    if number.is_finite() && number.fract() == 0.0 {
        Ok(number as i64)
    } else {
        Err(Refusal::with(Code::Integer, &[number]))
    }
}

/// Returns the truth value.
pub fn boolean(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        _ => Err(kind()),
    }
}

/// Returns the text.
pub fn text(value: &Value) -> Result<&str, Refusal> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(kind()),
    }
}

/// Returns the items of the sequence.
pub fn sequence(value: &Value) -> Result<&[Value], Refusal> {
    match value {
        Value::Sequence(items) => Ok(items),
        _ => Err(kind()),
    }
}

/// Returns the grid that stands as an argument of its own.
pub fn grid(value: &Value) -> Result<&Arc<Grid>, Refusal> {
    match value {
        Value::Grid(grid) => Ok(grid),
        _ => Err(kind()),
    }
}

/// Returns the mask, or of a number image where it is not 0 (NaN is true).
pub fn mask(value: &Value) -> Result<Mask, Refusal> {
    match value {
        Value::Mask(mask) => Ok(mask.clone()),
        Value::Volume(volume) => Ok(nonzero(volume)),
        _ => Err(kind()),
    }
}

/// Returns the number image as f32, each voxel rounded once; a mask is 0.0 and 1.0.
///
/// An f32 image is shared, not copied.
pub fn volume_f32(value: &Value) -> Result<(Arc<Grid>, Arc<Buffer<f32>>), Refusal> {
    match value {
        Value::Volume(volume) => Ok((volume.grid.clone(), rounded(&volume.voxels))),
        Value::Mask(mask) => Ok((mask.grid.clone(), Arc::new(unpacked(mask)))),
        _ => Err(kind()),
    }
}

/// Refuses images on different grids; what is no image is passed over.
///
/// The numbers are the dims of both grids, or where those agree the spacings, or where those agree
/// too the origins.
pub fn same_grid(values: &[&Value]) -> Result<(), Refusal> {
    let mut grids = values.iter().filter_map(|value| value.grid());
    let Some(first) = grids.next() else { return Ok(()) };
    for other in grids {
        if !Arc::ptr_eq(first, other) && !first.meets(other) {
            let dims = |grid: &Grid| grid.dims().iter().map(|n| *n as f64).collect::<Vec<_>>();
            let numbers = if first.dims() != other.dims() {
                [dims(first), dims(other)].concat()
            } else if first.spacing() != other.spacing() {
                [first.spacing(), other.spacing()].concat()
            } else {
                [first.origin(), other.origin()].concat()
            };
            return Err(Refusal::with(Code::Grid, &numbers));
        }
    }
    Ok(())
}

/// Returns the output with a warning of voxels that lost digits when integer images were rounded to
/// f32 (beyond 2^24 not all integers are f32).
pub fn warned(value: Value, args: &[Value]) -> Output {
    let count: u64 = args.iter().map(inexact).sum();
    let warnings = if count > 0 { vec![Warning { code: "rounded", count }] } else { Vec::new() };
    Output { value, warnings, file: None }
}

fn inexact(value: &Value) -> u64 {
    let Value::Volume(volume) = value else { return 0 };
    match &volume.voxels {
        Voxels::U32(voxels) => voxels
            .par_chunks(CHUNK)
            .map(|c| count(c, |v| f64::from(v as f32) != f64::from(v)))
            .sum(),
        Voxels::I32(voxels) => voxels
            .par_chunks(CHUNK)
            .map(|c| count(c, |v| f64::from(v as f32) != f64::from(v)))
            .sum(),
        Voxels::U64(voxels) => {
            voxels.par_chunks(CHUNK).map(|c| count(c, |v| v as f32 as u128 != u128::from(v))).sum()
        }
        Voxels::I64(voxels) => {
            voxels.par_chunks(CHUNK).map(|c| count(c, |v| v as f32 as i128 != i128::from(v))).sum()
        }
        _ => 0,
    }
}

fn count<T: Copy>(voxels: &[T], differs: impl Fn(T) -> bool) -> u64 {
    voxels.iter().filter(|voxel| differs(**voxel)).count() as u64
}

trait Number: bytemuck::Pod + Send + Sync {
    fn as_f32(self) -> f32;
    fn is_true(self) -> bool;
}

macro_rules! numbers {
    ($($kind:ident $zero:literal)*) => {$(
        #[expect(clippy::allow_attributes, reason = "only some of the types need it")]
        impl Number for $kind {
            #[allow(clippy::cast_lossless, reason = "one body for all types")]
            #[allow(clippy::unnecessary_cast, reason = "one body for all types")]
            fn as_f32(self) -> f32 {
                self as f32
            }

            fn is_true(self) -> bool {
                self != $zero
            }
        }
    )*};
}

numbers!(u8 0 i8 0 u16 0 i16 0 u32 0 i32 0 u64 0 i64 0 f32 0.0 f64 0.0);

fn rounded(voxels: &Voxels) -> Arc<Buffer<f32>> {
    if let Voxels::F32(voxels) = voxels {
        return voxels.clone();
    }
    Arc::new(each_voxel_type!(voxels, buffer => narrowed(buffer)))
}

fn narrowed<T: Number>(voxels: &[T]) -> Buffer<f32> {
    let mut out = Buffer::take(voxels.len());
    share::pieces(&mut out, CHUNK, &|chunk, out: &mut [f32]| {
        for (out, voxel) in out.iter_mut().zip(&voxels[chunk * CHUNK..]) {
            *out = voxel.as_f32();
        }
    });
    out
}

fn nonzero(volume: &Volume) -> Mask {
    each_voxel_type!(&volume.voxels, voxels => packed(&volume.grid, voxels))
}

fn packed<T: Number>(grid: &Arc<Grid>, voxels: &[T]) -> Mask {
    let (nx, stride) = (grid.dims()[0], grid.row_words());
    let mut words = Buffer::take(grid.rows() * stride);
    let rows = (CHUNK / nx).max(1);
    share::pieces(&mut words, rows * stride, &|block, words: &mut [u64]| {
        let voxels = &voxels[block * rows * nx..];
        for (words, voxels) in words.chunks_exact_mut(stride).zip(voxels.chunks_exact(nx)) {
            for (word, voxels) in words.iter_mut().zip(voxels.chunks(64)) {
                *word = voxels
                    .iter()
                    .enumerate()
                    .fold(0, |word, (bit, voxel)| word | u64::from(voxel.is_true()) << bit);
            }
        }
    });
    Mask::new(grid.clone(), words)
}

fn unpacked(mask: &Mask) -> Buffer<f32> {
    let (nx, stride) = (mask.grid.dims()[0], mask.grid.row_words());
    let mut out = Buffer::take(mask.grid.voxels());
    let rows = (CHUNK / nx).max(1);
    share::pieces(&mut out, rows * nx, &|block, out: &mut [f32]| {
        let words = &mask.words[block * rows * stride..];
        for (out, words) in out.chunks_exact_mut(nx).zip(words.chunks_exact(stride)) {
            for (out, word) in out.chunks_mut(64).zip(words) {
                for (bit, out) in out.iter_mut().enumerate() {
                    *out = if word >> bit & 1 == 1 { 1.0 } else { 0.0 };
                }
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn grid_of(dims: &[usize]) -> Arc<Grid> {
        Arc::new(Grid::plain(dims).unwrap())
    }

    #[test]
    fn integers_are_integral_numbers() {
        assert_eq!(integer(&Value::Number(3.0)).unwrap(), 3);
        assert_eq!(integer(&Value::Number(-0.0)).unwrap(), 0);
        for bad in [0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(integer(&Value::Number(bad)).unwrap_err().code, Code::Integer);
        }
        assert_eq!(integer(&Value::text("1")).unwrap_err().code, Code::Kind);
    }

    #[test]
    fn a_number_image_is_true_where_it_is_not_zero_nan_too() {
        for nx in [1, 63, 64, 65, 130] {
            let grid = grid_of(&[nx, 3]);
            let of = |i: usize| [0.0, -0.0, f32::NAN, 1.5, -2.0][i % 5];
            let mut voxels = Buffer::zeroed(nx * 3);
            voxels.iter_mut().enumerate().for_each(|(i, v)| *v = of(i));
            let got = mask(&Value::Volume(Volume::f32(grid.clone(), voxels))).unwrap();
            let want = Mask::from_fn(grid, |x, y, _| (y * nx + x) % 5 >= 2);
            assert_eq!(**got.words, **want.words);
        }
    }

    #[test]
    fn a_mask_is_zeros_and_ones_and_back() {
        for nx in [1, 64, 127] {
            let want = Mask::from_fn(grid_of(&[nx, 2, 2]), |x, y, z| (x * 7 + y + z) % 3 == 0);
            let (grid, voxels) = volume_f32(&Value::Mask(want.clone())).unwrap();
            assert_eq!(voxels.iter().sum::<f32>(), want.count() as f32);
            let volume = Volume { grid, voxels: Voxels::F32(voxels) };
            assert_eq!(**mask(&Value::Volume(volume)).unwrap().words, **want.words);
        }
    }

    #[test]
    fn integers_that_lose_digits_are_counted() {
        let voxels = Buffer::copied(&[1u32, 1 << 24, (1 << 24) + 1, u32::MAX]);
        let value =
            Value::Volume(Volume { grid: grid_of(&[2, 2]), voxels: Voxels::U32(Arc::new(voxels)) });
        let output = warned(Value::Null, &[value]);
        assert_eq!(output.warnings, [Warning { code: "rounded", count: 2 }]);
        let voxels = Buffer::copied(&[i64::MIN, i64::MAX, 3, -((1 << 24) + 1)]);
        let value =
            Value::Volume(Volume { grid: grid_of(&[2, 2]), voxels: Voxels::I64(Arc::new(voxels)) });
        assert_eq!(warned(Value::Null, &[value]).warnings[0].count, 2);
    }

    #[test]
    fn grids_that_do_not_meet_are_refused_with_numbers() {
        let mask = |dims: &[usize]| Value::Mask(Mask::constant(grid_of(dims), true));
        let (a, b) = (mask(&[2, 3]), mask(&[2, 4]));
        same_grid(&[&a, &Value::Number(1.0), &a]).unwrap();
        let refusal = same_grid(&[&a, &b]).unwrap_err();
        assert_eq!(refusal.code, Code::Grid);
        assert_eq!(refusal.args.len(), 4);
    }
}
