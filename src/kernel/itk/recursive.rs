//! Gaussian smoothing by recursive filters.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use rayon::prelude::*;

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::number::simd;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::Grid;

/// Lines that are filtered side by side.
const LINES: usize = 32;

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

/// Sample after sample, of lines side by side.
type Samples = [[f64; LINES]];

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
    #[inline(always)]
    fn run((filter, lines, out, scratch): (&Self, &Samples, &mut Samples, &mut Samples)) {
        let Self { n, m, d, forth, back } = filter;
        let len = lines.len();
        let (first, last) = (lines[0], lines[len - 1]);
        for at in 0..len {
            let (before, rest) = scratch.split_at_mut(at);
            if at >= 4 {
                let samples = [&lines[at], &lines[at - 1], &lines[at - 2], &lines[at - 3]];
                let terms = [&before[at - 1], &before[at - 2], &before[at - 3], &before[at - 4]];
                each(samples, n, terms, d, &mut rest[0]);
            } else {
                // What was before the edge is a share of the first sample.
                let sample = |back: usize| if at >= back { &lines[at - back] } else { &first };
                let term = |back: usize| if at >= back { &before[at - back] } else { &first };
                let share = |k: usize| if at >= k { d[k - 1] } else { forth[k - 1] };
                let samples = [sample(0), sample(1), sample(2), sample(3)];
                let terms = [term(1), term(2), term(3), term(4)];
                each(samples, n, terms, &[share(1), share(2), share(3), share(4)], &mut rest[0]);
            }
            out[at] = rest[0];
        }
        for at in (0..len).rev() {
            let (rest, after) = scratch.split_at_mut(at + 1);
            if at + 4 < len {
                let samples = [&lines[at + 1], &lines[at + 2], &lines[at + 3], &lines[at + 4]];
                let terms = [&after[0], &after[1], &after[2], &after[3]];
                each(samples, m, terms, d, &mut rest[at]);
            } else {
                let is = |on: usize| at + on < len;
                let sample = |on: usize| if is(on) { &lines[at + on] } else { &last };
                let term = |on: usize| if is(on) { &after[on - 1] } else { &last };
                let share = |k: usize| if is(k) { d[k - 1] } else { back[k - 1] };
                let samples = [sample(1), sample(2), sample(3), sample(4)];
                let terms = [term(1), term(2), term(3), term(4)];
                each(samples, m, terms, &[share(1), share(2), share(3), share(4)], &mut rest[at]);
            }
            for lane in 0..LINES {
                out[at][lane] += rest[at][lane];
            }
        }
    }
}

/// Filters one sample of all lines: of the samples around it, and of the results before.
#[inline(always)]
fn each(
    [s0, s1, s2, s3]: [&[f64; LINES]; 4],
    [n0, n1, n2, n3]: &[f64; 4],
    [t1, t2, t3, t4]: [&[f64; LINES]; 4],
    [d1, d2, d3, d4]: &[f64; 4],
    out: &mut [f64; LINES],
) {
    for lane in 0..LINES {
        let fed = s0[lane] * n0 + s1[lane] * n1 + s2[lane] * n2 + s3[lane] * n3;
        let back = t1[lane] * d1 + t2[lane] * d2 + t3[lane] * d3 + t4[lane] * d4;
        out[lane] = fed - back;
    }
}

/// Filters along one axis; lines do not know of each other.
fn pass<T: Voxel>(voxels: &[T], grid: &Grid, axis: usize, filter: &Filter) -> Buffer<f32> {
    let [nx, ny, nz] = grid.shape();
    let mut out = Buffer::<f32>::take(voxels.len());
    if axis == 0 {
        share::pieces(&mut out, nx * LINES, &|group, out| {
            let from = group * nx * LINES;
            let mut lines = Lines::new(nx);
            for (lane, row) in voxels[from..from + out.len()].chunks_exact(nx).enumerate() {
                for (samples, voxel) in lines.samples.iter_mut().zip(row) {
                    samples[lane] = voxel.wide();
                }
            }
            lines.filter(filter);
            for (lane, row) in out.chunks_exact_mut(nx).enumerate() {
                for (out, samples) in row.iter_mut().zip(&lines.out) {
                    *out = (samples[lane] as f32).tidy();
                }
            }
        });
        return out;
    }
    // Lines that begin beside each other along x: the parts of rows that they go through.
    let n = [nx, ny, nz][axis];
    let groups = nx.div_ceil(LINES);
    let others = if axis == 1 { nz } else { ny };
    let mut parts: Vec<Part<'_, T>> = (0..others * groups).map(|_| Vec::with_capacity(n)).collect();
    for (row, (out, voxels)) in out.chunks_exact_mut(nx).zip(voxels.chunks_exact(nx)).enumerate() {
        let other = if axis == 1 { row / ny } else { row % ny };
        for (group, part) in out.chunks_mut(LINES).zip(voxels.chunks(LINES)).enumerate() {
            parts[other * groups + group].push(part);
        }
    }
    parts.par_chunks_mut(groups).for_each(|parts| {
        let mut lines = Lines::new(n);
        for part in parts {
            for (samples, (_, voxels)) in lines.samples.iter_mut().zip(part.iter()) {
                for (sample, voxel) in samples.iter_mut().zip(*voxels) {
                    *sample = voxel.wide();
                }
            }
            lines.filter(filter);
            for ((out, _), samples) in part.iter_mut().zip(&lines.out) {
                for (out, sample) in out.iter_mut().zip(samples) {
                    *out = (*sample as f32).tidy();
                }
            }
        }
    });
    out
}

