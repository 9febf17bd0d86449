//! Smoothing along edges: level lines move by their curvature.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::grid::Grid;

/// Below this squared gradient there is no direction, and a voxel stays.
const FLAT: f64 = 1e-9;

/// Returns an image after so many steps of curvature flow, as f64.
///
/// A step adds to each voxel `step` times its mean curvature times the size of its gradient, by
/// central differences per mm; behind the edge its voxel is repeated. Sethian, "Level Set Methods
/// and Fast Marching Methods", chapter 16.
pub fn curvature_flow(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::volume_at(call.args, 0)?;
    let step = argument::number(argument::at(call.args, 1)?)?;
    let steps = typed::integer_at(call.args, 2, 0, i64::from(u32::MAX))?;
    let mut voxels = each_voxel_type!(&volume.voxels, voxels => typed::widened(voxels));
    let mut next = Buffer::<f64>::take(voxels.len());
    for _ in 0..steps {
        advance(&voxels, &mut next, &volume.grid, step);
        std::mem::swap(&mut voxels, &mut next);
    }
    Ok(typed::image(&volume.grid, f64::voxels(voxels)).into())
}

fn advance(voxels: &[f64], next: &mut [f64], grid: &Grid, step: f64) {
    let [nx, ny, nz] = grid.shape();
    let axes = grid.dims().len();
    let scale: Vec<f64> = grid.spacing().iter().map(|spacing| 1.0 / spacing).collect();
    share::pieces(next, nx, &|row, out| {
        let (y, z) = (row % ny, row / ny);
        for (x, out) in out.iter_mut().enumerate() {
            let get = |d: [isize; 3]| {
                let at =
                    |place: usize, d: isize, n: usize| place.saturating_add_signed(d).min(n - 1);
                voxels[(at(z, d[2], nz) * ny + at(y, d[1], ny)) * nx + at(x, d[0], nx)]
            };
            let here = get([0; 3]);
            *out = (here + step * update(get, here, axes, &scale)).tidy();
        }
    });
}

