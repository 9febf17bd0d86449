//! The bins of local correlation.

use rayon::prelude::*;

use crate::kernel::argument::CHUNK;
use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::mask::Mask;

/// The most bins whose numbers fit a byte, with one left for "none".
pub const SHORT: f64 = 254.0;

/// Equal bins between two limits, the upper one outside.
#[derive(Clone, Copy, Debug)]
pub struct Bins {
    low: f64,
    high: f64,
    delta: f64,
    count: f64,
}

/// The number of a bin, and one number that is none.
pub trait Id: bytemuck::Pod + Ord + Send + Sync {
    /// In no bin.
    const NONE: Self;
    /// Returns the place in a table.
    fn place(self) -> usize;
}

impl Id for u8 {
    const NONE: Self = Self::MAX;

    #[inline(always)]
    fn place(self) -> usize {
        self.into()
    }
}

impl Id for u32 {
    const NONE: Self = Self::MAX;

    #[inline(always)]
    fn place(self) -> usize {
        self as usize
    }
}

/// The bins of two images: of the first for each voxel, of the second as counts in a mask.
pub struct Binned<I> {
    /// The bin of each voxel of the first image.
    pub ids: Buffer<I>,
    /// Which bytes occur in each row; absent where bins are many.
    pub rows: Option<Vec<[u64; 4]>>,
    /// How often the second image has each bin of the first, in the mask; [`Id::NONE`] is not in it.
    pub counts: Vec<u64>,
    /// The sum of all counts of the second image.
    pub sum: u64,
    /// The sum of their squares.
    pub squares: u128,
}

impl Bins {
    /// Cuts `low..high` into `count` bins, a positive integer.
    pub fn new(low: f64, high: f64, count: f64) -> Self {
        Self { low, high, delta: (high - low) / count, count }
    }

    /// Returns the bin of a value, or -1.
    #[inline(always)]
    fn of(&self, value: f32) -> f64 {
        let value = f64::from(value);
        let place = (value - self.low) / self.delta;
        // All comparisons are false for NaN, which counts nowhere.
        // Below 0 or NaN where the value lies outside: comparisons with NaN are false.
        let inside = if self.low <= value { value < self.high } else { false };
        let counts = if place < self.count { inside } else { false };
        if counts && self.delta != 0.0 { place.trunc() } else { -1.0 }
    }

    /// Sorts both images into bins whose numbers fit a byte.
    pub fn short(&self, a: &[f32], b: &[f32], within: &Mask) -> Binned<u8> {
        let [nx, ny, nz] = within.grid.shape();
        let mut ids = Buffer::<u8>::take(a.len());
        let mut rows = vec![[0u64; 4]; ny * nz];
        let step = (CHUNK / nx).max(1);
        ids.par_chunks_mut(step * nx)
            .zip(a.par_chunks(step * nx))
            .zip(rows.par_chunks_mut(step))
            .for_each(|((ids, values), rows)| {
                widest(Sort { bins: self, values, ids });
                for (ids, row) in ids.chunks_exact(nx).zip(rows) {
                    *row = occurring(ids);
                }
            });
        let stride = within.grid.row_words();
        let counts = b
            .par_chunks(step * nx)
            .zip(within.words.par_chunks(step * stride))
            .map(|(values, words)| {
                let mut ids = vec![0; values.len()];
                widest(Sort { bins: self, values, ids: &mut ids });
                let mut counts = vec![0u64; 256];
                for (ids, words) in ids.chunks_exact(nx).zip(words.chunks_exact(stride)) {
                    for (ids, word) in ids.chunks(64).zip(words) {
                        count(ids, *word, &mut counts);
                    }
                }
                counts
            })
            .reduce(|| vec![0; 256], |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect());
        let counts = counts[..255].to_vec();
        let (sum, squares) = sums(&counts);
        Binned { ids, rows: Some(rows), counts, sum, squares }
    }

    /// Sorts both images into any number of bins, and numbers those of the first image that occur.
    pub fn long(&self, a: &[f32], b: &[f32], within: &Mask) -> Result<Binned<u32>, Refusal> {
        let [nx, ny, _] = within.grid.shape();
        let of = |value: f32| {
            let bin = self.of(value);
            (bin >= 0.0).then_some(bin as u64)
        };
        let mut second: Vec<u64> = (0..b.len())
            .into_par_iter()
            .filter(|at| within.get(at % nx, at / nx % ny, at / nx / ny))
            .filter_map(|at| of(b[at]))
            .collect();
        second.par_sort_unstable();
        let groups: Vec<(u64, u64)> =
            second.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
        let all: Vec<u64> = groups.iter().map(|(_, count)| *count).collect();
        let (sum, squares) = sums(&all);
        let mut first: Vec<u64> = a.par_iter().filter_map(|value| of(*value)).collect();
        first.par_sort_unstable();
        first.dedup();
        let most = u32::MAX as usize;
        if first.len() >= most {
            return Err(Refusal::with(Code::Size, &[first.len() as f64, most as f64]));
        }
        let counts = first
            .iter()
            .map(|bin| {
                groups.binary_search_by_key(bin, |(bin, _)| *bin).map_or(0, |at| groups[at].1)
            })
            .collect();
        let mut ids = Buffer::<u32>::take(a.len());
        ids.par_iter_mut().zip(a).for_each(|(id, value)| {
            let place = of(*value).and_then(|bin| first.binary_search(&bin).ok());
            *id = place.map_or(u32::NONE, |place| place as u32);
        });
        Ok(Binned { ids, rows: None, counts, sum, squares })
    }
}

fn sums(counts: &[u64]) -> (u64, u128) {
    (counts.iter().sum(), counts.iter().map(|count| u128::from(*count).pow(2)).sum())
}

fn count(ids: &[u8], word: u64, counts: &mut [u64]) {
    if word == u64::MAX {
        for id in ids {
            counts[usize::from(*id)] += 1;
        }
        return;
    }
    let mut word = word;
    while word != 0 {
        counts[usize::from(ids[word.trailing_zeros() as usize])] += 1;
        word &= word - 1;
    }
}

/// Returns which bytes occur.
fn occurring(ids: &[u8]) -> [u64; 4] {
    let mut seen = [0u8; 256];
    for id in ids {
        seen[usize::from(*id)] = 1;
    }
    std::array::from_fn(|at| {
        seen[at * 64..][..64]
            .iter()
            .enumerate()
            .fold(0, |word, (bit, seen)| word | u64::from(*seen) << bit)
    })
}

struct Sort<'a> {
    bins: &'a Bins,
    values: &'a [f32],
    ids: &'a mut [u8],
}

impl Task for Sort<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (id, value) in self.ids.iter_mut().zip(self.values) {
            // -1 becomes 255, which is none.
            *id = self.bins.of(*value) as i32 as u8;
        }
    }
}
