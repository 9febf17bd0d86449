//! The voxels inside a mask, one after another.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use rayon::prelude::*;

use crate::kernel::number::measure::true_voxels;
use crate::kernel::number::source::{Cut, Piece, Source};
use crate::pool::Buffer;
use crate::value::mask::Mask;

/// Tasks of the sweep that one fold takes: enough that a table for each costs nothing.
const FOLDED: usize = 8;

/// Folds the voxels inside a mask: `step` is given runs of them in raster order, `merge` joins what
/// tasks of fixed size made. Returns how many voxels were rounded too, inside the mask or not.
pub fn fold<T: Send>(
    source: Source<'_>,
    mask: &Mask,
    begin: impl Fn() -> T + Sync,
    step: impl Fn(&mut T, &[f32]) + Sync,
    merge: impl Fn(T, T) -> T + Sync + Send,
) -> (T, u64) {
    let cut = Cut::of(source.grid());
    let run = |from: usize| {
        let mut state = begin();
        let mut rounded = 0;
        let (mut scratch, mut inside) = (Vec::new(), Vec::new());
        for task in from * FOLDED..((from + 1) * FOLDED).min(cut.tasks()) {
            for piece in cut.pieces(task) {
                let (voxels, count) = source.piece(piece, &mut scratch);
                rounded += count;
                inside.clear();
                collect(piece, voxels, mask, &mut inside);
                step(&mut state, &inside);
            }
        }
        (state, rounded)
    };
    let runs = cut.tasks().div_ceil(FOLDED);
    if runs == 1 {
        return run(0);
    }
    (0..runs)
        .into_par_iter()
        .map(run)
        .reduce_with(|a, b| (merge(a.0, b.0), a.1 + b.1))
        .expect("a grid has voxels, so there is a run")
}

/// Appends the voxels of a piece that lie inside the mask.
#[inline(always)]
fn collect(piece: Piece, voxels: &[f32], mask: &Mask, inside: &mut Vec<f32>) {
    for (start, len, word) in piece.rows() {
        let words = &mask.words[word..word + len.div_ceil(64)];
        for (voxels, word) in voxels[start..start + len].chunks(64).zip(words) {
            each_run(*word, |from, to| inside.extend_from_slice(&voxels[from..to]));
        }
    }
}

/// Visits the runs of ones in a word, lowest first: the first bit and the one behind the last.
#[inline(always)]
pub fn each_run(mut word: u64, mut visit: impl FnMut(usize, usize)) {
    let mut base = 0;
    while word != 0 {
        let skip = word.trailing_zeros();
        word >>= skip;
        let len = word.trailing_ones();
        let from = base + skip as usize;
        base = from + len as usize;
        visit(from, base);
        if len == 64 {
            return;
        }
        word >>= len;
    }
}

/// The voxels inside a mask in raster order, and where each task's begin.
pub struct Inside {
    /// The voxels.
    pub voxels: Buffer<f32>,
    /// For each task of the [`Cut`], the first voxel; then the count of all.
    pub starts: Vec<usize>,
    /// How many voxels were rounded on reading them as f32.
    pub rounded: u64,
}

/// Copies the voxels inside a mask.
pub fn inside(source: Source<'_>, mask: &Mask) -> Inside {
    let cut = Cut::of(source.grid());
    let mut starts = Vec::with_capacity(cut.tasks() + 1);
    starts.push(0);
    for words in mask.words.chunks(cut.task_words()) {
        let count: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        starts.push(starts[starts.len() - 1] + count as usize);
    }
    debug_assert_eq!(starts[starts.len() - 1] as u64, true_voxels(mask));
    let mut voxels = Buffer::take(starts[starts.len() - 1]);
    let mut parts = Vec::with_capacity(cut.tasks());
    let mut rest: &mut [f32] = &mut voxels;
    for ends in starts.windows(2) {
        let (part, behind) = rest.split_at_mut(ends[1] - ends[0]);
        parts.push(part);
        rest = behind;
    }
    let rounded = parts
        .into_par_iter()
        .enumerate()
        .map(|(task, out)| {
            let mut scratch = Vec::new();
            let (mut at, mut rounded) = (0, 0);
            for piece in cut.pieces(task) {
                if at == out.len() && matches!(source, Source::Mask(_)) {
                    break;
                }
                let (voxels, count) = source.piece(piece, &mut scratch);
                rounded += count;
                for (start, len, word) in piece.rows() {
                    let words = &mask.words[word..word + len.div_ceil(64)];
                    for (voxels, word) in voxels[start..start + len].chunks(64).zip(words) {
                        each_run(*word, |from, to| {
                            out[at..at + (to - from)].copy_from_slice(&voxels[from..to]);
                            at += to - from;
                        });
                    }
                }
            }
            rounded
        })
        .sum();
    Inside { voxels, starts, rounded }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_ones(word: u64) {
            for word in [word, word & 0xffff_0000_ffff, 0, u64::MAX, 1, 1 << 63, word | 1 << 63] {
                let mut found = 0u64;
                each_run(word, |from, to| (from..to).for_each(|bit| found |= 1 << bit));
                prop_assert_eq!(found, word);
            }
        }
    }
}
