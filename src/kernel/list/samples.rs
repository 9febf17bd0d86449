//! The voxels of an image as numbers, in their own type.

use crate::each_voxel_type;
use crate::kernel::argument::{self, CHUNK};
use crate::kernel::number::exact::Doubles;
use crate::kernel::number::simd;
use crate::kernel::share;
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Voxels of an image or a mask, x fastest.
#[derive(Clone, Copy)]
pub enum Samples<'a> {
    /// Of a number image.
    Volume(&'a Volume),
    /// Of a mask, 0 and 1.
    Mask(&'a Mask),
}

/// A voxel's number: exact in whatever type.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Of an integer image.
    Integer(i128),
    /// Of a float image.
    Float(f64),
}

macro_rules! numbers {
    ($($kind:ty => $variant:ident;)*) => {$(
        impl From<$kind> for Number {
            fn from(voxel: $kind) -> Self {
                Self::$variant(voxel.into())
            }
        }
    )*};
}

numbers! {
    u8 => Integer; i8 => Integer; u16 => Integer; i16 => Integer; u32 => Integer; i32 => Integer;
    u64 => Integer; i64 => Integer; f32 => Float; f64 => Float;
}

impl Number {
    /// Rounds to f64.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }

    /// Says whether two numbers are equal, exactly.
    pub fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Integer(a), Self::Float(b)) | (Self::Float(b), Self::Integer(a)) => {
                b.fract() == 0.0 && b.abs() < 1e30 && b as i128 == a
            }
        }
    }

    /// Adds itself to an exact sum.
    pub fn add_to(self, sum: &mut Doubles) {
        match self {
            Self::Integer(integer) => sum.add_integer(integer),
            Self::Float(float) => sum.add(float),
        }
    }
}

/// Voxels that are looked at together: as f64 they lie in the first cache.
const PIECE: usize = 1024;

/// What is done with the numbers from a voxel on.
type Step<'a, const N: usize, T> = dyn Fn(&mut T, usize, [&[f64]; N]) + Sync + 'a;

/// Visits the numbers of images as f64, piece by piece: `step` is given the state of its task, the
/// first voxel, and the numbers from there on. Returns the states in order; tasks have `len` voxels.
pub fn folded<const N: usize, T: Send>(
    all: [Samples<'_>; N],
    len: usize,
    begin: &(dyn Fn() -> T + Sync),
    step: &Step<'_, N, T>,
) -> Vec<T> {
    let count = all[0].count();
    share::numbered(count.div_ceil(len), &|task| {
        let mut state = begin();
        let mut numbers = vec![[0.0; PIECE]; N];
        let end = ((task + 1) * len).min(count);
        for from in (task * len..end).step_by(PIECE) {
            let len = PIECE.min(end - from);
            for (samples, numbers) in all.iter().zip(&mut numbers) {
                samples.widened(from, &mut numbers[..len]);
            }
            step(&mut state, from, std::array::from_fn(|at| &numbers[at][..len]));
        }
        state
    })
}

/// Counts the voxels of which something is true.
pub fn counted(count: usize, is: &(dyn Fn(usize) -> bool + Sync)) -> u64 {
    let tasks = share::numbered(count.div_ceil(CHUNK), &|task| {
        let voxels = task * CHUNK..((task + 1) * CHUNK).min(count);
        voxels.filter(|at| is(*at)).count() as u64
    });
    tasks.into_iter().sum()
}

impl<'a> Samples<'a> {
    /// Takes an image of numbers or a mask.
    pub fn of(value: &'a Value) -> Result<Self, Refusal> {
        match value {
            Value::Volume(volume) => Ok(Self::Volume(volume)),
            Value::Mask(mask) => Ok(Self::Mask(mask)),
            _ => Err(argument::kind()),
        }
    }

    /// Returns the count of voxels.
    pub fn count(self) -> usize {
        match self {
            Self::Volume(volume) => volume.grid.voxels(),
            Self::Mask(mask) => mask.grid.voxels(),
        }
    }

    /// Says whether every number of the voxel type is f64: of those [`widened`](Self::widened) tells
    /// all.
    pub fn is_narrow(self) -> bool {
        let wide = |volume: &Volume| matches!(volume.voxels, Voxels::U64(_) | Voxels::I64(_));
        !matches!(self, Self::Volume(volume) if wide(volume))
    }

    /// Writes the numbers from a voxel on as f64, each rounded once.
    #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "one line for all types")]
    pub fn widened(self, from: usize, out: &mut [f64]) {
        match self {
            Self::Volume(volume) => each_voxel_type!(&volume.voxels, voxels => {
                let voxels = &voxels[from..from + out.len()];
                simd::widest(|| {
                    for (out, voxel) in out.iter_mut().zip(voxels) {
                        *out = *voxel as f64;
                    }
                });
            }),
            Self::Mask(mask) => {
                let (nx, stride) = (mask.grid.dims()[0], mask.grid.row_words());
                let (mut row, mut x) = (from / nx, from % nx);
                for out in out {
                    *out = (mask.words[row * stride + x / 64] >> (x % 64) & 1) as f64;
                    x += 1;
                    if x == nx {
                        (row, x) = (row + 1, 0);
                    }
                }
            }
        }
    }

    /// Returns the number of one voxel.
    pub fn at(self, voxel: usize) -> Number {
        match self {
            Self::Volume(volume) => {
                each_voxel_type!(&volume.voxels, voxels => Number::from(voxels[voxel]))
            }
            Self::Mask(mask) => {
                let nx = mask.grid.dims()[0];
                let (row, x) = (voxel / nx, voxel % nx);
                let word = mask.words[row * mask.grid.row_words() + x / 64];
                Number::Integer(i128::from(word >> (x % 64) & 1))
            }
        }
    }
}
