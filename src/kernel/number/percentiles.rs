//! Ranks of voxels inside a mask.
//!
//! Integral values are counted in a table. All others become integers of the same order, which are
//! parted by their leading digit in each block, and sorted by the rest in each part. Counts are
//! integers, so cuts and threads never show.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::kernel::argument;
use crate::kernel::number::gather::{self, Inside, each_run};
use crate::kernel::number::logic;
use crate::kernel::number::measure::true_voxels;
use crate::kernel::number::simd;
use crate::kernel::number::source::{Cut, Source};
use crate::kernel::number::sweep::{self, canonical};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// Values that one task counts or parts.
const BLOCK: usize = 1 << 17;
/// Greatest table of integral values.
const TABLE: usize = 1 << 20;
/// Bits of a digit.
const DIGIT: u32 = 11;

/// Returns for each voxel of a mask the share of voxels below it plus `c` times that of its equals;
/// -1 outside.
pub fn percentiles(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, mask, c] = call.args else { return Err(argument::kind()) };
    let (Some(source), Some(truths)) = (Source::of(image), Source::of(mask)) else {
        return Err(argument::kind());
    };
    let c = argument::number(c)?;
    argument::same_grid(&[image, mask])?;
    let mask = logic::truths(truths)?;
    let count = true_voxels(&mask);
    if count > u64::from(u32::MAX) {
        return Err(Refusal::with(Code::Size, &[count as f64, f64::from(u32::MAX)]));
    }
    let inside = gather::inside(source, &mask);
    let share = Share { all: inside.voxels.len() as f64, c };
    let volume = if let Some((lo, len)) = table_of(&inside.voxels) {
        let table = counted(&inside.voxels, lo, len, share);
        // Integral floats up to 2^24 convert without loss, and -0.0 is 0.
        scatter(source, &mask, &inside, |voxel, _| table[(voxel as i64 - lo) as usize])
    } else {
        let ranks = sorted(&inside.voxels, share);
        scatter(source, &mask, &inside, |_, at| f32::from_bits(ranks[at].load(Ordering::Relaxed)))
    };
    Ok(sweep::told(Value::Volume(volume), inside.rounded))
}

/// What becomes of counts.
#[derive(Clone, Copy)]
struct Share {
    all: f64,
    c: f64,
}

impl Share {
    fn of(self, below: u64, equal: u64) -> f32 {
        canonical(((below as f64 + self.c * equal as f64) / self.all) as f32)
    }
}

/// Returns the least value and the length of a table for them, when all are integral and it is small
/// enough to be worth it.
fn table_of(voxels: &[f32]) -> Option<(i64, usize)> {
    let parts: Vec<Option<(f32, f32)>> = voxels
        .par_chunks(BLOCK)
        .map(|voxels| {
            simd::widest(|| {
                let mut integral = true;
                let (mut lo, mut hi) = (f32::INFINITY, f32::NEG_INFINITY);
                for x in voxels {
                    // The conversion saturates and takes NaN to 0, so only integers survive it.
                    integral &= *x as i32 as f32 == *x && x.abs() <= 16_777_216.0;
                    lo = if *x < lo { *x } else { lo };
                    hi = if *x > hi { *x } else { hi };
                }
                integral.then_some((lo, hi))
            })
        })
        .collect();
    let mut range = (f32::INFINITY, f32::NEG_INFINITY);
    for part in parts {
        let (lo, hi) = part?;
        range = (if lo < range.0 { lo } else { range.0 }, if hi > range.1 { hi } else { range.1 });
    }
    if range.0 > range.1 {
        return None;
    }
    let (lo, hi) = (range.0 as i64, range.1 as i64);
    let len = (hi - lo + 1) as usize;
    (len <= TABLE && len <= (4 * voxels.len()).max(4096)).then_some((lo, len))
}

fn counted(voxels: &[f32], lo: i64, len: usize, share: Share) -> Vec<f32> {
    // A table for each part: few parts when the table is long.
    let part = voxels.len().div_ceil(8).max(BLOCK).max(2 * len);
    let parts: Vec<Vec<u32>> = voxels
        .par_chunks(part)
        .map(|voxels| {
            // Runs of one value would wait for their own sum; two tables halve that.
            let mut counts = [vec![0u32; len], vec![0u32; len]];
            for pair in voxels.chunks(2) {
                for (counts, x) in counts.iter_mut().zip(pair) {
                    counts[(*x as i32 - lo as i32) as usize] += 1;
                }
            }
            let [mut counts, other] = counts;
            counts.iter_mut().zip(other).for_each(|(a, b)| *a += b);
            counts
        })
        .collect();
    let mut below = 0u64;
    (0..len)
        .map(|at| {
            let equal = parts.iter().map(|counts| u64::from(counts[at])).sum();
            let rank = share.of(below, equal);
            below += equal;
            rank
        })
        .collect()
}

/// Maps f32 to integers of the same order: -0.0 with 0.0, all NaN together above the rest.
#[inline(always)]
fn key(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    let ordered = bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31);
    if x.is_nan() { u32::MAX } else { ordered }
}

