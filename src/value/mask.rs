//! Masks: one bit a voxel, rows padded to whole words.

use std::sync::Arc;

use crate::pool::Buffer;
use crate::value::grid::Grid;

/// A truth value for each voxel of a grid.
///
/// Each row (along x) is padded with zeros to whole 64-bit words; voxel x is bit `x % 64` of word
/// `x / 64`. This buffer is stored byte for byte, so the padding must stay zero.
#[derive(Clone, Debug)]
pub struct Mask {
    /// Where the voxels lie.
    pub grid: Arc<Grid>,
    /// `grid.rows() * grid.row_words()` words.
    pub words: Arc<Buffer<u64>>,
}

impl Mask {
    /// Takes words whose padding is zero.
    pub fn new(grid: Arc<Grid>, words: Buffer<u64>) -> Self {
        debug_assert_eq!(words.len(), grid.rows() * grid.row_words());
        Self { grid, words: Arc::new(words) }
    }

    /// Makes a mask of one truth value everywhere.
    pub fn constant(grid: Arc<Grid>, truth: bool) -> Self {
        let len = grid.rows() * grid.row_words();
        let mut words = Buffer::zeroed(len);
        if truth {
            let last = last_word(grid.dims()[0]);
            for row in words.chunks_exact_mut(grid.row_words()) {
                row.fill(u64::MAX);
                row[row.len() - 1] = last;
            }
        }
        Self::new(grid, words)
    }

    /// Makes a mask from a truth value for each voxel, x fastest: for tests and small images.
    pub fn from_fn(grid: Arc<Grid>, mut truth: impl FnMut(usize, usize, usize) -> bool) -> Self {
        let [nx, ny, nz] = grid.shape();
        let stride = grid.row_words();
        let mut words = Buffer::zeroed(grid.rows() * stride);
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    if truth(x, y, z) {
                        words[(z * ny + y) * stride + x / 64] |= 1 << (x % 64);
                    }
                }
            }
        }
        Self::new(grid, words)
    }

    /// Returns the truth value of one voxel.
    pub fn get(&self, x: usize, y: usize, z: usize) -> bool {
        let row = z * self.grid.dims()[1] + y;
        self.words[row * self.grid.row_words() + x / 64] >> (x % 64) & 1 == 1
    }

    /// Returns the count of true voxels.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// Returns the bits of the last word of a row that are voxels.
pub fn last_word(nx: usize) -> u64 {
    if nx.is_multiple_of(64) { u64::MAX } else { (1 << (nx % 64)) - 1 }
}
