//! Growing and shrinking a mask by one voxel, on bits.

use crate::kernel::share;
use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::value::mask::{Mask, last_word};

/// Rows that one task takes where there is only one slice.
const ROWS: usize = 256;
/// Words that one task takes where there are more slices.
const SLAB: usize = 1 << 13;

/// Returns the voxels whose 3^d box holds a true voxel; outside the image is false.
pub fn near(mask: &Mask) -> Mask {
    boxed::<false>(mask)
}

/// Returns the voxels whose whole 3^d box is true; outside the image is true.
///
/// It is `not(near(not(mask)))`.
pub fn interior(mask: &Mask) -> Mask {
    boxed::<true>(mask)
}

/// Returns the true voxels with a false 26/8-neighbour inside the image.
pub fn contour(mask: &Mask) -> Mask {
    let inner = interior(mask);
    let mut words = Buffer::take(mask.words.len());
    for ((out, word), inner) in words.iter_mut().zip(mask.words.iter()).zip(inner.words.iter()) {
        *out = word & !inner;
    }
    Mask::new(mask.grid.clone(), words)
}

/// Returns the voxels that are false.
pub fn complement(mask: &Mask) -> Mask {
    let last = last_word(mask.grid.dims()[0]);
    let stride = mask.grid.row_words();
    let mut words = Buffer::take(mask.words.len());
    for (out, row) in words.chunks_exact_mut(stride).zip(mask.words.chunks_exact(stride)) {
        for (out, word) in out.iter_mut().zip(row) {
            *out = !word;
        }
        out[stride - 1] &= last;
    }
    Mask::new(mask.grid.clone(), words)
}

/// Moves a row's bits by one voxel both ways and adds them to it, from `row` to `out`.
///
/// Bits behind the last voxel of `out` are rubbish.
#[inline(always)]
pub fn spread(row: &[u64], out: &mut [u64]) {
    let mut below = 0;
    for at in 0..row.len() {
        let word = row[at];
        let above = row.get(at + 1).copied().unwrap_or(0);
        out[at] = word | word << 1 | below >> 63 | word >> 1 | above << 63;
        below = word;
    }
}

fn boxed<const INVERT: bool>(mask: &Mask) -> Mask {
    let [nx, ny, nz] = mask.grid.shape();
    let stride = mask.grid.row_words();
    // Whole slices, or some rows of the only one.
    let (slices, rows) =
        if nz > 1 { ((SLAB / (ny * stride)).max(1), ny) } else { (1, ROWS.min(ny)) };
    let mut words = Buffer::take(mask.words.len());
    share::pieces(&mut words, slices * rows * stride, &|task, out| {
        let mut scratch = Vec::new();
        for (at, out) in out.chunks_mut(rows * stride).enumerate() {
            let block = task * slices + at;
            let (z, start) = if nz > 1 { (block, 0) } else { (0, block * rows) };
            let (source, scratch) = (&mask.words, &mut scratch);
            widest(Boxed::<INVERT> { source, out, scratch, shape: [nx, ny, nz], stride, z, start });
        }
    });
    Mask::new(mask.grid.clone(), words)
}

/// Some rows of a slice, from row `start` on.
struct Boxed<'a, const INVERT: bool> {
    source: &'a [u64],
    out: &'a mut [u64],
    scratch: &'a mut Vec<u64>,
    shape: [usize; 3],
    stride: usize,
    z: usize,
    start: usize,
}

