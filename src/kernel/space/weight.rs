//! Distances as exact integers.

use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::Grid;

/// Squared distances stay below this.
pub const MOST: i64 = 1 << 62;
/// The finest scale of squared spacings: 2^-40.
const FINEST: i32 = 40;

/// Squared spacings as integers with one scale.
///
/// A squared distance is the sum of `weight * steps^2` over the axes; times `scale` it is in mm².
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Of x, y, z; 1 for an axis that is not there.
    pub weights: [i64; 3],
    /// mm² of one.
    pub scale: f64,
    /// The greatest squared distance between two voxels of the grid.
    pub reach: i64,
    /// Are squared distances asked for? Then [`Self::mm`] gives mm².
    pub squared: bool,
}

/// Which distances are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// Less than the radius.
    Below,
    /// Less than the radius or equal to it.
    AtMost,
}

impl Metric {
    /// Returns the metric of a grid.
    ///
    /// Equal spacings have weight 1. Else weights are the squared spacings times 2^k, rounded half to
    /// even, for the greatest k up to 40 with all squared distances below 2^62: so that every machine
    /// has the same. A grid that reaches further, or spacings whose squares are no numbers, are refused.
    pub fn of(grid: &Grid) -> Result<Self, Refusal> {
        let spacing = grid.spacing();
        let squares: Vec<f64> = spacing.iter().map(|s| s * s).collect();
        if !squares.iter().all(|square| square.is_finite()) {
            return Err(Refusal::with(Code::Range, spacing));
        }
        if spacing.iter().all(|s| *s == spacing[0]) {
            let Some(reach) = reach(grid, &vec![1; spacing.len()]) else {
                let dims: Vec<f64> = grid.dims().iter().map(|n| *n as f64).collect();
                return Err(Refusal::with(Code::Size, &dims));
            };
            return Ok(Self { weights: [1; 3], scale: squares[0], reach, squared: false });
        }
        for k in (-1022..=FINEST).rev() {
            let rounded = squares.iter().map(|square| (square * power(k)).round_ties_even());
            let weights: Vec<i64> = rounded.map(|weight| weight as i64).collect();
            if let Some(reach) = reach(grid, &weights) {
                let mut all = [1; 3];
                all[..weights.len()].copy_from_slice(&weights);
                return Ok(Self { weights: all, scale: power(-k), reach, squared: false });
            }
        }
        Err(Refusal::with(Code::Range, spacing))
    }

    /// Returns the distance in mm, rounded once from f64.
    #[inline(always)]
    pub fn mm(&self, squared: i64) -> f32 {
        let square = squared as f64 * self.scale;
        if self.squared { square as f32 } else { square.sqrt() as f32 }
    }

    /// Returns the greatest squared distance whose distance is below `radius`, or at most `radius`;
    /// `None` when not even 0 is.
    pub fn limit(&self, radius: f32, comparison: Comparison) -> Option<i64> {
        let within = |squared| match comparison {
            Comparison::Below => self.mm(squared) < radius,
            Comparison::AtMost => self.mm(squared) <= radius,
        };
        if !within(0) {
            return None;
        }
        // `mm` is monotone, so the border is found by halving.
        let (mut low, mut high) = (0, self.reach + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if within(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

fn power(k: i32) -> f64 {
    f64::from_bits(((1023 + k) as u64) << 52)
}

/// Returns the greatest squared distance, if it is below the limit.
fn reach(grid: &Grid, weights: &[i64]) -> Option<i64> {
    let mut sum = 0i64;
    for (n, weight) in grid.dims().iter().zip(weights) {
        let steps = i64::try_from(n - 1).ok()?;
        // A weight too great for its type has stayed at the greatest one: no single step fits.
        if *weight >= MOST {
            return None;
        }
        sum = sum.checked_add(steps.checked_mul(steps)?.checked_mul(*weight)?)?;
    }
    (sum < MOST).then_some(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::space::sample::grid_of;

    #[test]
    fn weights_are_those_of_the_definition() {
        let metric = Metric::of(&grid_of(&[240, 240, 155], &[0.5; 3])).unwrap();
        assert_eq!((metric.weights, metric.scale), ([1; 3], 0.25));
        assert_eq!(metric.reach, 239 * 239 * 2 + 154 * 154);
        let metric = Metric::of(&grid_of(&[64, 64, 20], &[0.7, 0.7, 3.3])).unwrap();
        let weight = |s: f64| (s * s * 2f64.powi(40)).round_ties_even() as i64;
        assert_eq!(metric.weights, [weight(0.7), weight(0.7), weight(3.3)]);
        let metric = Metric::of(&grid_of(&[100_000, 64, 20], &[700.0, 0.7, 3.3])).unwrap();
        let (n, scale) = (99_999i128.pow(2), metric.scale);
        let sum = |k: f64| {
            let weight = |s: f64| (s * s * k).round_ties_even() as i128;
            weight(700.0) * n + weight(0.7) * 63 * 63 + weight(3.3) * 19 * 19
        };
        assert!(sum(1.0 / scale) < 1 << 62 && sum(2.0 / scale) >= 1 << 62);
    }

    #[test]
    fn spacings_that_no_integer_holds_are_refused() {
        assert_eq!(Metric::of(&grid_of(&[2, 2], &[1e200; 2])).unwrap_err().code, Code::Range);
        assert!(Metric::of(&grid_of(&[2, 2], &[1e150, 1.0])).is_ok());
        assert!(Metric::of(&grid_of(&[2, 2], &[1e-200, 1.0])).is_ok());
        let far = grid_of(&[1 << 33, 1], &[1.0; 2]);
        assert_eq!(Metric::of(&far).unwrap_err().code, Code::Size);
    }

    #[test]
    fn the_limit_of_a_radius_is_the_last_distance_inside() {
        let metric = Metric::of(&grid_of(&[50, 50, 50], &[1.0; 3])).unwrap();
        assert_eq!(metric.limit(5.0, Comparison::Below), Some(24));
        assert_eq!(metric.limit(5.0, Comparison::AtMost), Some(25));
        assert_eq!(metric.limit(0.0, Comparison::Below), None);
        assert_eq!(metric.limit(0.0, Comparison::AtMost), Some(0));
        assert_eq!(metric.limit(f32::NAN, Comparison::AtMost), None);
        assert_eq!(metric.limit(f32::INFINITY, Comparison::Below), Some(metric.reach));
    }
}
