//! One pass over all voxels, in tasks of fixed size.
//!
//! Whatever the count of threads, a voxel is computed from the same numbers in the same way, so the
//! bits agree. Every NaN that is written is the one NaN.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use std::sync::Arc;

use bytemuck::Pod;

use crate::kernel::number::simd::{self, Relation};
use crate::kernel::number::source::{Cut, Piece, Source};
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Output, Warning};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::{Mask, last_word};
use crate::value::volume::Volume;

/// The one NaN.
pub const NAN: f32 = f32::from_bits(0x7fc0_0000);
/// Mask words that are not worth a second thread: a megabyte is worked through in 30 microseconds.
const WORDS: usize = 1 << 18;

/// Returns the number, or the one NaN.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    // On bits: the compiler takes a NaN for any other, and would leave them as they are.
    let bits = x.to_bits();
    let is_nan = bits & 0x7fff_ffff > f32::INFINITY.to_bits();
    f32::from_bits(if is_nan { NAN.to_bits() } else { bits })
}

/// Returns the output with the warning that says how many voxels were rounded on reading them as f32.
pub fn told(value: Value, rounded: u64) -> Output {
    let warnings =
        if rounded > 0 { vec![Warning { code: "rounded", count: rounded }] } else { Vec::new() };
    Output { value, warnings, file: None }
}

/// Visits all tasks, on the caller's thread when there is only one, and adds up what they return.
pub fn tasks<T: Pod>(
    items: &mut [T],
    task_len: usize,
    work: impl Fn(usize, &mut [T]) -> u64 + Sync,
) -> u64 {
    if items.len() <= task_len {
        return if items.is_empty() { 0 } else { work(0, items) };
    }
    share::summed(items, task_len, &work)
}

/// Makes an image by filling each piece; `fill` returns how many voxels it had to round on the way.
pub fn fill(
    grid: &Arc<Grid>,
    fill: impl Fn(Piece, &mut [f32], &mut [Vec<f32>; 3]) -> u64 + Sync,
) -> (Volume, u64) {
    scan(grid, || [Vec::new(), Vec::new(), Vec::new()], fill)
}

/// The same with scratch space of any kind, made once for each task.
pub fn scan<S>(
    grid: &Arc<Grid>,
    scratch: impl Fn() -> S + Sync,
    fill: impl Fn(Piece, &mut [f32], &mut S) -> u64 + Sync,
) -> (Volume, u64) {
    let cut = Cut::of(grid);
    let mut out = Buffer::take(grid.voxels());
    let rounded = tasks(&mut out, cut.task_voxels(), |task, out| {
        let first = task * cut.task_voxels();
        let mut scratch = scratch();
        cut.pieces(task)
            .map(|piece| {
                let at = piece.start - first;
                fill(piece, &mut out[at..at + piece.len], &mut scratch)
            })
            .sum()
    });
    (Volume::f32(Arc::clone(grid), out), rounded)
}

/// Makes an image of a function of each voxel.
pub fn map(a: Source<'_>, f: impl Fn(f32) -> f32 + Sync) -> (Volume, u64) {
    fill(a.grid(), |piece, out, [scratch, ..]| {
        let (a, rounded) = a.piece(piece, scratch);
        simd::widest(|| {
            for (out, a) in out.iter_mut().zip(a) {
                *out = canonical(f(*a));
            }
        });
        rounded
    })
}

/// Makes an image of a function of two voxels; it lies on the grid of the first.
pub fn zip(a: Source<'_>, b: Source<'_>, f: impl Fn(f32, f32) -> f32 + Sync) -> (Volume, u64) {
    fill(a.grid(), |piece, out, [first, second, _]| {
        let (a, rounded_a) = a.piece(piece, first);
        let (b, rounded_b) = b.piece(piece, second);
        simd::widest(|| {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = canonical(f(*a, *b));
            }
        });
        rounded_a + rounded_b
    })
}

