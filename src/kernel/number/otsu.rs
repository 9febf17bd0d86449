//! Otsu's threshold inside a mask, as ITK finds it.

use crate::kernel::argument;
use crate::kernel::number::simd;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::{self, Side};
use crate::kernel::number::{gather, logic, measure};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;

/// More bins are refused: beyond it f32 does not tell them apart.
pub const MOST_BINS: i64 = 1 << 24;

/// The bins of a histogram as ITK lays them: lower ends from an f32 interval, the last upper end a
/// hundredth of a bin above the greatest value.
pub struct Bins {
    lo: f64,
    last: f64,
    count: usize,
    /// Lower ends of all bins, so that finding a bin is two look-ups.
    ends: Vec<f64>,
    /// Bins a unit.
    density: f64,
}

impl Bins {
    /// Lays bins from the least value to a little above the greatest.
    pub fn new(lo: f64, hi: f64, count: usize) -> Self {
        Self::between(lo, hi + (hi - lo) / count as f64 / 100.0, count)
    }

    /// Lays bins between two ends.
    pub fn between(lo: f64, last: f64, count: usize) -> Self {
        let interval = (last as f32 - lo as f32) / count as f32;
        let ends = (0..count).map(|bin| lo + f64::from(bin as f32 * interval)).collect();
        Self { last, count, ends, lo, density: 1.0 / f64::from(interval) }
    }

    fn lower(&self, bin: usize) -> f64 {
        self.ends[bin]
    }

    /// Returns the upper end of a bin.
    pub fn upper(&self, bin: usize) -> f64 {
        if bin + 1 == self.count { self.last } else { self.lower(bin + 1) }
    }

    /// Returns the middle of a bin.
    pub fn middle(&self, bin: usize) -> f64 {
        f64::midpoint(self.lower(bin), self.upper(bin))
    }

    /// Returns the last bin whose lower end is not above the value.
    pub fn of(&self, value: f64) -> usize {
        // A guess only: the ends decide.
        let guess = (value - self.lo) * self.density;
        let mut bin = (guess as u32 as usize).min(self.count - 1);
        while bin + 1 < self.count && self.lower(bin + 1) <= value {
            bin += 1;
        }
        while bin > 0 && self.lower(bin) > value {
            bin -= 1;
        }
        bin
    }
}

/// Returns where an image lies above the threshold that parts the histogram of its voxels in a mask
/// best, inside that mask.
pub fn otsu(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, mask, bins] = call.args else { return Err(argument::kind()) };
    let (Some(source), Some(truths)) = (Source::of(image), Source::of(mask)) else {
        return Err(argument::kind());
    };
    let bins = argument::integer(bins)?;
    argument::same_grid(&[image, mask])?;
    if bins < 2 {
        return Err(Refusal::with(Code::Range, &[bins as f64, 2.0]));
    }
    if bins > MOST_BINS {
        return Err(Refusal::with(Code::Size, &[bins as f64, MOST_BINS as f64]));
    }
    let mask = logic::truths(truths)?;
    if measure::true_voxels(&mask) == 0 {
        return Err(Refusal::new(Code::Empty));
    }
    let ((lo, hi), rounded) = range(source, &mask);
    if lo > hi {
        return Err(Refusal::new(Code::Empty));
    }
    for end in [lo, hi] {
        if end.is_infinite() {
            return Err(Refusal::with(Code::Range, &[f64::from(end)]));
        }
    }
    if lo == hi {
        let none = Mask::constant(std::sync::Arc::clone(source.grid()), false);
        return Ok(sweep::told(Value::Mask(none), rounded));
    }
    let bins = Bins::new(f64::from(lo), f64::from(hi), bins as usize);
    let threshold = bins.upper(best(&bins, &histogram(source, &mask, &bins))) as f32;
    let (above, _) = sweep::within(source, threshold.next_up(), f32::INFINITY, Side::Holds);
    // The image's own grid comes first, and its padding is zero already.
    let inside = sweep::words(&above, &mask, |a, b| a & b);
    Ok(sweep::told(Value::Mask(inside), rounded))
}

/// Returns the least and the greatest voxel in a mask, NaN passed over; of none, infinity and minus
/// infinity.
fn range(source: Source<'_>, mask: &Mask) -> ((f32, f32), u64) {
    gather::fold(
        source,
        mask,
        || (f32::INFINITY, f32::NEG_INFINITY),
        |range, voxels| {
            *range = simd::widest(|| {
                voxels.iter().fold(*range, |(lo, hi), x| {
                    (if *x < lo { *x } else { lo }, if *x > hi { *x } else { hi })
                })
            });
        },
        |a, b| (if b.0 < a.0 { b.0 } else { a.0 }, if b.1 > a.1 { b.1 } else { a.1 }),
    )
}

fn histogram(source: Source<'_>, mask: &Mask, bins: &Bins) -> Vec<u64> {
    gather::fold(
        source,
        mask,
        || vec![0u64; bins.count],
        |counts, voxels| {
            for voxel in voxels.iter().filter(|voxel| !voxel.is_nan()) {
                counts[bins.of(f64::from(*voxel))] += 1;
            }
        },
        |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        },
    )
    .0
}

/// Returns the bin behind which the variance between the two classes is greatest; the first of those
/// that differ by one unit in the last place only.
pub fn best(bins: &Bins, counts: &[u64]) -> usize {
    let total: u64 = counts.iter().sum();
    let all = total as f64;
    let mut mean = 0.0;
    for (bin, count) in counts.iter().enumerate() {
        mean += bins.middle(bin) * *count as f64;
    }
    mean /= all;
    let score = |low: f64, low_mean: f64| {
        let high = all - low;
        let high_mean = if high > 0.0 { (mean * all - low_mean * low) / high } else { 0.0 };
        (low * low_mean * low_mean + high * high_mean * high_mean) / all
    };
    let mut low = counts[0] as f64;
    let mut low_mean = if low > 0.0 { bins.middle(0) } else { 0.0 };
    let mut best = (score(low, low_mean), 0);
    for (bin, count) in counts.iter().enumerate().take(bins.count - 1).skip(1) {
        let count = *count as f64;
        let before = low;
        low += count;
        low_mean =
            if low > 0.0 { (low_mean * before + bins.middle(bin) * count) / low } else { 0.0 };
        let found = score(low, low_mean);
        if found > best.0 && !neighbours(found, best.0) {
            best = (found, bin);
        }
    }
    best.1
}

/// Says whether two numbers of one sign differ by at most one unit in the last place.
fn neighbours(a: f64, b: f64) -> bool {
    a.is_sign_negative() == b.is_sign_negative() && a.to_bits().abs_diff(b.to_bits()) <= 1
}
