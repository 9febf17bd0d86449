//! Images as f32, piece by piece.
//!
//! No operator of `vox1` needs a whole converted copy of an integer image or of a mask: each piece is
//! converted where it is used, while it is in the cache.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use std::ops::Range;
use std::sync::Arc;

use crate::each_voxel_type;
use crate::kernel::number::simd;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Integers up to here are f32.
const EXACT: f64 = 16_777_216.0;
/// About how many voxels a piece has: two of them and a result lie in the first cache but one.
const PIECE: usize = 8192;
/// Pieces of one task.
const PIECES: usize = 8;

/// An image that is read as f32: a mask as 0.0 and 1.0.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A number image.
    Volume(&'a Volume),
    /// A mask.
    Mask(&'a Mask),
}

/// How the rows of a grid are cut into tasks and pieces; a function of the grid alone.
#[derive(Clone, Copy)]
pub struct Cut {
    nx: usize,
    rows: usize,
    words: usize,
    piece_rows: usize,
}

/// Neighbouring voxels: whole rows, or a part of one row that begins at a multiple of 64.
#[derive(Clone, Copy)]
pub struct Piece {
    /// The first voxel.
    pub start: usize,
    /// The count of voxels.
    pub len: usize,
    /// The row of the first voxel.
    pub row: usize,
    /// Where in that row it lies.
    pub x: usize,
    nx: usize,
    words: usize,
}

impl Cut {
    /// Cuts a grid.
    pub fn of(grid: &Grid) -> Self {
        let nx = grid.dims()[0];
        Self { nx, rows: grid.rows(), words: grid.row_words(), piece_rows: (PIECE / nx).max(1) }
    }

    /// Returns the rows of one task.
    pub fn task_rows(&self) -> usize {
        self.piece_rows * PIECES
    }

    /// Returns the voxels of one task.
    pub fn task_voxels(&self) -> usize {
        self.task_rows() * self.nx
    }

    /// Returns the most voxels that a piece has.
    pub fn piece_voxels(&self) -> usize {
        if self.nx > PIECE { PIECE } else { self.piece_rows * self.nx }
    }

    /// Returns the mask words of one task.
    pub fn task_words(&self) -> usize {
        self.task_rows() * self.words
    }

    /// Returns the count of tasks.
    pub fn tasks(&self) -> usize {
        self.rows.div_ceil(self.task_rows())
    }

    /// Visits the pieces of one task in order.
    pub fn pieces(self, task: usize) -> impl Iterator<Item = Piece> {
        let end = ((task + 1) * self.task_rows()).min(self.rows);
        let long = self.nx > PIECE;
        let per_row = if long { self.nx.div_ceil(PIECE) } else { 1 };
        (task * self.task_rows()..end).step_by(self.piece_rows).flat_map(move |row| {
            (0..per_row).map(move |part| {
                let x = part * PIECE;
                let len = if long {
                    PIECE.min(self.nx - x)
                } else {
                    (end - row).min(self.piece_rows) * self.nx
                };
                Piece { start: row * self.nx + x, len, row, x, nx: self.nx, words: self.words }
            })
        })
    }
}

impl Piece {
    /// Returns where the piece's words lie in a mask.
    #[inline(always)]
    pub fn words(self) -> Range<usize> {
        let first = self.row * self.words + self.x / 64;
        let rows = self.len.div_ceil(self.nx);
        first..first + (rows - 1) * self.words + self.len.min(self.nx).div_ceil(64)
    }

    /// Visits the rows of the piece: offset of the first voxel in the piece, count of voxels, and the
    /// first mask word in the image.
    #[inline(always)]
    pub fn rows(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let first = self.row * self.words + self.x / 64;
        let len = self.len.min(self.nx);
        (0..self.len.div_ceil(self.nx))
            .map(move |row| (row * self.nx, len, first + row * self.words))
    }
}

impl<'a> Source<'a> {
    /// Takes an image of numbers or a mask.
    pub fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Volume(volume) => Some(Self::Volume(volume)),
            Value::Mask(mask) => Some(Self::Mask(mask)),
            _ => None,
        }
    }

    /// Returns where the voxels lie.
    pub fn grid(self) -> &'a Arc<Grid> {
        match self {
            Self::Volume(volume) => &volume.grid,
            Self::Mask(mask) => &mask.grid,
        }
    }

    /// Says whether all values of the voxel type are f32, so that nothing can be rounded.
    pub fn is_exact(self) -> bool {
        match self {
            Self::Mask(_) => true,
            Self::Volume(volume) => matches!(
                volume.voxels,
                Voxels::U8(_) | Voxels::I8(_) | Voxels::U16(_) | Voxels::I16(_) | Voxels::F32(_)
            ),
        }
    }

    /// Returns the voxels, if they lie in memory as f32.
    pub fn plain(self) -> Option<&'a [f32]> {
        match self {
            Self::Volume(Volume { voxels: Voxels::F32(voxels), .. }) => Some(voxels),
            _ => None,
        }
    }

    /// Returns the f32 of a piece, and how many beyond 2^24 had to be rounded.
    pub fn piece<'b>(self, piece: Piece, scratch: &'b mut Vec<f32>) -> (&'b [f32], u64)
    where
        'a: 'b,
    {
        let span = piece.start..piece.start + piece.len;
        match self {
            Self::Volume(Volume { voxels: Voxels::F32(voxels), .. }) => (&voxels[span], 0),
            Self::Volume(volume) => {
                scratch.resize(piece.len, 0.0);
                let rounded = each_voxel_type!(&volume.voxels, voxels => {
                    let voxels = &voxels[span];
                    simd::widest(|| convert(voxels, scratch))
                });
                (scratch, rounded)
            }
            Self::Mask(mask) => {
                scratch.resize(piece.len, 0.0);
                simd::widest(|| {
                    for (start, len, word) in piece.rows() {
                        expand(&mask.words[word..], &mut scratch[start..start + len]);
                    }
                });
                (scratch, 0)
            }
        }
    }
}

