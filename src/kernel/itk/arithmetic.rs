//! Arithmetic and bits, in the voxel type of the images.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::{Bits, Voxel};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::{Volume, Voxels};

/// Operators of two images, or of an image and a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pair {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient.
    Divide,
    /// The greater; the second where they do not compare.
    Maximum,
    /// The lesser; the second where they do not compare.
    Minimum,
    /// Bit by bit.
    Bits(Bits),
}

/// Operators of one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Single {
    /// The sign cleared.
    Abs,
    /// Its own product.
    Square,
    /// The root, in f64.
    Sqrt,
    /// The sign changed.
    Minus,
}

/// Two images of one voxel type on one grid, or an image and a number in its type.
pub enum Operands {
    /// Two images.
    Images(Volume, Volume),
    /// A number behind the image.
    Behind(Volume, f64),
    /// A number before the image.
    Before(f64, Volume),
}

impl Operands {
    /// Takes two arguments.
    pub fn of(a: &Value, b: &Value) -> Result<Self, Refusal> {
        match (a, b) {
            (Value::Number(_), Value::Number(_)) => Err(argument::kind()),
            (Value::Number(a), b) => Ok(Self::Before(*a, typed::volume(b)?)),
            (a, Value::Number(b)) => Ok(Self::Behind(typed::volume(a)?, *b)),
            (a, b) => {
                let (one, other) = (typed::volume(a)?, typed::volume(b)?);
                if one.voxels.kind() != other.voxels.kind() {
                    return Err(argument::kind());
                }
                argument::same_grid(&[a, b])?;
                Ok(Self::Images(one, other))
            }
        }
    }

    /// Returns the image that gives type and grid.
    pub fn first(&self) -> &Volume {
        match self {
            Self::Images(image, _) | Self::Behind(image, _) | Self::Before(_, image) => image,
        }
    }

    /// Computes each voxel.
    pub fn each<T: Voxel, U: Voxel>(
        &self,
        cast: impl Fn(&Voxels) -> &[T],
        of: impl Fn(T, T) -> U + Sync + Copy,
    ) -> Result<Voxels, Refusal> {
        Ok(match self {
            Self::Images(a, b) => typed::zip(cast(&a.voxels), cast(&b.voxels), of),
            Self::Behind(a, b) => {
                let b = typed::scalar(*b)?;
                typed::map(cast(&a.voxels), move |a| of(a, b))
            }
            Self::Before(a, b) => {
                let a = typed::scalar(*a)?;
                typed::map(cast(&b.voxels), move |b| of(a, b))
            }
        })
    }
}

/// Applies an operator to two images of one type, or an image and a number.
pub fn pair(call: &Call<'_>, operator: Pair) -> Result<Output, Refusal> {
    let [a, b] = call.args else { return Err(argument::kind()) };
    let operands = Operands::of(a, b)?;
    let first = operands.first();
    if matches!(operator, Pair::Bits(_)) && !first.voxels.kind().is_integer() {
        return Err(argument::kind());
    }
    let voxels = each_voxel_type!(&first.voxels, voxels => {
        paired(&operands, &voxels[..], operator)?
    });
    Ok(typed::image(&first.grid, voxels).into())
}

/// The first image's voxels say the type.
fn paired<T: Voxel>(operands: &Operands, _: &[T], operator: Pair) -> Result<Voxels, Refusal> {
    if let (Pair::Divide, Operands::Behind(_, by)) = (operator, operands)
        && typed::scalar::<T>(*by)? == T::ZERO
    {
        return Err(Refusal::with(Code::Range, &[*by]));
    }
    fn cast<T: Voxel>(voxels: &Voxels) -> &[T] {
        bytemuck::cast_slice(voxels.bytes())
    }
    match operator {
        Pair::Add => operands.each(cast::<T>, T::plus),
        Pair::Subtract => operands.each(cast::<T>, T::minus),
        Pair::Multiply => operands.each(cast::<T>, T::times),
        Pair::Divide => operands.each(cast::<T>, T::over),
        Pair::Maximum => operands.each(cast::<T>, |a, b| if a > b { a } else { b }),
        Pair::Minimum => operands.each(cast::<T>, |a, b| if a < b { a } else { b }),
        Pair::Bits(bits) => operands.each(cast::<T>, move |a, b| a.bits(b, bits)),
    }
}

/// Applies an operator to an image.
pub fn single(call: &Call<'_>, operator: Single) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    let volume = typed::volume(image)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => changed(voxels, operator)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn changed<T: Voxel>(voxels: &[T], operator: Single) -> Result<Voxels, Refusal> {
    Ok(match operator {
        Single::Abs => typed::map(voxels, T::magnitude),
        Single::Square => typed::map(voxels, |voxel: T| voxel.times(voxel)),
        Single::Sqrt => typed::map(voxels, |voxel: T| T::of(voxel.wide().sqrt())),
        Single::Minus if T::SIGNED => typed::map(voxels, T::negated),
        Single::Minus => return Err(argument::kind()),
    })
}

/// Returns u8 1 where an integer image is 0.
pub fn not(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::integers_at(call.args, 0)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => is_zero(voxels));
    Ok(typed::image(&volume.grid, voxels).into())
}

fn is_zero<T: Voxel>(voxels: &[T]) -> Voxels {
    typed::map(voxels, |voxel| u8::from(voxel == T::ZERO))
}
