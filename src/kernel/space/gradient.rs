//! The magnitude of the gradient.

use std::sync::Arc;

use rayon::prelude::*;

use crate::kernel::number::sweep::canonical;
use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::value::grid::Grid;
use crate::value::volume::Volume;

/// Returns at each voxel the root of the sum of squared central differences, per mm.
///
/// Behind the edge the edge's voxel is repeated; an axis of one voxel adds nothing. In f64, rounded
/// once; what is no number is the one NaN.
pub fn magnitude(grid: &Arc<Grid>, voxels: &[f32]) -> Volume {
    let [nx, ny, nz] = grid.shape();
    let spacing = grid.spacing();
    let mut out = Buffer::take(voxels.len());
    out.par_chunks_mut(nx).enumerate().for_each(|(at, out)| {
        let (y, z) = (at % ny, at / ny);
        let row = |y: usize, z: usize| &voxels[(z * ny + y) * nx..][..nx];
        let mut pairs = Vec::with_capacity(2);
        if ny > 1 {
            pairs.push((row((y + 1).min(ny - 1), z), row(y.max(1) - 1, z), 2.0 * spacing[1]));
        }
        if nz > 1 {
            pairs.push((row(y, (z + 1).min(nz - 1)), row(y, z.max(1) - 1), 2.0 * spacing[2]));
        }
        widest(Row { voxels: row(y, z), step: 2.0 * spacing[0], pairs: &pairs, out });
    });
    Volume::f32(grid.clone(), out)
}

struct Row<'a> {
    voxels: &'a [f32],
    /// Twice the spacing along x.
    step: f64,
    /// Rows after and before along the other axes, and twice the spacing there.
    pairs: &'a [(&'a [f32], &'a [f32], f64)],
    out: &'a mut [f32],
}

impl Task for Row<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let nx = self.voxels.len();
        let mut sums = [0.0f64; 256];
        for from in (0..nx).step_by(sums.len()) {
            let sums = &mut sums[..(nx - from).min(256)];
            if nx > 1 {
                let difference = |after: usize, before: usize| {
                    (f64::from(self.voxels[after]) - f64::from(self.voxels[before])) / self.step
                };
                // The ends are done apart, so that the middle has no branch.
                let middle = from.max(1)..(from + sums.len()).min(nx - 1);
                if middle.start < middle.end {
                    let after = &self.voxels[middle.start + 1..=middle.end];
                    let before = &self.voxels[middle.start - 1..middle.end - 1];
                    let sums = &mut sums[middle.start - from..middle.end - from];
                    for ((sum, after), before) in sums.iter_mut().zip(after).zip(before) {
                        let slope = (f64::from(*after) - f64::from(*before)) / self.step;
                        *sum = slope * slope;
                    }
                }
                if from == 0 {
                    let slope = difference(1, 0);
                    sums[0] = slope * slope;
                }
                if from + sums.len() == nx {
                    let slope = difference(nx - 1, nx - 2);
                    sums[nx - 1 - from] = slope * slope;
                }
            } else {
                sums.fill(0.0);
            }
            for (after, before, step) in self.pairs {
                let (after, before) = (&after[from..], &before[from..]);
                for ((sum, after), before) in sums.iter_mut().zip(after).zip(before) {
                    let slope = (f64::from(*after) - f64::from(*before)) / step;
                    *sum += slope * slope;
                }
            }
            for (out, sum) in self.out[from..].iter_mut().zip(sums.iter()) {
                *out = canonical(sum.sqrt() as f32);
            }
        }
    }
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
