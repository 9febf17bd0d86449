//! Otsu's threshold inside a mask, as ITK finds it.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use crate::kernel::argument;
use crate::kernel::number::simd;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep;
use crate::kernel::number::{gather, logic, measure};
use crate::kernel::share;
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
    /// Lower ends of all bins and infinity, so that finding a bin is two look-ups.
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
        let ends = (0..count).map(|bin| lo + f64::from(bin as f32 * interval));
        let ends = ends.chain([f64::INFINITY]).collect();
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

    /// Adds voxels to the counts of their bins, NaN passed over; `tables` holds the counts of all bins
    /// twice, so that equal voxels do not wait for each other.
    ///
    /// A voxel's bin is the last whose lower end is not above it.
    #[inline(always)]
    fn count<T: Copy, F: Fn(T) -> f64>((bins, voxels, wide, tables): (&Self, &[T], F, &mut [u32])) {
        let (first, second) = tables.split_at_mut(bins.count);
        let (lo, density, most) = (bins.lo, bins.density, (bins.count - 1) as f64);
        let (mut guesses, mut values) = ([0u32; 256], [0.0; 256]);
        for voxels in voxels.chunks(guesses.len()) {
            for ((value, guess), voxel) in values.iter_mut().zip(&mut guesses).zip(voxels) {
                *value = wide(*voxel);
                // A guess only: the ends decide. Added to 2^52, the integer is the last bits.
                let at = (*value - lo) * density - 0.5;
                let at = if at < most { at } else { most };
                let at = if at > 0.0 { at } else { 0.0 };
                *guess = (at + 4_503_599_627_370_496.0).to_bits() as u32;
            }
            let pairs = guesses.chunks(2).zip(values.chunks(2));
            for (guess, value) in pairs.take(voxels.len() / 2) {
                bins.count_one(value[0], guess[0], first);
                bins.count_one(value[1], guess[1], second);
            }
            if voxels.len() % 2 == 1 {
                let last = voxels.len() - 1;
                bins.count_one(values[last], guesses[last], first);
            }
        }
    }

    #[inline(always)]
    fn count_one(&self, value: f64, guess: u32, counts: &mut [u32]) {
        let mut bin = guess as usize;
        // Behind the ends of all bins there is one that no value reaches.
        while self.ends[bin + 1] <= value {
            bin += 1;
        }
        while self.ends[bin] > value && bin > 0 {
            bin -= 1;
        }
        counts[bin] += u32::from(!value.is_nan());
    }
}

/// Voxels that are counted into one pair of tables.
const COUNTED: usize = 1 << 19;

/// Counts the voxels of each bin.
pub fn histogram<T: Copy + Sync>(
    voxels: &[T],
    bins: &Bins,
    wide: impl Fn(T) -> f64 + Sync + Copy,
) -> Vec<u64> {
    // Where bins are many, so are the voxels of a table.
    let part = COUNTED.max(voxels.len() / 4).max(4 * bins.count).min(1 << 31);
    let parts: Vec<&[T]> = voxels.chunks(part).collect();
    let counted = share::numbered(parts.len(), &|at| {
        let mut tables = vec![0u32; 2 * bins.count];
        simd::apply(Bins::count, (bins, parts[at], wide, &mut tables[..]));
        tables
    });
    let mut all = vec![0; bins.count];
    for tables in counted {
        for table in tables.chunks_exact(bins.count) {
            all.iter_mut().zip(table).for_each(|(all, count)| *all += u64::from(*count));
        }
    }
    all
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
    let gather::Inside { voxels, rounded, .. } = gather::inside(source, &mask);
    let (lo, hi) = range(&voxels);
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
    let threshold = bins.upper(best(&bins, &histogram(&voxels, &bins, f64::from))) as f32;
    let inside = sweep::within_mask(source, &mask, threshold.next_up(), f32::INFINITY);
    Ok(sweep::told(Value::Mask(inside), rounded))
}

/// Returns the least and the greatest voxel, NaN passed over; of none, infinity and minus infinity.
fn range(voxels: &[f32]) -> (f32, f32) {
    let none = (f32::INFINITY, f32::NEG_INFINITY);
    let parts: Vec<&[f32]> = voxels.chunks(argument::CHUNK).collect();
    let ends = share::numbered(parts.len(), &|at| simd::apply(range_of, parts[at]));
    ends.into_iter().fold(none, wider)
}

#[inline(always)]
fn wider((lo, hi): (f32, f32), (x, y): (f32, f32)) -> (f32, f32) {
    (if x < lo { x } else { lo }, if y > hi { y } else { hi })
}

#[inline(always)]
fn range_of(voxels: &[f32]) -> (f32, f32) {
    let none = (f32::INFINITY, f32::NEG_INFINITY);
    // As many at once as a vector has.
    let (lanes, rest) = voxels.as_chunks::<16>();
    let (mut least, mut greatest) = ([none.0; 16], [none.1; 16]);
    for lane in lanes {
        for x in 0..16 {
            least[x] = if lane[x] < least[x] { lane[x] } else { least[x] };
            greatest[x] = if lane[x] > greatest[x] { lane[x] } else { greatest[x] };
        }
    }
    let rest = rest.iter().fold(none, |end, x| wider(end, (*x, *x)));
    least.into_iter().zip(greatest).fold(rest, wider)
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
