//! The magnitude of the gradient.

use std::sync::Arc;

use rayon::prelude::*;

use crate::kernel::number::sweep::canonical;
use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::value::grid::Grid;
use crate::value::volume::Volume;

/// Rows of one task.
const ROWS: usize = 16;

/// Returns at each voxel the root of the sum of squared central differences, per mm.
///
/// Behind the edge the edge's voxel is repeated; an axis of one voxel adds nothing. In f64, rounded
/// once; what is no number is the one NaN.
pub fn magnitude(grid: &Arc<Grid>, voxels: &[f32]) -> Volume {
    let [nx, ny, nz] = grid.shape();
    let mut steps = [1.0; 3];
    for (step, spacing) in steps.iter_mut().zip(grid.spacing()) {
        *step = 2.0 * spacing;
    }
    let inverse = steps.map(f64::recip);
    // Dividing by a power of two is multiplying by its inverse, bit for bit.
    let powers = steps.iter().chain(&inverse).all(|v| v.is_normal() && v.to_bits() << 12 == 0);
    let none = vec![0.0; nx];
    let mut out = Buffer::take(voxels.len());
    out.par_chunks_mut(nx * ROWS).enumerate().for_each(|(task, out)| {
        let rows = Rows { voxels, shape: [nx, ny, nz], none: &none, first: task * ROWS, out };
        if powers {
            widest(Each { rows, slope: Times(inverse) });
        } else {
            widest(Each { rows, slope: Over(steps) });
        }
    });
    Volume::f32(grid.clone(), out)
}

/// How a difference becomes a slope.
trait Slope: Copy {
    fn of(self, axis: usize, difference: f64) -> f64;
}

#[derive(Clone, Copy)]
struct Over([f64; 3]);

impl Slope for Over {
    #[inline(always)]
    fn of(self, axis: usize, difference: f64) -> f64 {
        difference / self.0[axis]
    }
}

#[derive(Clone, Copy)]
struct Times([f64; 3]);

impl Slope for Times {
    #[inline(always)]
    fn of(self, axis: usize, difference: f64) -> f64 {
        difference * self.0[axis]
    }
}

/// Some rows, one behind the other.
struct Rows<'a> {
    voxels: &'a [f32],
    shape: [usize; 3],
    /// A row of zeros: what stands before and after along an axis of one voxel.
    none: &'a [f32],
    first: usize,
    out: &'a mut [f32],
}

struct Each<'a, S> {
    rows: Rows<'a>,
    slope: S,
}

impl<S: Slope> Task for Each<'_, S> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows: Rows { voxels, shape: [nx, ny, nz], none, first, out }, slope } = self;
        for (at, out) in out.chunks_exact_mut(nx).enumerate() {
            let (y, z) = ((first + at) % ny, (first + at) / ny);
            let here = if nx > 1 { row(voxels, nx, z * ny + y) } else { none };
            let (mut south, mut north, mut above, mut below) = (none, none, none, none);
            if ny > 1 {
                south = row(voxels, nx, z * ny + (y + 1).min(ny - 1));
                north = row(voxels, nx, z * ny + y.max(1) - 1);
            }
            if nz > 1 {
                above = row(voxels, nx, (z + 1).min(nz - 1) * ny + y);
                below = row(voxels, nx, (z.max(1) - 1) * ny + y);
            }
            // The ends are done apart, so that the middle has no branch.
            for x in [0, nx - 1] {
                let (after, before) = (here[(x + 1).min(nx - 1)], here[x.max(1) - 1]);
                let pairs = [(after, before), (south[x], north[x]), (above[x], below[x])];
                out[x] = length(slope, pairs);
            }
            if nx > 2 {
                let count = nx - 2;
                let (out, after, before) = (&mut out[1..][..count], &here[2..], &here[..count]);
                let (south, north) = (&south[1..][..count], &north[1..][..count]);
                let (above, below) = (&above[1..][..count], &below[1..][..count]);
                let after = &after[..count];
                for x in 0..count {
                    let pairs = [(after[x], before[x]), (south[x], north[x]), (above[x], below[x])];
                    out[x] = length(slope, pairs);
                }
            }
        }
    }
}

#[inline(always)]
fn row(voxels: &[f32], nx: usize, at: usize) -> &[f32] {
    &voxels[at * nx..][..nx]
}

/// Returns the root of the sum of squared slopes.
#[inline(always)]
fn length(slope: impl Slope, pairs: [(f32, f32); 3]) -> f32 {
    let [x, y, z] = pairs.map(|(after, before)| f64::from(after) - f64::from(before));
    let [x, y, z] = [slope.of(0, x), slope.of(1, y), slope.of(2, z)];
    canonical((x * x + y * y + z * z).sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    fn defined(grid: &Grid, voxels: &[f32], at: usize) -> f32 {
        let shape = grid.shape();
        let place = [at % shape[0], at / shape[0] % shape[1], at / shape[0] / shape[1]];
        let mut sum = 0.0;
        for axis in 0..grid.dims().len() {
            let moved = |by: isize| {
                let mut place = place;
                place[axis] =
                    (place[axis] as isize + by).clamp(0, shape[axis] as isize - 1) as usize;
                f64::from(voxels[(place[2] * shape[1] + place[1]) * shape[0] + place[0]])
            };
            if shape[axis] > 1 {
                let slope = (moved(1) - moved(-1)) / (2.0 * grid.spacing()[axis]);
                sum += slope * slope;
            }
        }
        canonical(sum.sqrt() as f32)
    }

    proptest! {
        #[test]
        fn the_gradient_is_its_definition(grid in sample::grid(), seed: u64) {
            let voxels = sample::voxels(grid.voxels(), seed);
            sample::on_each_path(|| {
                let got = magnitude(&grid, &voxels);
                let got: &[f32] = bytemuck::cast_slice(got.voxels.bytes());
                for (at, got) in got.iter().enumerate() {
                    assert_eq!(got.to_bits(), defined(&grid, &voxels, at).to_bits());
                }
            });
        }
    }

    #[test]
    fn long_rows_and_single_voxels() {
        for dims in [&[700, 2][..], &[257, 2], &[256, 1], &[1, 1], &[1, 1, 9]] {
            let grid = sample::grid_of(dims, &vec![0.7; dims.len()]);
            let voxels = sample::voxels(grid.voxels(), 9);
            let got = magnitude(&grid, &voxels);
            let got: &[f32] = bytemuck::cast_slice(got.voxels.bytes());
            assert!((0..voxels.len()).all(|at| got[at] == defined(&grid, &voxels, at)));
        }
    }
}
