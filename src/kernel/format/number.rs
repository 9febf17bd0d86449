//! The ten types of numbers as files hold them.

use std::sync::Arc;

use bytemuck::Pod;

use crate::pool::Buffer;
use crate::value::volume::Voxels;

/// The order of the bytes of a number in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// As in memory.
    Little,
    /// The other way round.
    Big,
}

/// A number of a file.
pub trait Number: Pod {
    /// Returns it with its bytes in the other order.
    fn swapped(self) -> Self;

    /// Returns it as f64; 64-bit integers are rounded.
    fn to_f64(self) -> f64;

    /// Returns it, or 0 when it is not finite, and whether it was.
    fn or_zero(self) -> (Self, bool);

    /// Returns it, or the one NaN for any NaN.
    fn one_nan(self) -> Self;

    /// Reads it as it is written out.
    fn parse(word: &str) -> Option<Self>;

    /// Makes voxels of them.
    fn voxels(buffer: Buffer<Self>) -> Voxels;
}

macro_rules! integer {
    ($($type:ident $name:ident)*) => {$(
        impl Number for $type {
            fn swapped(self) -> Self {
                self.swap_bytes()
            }

            #[expect(clippy::allow_attributes, reason = "of some types only")]
            #[allow(clippy::cast_lossless, reason = "one text for ten types")]
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn or_zero(self) -> (Self, bool) {
                (self, true)
            }

            fn one_nan(self) -> Self {
                self
            }

            fn parse(word: &str) -> Option<Self> {
                word.parse().ok()
            }

            fn voxels(buffer: Buffer<Self>) -> Voxels {
                Voxels::$name(Arc::new(buffer))
            }
        }
    )*};
}

macro_rules! float {
    ($($type:ident $name:ident)*) => {$(
        impl Number for $type {
            fn swapped(self) -> Self {
                $type::from_bits(self.to_bits().swap_bytes())
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn or_zero(self) -> (Self, bool) {
                let finite = self.is_finite();
                (if finite { self } else { 0.0 }, finite)
            }

            fn one_nan(self) -> Self {
                // On bits: the compiler takes a NaN for any other, and would leave them as they are.
                let bits = self.to_bits();
                let is_nan = bits << 1 > $type::INFINITY.to_bits() << 1;
                $type::from_bits(if is_nan { $type::NAN.to_bits() } else { bits })
            }

            fn parse(word: &str) -> Option<Self> {
                word.parse().ok()
            }

            fn voxels(buffer: Buffer<Self>) -> Voxels {
                Voxels::$name(Arc::new(buffer))
            }
        }
    )*};
}

integer!(u8 U8 i8 I8 u16 U16 i16 I16 u32 U32 i32 I32 u64 U64 i64 I64);
float!(f32 F32 f64 F64);

/// Runs an expression with `$type` naming the Rust type of a [`VoxelType`].
///
/// [`VoxelType`]: crate::value::volume::VoxelType
#[macro_export]
macro_rules! with_voxel_type {
    ($kind:expr, $type:ident => $body:expr) => {
        match $kind {
            $crate::value::volume::VoxelType::U8 => {
                type $type = u8;
                $body
            }
            $crate::value::volume::VoxelType::I8 => {
                type $type = i8;
                $body
            }
            $crate::value::volume::VoxelType::U16 => {
                type $type = u16;
                $body
            }
            $crate::value::volume::VoxelType::I16 => {
                type $type = i16;
                $body
            }
            $crate::value::volume::VoxelType::U32 => {
                type $type = u32;
                $body
            }
            $crate::value::volume::VoxelType::I32 => {
                type $type = i32;
                $body
            }
            $crate::value::volume::VoxelType::U64 => {
                type $type = u64;
                $body
            }
            $crate::value::volume::VoxelType::I64 => {
                type $type = i64;
                $body
            }
            $crate::value::volume::VoxelType::F32 => {
                type $type = f32;
                $body
            }
            $crate::value::volume::VoxelType::F64 => {
                type $type = f64;
                $body
            }
        }
    };
}

/// Puts numbers in the order of memory, and 0 where one is not finite; returns how many were not.
pub fn settle<T: Number>(numbers: &mut [T], order: Order) -> u64 {
    if order == Order::Big && size_of::<T>() > 1 {
        for number in numbers.iter_mut() {
            *number = number.swapped();
        }
    }
    // A look first: writing only where needed spares the memory of the usual file.
    let odd = numbers.iter().fold(false, |odd, number| odd | !number.or_zero().1);
    let mut zeroed = 0;
    if odd {
        for number in numbers {
            let (kept, finite) = number.or_zero();
            *number = kept;
            zeroed += u64::from(!finite);
        }
    }
    zeroed
}
