//! Gaussian smoothing by recursive filters.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::Grid;

/// Lines that are filtered side by side.
const LINES: usize = 16;

/// Smooths an image by a Gaussian of `sigma` mm, as f32.
///
/// Deriche's fourth-order recursive approximation, forth and back along z, x and y in this order,
/// each pass rounded to f32; behind the edge its voxel is repeated. Farneback and Westin, "Improving
/// Deriche-style Recursive Gaussian Filters", 2006.
pub fn smooth(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let grid = &volume.grid;
    let sigmas = typed::each_axis(argument::at(args, 1)?, grid)?;
    // Scale normalizes derivatives only: of smoothing it changes nothing.
    typed::truth_at(args, 2)?;
    let mut filters = Vec::with_capacity(sigmas.len());
    for (sigma, spacing) in sigmas.into_iter().zip(grid.spacing()) {
        let sigma = argument::number(sigma)?;
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Refusal::with(Code::Range, &[sigma, 0.0]));
        }
        filters.push(Filter::new(sigma / spacing));
    }
    if let Some(n) = grid.dims().iter().find(|n| **n < 4) {
        return Err(Refusal::with(Code::Dims, &[*n as f64, 4.0]));
    }
    let last = filters.len() - 1;
    let mut out = each_voxel_type!(&volume.voxels, voxels => {
        pass(voxels, grid, last, &filters[last])
    });
    for (axis, filter) in filters[..last].iter().enumerate() {
        out = pass(&out, grid, axis, filter);
    }
    Ok(typed::image(grid, f32::voxels(out)).into())
}

/// The coefficients of both directions.
struct Filter {
    /// Of the samples, going forth.
    n: [f64; 4],
    /// Of the samples, going back.
    m: [f64; 4],
    /// Of the results before.
    d: [f64; 4],
    /// What the results before the edge would have been for a sample of 1, times `d`.
    forth: [f64; 4],
    back: [f64; 4],
}

impl Filter {
    /// Makes the filter for a standard deviation in voxels.
    fn new(sigma: f64) -> Self {
        let (a1, b1, w1, l1) = (1.3530, 1.8151, 0.6681, -1.3932);
        let (a2, b2, w2, l2) = (-0.3531, 0.0902, 2.0787, -1.3732);
        let (sin1, cos1) = (libm::sin(w1 / sigma), libm::cos(w1 / sigma));
        let (sin2, cos2) = (libm::sin(w2 / sigma), libm::cos(w2 / sigma));
        let (e1, e2) = (libm::exp(l1 / sigma), libm::exp(l2 / sigma));
        let d = [
            -2.0 * (e2 * cos2 + e1 * cos1),
            4.0 * cos2 * cos1 * e1 * e2 + (e1 * e1 + e2 * e2),
            -2.0 * cos1 * e1 * e2 * e2 + -2.0 * cos2 * e2 * e1 * e1,
            e1 * e1 * e2 * e2,
        ];
        let mut n = [
            a1 + a2,
            e2 * (b2 * sin2 - (a2 + 2.0 * a1) * cos2) + e1 * (b1 * sin1 - (a1 + 2.0 * a2) * cos1),
            ((a1 + a2) * cos2 * cos1 - (b1 * cos2 * sin1 + b2 * cos1 * sin2)) * (2.0 * e1 * e2)
                + (a2 * e1 * e1 + a1 * e2 * e2),
            e2 * e1 * e1 * (b2 * sin2 - a2 * cos2) + e1 * e2 * e2 * (b1 * sin1 - a1 * cos1),
        ];
        let sum = |terms: &[f64; 4]| terms[0] + terms[1] + terms[2] + terms[3];
        let below = 1.0 + d[0] + d[1] + d[2] + d[3];
        // Forth and back together have the sum 1.
        let alpha = 2.0 * sum(&n) / below - n[0];
        n = n.map(|term| term * (1.0 / alpha));
        let m = [n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]];
        let forth = d.map(|d| d * sum(&n) / below);
        let back = d.map(|d| d * sum(&m) / below);
        Self { n, m, d, forth, back }
    }

    /// Filters lines side by side: `lines` holds sample after sample, `LINES` each.
    fn run(&self, lines: &[[f64; LINES]], out: &mut [[f64; LINES]], scratch: &mut [[f64; LINES]]) {
        let len = lines.len();
        let (first, last) = (lines[0], lines[len - 1]);
        for at in 0..len {
            for lane in 0..LINES {
                let sample = |back: usize| {
                    if at >= back { lines[at - back][lane] } else { first[lane] }
                };
                let n = &self.n;
                let fed = sample(0) * n[0] + sample(1) * n[1] + sample(2) * n[2] + sample(3) * n[3];
                let term = |back: usize| {
                    if at >= back {
                        scratch[at - back][lane] * self.d[back - 1]
                    } else {
                        first[lane] * self.forth[back - 1]
                    }
                };
                let value = fed - (term(1) + term(2) + term(3) + term(4));
                scratch[at][lane] = value;
                out[at][lane] = value;
            }
        }
        for at in (0..len).rev() {
            for lane in 0..LINES {
                let sample = |on: usize| {
                    if at + on < len { lines[at + on][lane] } else { last[lane] }
                };
                let m = &self.m;
                let fed = sample(1) * m[0] + sample(2) * m[1] + sample(3) * m[2] + sample(4) * m[3];
                let term = |on: usize| {
                    if at + on < len {
                        scratch[at + on][lane] * self.d[on - 1]
                    } else {
                        last[lane] * self.back[on - 1]
                    }
                };
                let value = fed - (term(1) + term(2) + term(3) + term(4));
                scratch[at][lane] = value;
                out[at][lane] += value;
            }
        }
    }
}