/// The voxels of some lines, and where their results go, from sample to sample.
type Part<'a, T> = Vec<(&'a mut [f32], &'a [T])>;

/// Room for lines side by side; what a line leaves stands there until the next one.
struct Lines {
    samples: Vec<[f64; LINES]>,
    out: Vec<[f64; LINES]>,
    scratch: Vec<[f64; LINES]>,
}

impl Lines {
    fn new(len: usize) -> Self {
        let room = || vec![[0.0; LINES]; len];
        Self { samples: room(), out: room(), scratch: room() }
    }

    fn filter(&mut self, filter: &Filter) {
        let Self { samples, out, scratch } = self;
        simd::apply(Filter::run, (filter, samples, out, scratch));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    /// One line, sample by sample.
    fn line(filter: &Filter, samples: &[f64]) -> Vec<f64> {
        let n = samples.len() as isize;
        let get = |at: isize| samples[at.clamp(0, n - 1) as usize];
        let mut out = vec![0.0; samples.len()];
        for (way, edge) in [(1, 0), (-1, n - 1)] {
            let (weights, shares, ahead) =
                if way == 1 { (&filter.n, &filter.forth, 0) } else { (&filter.m, &filter.back, 1) };
            let mut done: Vec<f64> = Vec::new();
            for step in 0..n {
                let at = edge + way * step;
                let sample = |k: usize| get(at - way * (k as isize + ahead)) * weights[k];
                let before = |k: usize| match done.len().checked_sub(k) {
                    Some(place) => done[place] * filter.d[k - 1],
                    None => get(edge) * shares[k - 1],
                };
                let fed = sample(0) + sample(1) + sample(2) + sample(3);
                let value = fed - (before(1) + before(2) + before(3) + before(4));
                done.push(value);
                out[at as usize] += value;
            }
        }
        out
    }

    fn check(grid: &Grid, voxels: &[f32], sigma: f64) {
        let shape = grid.shape();
        let filter = Filter::new(sigma);
        let mut steps = [1, shape[0], shape[0] * shape[1]];
        for axis in 0..grid.dims().len() {
            let got = pass(voxels, grid, axis, &filter);
            let step = std::mem::take(&mut steps[axis]);
            for first in (0..voxels.len()).filter(|at| (at / step).is_multiple_of(shape[axis])) {
                let places = || (0..shape[axis]).map(|at| first + at * step);
                let samples: Vec<f64> = places().map(|at| f64::from(voxels[at])).collect();
                for (at, want) in places().zip(line(&filter, &samples)) {
                    assert_eq!(got[at].to_bits(), (want as f32).to_bits());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn lines_are_filtered_one_by_one(grid in sample::grid(), seed: u64, sigma in 0.3f64..5.0) {
            let voxels = sample::voxels(grid.voxels(), seed);
            sample::on_each_path(|| check(&grid, &voxels, sigma));
        }
    }

    #[test]
    fn lines_do_not_depend_on_threads() {
        for dims in [&[70, 37, 41][..], &[65, 300]] {
            let grid = sample::grid_of(dims, &vec![1.0; dims.len()]);
            let voxels = sample::voxels(grid.voxels(), 3);
            for axis in 0..dims.len() {
                sample::same_on_any_threads(|| {
                    pass(&voxels, &grid, axis, &Filter::new(1.7)).bytes().to_vec()
                });
            }
        }
    }

    #[test]
    fn constants_stay_and_an_impulse_becomes_a_gaussian() {
        for sigma in [0.5, 1.0, 2.0, 4.0] {
            let filter = Filter::new(sigma);
            let mut lines = vec![[7.0; LINES]; 41];
            lines.iter_mut().for_each(|samples| samples[1] = 0.0);
            lines[20][1] = 1.0;
            let (mut out, mut scratch) = (vec![[0.0; LINES]; 41], vec![[0.0; LINES]; 41]);
            Filter::run((&filter, &lines, &mut out, &mut scratch));
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