/// Makes a mask by filling the words of each task; `fill` is given the first word's place in the mask.
fn bits(
    grid: &Arc<Grid>,
    fill: impl Fn(Piece, &mut [u64], usize, &mut [Vec<f32>; 2]) -> u64 + Sync,
) -> (Mask, u64) {
    let cut = Cut::of(grid);
    let mut words = Buffer::take(grid.rows() * grid.row_words());
    let rounded = tasks(&mut words, cut.task_words(), |task, words| {
        let mut scratch = [Vec::new(), Vec::new()];
        let first = task * cut.task_words();
        cut.pieces(task).map(|piece| fill(piece, words, first, &mut scratch)).sum()
    });
    (Mask::new(Arc::clone(grid), words), rounded)
}

/// Which side of a test becomes true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Where the test holds.
    Holds,
    /// Where it does not.
    Fails,
}

/// Turns the bits of one row around where the other side is asked; the padding stays zero.
pub fn turn(side: Side, words: &mut [u64], len: usize) {
    if side == Side::Fails {
        for word in words.iter_mut() {
            *word = !*word;
        }
        if let Some(last) = words.last_mut() {
            *last &= last_word(len);
        }
    }
}

/// Makes the mask of the voxels that lie in a closed interval, or of those that do not (NaN does
/// not).
pub fn within(a: Source<'_>, lo: f32, hi: f32, side: Side) -> (Mask, u64) {
    bits(a.grid(), |piece, words, first, [scratch, _]| {
        let (a, rounded) = a.piece(piece, scratch);
        for (start, len, word) in piece.rows() {
            let words = &mut words[word - first..][..len.div_ceil(64)];
            simd::pack_within(&a[start..start + len], lo, hi, words);
            turn(side, words, len);
        }
        rounded
    })
}

/// Makes the mask of the voxels inside a mask that lie in a closed interval.
///
/// Rows are looked at from the first word that has a true voxel to the last.
pub fn within_mask(a: Source<'_>, mask: &Mask, lo: f32, hi: f32) -> Mask {
    let (above, _) = bits(a.grid(), |piece, words, first, [scratch, _]| {
        let (a, rounded) = a.piece(piece, scratch);
        for (start, len, word) in piece.rows() {
            let count = len.div_ceil(64);
            let truths = &mask.words[word..word + count];
            let words = &mut words[word - first..][..count];
            words.fill(0);
            let (Some(from), Some(last)) = (
                truths.iter().position(|word| *word != 0),
                truths.iter().rposition(|word| *word != 0),
            ) else {
                continue;
            };
            let row = &a[start + from * 64..start + ((last + 1) * 64).min(len)];
            simd::pack_within(row, lo, hi, &mut words[from..=last]);
            for (word, truth) in words.iter_mut().zip(truths) {
                *word &= truth;
            }
        }
        rounded
    });
    above
}

/// Makes the mask of the voxels where two images are so related, or of those where they are not.
pub fn related(a: Source<'_>, b: Source<'_>, relation: Relation, side: Side) -> (Mask, u64) {
    bits(a.grid(), |piece, words, task_start, [first, second]| {
        let (a, rounded_a) = a.piece(piece, first);
        let (b, rounded_b) = b.piece(piece, second);
        for (start, len, word) in piece.rows() {
            let words = &mut words[word - task_start..][..len.div_ceil(64)];
            simd::pack_pair(&a[start..start + len], &b[start..start + len], relation, words);
            turn(side, words, len);
        }
        rounded_a + rounded_b
    })
}

/// Makes a mask of the words of two; `f` may set padding.
pub fn words(a: &Mask, b: &Mask, f: impl Fn(u64, u64) -> u64 + Sync) -> Mask {
    let mut out = Buffer::take(a.words.len());
    let stride = a.grid.row_words();
    let task = stride * (WORDS / stride).max(1);
    let last = last_word(a.grid.dims()[0]);
    tasks(&mut out, task, |at, out| {
        let (a, b) = (&a.words[at * task..], &b.words[at * task..]);
        simd::widest(|| {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = f(*a, *b);
            }
        });
        if last != u64::MAX && f(0, 0) != 0 {
            for word in out[stride - 1..].iter_mut().step_by(stride) {
                *word &= last;
            }
        }
        0
    });
    Mask::new(Arc::clone(&a.grid), out)
}
