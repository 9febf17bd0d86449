//! Distances that only feed a comparison with a radius: the answer without the distances.

use crate::kernel::argument;
use crate::kernel::space::ball::within;
use crate::kernel::space::neighbour::complement;
use crate::kernel::space::weight::{Comparison, Metric};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::mask::Mask;

/// A pattern of nodes; `pdt(a)` is `mask(dt(a), lt(0, dt(a)))`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fused {
    /// `lt(dt(a), r)`.
    Below,
    /// `le(dt(a), r)`.
    AtMost,
    /// `lt(r, dt(a))`.
    Above,
    /// `le(r, dt(a))`.
    AtLeast,
    /// `le(r, pdt(a))`, which the language calls `distgeq(r, a)`.
    OutsideAtLeast,
    /// `le(pdt(a), r)`, which the language calls `distleq(r, a)`.
    OutsideAtMost,
}

impl Fused {
    /// All patterns.
    pub const ALL: [Self; 6] = [
        Self::Below,
        Self::AtMost,
        Self::Above,
        Self::AtLeast,
        Self::OutsideAtLeast,
        Self::OutsideAtMost,
    ];
}

/// Returns the mask that the nodes of `pattern` would give, bit for bit, for any `r`.
///
/// `mask` is what `vox1.dt` takes; `r` is narrowed to f32 as comparisons do.
pub fn run(pattern: Fused, mask: &Value, r: f64) -> Result<Value, Refusal> {
    let mask = argument::mask(mask)?;
    let r = r as f32;
    if r.is_nan() {
        // Distances are refused or not whatever they are compared with.
        Metric::of(&mask.grid)?;
        return Ok(Value::Mask(Mask::constant(mask.grid, false)));
    }
    let all = |truth| {
        Metric::of(&mask.grid)?;
        Ok(Mask::constant(mask.grid.clone(), truth))
    };
    let answer: Result<Mask, Refusal> = match pattern {
        // Inside and on the contour `pdt` is 0, elsewhere it is the distance, which is positive.
        Fused::OutsideAtLeast if r <= 0.0 => all(true),
        Fused::OutsideAtMost if r < 0.0 => all(false),
        Fused::Below => within(&mask, r, Comparison::Below),
        Fused::AtMost | Fused::OutsideAtMost => within(&mask, r, Comparison::AtMost),
        Fused::Above => Ok(complement(&within(&mask, r, Comparison::AtMost)?)),
        Fused::AtLeast | Fused::OutsideAtLeast => {
            Ok(complement(&within(&mask, r, Comparison::Below)?))
        }
    };
    Ok(Value::Mask(answer?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::distance::signed;
    use crate::kernel::space::sample;

    /// The composition, node by node.
    fn composed(pattern: Fused, mask: &Mask, r: f64) -> Mask {
        let distance = signed(mask).unwrap();
        let voxels: &[f32] = bytemuck::cast_slice(distance.voxels.bytes());
        let [nx, ny, _] = mask.grid.shape();
        let r = r as f32;
        Mask::from_fn(mask.grid.clone(), |x, y, z| {
            let dt = voxels[(z * ny + y) * nx + x];
            let pdt = if 0.0 < dt { dt } else { 0.0 };
            match pattern {
                Fused::Below => dt < r,
                Fused::AtMost => dt <= r,
                Fused::Above => r < dt,
                Fused::AtLeast => r <= dt,
                Fused::OutsideAtLeast => r <= pdt,
                Fused::OutsideAtMost => pdt <= r,
            }
        })
    }

    fn check(mask: &Mask, r: f64) {
        for pattern in Fused::ALL {
            let Value::Mask(got) = run(pattern, &Value::Mask(mask.clone()), r).unwrap() else {
                panic!("a mask")
            };
            let want = composed(pattern, mask, r);
            assert_eq!(**got.words, **want.words, "{pattern:?} {r}");
        }
    }

    fn radius() -> impl Strategy<Value = f64> {
        prop_oneof![
            prop::sample::select(
                &[
                    0.0,
                    -0.0,
                    1.0,
                    2.0,
                    3.0,
                    5.0,
                    -1.0,
                    -2.0,
                    0.7,
                    1.4,
                    3.3,
                    1e-30,
                    1e19,
                    2e19,
                    1e300,
                    -1e300,
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    std::f64::consts::SQRT_2,
                    1.844_674_3e19,
                    -1.844_674_3e19,
                ][..]
            ),
            -4.0..30.0,
            0.0..4.0,
        ]
    }

    proptest! {
        #[test]
        fn fused_patterns_equal_their_nodes(mask in sample::mask(), r in radius()) {
            check(&mask, r);
        }
    }

    #[test]
    fn balls_of_all_sizes_equal_distances_on_all_threads() {
        for spacing in [[1.0; 3], [0.7, 0.7, 3.3]] {
            let mask = sample::blobs(&[130, 60, 40], &spacing, 4);
            for r in [1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 14.0, 40.0] {
                check(&mask, r);
                check(&complement(&mask), r);
            }
            sample::same_on_any_threads(|| {
                within(&mask, 5.0, Comparison::Below).unwrap().words.to_vec()
            });
        }
    }
}