impl<const INVERT: bool> Task for Boxed<'_, INVERT> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { source, out, scratch, shape: [nx, ny, nz], stride, z, start } = self;
        let (last, flip) = (last_word(nx), if INVERT { u64::MAX } else { 0 });
        let len = out.len();
        let end = start + len / stride;
        // The rows from start - 1 to end over the slices beside: those that are not there are zeros,
        // and there is a word before and behind all that `spread` looks at.
        scratch.clear();
        scratch.resize(len + 2 * stride + len + 2, 0);
        let (merged, column) = scratch.split_at_mut(len + 2 * stride);
        let (low, high) = (start.saturating_sub(1), (end + 1).min(ny));
        let skip = (low + 1 - start) * stride;
        let merged_rows = &mut merged[skip..][..(high - low) * stride];
        let slice = |z: usize| &source[(z * ny + low) * stride..(z * ny + high) * stride];
        // A slice that is not there is no other than the middle one.
        let (here, before, after) = (slice(z), slice(z.max(1) - 1), slice((z + 1).min(nz - 1)));
        for (((merged, here), before), after) in
            merged_rows.iter_mut().zip(here).zip(before).zip(after)
        {
            *merged = (here ^ flip) | (before ^ flip) | (after ^ flip);
        }
        if INVERT && last != u64::MAX {
            for row in merged_rows.chunks_exact_mut(stride) {
                row[stride - 1] &= last;
            }
        }
        let (north, south) = (&merged[..len], &merged[2 * stride..][..len]);
        let middle = &merged[stride..][..len];
        for (((column, north), middle), south) in
            column[1..=len].iter_mut().zip(north).zip(middle).zip(south)
        {
            *column = north | middle | south;
        }
        // All rows at once: the bit behind the last voxel of a row is zero, and what the next row's
        // first bit brings lies in the padding, if there is any.
        let (below, above) = (&column[..len], &column[2..][..len]);
        let words = &column[1..][..len];
        for (((out, word), below), above) in out.iter_mut().zip(words).zip(below).zip(above) {
            *out = (word | word << 1 | below >> 63 | word >> 1 | above << 63) ^ flip;
        }
        if last == u64::MAX {
            // Rows without padding see their neighbours at both ends.
            for (out, row) in out.chunks_exact_mut(stride).zip(words.chunks_exact(stride)) {
                let (first, end) = (row[0], row[stride - 1]);
                let (next, before) =
                    if stride > 1 { (row[1] << 63, row[stride - 2] >> 63) } else { (0, 0) };
                out[stride - 1] = (end | end << 1 | before | end >> 1) ^ flip;
                out[0] = (first | first << 1 | first >> 1 | next) ^ flip;
            }
        } else {
            for row in out.chunks_exact_mut(stride) {
                row[stride - 1] &= last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    fn some_neighbour(mask: &Mask, at: [usize; 3], wanted: bool) -> bool {
        let shape = mask.grid.shape();
        let around = |axis: usize| at[axis].saturating_sub(1)..(at[axis] + 2).min(shape[axis]);
        around(2).any(|z| around(1).any(|y| around(0).any(|x| mask.get(x, y, z) == wanted)))
    }

    proptest! {
        #[test]
        fn near_and_interior_are_their_definitions(mask in sample::mask()) {
            let want = Mask::from_fn(mask.grid.clone(), |x, y, z| some_neighbour(&mask, [x, y, z], true));
            prop_assert_eq!(&**near(&mask).words, &**want.words);
            let want = Mask::from_fn(mask.grid.clone(), |x, y, z| !some_neighbour(&mask, [x, y, z], false));
            prop_assert_eq!(&**interior(&mask).words, &**want.words);
            let again = complement(&near(&complement(&mask)));
            prop_assert_eq!(&**again.words, &**want.words);
        }
    }

    #[test]
    fn many_rows_and_slices_are_cut_without_seams() {
        for dims in [&[65, 700][..], &[128, 600], &[64, 40, 300], &[192, 3, 50]] {
            let mask = sample::blobs(dims, &vec![1.0; dims.len()], 3);
            let grid = &mask.grid;
            let want =
                Mask::from_fn(grid.clone(), |x, y, z| some_neighbour(&mask, [x, y, z], true));
            assert_eq!(**near(&mask).words, **want.words);
            sample::same_on_any_threads(|| near(&mask).words.to_vec());
            sample::same_on_any_threads(|| interior(&mask).words.to_vec());
        }
    }
}