/// Filters along one axis; lines do not know of each other.
fn pass<T: Voxel>(voxels: &[T], grid: &Grid, axis: usize, filter: &Filter) -> Buffer<f32> {
    let [nx, ny, nz] = grid.shape();
    let n = [nx, ny, nz][axis];
    let step = [1, nx, nx * ny][axis];
    // The first voxels of all lines, in raster order.
    let starts: Vec<usize> = match axis {
        0 => (0..ny * nz).map(|row| row * nx).collect(),
        1 => (0..nz).flat_map(|z| (0..nx).map(move |x| z * nx * ny + x)).collect(),
        _ => (0..nx * ny).collect(),
    };
    let filtered: Vec<Vec<[f64; LINES]>> =
        share::numbered(starts.len().div_ceil(LINES), &|group| {
            let starts = &starts[group * LINES..];
            let mut lines = vec![[0.0; LINES]; n];
            for (at, samples) in lines.iter_mut().enumerate() {
                for (sample, start) in samples.iter_mut().zip(starts) {
                    *sample = voxels[start + at * step].wide();
                }
            }
            let (mut out, mut scratch) = (vec![[0.0; LINES]; n], vec![[0.0; LINES]; n]);
            filter.run(&lines, &mut out, &mut scratch);
            out
        });
    let mut out = Buffer::<f32>::take(voxels.len());
    for (starts, lines) in starts.chunks(LINES).zip(&filtered) {
        for (at, samples) in lines.iter().enumerate() {
            for (start, sample) in starts.iter().zip(samples) {
                out[start + at * step] = (*sample as f32).tidy();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_stay_and_an_impulse_becomes_a_gaussian() {
        for sigma in [0.5, 1.0, 2.0, 4.0] {
            let filter = Filter::new(sigma);
            let mut lines = vec![[7.0; LINES]; 41];
            lines.iter_mut().for_each(|samples| samples[1] = 0.0);
            lines[20][1] = 1.0;
            let (mut out, mut scratch) = (vec![[0.0; LINES]; 41], vec![[0.0; LINES]; 41]);
            filter.run(&lines, &mut out, &mut scratch);
            for (at, samples) in out.iter().enumerate() {
                assert!((samples[0] - 7.0).abs() < 1e-9);
                let gauss = |x: f64| libm::exp(-x * x / (2.0 * sigma * sigma));
                let all: f64 = (-80..=80).map(|x| gauss(f64::from(x))).sum();
                let want = gauss(at as f64 - 20.0) / all;
                // The approximation is good to some thousandths of the peak for sigma of a voxel on.
                let bound = if sigma < 1.0 { 0.06 } else { 0.003 };
                assert!((samples[1] - want).abs() < bound, "{sigma} {at} {}", samples[1] - want);
            }
        }
    }
}
