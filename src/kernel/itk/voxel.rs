//! Voxels of each type, and arithmetic on them as C++ has it.

use std::sync::Arc;

use crate::pool::Buffer;
use crate::value::volume::Voxels;

/// A number in one voxel type.
pub trait Voxel: bytemuck::Pod + PartialOrd + Send + Sync {
    /// Is the type an integer?
    const INTEGER: bool;
    /// Has it negative numbers?
    const SIGNED: bool;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The least number, finite.
    const LEAST: Self;
    /// The greatest number, finite.
    const GREATEST: Self;

    /// Rounds to f64.
    fn wide(self) -> f64;
    /// Truncates an integer toward zero (NaN is 0), rounds a float; stays within the type.
    fn of(number: f64) -> Self;
    /// Adds; integers wrap around.
    fn plus(self, other: Self) -> Self;
    /// Subtracts; integers wrap around.
    fn minus(self, other: Self) -> Self;
    /// Multiplies; integers wrap around.
    fn times(self, other: Self) -> Self;
    /// Divides; by what ITK takes for zero gives the greatest number.
    fn over(self, other: Self) -> Self;
    /// Changes the sign; integers wrap around.
    fn negated(self) -> Self;
    /// Clears the sign; integers wrap around.
    fn magnitude(self) -> Self;
    /// Both, one or the other, or just one, bit by bit; floats have no such operators, and stay 0.
    fn bits(self, other: Self, operator: Bits) -> Self;
    /// Makes any NaN the one NaN.
    fn tidy(self) -> Self;
    /// Wraps a buffer.
    fn voxels(buffer: Buffer<Self>) -> Voxels;
}

/// Operators on bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bits {
    /// Where both are 1.
    And,
    /// Where one or both are 1.
    Or,
    /// Where just one is 1.
    Xor,
}

macro_rules! integers {
    ($($kind:ident $variant:ident $signed:literal $magnitude:expr;)*) => {$(
        #[allow(clippy::cast_lossless, reason = "one body for all types")]
        impl Voxel for $kind {
            const INTEGER: bool = true;
            const SIGNED: bool = $signed;
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LEAST: Self = $kind::MIN;
            const GREATEST: Self = $kind::MAX;

            fn wide(self) -> f64 {
                self as f64
            }

            fn of(number: f64) -> Self {
                number as Self
            }

            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            fn over(self, other: Self) -> Self {
                if other == 0 { Self::MAX } else { self.wrapping_div(other) }
            }

            fn negated(self) -> Self {
                self.wrapping_neg()
            }

            fn magnitude(self) -> Self {
                let magnitude: fn($kind) -> $kind = $magnitude;
                magnitude(self)
            }

            fn bits(self, other: Self, operator: Bits) -> Self {
                match operator {
                    Bits::And => self & other,
                    Bits::Or => self | other,
                    Bits::Xor => self ^ other,
                }
            }

            fn tidy(self) -> Self {
                self
            }

            fn voxels(buffer: Buffer<Self>) -> Voxels {
                Voxels::$variant(Arc::new(buffer))
            }
        }
    )*};
}

integers! {
    u8 U8 false |x| x;
    i8 I8 true |x| x.wrapping_abs();
    u16 U16 false |x| x;
    i16 I16 true |x| x.wrapping_abs();
    u32 U32 false |x| x;
    i32 I32 true |x| x.wrapping_abs();
    u64 U64 false |x| x;
    i64 I64 true |x| x.wrapping_abs();
}

macro_rules! floats {
    ($($kind:ident $variant:ident $sign:literal;)*) => {$(
        #[allow(clippy::cast_lossless, reason = "one body for all types")]
        impl Voxel for $kind {
            const INTEGER: bool = false;
            const SIGNED: bool = true;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LEAST: Self = $kind::MIN;
            const GREATEST: Self = $kind::MAX;

            fn wide(self) -> f64 {
                self as f64
            }

            #[allow(clippy::unnecessary_cast, reason = "one body for all types")]
            fn of(number: f64) -> Self {
                number as Self
            }

            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn minus(self, other: Self) -> Self {
                self - other
            }

            fn times(self, other: Self) -> Self {
                self * other
            }

            #[allow(clippy::unnecessary_cast, reason = "one body for all types")]
            fn over(self, other: Self) -> Self {
                // ITK compares with 0 up to a tenth of the type's epsilon.
                if other.abs() <= (0.1 * $kind::EPSILON as f64) as $kind {
                    Self::MAX
                } else {
                    self / other
                }
            }

            fn negated(self) -> Self {
                -self
            }

            fn magnitude(self) -> Self {
                self.abs()
            }

            fn bits(self, _: Self, _: Bits) -> Self {
                0.0
            }

            fn tidy(self) -> Self {
                // On bits: the compiler takes a NaN for any other, and would leave them as they are.
                let bits = self.to_bits();
                let is_nan = bits & !$sign > $kind::INFINITY.to_bits();
                $kind::from_bits(if is_nan { $kind::NAN.to_bits() } else { bits })
            }

            fn voxels(buffer: Buffer<Self>) -> Voxels {
                Voxels::$variant(Arc::new(buffer))
            }
        }
    )*};
}

floats! {
    f32 F32 0x8000_0000;
    f64 F64 0x8000_0000_0000_0000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_stay_within_their_type() {
        assert_eq!(250u8.plus(10), 4);
        assert_eq!(10u8.minus(16), 250);
        assert_eq!(i8::MIN.negated(), i8::MIN);
        assert_eq!(i8::MIN.magnitude(), i8::MIN);
        assert_eq!(i8::MIN.over(-1), i8::MIN);
        assert_eq!((-7i16).over(2), -3);
        assert_eq!(0u16.over(0), u16::MAX);
        assert_eq!((u8::of(-3.0), u8::of(300.0), u8::of(f64::NAN), i8::of(-1.9)), (0, 255, 0, -1));
    }

    #[test]
    fn there_is_one_nan() {
        for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff] {
            assert_eq!(f32::from_bits(bits).tidy().to_bits(), 0x7fc0_0000);
        }
        for number in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN, 1e-45] {
            assert_eq!(number.tidy().to_bits(), number.to_bits());
        }
        assert_eq!(f64::from_bits(0xfff8_0000_0000_0001).tidy().to_bits(), 0x7ff8_0000_0000_0000);
        assert_eq!(f64::NEG_INFINITY.tidy(), f64::NEG_INFINITY);
    }

    #[test]
    fn floats_divide_by_what_itk_takes_for_zero() {
        assert_eq!(1.0f32.over(1e-8), f32::MAX);
        assert_eq!(1.0f32.over(2e-8), 1.0 / 2e-8);
        assert_eq!((-1.0f64).over(-0.0), f64::MAX);
        assert!(1.0f32.over(f32::NAN).is_nan());
    }
}
