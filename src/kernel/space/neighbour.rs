//! Growing and shrinking a mask by one voxel, on bits.

use rayon::prelude::*;

use crate::pool::Buffer;
use crate::value::mask::{Mask, last_word};

/// Rows that one task takes where there is only one slice.
const ROWS: usize = 256;

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
    let last = last_word(nx);
    let flip = if INVERT { u64::MAX } else { 0 };
    let rows = if nz > 1 { ny } else { ROWS.min(ny) };
    let source: &[u64] = &mask.words;
    let mut words = Buffer::take(source.len());
    words.par_chunks_mut(rows * stride).enumerate().for_each_init(Vec::new, |merged, (at, out)| {
        let (z, start) = if nz > 1 { (at, 0) } else { (0, at * rows) };
        let end = start + out.len() / stride;
        // Rows start-1..=end where they exist, merged over the slices z-1..=z+1.
        let (low, high) = (start.saturating_sub(1), (end + 1).min(ny));
        merged.clear();
        merged.resize((high - low) * stride, 0u64);
        for slice in z.saturating_sub(1)..(z + 2).min(nz) {
            let from = (slice * ny + low) * stride;
            for (merged, word) in merged.iter_mut().zip(&source[from..]) {
                *merged |= word ^ flip;
            }
        }
        if INVERT {
            for row in merged.chunks_exact_mut(stride) {
                row[stride - 1] &= last;
            }
        }
        let mut column = vec![0u64; stride];
        for (y, out) in (start..end).zip(out.chunks_exact_mut(stride)) {
            let (first, count) = (y.max(1) - 1 - low, (y + 2).min(ny) - (y.max(1) - 1));
            column.copy_from_slice(&merged[first * stride..][..stride]);
            for row in merged[(first + 1) * stride..].chunks_exact(stride).take(count - 1) {
                for (column, word) in column.iter_mut().zip(row) {
                    *column |= word;
                }
            }
            spread(&column, out);
            for word in &mut *out {
                *word ^= flip;
            }
            out[stride - 1] &= last;
        }
    });
    Mask::new(mask.grid.clone(), words)
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
    fn many_rows_of_one_slice_are_cut_without_seams() {
        let mask = sample::blobs(&[65, 700], &[1.0; 2], 3);
        let want =
            Mask::from_fn(mask.grid.clone(), |x, y, z| some_neighbour(&mask, [x, y, z], true));
        assert_eq!(**near(&mask).words, **want.words);
    }
}