/// Writes bits as 0.0 and 1.0.
#[inline(always)]
pub fn expand(words: &[u64], out: &mut [f32]) {
    each_sixteen(words, out, |bits, out| {
        for (x, voxel) in out.iter_mut().enumerate() {
            *voxel = f32::from_bits((bits >> x & 1) * 1.0f32.to_bits());
        }
    });
}

/// Visits the voxels of a row sixteen at a time, the last ones fewer, each with their bits: that many
/// LLVM takes at once.
#[inline(always)]
pub fn each_sixteen(words: &[u64], voxels: &mut [f32], mut visit: impl FnMut(u32, &mut [f32])) {
    let bits = |at: usize| u32::from((words[at / 4] >> (at % 4 * 16)) as u16);
    let mut pieces = voxels.chunks_exact_mut(16);
    let mut next = 0;
    for piece in &mut pieces {
        let piece: &mut [f32; 16] = piece.try_into().expect("chunks have sixteen voxels");
        visit(bits(next), piece);
        next += 1;
    }
    let rest = pieces.into_remainder();
    if !rest.is_empty() {
        visit(bits(next), rest);
    }
}

#[inline(always)]
fn convert<T: Narrow>(voxels: &[T], out: &mut [f32]) -> u64 {
    let mut rounded = 0;
    for (voxel, out) in voxels.iter().zip(out) {
        *out = voxel.narrow();
        if !T::EXACT {
            rounded += u64::from(voxel.rounded());
        }
    }
    rounded
}

/// A voxel that becomes f32, rounded once.
pub trait Narrow: Copy {
    /// Are all values of the type f32?
    const EXACT: bool;
    /// Rounds to f32, half to even.
    fn narrow(self) -> f32;
    /// Says whether the value lies beyond 2^24 and is not f32.
    fn rounded(self) -> bool;
}

macro_rules! narrow {
    ($($kind:ty, $exact:literal, $rounded:expr;)*) => {$(
        impl Narrow for $kind {
            const EXACT: bool = $exact;
            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one line for all types")]
            fn narrow(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn rounded(self) -> bool {
                let rounded: fn($kind) -> bool = $rounded;
                rounded(self)
            }
        }
    )*};
}

narrow! {
    u8, true, |_| false;
    i8, true, |_| false;
    u16, true, |_| false;
    i16, true, |_| false;
    f32, true, |_| false;
    u32, false, |v| f64::from(v as f32) != f64::from(v);
    i32, false, |v| f64::from(v as f32) != f64::from(v);
    u64, false, |v| v as f32 as u128 != u128::from(v);
    i64, false, |v| v as f32 as i128 != i128::from(v);
    f64, false, |v| v.abs() > EXACT && f64::from(v as f32) != v;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::pool::Buffer;

    #[test]
    fn pieces_cover_every_voxel_once_and_in_order() {
        for dims in [[1, 1, 1], [63, 3, 2], [240, 240, 7], [8193, 3, 1], [40_000, 1, 1]] {
            let grid = Grid::plain(&dims).unwrap();
            let cut = Cut::of(&grid);
            let mut next = 0;
            for task in 0..cut.tasks() {
                assert_eq!(next, task * cut.task_voxels());
                for piece in cut.pieces(task) {
                    assert_eq!((piece.start, piece.x % 64), (next, 0));
                    assert_eq!(piece.start, piece.row * dims[0] + piece.x);
                    assert_eq!(piece.rows().map(|(_, len, _)| len).sum::<usize>(), piece.len);
                    next += piece.len;
                }
            }
            assert_eq!(next, grid.voxels());
        }
    }

    #[test]
    fn numbers_beyond_the_exact_ones_are_counted_when_rounded() {
        let grid = Arc::new(Grid::plain(&[4, 1]).unwrap());
        let rounded = |voxels: Voxels| {
            let volume = Volume { grid: Arc::clone(&grid), voxels };
            let piece = Cut::of(&grid).pieces(0).next().unwrap();
            Source::Volume(&volume).piece(piece, &mut Vec::new()).1
        };
        let of = |v: [i64; 4]| rounded(Voxels::I64(Arc::new(Buffer::copied(&v))));
        assert_eq!(of([1 << 24, (1 << 24) + 1, i64::MAX, i64::MIN]), 2);
        let of = |v: [f64; 4]| rounded(Voxels::F64(Arc::new(Buffer::copied(&v))));
        assert_eq!(of([0.1, f64::NAN, f64::INFINITY, 1e300]), 1);
    }
}
