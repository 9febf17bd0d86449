//! Binary dilation and erosion of one voxel value by a ball or a box.

use rayon::prelude::*;

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::space::neighbour::complement;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::{Mask, last_word};
use crate::value::volume::Voxels;

/// A radius beyond this is refused; images are smaller.
const MOST_RADIUS: i64 = 1 << 20;

/// A neighbourhood: how far rows around a voxel are covered along x.
struct Shape {
    radius: [i64; 3],
    /// Steps along y and z, and how far the row there reaches to both sides.
    rows: Vec<(i64, i64, i64)>,
}

/// Which way a value moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// It grows.
    Dilate,
    /// It shrinks.
    Erode,
}

/// Dilates or erodes the voxels that are `foreground`; all others keep their value, but for those
/// that foreground covers, and what falls away becomes `background`.
pub fn morph(call: &Call<'_>, way: Way) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::integers_at(args, 0)?;
    let shape = shape(args, &volume.grid)?;
    let outside = typed::truth_at(args, 5)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => {
        morphed(voxels, &volume.grid, args, &shape, way, outside)?
    });
    Ok(typed::image(&volume.grid, voxels).into())
}

fn morphed<T: Voxel>(
    voxels: &[T],
    grid: &std::sync::Arc<Grid>,
    args: &[Value],
    shape: &Shape,
    way: Way,
    outside: bool,
) -> Result<Voxels, Refusal> {
    let (background, foreground) =
        (typed::scalar_at::<T>(args, 3)?, typed::scalar_at::<T>(args, 4)?);
    let is = typed::packed(grid, voxels, move |voxel| voxel == foreground);
    let stays = match way {
        Way::Dilate => dilated(&is, shape, outside),
        // What is eroded is not reached by what is not there.
        Way::Erode => complement(&dilated(&complement(&is), shape, !outside)),
    };
    let stays = typed::volume(&Value::Mask(stays))?;
    let Voxels::U8(stays) = &stays.voxels else { return Err(argument::kind()) };
    Ok(typed::zip(voxels, stays, move |voxel, stays: u8| match (stays == 1, voxel == foreground) {
        (true, _) => foreground,
        (false, true) => background,
        (false, false) => voxel,
    }))
}

fn shape(args: &[Value], grid: &Grid) -> Result<Shape, Refusal> {
    let mut radius = [0; 3];
    for (radius, value) in radius.iter_mut().zip(typed::each_axis(argument::at(args, 1)?, grid)?) {
        *radius = typed::integer_at(std::slice::from_ref(value), 0, 0, MOST_RADIUS)?;
    }
    let is_ball = match argument::integer(argument::at(args, 2)?)? {
        1 => true,
        2 => false,
        other => return Err(Refusal::with(Code::Range, &[other as f64, 1.0, 2.0])),
    };
    // Rows that no voxel of the image has beside it need not be looked at.
    let [nx, ny, nz] = grid.shape().map(|n| n as i64);
    let part = |d: i64, r: i64| (d as f64 / (r as f64 + 0.5)).powi(2);
    let mut rows = Vec::new();
    let reach = |r: i64, n: i64| -r.min(n)..=r.min(n);
    for dz in reach(radius[2], nz) {
        for dy in reach(radius[1], ny) {
            let rest = part(dy, radius[1]) + part(dz, radius[2]);
            let covers = |dx: i64| !is_ball || part(dx, radius[0]) + rest <= 1.0;
            if let Some(dx) = (0..=radius[0].min(nx)).rev().find(|dx| covers(*dx)) {
                rows.push((dy, dz, dx));
            }
        }
    }
    Ok(Shape { radius, rows })
}

/// Returns where the neighbourhood of a voxel holds a true one; `outside` is what lies around.
fn dilated(mask: &Mask, shape: &Shape, outside: bool) -> Mask {
    let grid = &mask.grid;
    let [nx, ny, nz] = grid.shape();
    let stride = grid.row_words();
    let mut reaches: Vec<i64> = shape.rows.iter().map(|(_, _, dx)| *dx).collect();
    reaches.sort_unstable();
    reaches.dedup();
    // Each row is spread once for every reach that is needed.
    let spread: Vec<Buffer<u64>> = reaches
        .iter()
        .map(|reach| {
            let mut out = Buffer::<u64>::take(mask.words.len());
            out.par_chunks_mut(stride).zip(mask.words.par_chunks(stride)).for_each(|(out, row)| {
                out.copy_from_slice(row);
                widen(out, *reach as usize, nx);
            });
            out
        })
        .collect();
    let mut words = Buffer::<u64>::take(mask.words.len());
    words.par_chunks_mut(stride).enumerate().for_each(|(row, out)| {
        let (y, z) = ((row % ny) as i64, (row / ny) as i64);
        let leaves = |at: i64, n: usize, r: i64| at - r < 0 || at + r >= n as i64;
        if outside && (leaves(y, ny, shape.radius[1]) || leaves(z, nz, shape.radius[2])) {
            out.fill(u64::MAX);
            out[stride - 1] = last_word(nx);
            return;
        }
        out.fill(0);
        if outside {
            let reach = (shape.radius[0] as usize).min(nx);
            for x in (0..reach).chain(nx - reach..nx) {
                out[x / 64] |= 1 << (x % 64);
            }
        }
        for (dy, dz, dx) in &shape.rows {
            let (y, z) = (y + dy, z + dz);
            if y < 0 || z < 0 || y >= ny as i64 || z >= nz as i64 {
                continue;
            }
            let at = reaches.binary_search(dx).expect("every reach is among them");
            let from = (z as usize * ny + y as usize) * stride;
            for (out, word) in out.iter_mut().zip(&spread[at][from..from + stride]) {
                *out |= word;
            }
        }
    });
    Mask::new(grid.clone(), words)
}