/// Returns the bits of the rank of each value.
fn sorted(voxels: &[f32], share: Share) -> Vec<AtomicU32> {
    let mut ranks = Vec::with_capacity(voxels.len());
    ranks.resize_with(voxels.len(), || AtomicU32::new(0));
    let (lo, hi) = voxels
        .par_chunks(BLOCK)
        .map(|voxels| {
            simd::widest(|| {
                voxels.iter().fold((u32::MAX, 0), |(lo, hi): (u32, u32), x| {
                    (lo.min(key(*x)), hi.max(key(*x)))
                })
            })
        })
        .reduce(|| (u32::MAX, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if voxels.is_empty() {
        return ranks;
    }
    let width = 32 - (hi - lo).leading_zeros();
    let rest = width.saturating_sub(DIGIT);
    let (parted, starts) = part(voxels, lo, rest);
    let parts = 1usize << DIGIT;
    let sizes: Vec<usize> = (0..parts)
        .map(|digit| starts.iter().map(|s| (s[digit + 1] - s[digit]) as usize).sum())
        .collect();
    let mut before = 0u64;
    let jobs: Vec<(usize, u64)> = sizes
        .iter()
        .enumerate()
        .filter_map(|(digit, size)| {
            let job = (digit, before);
            before += *size as u64;
            (*size > 0).then_some(job)
        })
        .collect();
    jobs.into_par_iter().for_each_init(
        || (Vec::new(), Vec::new()),
        |(items, spare), (digit, mut below)| {
            items.clear();
            for (block, starts) in parted.chunks(BLOCK).zip(&starts) {
                items.extend_from_slice(&block[starts[digit] as usize..starts[digit + 1] as usize]);
            }
            sort(items, spare, rest);
            for equals in items.chunk_by(|a, b| a >> 32 == b >> 32) {
                let rank = share.of(below, equals.len() as u64).to_bits();
                for item in equals {
                    ranks[*item as u32 as usize].store(rank, Ordering::Relaxed);
                }
                below += equals.len() as u64;
            }
        },
    );
    ranks
}

/// Parts each block of values by the leading digit of their keys; an item is the rest of the key and
/// the place of the value. Returns where each digit begins in each block.
fn part(voxels: &[f32], lo: u32, rest: u32) -> (Buffer<u64>, Vec<Vec<u32>>) {
    let parts = 1usize << DIGIT;
    let mask = (1u64 << rest) - 1;
    let mut parted: Buffer<u64> = Buffer::take(voxels.len());
    let starts = parted
        .par_chunks_mut(BLOCK)
        .zip(voxels.par_chunks(BLOCK))
        .enumerate()
        .map(|(block, (parted, voxels))| {
            let mut starts = vec![0u32; parts + 1];
            for x in voxels {
                starts[((key(*x) - lo) >> rest) as usize + 1] += 1;
            }
            for digit in 0..parts {
                starts[digit + 1] += starts[digit];
            }
            let mut next = starts.clone();
            for (at, x) in voxels.iter().enumerate() {
                let key = key(*x) - lo;
                let slot = &mut next[(key >> rest) as usize];
                let place = (block * BLOCK + at) as u64;
                parted[*slot as usize] = (u64::from(key) & mask) << 32 | place;
                *slot += 1;
            }
            starts
        })
        .collect();
    (parted, starts)
}

/// Sorts items by the `width` bits above their place.
fn sort(items: &mut Vec<u64>, spare: &mut Vec<u64>, width: u32) {
    if width == 0 {
        return;
    }
    if items.len() < 256 {
        items.sort_unstable();
        return;
    }
    spare.resize(items.len(), 0);
    let digits = width.div_ceil(DIGIT);
    let bits = width.div_ceil(digits);
    for digit in 0..digits {
        let shift = 32 + digit * bits;
        let of = |item: u64| (item >> shift) as usize & ((1 << bits) - 1);
        let mut next = vec![0u32; (1 << bits) + 1];
        for item in items.iter() {
            next[of(*item) + 1] += 1;
        }
        for at in 0..1usize << bits {
            next[at + 1] += next[at];
        }
        for item in items.iter() {
            let slot = &mut next[of(*item)];
            spare[*slot as usize] = *item;
            *slot += 1;
        }
        std::mem::swap(items, spare);
    }
}

/// Writes `rank(value, place among the values)` inside the mask and -1 outside.
fn scatter(
    source: Source<'_>,
    mask: &Mask,
    inside: &Inside,
    rank: impl Fn(f32, usize) -> f32 + Sync,
) -> Volume {
    let grid = source.grid();
    let cut = Cut::of(grid);
    let mut out: Buffer<f32> = Buffer::take(grid.voxels());
    sweep::tasks(&mut out, cut.task_voxels(), |task, out| {
        let first = task * cut.task_voxels();
        let mut at = inside.starts[task];
        out.fill(-1.0);
        for piece in cut.pieces(task) {
            for (start, len, word) in piece.rows() {
                let words = &mask.words[word..word + len.div_ceil(64)];
                let from = piece.start - first + start;
                for (out, word) in out[from..from + len].chunks_mut(64).zip(words) {
                    each_run(*word, |from, to| {
                        let values = &inside.voxels[at..at + (to - from)];
                        for (offset, (out, value)) in
                            out[from..to].iter_mut().zip(values).enumerate()
                        {
                            *out = rank(*value, at + offset);
                        }
                        at += to - from;
                    });
                }
            }
        }
        0
    });
    Volume::f32(std::sync::Arc::clone(grid), out)
}