/// Returns the speed of a voxel; `get` returns a neighbour.
fn update(get: impl Fn([isize; 3]) -> f64, here: f64, axes: usize, scale: &[f64]) -> f64 {
    let along = |axis: usize, sign: isize| {
        let mut d = [0; 3];
        d[axis] = sign;
        d
    };
    let (mut first, mut second, mut squared) = ([0.0; 3], [0.0; 3], 0.0);
    for axis in 0..axes {
        let (up, down) = (get(along(axis, 1)), get(along(axis, -1)));
        first[axis] = 0.5 * (up - down) * scale[axis];
        second[axis] = (up - 2.0 * here + down) * (scale[axis] * scale[axis]);
        squared += first[axis] * first[axis];
    }
    if squared < FLAT {
        return 0.0;
    }
    let mut update = 0.0;
    for (axis, slope) in first.iter().enumerate().take(axes) {
        let others = (0..axes).filter(|other| *other != axis);
        let bent = others.fold(0.0, |sum, other| sum + second[other]);
        update += bent * (slope * slope);
    }
    for i in 0..axes {
        for j in i + 1..axes {
            let corner = |a: isize, b: isize| {
                let mut d = along(i, a);
                d[j] = b;
                get(d)
            };
            let sum = corner(-1, -1) - corner(-1, 1) - corner(1, -1) + corner(1, 1);
            let cross = 0.25 * sum * scale[i] * scale[j];
            update -= 2.0 * first[i] * first[j] * cross;
        }
    }
    update / squared
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample::{self, grid_of};

    /// The speed of one voxel, term by term, of the voxels around it with the edge repeated.
    fn speed(voxels: &[f64], grid: &Grid, at: usize) -> f64 {
        let shape = grid.shape().map(|n| n as i64);
        let [nx, ny, _] = shape;
        let here = [at as i64 % nx, at as i64 / nx % ny, at as i64 / nx / ny];
        let get = |steps: &[(usize, i64)]| {
            let mut place = here;
            for (axis, step) in steps {
                place[*axis] = (place[*axis] + step).clamp(0, shape[*axis] - 1);
            }
            voxels[((place[2] * ny + place[1]) * nx + place[0]) as usize]
        };
        let axes = grid.dims().len();
        let h = |axis: usize| grid.spacing()[axis];
        let first = |a: usize| (get(&[(a, 1)]) - get(&[(a, -1)])) / (2.0 * h(a));
        let second = |a: usize| (get(&[(a, 1)]) - 2.0 * get(&[]) + get(&[(a, -1)])) / (h(a) * h(a));
        let cross = |a: usize, b: usize| {
            let get = |i: i64, j: i64| get(&[(a, i), (b, j)]);
            (get(1, 1) - get(1, -1) - get(-1, 1) + get(-1, -1)) / (4.0 * h(a) * h(b))
        };
        let squared: f64 = (0..axes).map(|a| first(a) * first(a)).sum();
        if squared < FLAT {
            return 0.0;
        }
        let mut sum = 0.0;
        for a in 0..axes {
            for b in (0..axes).filter(|b| *b != a) {
                sum += first(a) * first(a) * second(b) - first(a) * first(b) * cross(a, b);
            }
        }
        sum / squared
    }

    proptest! {
        #[test]
        fn voxels_move_by_their_curvature(grid in sample::grid(), seed: u64) {
            let voxels: Vec<f64> = sample::voxels(grid.voxels(), seed)
                .into_iter()
                .map(|x| f64::from(x).clamp(-9.0, 9.0))
                .collect();
            let mut next = vec![0.0; voxels.len()];
            advance(&voxels, &mut next, &grid, 0.05);
            for at in 0..voxels.len() {
                let want = voxels[at] + 0.05 * speed(&voxels, &grid, at);
                prop_assert!((next[at] - want).abs() < 1e-9 * (1.0 + want.abs()), "{} {}", next[at], want);
            }
        }
    }

    #[test]
    fn neither_threads_nor_paths_show() {
        let grid = grid_of(&[65, 30, 20], &[0.7, 0.7, 3.3]);
        let voxels: Vec<f64> =
            sample::voxels(grid.voxels(), 4).into_iter().map(f64::from).collect();
        sample::same_on_any_threads(|| {
            let mut next = vec![0.0; voxels.len()];
            advance(&voxels, &mut next, &grid, 0.05);
            next.iter().map(|x| x.to_bits()).collect::<Vec<u64>>()
        });
    }

    #[test]
    fn planes_do_not_move_and_bowls_do() {
        let grid = grid_of(&[9, 9, 9], &[1.0, 0.5, 2.0]);
        let [nx, ny, _] = grid.shape();
        let of = |f: &dyn Fn(f64, f64, f64) -> f64| -> Vec<f64> {
            (0..729)
                .map(|at| {
                    f((at % nx) as f64, (at / nx % ny) as f64 * 0.5, (at / nx / ny) as f64 * 2.0)
                })
                .collect()
        };
        let mut next = vec![0.0; 729];
        let plane = of(&|x, y, z| 3.0 * x - 2.0 * y + z);
        advance(&plane, &mut next, &grid, 0.05);
        let middle = (4 * ny + 4) * nx + 4;
        assert!((next[middle] - plane[middle]).abs() < 1e-12);
        // A cylinder's level lines move by 1/r times the gradient 2r: by 2.
        let bowl = of(&|x, _, z| (x - 2.0).powi(2) + (z - 2.0).powi(2));
        advance(&bowl, &mut next, &grid, 0.05);
        assert!((next[middle] - bowl[middle] - 0.05 * 2.0).abs() < 1e-12);
        let flat = vec![5.0; 729];
        advance(&flat, &mut next, &grid, 0.05);
        assert_eq!(next, flat);
    }
}
