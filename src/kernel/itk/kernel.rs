//! Gaussian smoothing by a kernel of Bessel functions.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::Grid;
use crate::value::volume::Voxels;

/// Convolves an image with the discrete Gaussian of a variance, in mm² or voxels².
///
/// The kernel along an axis is `exp(-t) I_n(t)`, cut where it holds all but `error` of the whole, or
/// after so many terms, and scaled to the sum 1. Axes follow from the last to the first; behind the
/// edge its voxel is repeated. Each pass ends in the voxel type, integers truncated toward zero. Lindeberg, "Scale-Space for
/// Discrete Signals", PAMI 12 (1990), 234-254.
pub fn discrete_gaussian(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let grid = &volume.grid;
    let width = typed::integer_at(args, 2, 0, i64::from(i32::MAX))? as usize;
    let in_mm = typed::truth_at(args, 4)?;
    let variances = typed::each_axis(argument::at(args, 1)?, grid)?;
    let errors = typed::each_axis(argument::at(args, 3)?, grid)?;
    let mut kernels = Vec::with_capacity(variances.len());
    for (axis, (variance, error)) in variances.into_iter().zip(errors).enumerate() {
        let (mut variance, error) = (argument::number(variance)?, argument::number(error)?);
        if !(variance >= 0.0 && variance.is_finite()) {
            return Err(Refusal::with(Code::Range, &[variance, 0.0]));
        }
        if !(error > 0.0 && error < 1.0) {
            return Err(Refusal::with(Code::Range, &[error, 0.0, 1.0]));
        }
        if in_mm {
            let spacing = grid.spacing()[axis];
            variance /= spacing * spacing;
        }
        let kernel = coefficients(variance, error, width);
        if !kernel[0].is_finite() {
            // Its terms are beyond f64.
            return Err(Refusal::with(Code::Range, &[variance]));
        }
        kernels.push(kernel);
    }
    let voxels = each_voxel_type!(&volume.voxels, voxels => smoothed(voxels, grid, &kernels));
    Ok(typed::image(grid, voxels).into())
}

fn smoothed<T: Voxel>(voxels: &[T], grid: &Grid, kernels: &[Vec<f64>]) -> Voxels {
    let (last, rest) = kernels.split_last().expect("an image has axes");
    let mut out = convolved(voxels, grid, rest.len(), last);
    for (axis, kernel) in rest.iter().enumerate().rev() {
        out = convolved(&out, grid, axis, kernel);
    }
    T::voxels(out)
}

/// Returns one side of a kernel, the middle first.
fn coefficients(variance: f64, error: f64, width: usize) -> Vec<f64> {
    let scale = libm::exp(-variance);
    let mut terms = vec![scale * bessel_0(variance), scale * bessel_1(variance)];
    let mut sum = terms[0] + terms[1] * 2.0;
    while sum < 1.0 - error {
        let term = scale * bessel(terms.len(), variance);
        terms.push(term);
        sum += term * 2.0;
        if term <= 0.0 || terms.len() > width {
            break;
        }
    }
    terms.iter().map(|term| term / sum).collect()
}

/// The modified Bessel function of order 0. Abramowitz and Stegun, 9.8.1 and 9.8.2.
fn bessel_0(t: f64) -> f64 {
    if t < 3.75 {
        let m = (t / 3.75) * (t / 3.75);
        let terms =
            [1.0, 3.515_622_9, 3.089_942_4, 1.206_749_2, 0.265_973_2, 0.036_076_8, 0.004_581_3];
        return horner(&terms, m);
    }
    let m = 3.75 / t;
    let terms = [
        0.398_942_28,
        0.013_285_92,
        0.002_253_19,
        -0.001_575_65,
        0.009_162_81,
        -0.020_577_06,
        0.026_355_37,
        -0.016_476_33,
        0.003_923_77,
    ];
    libm::exp(t) / t.sqrt() * horner(&terms, m)
}

/// The same of order 1, 9.8.3 and 9.8.4.
fn bessel_1(t: f64) -> f64 {
    if t < 3.75 {
        let m = (t / 3.75) * (t / 3.75);
        let terms = [
            0.5,
            0.878_905_94,
            0.514_988_69,
            0.150_849_34,
            0.026_587_33,
            0.003_015_32,
            0.000_324_11,
        ];
        return t * horner(&terms, m);
    }
    let m = 3.75 / t;
    let terms = [
        0.398_942_28,
        -0.039_880_24,
        -0.003_620_18,
        0.001_638_01,
        -0.010_315_55,
        0.022_829_67,
        -0.028_953_12,
        0.017_876_54,
        -0.004_200_59,
    ];
    horner(&terms, m) * (libm::exp(t) / t.sqrt())
}

fn horner(terms: &[f64], m: f64) -> f64 {
    let (last, rest) = terms.split_last().expect("a polynomial has terms");
    rest.iter().rev().fold(*last, |sum, term| term + m * sum)
}

