//! The voxels of an image as numbers, in their own type.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::number::exact::Doubles;
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

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

    /// Visits all numbers in order.
    pub fn each(self, mut visit: impl FnMut(Number)) {
        match self {
            Self::Volume(volume) => each_voxel_type!(&volume.voxels, voxels => {
                for voxel in voxels.iter() {
                    visit(Number::from(*voxel));
                }
            }),
            Self::Mask(mask) => {
                let (nx, stride) = (mask.grid.dims()[0], mask.grid.row_words());
                for row in mask.words.chunks_exact(stride) {
                    for x in 0..nx {
                        visit(Number::Integer(i128::from(row[x / 64] >> (x % 64) & 1)));
                    }
                }
            }
        }
    }

    /// Returns all numbers in order.
    pub fn all(self) -> Vec<Number> {
        let mut all = Vec::with_capacity(self.count());
        self.each(|number| all.push(number));
        all
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
