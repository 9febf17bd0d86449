//! Images that a grid alone determines.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::number::source::Cut;
use crate::kernel::number::sweep::{canonical, fill, tasks};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::mask::Mask;

/// Returns the grid of an image.
pub fn grid(call: &Call<'_>) -> Result<Output, Refusal> {
    match call.args {
        [image] if image.kind().is_image() => {
            let grid = image.grid().ok_or_else(argument::kind)?;
            Ok(Value::Grid(Arc::clone(grid)).into())
        }
        _ => Err(argument::kind()),
    }
}

/// True everywhere.
pub fn tt(call: &Call<'_>) -> Result<Output, Refusal> {
    let [grid] = call.args else { return Err(argument::kind()) };
    Ok(Value::Mask(Mask::constant(Arc::clone(argument::grid(grid)?), true)).into())
}

/// False everywhere.
pub fn ff(call: &Call<'_>) -> Result<Output, Refusal> {
    let [grid] = call.args else { return Err(argument::kind()) };
    Ok(Value::Mask(Mask::constant(Arc::clone(argument::grid(grid)?), false)).into())
}

/// One truth value everywhere.
pub fn bconstant(call: &Call<'_>) -> Result<Output, Refusal> {
    let [grid, truth] = call.args else { return Err(argument::kind()) };
    let mask = Mask::constant(Arc::clone(argument::grid(grid)?), argument::boolean(truth)?);
    Ok(Value::Mask(mask).into())
}

/// One number everywhere, narrowed to f32.
pub fn constant(call: &Call<'_>) -> Result<Output, Refusal> {
    let [grid, number] = call.args else { return Err(argument::kind()) };
    let number = canonical(argument::number(number)? as f32);
    let (volume, _) = fill(argument::grid(grid)?, |_, out, _| {
        out.fill(number);
        0
    });
    Ok(Value::Volume(volume).into())
}

/// True where some index is the first or last along its axis.
pub fn border(call: &Call<'_>) -> Result<Output, Refusal> {
    let [grid] = call.args else { return Err(argument::kind()) };
    let grid = argument::grid(grid)?;
    let [nx, ny, nz] = grid.shape();
    // In 2-D there is no third axis on whose faces a voxel could lie.
    let deep = grid.dims().len() == 3;
    let stride = grid.row_words();
    let whole = Mask::constant(Arc::clone(grid), true);
    let mut words = Buffer::zeroed(grid.rows() * stride);
    let cut = Cut::of(grid);
    tasks(&mut words, cut.task_words(), |task, words| {
        for (at, row) in words.chunks_exact_mut(stride).enumerate() {
            let at = task * cut.task_rows() + at;
            let (y, z) = (at % ny, at / ny);
            if y == 0 || y == ny - 1 || (deep && (z == 0 || z == nz - 1)) {
                row.copy_from_slice(&whole.words[..stride]);
            } else {
                row[0] |= 1;
                row[(nx - 1) / 64] |= 1 << ((nx - 1) % 64);
            }
        }
        0
    });
    Ok(Value::Mask(Mask::new(Arc::clone(grid), words)).into())
}

/// The index along the first axis.
pub fn x(call: &Call<'_>) -> Result<Output, Refusal> {
    index(call, |x, _, _| x)
}

/// The index along the second axis.
pub fn y(call: &Call<'_>) -> Result<Output, Refusal> {
    index(call, |_, y, _| y)
}

/// The index along the third axis, 0 in 2-D.
pub fn z(call: &Call<'_>) -> Result<Output, Refusal> {
    index(call, |_, _, z| z)
}

fn index(
    call: &Call<'_>,
    of: impl Fn(usize, usize, usize) -> usize + Sync,
) -> Result<Output, Refusal> {
    let [grid] = call.args else { return Err(argument::kind()) };
    let grid = argument::grid(grid)?;
    let ny = grid.shape()[1];
    let (volume, _) = fill(grid, |piece, out, _| {
        for (row, (start, len, _)) in piece.rows().enumerate() {
            let row = piece.row + row;
            let (y, z) = (row % ny, row / ny);
            for (at, voxel) in out[start..start + len].iter_mut().enumerate() {
                *voxel = of(piece.x + at, y, z) as f32;
            }
        }
        0
    });
    Ok(Value::Volume(volume).into())
}