/// Spreads the ones of a row so many voxels to both sides.
fn widen(row: &mut [u64], reach: usize, nx: usize) {
    let mut done = 0;
    while done < reach {
        // Ones that were spread already spread on, so steps double.
        let step = (reach - done).min(done + 1);
        let before = row.to_vec();
        for (at, word) in row.iter_mut().enumerate() {
            *word |= moved_up(&before, at, step) | moved_down(&before, at, step);
        }
        done += step;
    }
    if let Some(last) = row.last_mut() {
        *last &= last_word(nx);
    }
}

fn moved_up(row: &[u64], at: usize, by: usize) -> u64 {
    let (words, bits) = (by / 64, by % 64);
    let get = |back: usize| at.checked_sub(back).map_or(0, |at| row[at]);
    if bits == 0 { get(words) } else { get(words) << bits | get(words + 1) >> (64 - bits) }
}

fn moved_down(row: &[u64], at: usize, by: usize) -> u64 {
    let (words, bits) = (by / 64, by % 64);
    let get = |on: usize| row.get(at + on).copied().unwrap_or(0);
    if bits == 0 { get(words) } else { get(words) >> bits | get(words + 1) << (64 - bits) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    /// The definition, voxel by voxel of the neighbourhood.
    fn defined(mask: &Mask, radius: [i64; 3], is_ball: bool, outside: bool) -> Mask {
        let shape = mask.grid.shape().map(|n| n as i64);
        let axes = mask.grid.dims().len();
        let r = |axis: usize| if axis < axes { radius[axis] } else { 0 };
        Mask::from_fn(mask.grid.clone(), |x, y, z| {
            let here = [x as i64, y as i64, z as i64];
            let mut found = false;
            for dz in -r(2)..=r(2) {
                for dy in -r(1)..=r(1) {
                    for dx in -r(0)..=r(0) {
                        let d = [dx, dy, dz];
                        let sum: f64 =
                            (0..3).map(|a| (d[a] as f64 / (r(a) as f64 + 0.5)).powi(2)).sum();
                        if is_ball && sum > 1.0 {
                            continue;
                        }
                        let to = [0, 1, 2].map(|a| here[a] + d[a]);
                        found |= if (0..3).all(|a| to[a] >= 0 && to[a] < shape[a]) {
                            mask.get(to[0] as usize, to[1] as usize, to[2] as usize)
                        } else {
                            outside
                        };
                    }
                }
            }
            found
        })
    }

    proptest! {
        #[test]
        fn dilation_is_its_definition(
            mask in sample::mask(),
            radius in prop::array::uniform3(0i64..5),
            is_ball: bool,
            outside: bool,
        ) {
            let numbers = radius.map(|r| Value::Number(r as f64)).to_vec();
            let kernel = Value::Number(if is_ball { 1.0 } else { 2.0 });
            let args = [Value::Null, Value::sequence(numbers), kernel];
            let shape = shape(&args, &mask.grid).unwrap();
            let want = defined(&mask, radius, is_ball, outside);
            prop_assert_eq!(&**dilated(&mask, &shape, outside).words, &**want.words);
        }

        #[test]
        fn rows_widen_by_any_reach(words in prop::collection::vec(any::<u64>(), 1..4), reach in 0usize..150) {
            let nx = words.len() * 64;
            let bit = |at: usize| words[at / 64] >> (at % 64) & 1 == 1;
            let mut got = words.clone();
            widen(&mut got, reach, nx);
            for x in 0..nx {
                let want = (x.saturating_sub(reach)..(x + reach + 1).min(nx)).any(bit);
                prop_assert_eq!(got[x / 64] >> (x % 64) & 1 == 1, want);
            }
        }
    }
}
