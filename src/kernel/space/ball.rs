//! Which voxels are closer than a radius, without the distances.

use rayon::prelude::*;

use crate::kernel::argument::CHUNK;
use crate::kernel::space::distance::signed;
use crate::kernel::space::neighbour::{interior, spread};
use crate::kernel::space::weight::{Comparison, Metric};
use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::primitive::refusal::Refusal;
use crate::value::mask::{Mask, last_word};
use crate::value::volume::Voxels;

/// Rows of a ball (above its middle in y and z) beyond which distances are computed after all.
const MOST_ROWS: usize = 400;
/// The same for its radius along x, in voxels.
const MOST_STEPS: usize = 64;

/// Returns where the signed distance of `mask` is below `radius` (mm), or at most `radius`: the bits
/// that comparing [`signed`] gives, for every radius, NaN too.
///
/// Inside the mask distances are not above 0, so for a positive radius the answer is the mask grown
/// by a ball: all offsets whose distance, rounded as ever, is within.
pub fn within(mask: &Mask, radius: f32, comparison: Comparison) -> Result<Mask, Refusal> {
    let metric = Metric::of(&mask.grid)?;
    if radius.is_nan() {
        return Ok(Mask::constant(mask.grid.clone(), false));
    }
    if radius == 0.0 {
        return Ok(match comparison {
            Comparison::Below => interior_of_itself(mask),
            Comparison::AtMost => mask.clone(),
        });
    }
    if radius > 0.0
        && mask.words.iter().any(|word| *word != 0)
        && let Some(limit) = metric.limit(radius, comparison)
        && let Some(ball) = Ball::new(mask, &metric, limit)
    {
        return Ok(ball.grow(mask));
    }
    let distance = signed(mask)?;
    let Voxels::F32(voxels) = &distance.voxels else { return Ok(mask.clone()) };
    Ok(compared(mask, voxels, radius, comparison))
}

/// Returns the true voxels without a false neighbour.
fn interior_of_itself(mask: &Mask) -> Mask {
    // A voxel is in its own box, so the interior lies in the mask.
    interior(mask)
}

fn compared(mask: &Mask, voxels: &[f32], radius: f32, comparison: Comparison) -> Mask {
    let (nx, stride) = (mask.grid.dims()[0], mask.grid.row_words());
    let rows = (CHUNK / nx).max(1);
    let mut words = Buffer::take(mask.words.len());
    words.par_chunks_mut(stride * rows).zip(voxels.par_chunks(nx * rows)).for_each(
        |(words, voxels)| {
            for (words, voxels) in words.chunks_exact_mut(stride).zip(voxels.chunks_exact(nx)) {
                for (word, voxels) in words.iter_mut().zip(voxels.chunks(64)) {
                    *word = voxels.iter().enumerate().fold(0, |word, (bit, voxel)| {
                        let truth = match comparison {
                            Comparison::Below => *voxel < radius,
                            Comparison::AtMost => *voxel <= radius,
                        };
                        word | u64::from(truth) << bit
                    });
                }
            }
        },
    );
    Mask::new(mask.grid.clone(), words)
}

/// The offsets within a limit, as rows.
struct Ball {
    /// Radius along x in voxels of the row at distance `[z][y]`; `None` behind each list's end.
    reach: Vec<Vec<usize>>,
    most: usize,
}

impl Ball {
    /// Lists the rows, or returns `None` when the ball is so large that distances cost less.
    fn new(mask: &Mask, metric: &Metric, limit: i64) -> Option<Self> {
        let [nx, ny, nz] = mask.grid.shape();
        let [wx, wy, wz] = metric.weights;
        let mut reach = Vec::new();
        let (mut rows, mut most) = (0, 0);
        for z in 0..nz {
            let Some(left) = left(limit, wz, z) else { break };
            let mut list = Vec::new();
            for y in 0..ny {
                let Some(left) = self::left(left, wy, y) else { break };
                let steps = (0..nx).take_while(|x| self::left(left, wx, *x).is_some());
                let steps = steps.take(MOST_STEPS + 1).count() - 1;
                most = most.max(steps);
                rows += 1;
                if rows > MOST_ROWS || most >= MOST_STEPS {
                    return None;
                }
                list.push(steps);
            }
            reach.push(list);
        }
        Some(Self { reach, most })
    }

    fn grow(&self, mask: &Mask) -> Mask {
        let [nx, ny, _] = mask.grid.shape();
        let stride = mask.grid.row_words();
        let size = ny * stride;
        let layers = self.reach.len();
        // Of each slice, what it makes true in the slices at distance 0, 1, 2, ...
        let mut grown = Buffer::<u64>::take(mask.words.len() * layers);
        grown.par_chunks_mut(size * layers).zip(mask.words.par_chunks(size)).for_each_init(
            || (Vec::new(), Vec::new()),
            |(row, next), (out, words)| {
                out.fill(0);
                if words.iter().all(|word| *word == 0) {
                    return;
                }
                row.clear();
                row.extend_from_slice(words);
                next.resize(size, 0);
                let last = last_word(nx);
                widest(Layers { ball: self, row, next, stride, last, out });
            },
        );
        let nz = mask.words.len() / size;
        let mut words = Buffer::take(mask.words.len());
        words.par_chunks_mut(size).enumerate().for_each(|(z, out)| {
            out.copy_from_slice(&grown[z * layers * size..][..size]);
            for other in (z + 1).saturating_sub(layers)..(z + layers).min(nz) {
                if other != z {
                    let from = (other * layers + z.abs_diff(other)) * size;
                    add(out, &grown[from..from + size]);
                }
            }
        });
        Mask::new(mask.grid.clone(), words)
    }
}

/// Takes a step's squared distance from a limit; `None` when it is further off.
fn left(limit: i64, weight: i64, steps: usize) -> Option<i64> {
    // Between voxels of one grid, so no product is beyond the metric's reach.
    let left = limit - weight * (steps * steps) as i64;
    (left >= 0).then_some(left)
}

#[inline(always)]
fn add(out: &mut [u64], words: &[u64]) {
    for (out, word) in out.iter_mut().zip(words) {
        *out |= word;
    }
}

struct Layers<'a> {
    ball: &'a Ball,
    /// The slice, grown along x step by step.
    row: &'a mut Vec<u64>,
    next: &'a mut Vec<u64>,
    stride: usize,
    last: u64,
    out: &'a mut [u64],
}

impl Task for Layers<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { ball, row, next, stride, last, out } = self;
        let size = row.len();
        for steps in 0..=ball.most {
            if steps > 0 {
                for (row, next) in row.chunks_exact(stride).zip(next.chunks_exact_mut(stride)) {
                    spread(row, next);
                    next[stride - 1] &= last;
                }
                std::mem::swap(row, next);
            }
            for (z, reach) in ball.reach.iter().enumerate() {
                let out = &mut out[z * size..][..size];
                for (y, _) in reach.iter().enumerate().filter(|(_, reach)| **reach == steps) {
                    let by = y * stride;
                    add(&mut out[by..], &row[..size - by]);
                    if y > 0 {
                        add(&mut out[..size - by], &row[by..]);
                    }
                }
            }
        }
    }
}
