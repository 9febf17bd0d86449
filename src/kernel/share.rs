//! Sharing work out among threads.
//!
//! What is to be done is handed on by reference, so that the machinery which deals out pieces is
//! compiled once, and not once more for each operator and voxel type: with a closure of its own for
//! each, three quarters of the program were that machinery.

use bytemuck::Pod;
use rayon::prelude::*;

/// Calls `work` with the number of each piece and the piece: `len` items, the last one what is left.
pub fn pieces<T: Pod>(items: &mut [T], len: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let work = |at: usize, piece: &mut [u8]| work(at, bytemuck::cast_slice_mut(piece));
    of_bytes(bytemuck::cast_slice_mut(items), len * size_of::<T>(), &work);
}

fn of_bytes(bytes: &mut [u8], len: usize, work: &(dyn Fn(usize, &mut [u8]) + Sync)) {
    bytes.par_chunks_mut(len).enumerate().for_each(|(at, piece)| work(at, piece));
}

/// The same, and adds up what `work` returns.
pub fn summed<T: Pod>(
    items: &mut [T],
    len: usize,
    work: &(dyn Fn(usize, &mut [T]) -> u64 + Sync),
) -> u64 {
    let work = |at: usize, piece: &mut [u8]| work(at, bytemuck::cast_slice_mut(piece));
    summed_bytes(bytemuck::cast_slice_mut(items), len * size_of::<T>(), &work)
}

fn summed_bytes(
    bytes: &mut [u8],
    len: usize,
    work: &(dyn Fn(usize, &mut [u8]) -> u64 + Sync),
) -> u64 {
    bytes.par_chunks_mut(len).enumerate().map(|(at, piece)| work(at, piece)).sum()
}

/// Returns what `work` gives for each number below `count`, in order.
pub fn numbered<R: Send>(count: usize, work: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..count).into_par_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_piece() {
        for (count, len) in [(0, 3), (1, 3), (3, 3), (10, 3), (1000, 7)] {
            let mut items = vec![0.0f64; count];
            pieces(&mut items, len, &|at, piece| {
                assert!(piece.len() <= len);
                for (offset, item) in piece.iter_mut().enumerate() {
                    *item += (at * len + offset) as f64;
                }
            });
            assert!(items.iter().enumerate().all(|(at, item)| *item == at as f64));
            let sum = summed(&mut items, len, &|_, piece| piece.len() as u64);
            assert_eq!(sum, count as u64);
            let all = numbered(count, &|at| at * 2);
            assert!(all.iter().enumerate().all(|(at, item)| *item == at * 2));
        }
    }
}
