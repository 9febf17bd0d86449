//! Comparisons that give u8 images of two values.
#![expect(clippy::needless_bitwise_bool, reason = "without branches loops become vector code")]

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::arithmetic::Operands;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::volume::Voxels;

/// How two voxels are compared; with NaN only `Differ` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// They are equal.
    Equal,
    /// They are not.
    Differ,
    /// The first is less.
    Less,
    /// The first is less or equal.
    AtMost,
    /// The first is greater.
    Greater,
    /// The first is greater or equal.
    AtLeast,
}

/// Compares two images of one type, or an image and a number truncated to its type.
pub fn compare(call: &Call<'_>, test: Test) -> Result<Output, Refusal> {
    let [a, b, ..] = call.args else { return Err(argument::kind()) };
    let operands = Operands::of(a, b)?;
    let other = typed::integer_at(call.args, 2, 0, 255)? as u8;
    let holds = typed::integer_at(call.args, 3, 0, 255)? as u8;
    let first = operands.first();
    let voxels = each_voxel_type!(&first.voxels, voxels => {
        compared(&operands, &voxels[..], test, holds, other)?
    });
    Ok(typed::image(&first.grid, voxels).into())
}

/// The first image's voxels say the type.
fn compared<T: Voxel>(
    operands: &Operands,
    _: &[T],
    test: Test,
    holds: u8,
    other: u8,
) -> Result<Voxels, Refusal> {
    // Which of less, equal and greater count; one loop does for all tests.
    let (less, equal, greater, inverted) = match test {
        Test::Equal => (false, true, false, false),
        Test::Differ => (false, true, false, true),
        Test::Less => (true, false, false, false),
        Test::AtMost => (true, true, false, false),
        Test::Greater => (false, false, true, false),
        Test::AtLeast => (false, true, true, false),
    };
    operands.each(
        |voxels| bytemuck::cast_slice::<u8, T>(voxels.bytes()),
        move |a, b| {
            let truth = (a < b) & less | (a == b) & equal | (a > b) & greater;
            if truth ^ inverted { holds } else { other }
        },
    )
}
