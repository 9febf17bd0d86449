//! One computed head with a lesion, to the bit the same on every machine.

use std::sync::Arc;

use crate::pool::Buffer;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// A scan and the lesion that was put into it.
pub struct Head {
    /// Integer values as f32: 0 outside the brain, at least 1 inside.
    pub flair: Volume,
    /// The lesion.
    pub truth: Mask,
    /// A small ball that is brighter than the lesion but no lesion.
    pub distractor: Mask,
}

const GREY: f64 = 120.0;
const WHITE: f64 = 95.0;
const FLUID: f64 = 45.0;
const CORE: f64 = 215.0;
const RIM: f64 = 150.0;
const DISTRACTOR: f64 = 225.0;
/// Radius of the distractor in mm: less than the ball of 5 mm that the method asks of a core.
const DISTRACTOR_RADIUS: f64 = 4.5;
const NOISE: f64 = 8.0;
/// Share of the brain that is lesion.
const SHARE: f64 = 0.04;
/// The lesion's radius over that of its core.
const RIM_RADIUS: f64 = 1.4;

/// Half-axes of the brain over the size of the image, along x, y and z.
const BRAIN: [f64; 3] = [33.0 / 96.0, 42.0 / 96.0, 30.0 / 64.0];

/// Where lesion and distractor of a case lie, in half-axes from the centre.
const PLACES: [([f64; 3], [f64; 3]); 3] = [
    ([0.38, 0.22, 0.10], [-0.45, -0.35, 0.20]),
    ([-0.36, 0.30, -0.12], [0.42, -0.38, -0.15]),
    ([0.34, -0.32, 0.16], [-0.40, 0.42, 0.05]),
];

/// A generator of independent bits: splitmix64, whose state is a counter (Steele, Lea and Flood,
/// "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns about a standard normal number: twelve 16-bit uniforms, added as integers.
    fn normal(&mut self) -> f64 {
        let mut sum = 0i64;
        for _ in 0..3 {
            let bits = self.next();
            sum += (0..4).map(|i| (bits >> (16 * i) & 0xffff) as i64).sum::<i64>();
        }
        (sum - 6 * 65_535) as f64 / 65_536.0
    }
}

fn length(offset: [f64; 3]) -> f64 {
    (offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]).sqrt()
}

/// Makes the head of case `case` (from 0) with `size` voxels of 1 mm.
///
/// The brain, its tissues and the lesion scale with `size`; the noise, the blur and the distractor do
/// not. `size` is at least 48 along each axis, so that the ball of 5 mm fits into the lesion.
pub fn head(case: usize, size: [usize; 3]) -> Head {
    let grid = Arc::new(Grid::plain(&size).expect("sizes are checked by the command line"));
    let [nx, ny, nz] = size;
    let axes: [f64; 3] = std::array::from_fn(|a| BRAIN[a] * size[a] as f64);
    let centre: [f64; 3] = std::array::from_fn(|a| (size[a] as f64 - 1.0) / 2.0);
    let (lesion_at, distractor_at) = PLACES[case % PLACES.len()];
    // Cases beyond the third repeat the places, a little further in, under another noise.
    let shrink = 1.0 - 0.03 * (case / PLACES.len() % 5) as f64;
    let place = |at: [f64; 3]| -> [f64; 3] {
        std::array::from_fn(|a| centre[a] + at[a] * shrink * axes[a])
    };
    let lesion = place(lesion_at);
    let distractor = place(distractor_at);
    let radius = (SHARE * axes[0] * axes[1] * axes[2]).cbrt();

    let mut clean = vec![0f32; nx * ny * nz];
    let mut inside = vec![false; nx * ny * nz];
    let at = |x: usize, y: usize, z: usize| (z * ny + y) * nx + x;
    let offsets = |x: usize, y: usize, z: usize, from: [f64; 3]| -> [f64; 3] {
        [x as f64 - from[0], y as f64 - from[1], z as f64 - from[2]]
    };
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let from_centre = offsets(x, y, z, centre);
                let scaled: [f64; 3] = std::array::from_fn(|a| from_centre[a] / axes[a]);
                let out = length(scaled);
                if out > 1.0 {
                    continue;
                }
                inside[at(x, y, z)] = true;
                // Ventricles: two narrow ellipsoids beside the middle.
                let ventricle =
                    length([(scaled[0].abs() - 0.12) / 0.07, scaled[1] / 0.3, scaled[2] / 0.2]);
                let mut tissue = if out > 0.78 {
                    GREY
                } else if ventricle < 1.0 {
                    FLUID
                } else {
                    WHITE
                };
                let from_lesion = length(offsets(x, y, z, lesion));
                if from_lesion <= radius / RIM_RADIUS {
                    tissue = CORE;
                } else if from_lesion <= radius {
                    tissue = RIM;
                }
                if length(offsets(x, y, z, distractor)) <= DISTRACTOR_RADIUS {
                    tissue = DISTRACTOR;
                }
                clean[at(x, y, z)] = tissue as f32;
            }
        }
    }
    blur(&mut clean, size);

    let mut noise = Bits(0x766f_7821 ^ (case as u64) << 32);
    let mut flair = Buffer::<f32>::zeroed(nx * ny * nz);
    for (at, voxel) in flair.iter_mut().enumerate() {
        let noise = NOISE * noise.normal();
        if inside[at] {
            *voxel = (f64::from(clean[at]) + noise).round().max(1.0) as f32;
        }
    }
    let ball = |from: [f64; 3], radius: f64| {
        Mask::from_fn(grid.clone(), |x, y, z| {
            inside[at(x, y, z)] && length(offsets(x, y, z, from)) <= radius
        })
    };
    let truth = ball(lesion, radius);
    let distractor = ball(distractor, DISTRACTOR_RADIUS);
    Head { flair: Volume::f32(grid, flair), truth, distractor }
}

/// Blurs by one voxel: the weights 1, 2, 1 over 4 along each axis, edges repeated.
fn blur(voxels: &mut [f32], [nx, ny, nz]: [usize; 3]) {
    for (n, stride) in [(nx, 1), (ny, nx), (nz, nx * ny)] {
        let mut line = vec![0f32; n];
        for start in 0..voxels.len() {
            if start / stride % n != 0 {
                continue;
            }
            for (i, value) in line.iter_mut().enumerate() {
                *value = voxels[start + i * stride];
            }
            for i in 0..n {
                let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(n - 1)]);
                voxels[start + i * stride] = (before + 2.0 * line[i] + after) / 4.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::id::Digest;
    use crate::value::volume::Voxels;

    #[test]
    fn a_head_is_what_the_demo_promises() {
        for case in 0..3 {
            let head = head(case, [96, 96, 64]);
            let Voxels::F32(voxels) = &head.flair.voxels else { panic!("a head is f32") };
            assert!(voxels.iter().all(|v| *v >= 0.0 && v.fract() == 0.0));
            let brain = voxels.iter().filter(|v| **v > 0.0).count() as f64;
            let share = head.truth.count() as f64 / brain;
            assert!((share - SHARE).abs() < 0.002, "lesion of case {case}: {share}");
            assert!(head.distractor.count() > 300);
        }
    }

    #[test]
    fn a_head_is_the_same_each_time_and_others_differ() {
        let digest = |case| Digest::of(head(case, [48, 48, 48]).flair.voxels.bytes());
        assert_eq!(digest(0), digest(0));
        assert_ne!(digest(0), digest(1));
        assert_ne!(digest(0), digest(3));
    }
}