/// The same of an order from 2 on, by recurrence from far above down to order 0.
fn bessel(order: usize, t: f64) -> f64 {
    if t == 0.0 {
        return 0.0;
    }
    let (mut above, mut here, mut found) = (0.0, 1.0, 0.0);
    let top = 2 * (order + (40.0 * order as f64).sqrt() as usize);
    for at in (1..=top).rev() {
        let below = above + at as f64 * (2.0 / t) * here;
        above = here;
        here = below;
        if here.abs() > 1e10 {
            found *= 1e-10;
            here *= 1e-10;
            above *= 1e-10;
        }
        if at == order {
            found = above;
        }
    }
    found * (bessel_0(t) / here)
}

/// Convolves along one axis, from the lowest offset to the highest.
fn convolved<T: Voxel>(voxels: &[T], grid: &Grid, axis: usize, kernel: &[f64]) -> Buffer<T> {
    let [nx, ny, nz] = grid.shape();
    let n = [nx, ny, nz][axis];
    let step = [1, nx, nx * ny][axis];
    let reach = kernel.len() as isize - 1;
    let mut out = Buffer::<T>::take(voxels.len());
    share::pieces(&mut out, nx, &|row, out| {
        let start = row * nx;
        for (x, out) in out.iter_mut().enumerate() {
            let place = [x, row % ny, row / ny][axis];
            let first = start + x - place * step;
            let mut sum = 0.0;
            for offset in -reach..=reach {
                let at = place.saturating_add_signed(offset).min(n - 1);
                sum += kernel[offset.unsigned_abs()] * voxels[first + at * step].wide();
            }
            *out = T::of(sum).tidy();
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample::{self, grid_of};

    /// Convolves one line whose ends are repeated.
    fn line(samples: &[f64], kernel: &[f64]) -> Vec<f64> {
        let reach = kernel.len() - 1;
        let mut long = vec![samples[0]; reach];
        long.extend_from_slice(samples);
        long.resize(long.len() + reach, samples[samples.len() - 1]);
        let taps: Vec<f64> = kernel.iter().rev().chain(&kernel[1..]).copied().collect();
        let dot = |part: &[f64]| part.iter().zip(&taps).fold(0.0, |sum, (x, tap)| sum + tap * x);
        long.windows(taps.len()).map(dot).collect()
    }

    proptest! {
        #[test]
        fn lines_are_convolved_one_by_one(
            grid in sample::grid(),
            seed: u64,
            variance in 0.1f64..12.0,
        ) {
            let kernel = coefficients(variance, 0.01, 32);
            let voxels: Vec<f64> =
                sample::voxels(grid.voxels(), seed).into_iter().map(f64::from).collect();
            let shape = grid.shape();
            let steps = [1, shape[0], shape[0] * shape[1]];
            for axis in 0..grid.dims().len() {
                let (n, step) = (shape[axis], steps[axis]);
                let got = convolved(&voxels, &grid, axis, &kernel);
                for first in (0..voxels.len()).filter(|at| at / step % n == 0) {
                    let places = || (0..n).map(|at| first + at * step);
                    let samples: Vec<f64> = places().map(|at| voxels[at]).collect();
                    for (at, want) in places().zip(line(&samples, &kernel)) {
                        prop_assert_eq!(got[at].to_bits(), want.to_bits());
                    }
                }
            }
        }
    }

    /// The series of the modified Bessel function.
    fn series(order: usize, t: f64) -> f64 {
        let mut term = (1..=order).fold(1.0, |product, k| product * (t / 2.0) / k as f64);
        let mut sum = term;
        for k in 1..200 {
            term *= (t / 2.0).powi(2) / (k as f64 * (k + order) as f64);
            sum += term;
        }
        sum
    }

    #[test]
    fn bessel_functions_are_their_series() {
        for t in [0.1, 0.5, 1.0, 3.7, 3.8, 10.0, 30.0] {
            assert!((bessel_0(t) / series(0, t) - 1.0).abs() < 1e-6);
            assert!((bessel_1(t) / series(1, t) - 1.0).abs() < 1e-6);
            for order in 2..12 {
                assert!((bessel(order, t) / series(order, t) - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn kernels_have_the_sum_one_and_constants_stay() {
        for (variance, error, width) in
            [(1.0, 0.01, 32), (0.0, 0.01, 32), (25.0, 0.001, 32), (100.0, 0.01, 4)]
        {
            let kernel = coefficients(variance, error, width);
            let sum = kernel[0] + 2.0 * kernel[1..].iter().sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-12, "{variance}");
            let grid = grid_of(&[5, 4, 3], &[1.0; 3]);
            for axis in 0..3 {
                let out = convolved(&[3.0f64; 60], &grid, axis, &kernel);
                assert!(out.iter().all(|voxel| (voxel - 3.0).abs() < 1e-12));
            }
        }
        assert_eq!(coefficients(0.0, 0.01, 32), [1.0, 0.0]);
    }
}
