//! Operators on components: which meet a mask, which is greatest, and their numbers.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::kernel::share;
use crate::kernel::space::run::{Runs, Touch};
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// Labels above this are not all f32.
const MOST_LABELS: u32 = 1 << 24;
/// Rows that one task takes: few enough that what it writes stays in the cache.
const ROWS: usize = 128;

/// Returns the components of `within` that hold a voxel of `seeds`.
pub fn through(seeds: &Mask, within: &Mask) -> Result<Mask, Refusal> {
    let runs = Runs::of(within)?;
    let met: Vec<AtomicBool> = (0..runs.len()).map(|_| AtomicBool::new(false)).collect();
    let stride = within.grid.row_words();
    seeds.words.par_chunks(stride * ROWS).enumerate().for_each(|(block, words)| {
        for (at, words) in words.chunks_exact(stride).enumerate() {
            for run in runs.of_row(block * ROWS + at) {
                let met = &met[runs.root(run)];
                // Only ever set, so the order of the tasks cannot show.
                if !met.load(Ordering::Relaxed) && meets(words, runs.span(run)) {
                    met.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    Ok(kept(within, &runs, |root| met[root].load(Ordering::Relaxed)))
}

/// Returns the union of all components of greatest count; of an empty mask the empty mask.
pub fn greatest(mask: &Mask) -> Result<Mask, Refusal> {
    let runs = Runs::of(mask)?;
    let mut count = vec![0u64; runs.len()];
    for run in 0..runs.len() {
        count[runs.root(run)] += runs.span(run).len() as u64;
    }
    let most = count.iter().copied().max().unwrap_or(0);
    Ok(kept(mask, &runs, |root| count[root] == most))
}

/// Returns the components' numbers from 1, in raster order of their first voxels, and 0 outside.
pub fn numbered(mask: &Mask) -> Result<Volume, Refusal> {
    let runs = Runs::of(mask)?;
    let (label, labels) = labels(&runs);
    if labels > MOST_LABELS {
        return Err(Refusal::with(Code::Size, &[f64::from(labels), f64::from(MOST_LABELS)]));
    }
    let voxels = painted(mask, &runs, &|run| label[run] as f32);
    Ok(Volume::f32(mask.grid.clone(), voxels))
}

/// The same as integers, of components whose voxels touch so.
pub fn counted(mask: &Mask, touch: Touch) -> Result<Buffer<u32>, Refusal> {
    let runs = Runs::joined(mask, touch)?;
    let (label, _) = labels(&runs);
    Ok(painted(mask, &runs, &|run| label[run]))
}

/// Returns the number of each run's component, and how many components there are.
fn labels(runs: &Runs) -> (Buffer<u32>, u32) {
    let mut label = Buffer::<u32>::take(runs.len());
    let mut labels = 0u32;
    for run in 0..runs.len() {
        let root = runs.root(run);
        label[run] = if root == run {
            labels += 1;
            labels
        } else {
            label[root]
        };
    }
    (label, labels)
}

/// Writes a number over each run, and 0 elsewhere.
fn painted<T: bytemuck::Pod + Send>(
    mask: &Mask,
    runs: &Runs,
    number: &(dyn Fn(usize) -> T + Sync),
) -> Buffer<T> {
    let nx = mask.grid.dims()[0];
    let mut voxels = Buffer::take(mask.grid.voxels());
    share::pieces(&mut voxels, nx * ROWS, &|block, voxels: &mut [T]| {
        voxels.fill(T::zeroed());
        for (at, voxels) in voxels.chunks_exact_mut(nx).enumerate() {
            for run in runs.of_row(block * ROWS + at) {
                voxels[runs.span(run)].fill(number(run));
            }
        }
    });
    voxels
}

fn kept(mask: &Mask, runs: &Runs, keeps: impl Fn(usize) -> bool + Sync) -> Mask {
    let stride = mask.grid.row_words();
    let mut words = Buffer::take(mask.words.len());
    words.par_chunks_mut(stride * ROWS).enumerate().for_each(|(block, words)| {
        words.fill(0);
        for (at, words) in words.chunks_exact_mut(stride).enumerate() {
            for run in runs.of_row(block * ROWS + at) {
                if keeps(runs.root(run)) {
                    for (at, bits) in pieces(runs.span(run)) {
                        words[at] |= bits;
                    }
                }
            }
        }
    });
    Mask::new(mask.grid.clone(), words)
}

fn meets(words: &[u64], span: Range<usize>) -> bool {
    pieces(span).any(|(at, bits)| words[at] & bits != 0)
}

/// Cuts a span that is not empty into words and the bits of it in each.
fn pieces(span: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let (first, last) = (span.start / 64, (span.end - 1) / 64);
    (first..=last).map(move |at| {
        let low = if at == first { u64::MAX << (span.start % 64) } else { u64::MAX };
        let high = if at == last { u64::MAX >> (63 - (span.end - 1) % 64) } else { u64::MAX };
        (at, low & high)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;
    use crate::value::volume::Voxels;

    /// Labels by flooding, in raster order of the first voxels.
    fn flooded(mask: &Mask) -> Vec<u32> {
        let [nx, ny, nz] = mask.grid.shape();
        let mut labels = vec![0; nx * ny * nz];
        let mut next = 0;
        for first in 0..labels.len() {
            let get = |at: usize| mask.get(at % nx, at / nx % ny, at / nx / ny);
            if labels[first] != 0 || !get(first) {
                continue;
            }
            next += 1;
            labels[first] = next;
            let mut stack = vec![first];
            while let Some(at) = stack.pop() {
                let (x, y, z) = (at % nx, at / nx % ny, at / nx / ny);
                for k in z.saturating_sub(1)..(z + 2).min(nz) {
                    for j in y.saturating_sub(1)..(y + 2).min(ny) {
                        for i in x.saturating_sub(1)..(x + 2).min(nx) {
                            let to = (k * ny + j) * nx + i;
                            if labels[to] == 0 && get(to) {
                                labels[to] = next;
                                stack.push(to);
                            }
                        }
                    }
                }
            }
        }
        labels
    }

    fn check(mask: &Mask, seeds: &Mask) {
        let labels = flooded(mask);
        let [nx, ny, _] = mask.grid.shape();
        let label = |x: usize, y: usize, z: usize| labels[(z * ny + y) * nx + x] as usize;
        let Voxels::F32(got) = numbered(mask).unwrap().voxels else { panic!("f32") };
        assert!(got.iter().zip(&labels).all(|(got, want)| *got == *want as f32));
        let mut counts = vec![0; 1 + labels.iter().copied().max().unwrap() as usize];
        let mut met = vec![false; counts.len()];
        for (at, label) in labels.iter().enumerate() {
            counts[*label as usize] += usize::from(*label > 0);
            met[*label as usize] |= seeds.get(at % nx, at / nx % ny, at / nx / ny);
        }
        let most = counts.iter().copied().max().unwrap();
        let grid = mask.grid.clone();
        let want = Mask::from_fn(grid.clone(), |x, y, z| {
            label(x, y, z) > 0 && counts[label(x, y, z)] == most
        });
        assert_eq!(**greatest(mask).unwrap().words, **want.words);
        let want = Mask::from_fn(grid, |x, y, z| label(x, y, z) > 0 && met[label(x, y, z)]);
        assert_eq!(**through(seeds, mask).unwrap().words, **want.words);
    }

    proptest! {
        #[test]
        fn components_are_those_of_flooding((mask, seeds) in sample::two_masks()) {
            check(&mask, &seeds);
        }
    }

    #[test]
    fn components_do_not_depend_on_slabs_or_threads() {
        // More words than a slab takes, in slices and in one slice.
        for dims in [&[70, 130, 150][..], &[64, 40_000]] {
            let mask = sample::blobs(dims, &vec![1.0; dims.len()], 5);
            let seeds = sample::blobs(dims, &vec![1.0; dims.len()], 6);
            check(&mask, &seeds);
            sample::same_on_any_threads(|| through(&seeds, &mask).unwrap().words.to_vec());
            sample::same_on_any_threads(|| greatest(&mask).unwrap().words.to_vec());
            sample::same_on_any_threads(|| numbered(&mask).unwrap().voxels.bytes().to_vec());
        }
    }
}
