//! Components of a mask: runs of bits joined by union-find.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernel::space::wide::{Task, widest};
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::mask::Mask;

/// Words that one task takes: a constant, and results do not depend on it.
const SLAB: usize = 1 << 14;

/// Which voxels are neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Those that share a face.
    Faces,
    /// Those that share a corner, an edge or a face.
    Corners,
}

/// The runs of true voxels along x, in raster order, and the component each belongs to.
///
/// A component is named by its first run, so names depend on the mask alone.
pub struct Runs {
    /// Run `i` covers x from `start[i]` up to, without, `end[i]`.
    start: Buffer<u32>,
    end: Buffer<u32>,
    /// The first run of each run's component.
    root: Buffer<u32>,
    /// Runs before each row, and after the last.
    before: Vec<u32>,
}

/// The runs of some rows that follow each other, roots counted from the first run of all.
struct Slab<'a> {
    rows: Range<usize>,
    start: &'a mut [u32],
    end: &'a mut [u32],
    root: &'a mut [u32],
}

impl Runs {
    /// Finds the 26/8-connected components of a mask.
    ///
    /// More than 2^32 - 1 voxels in a row, or runs, are refused.
    pub fn of(mask: &Mask) -> Result<Self, Refusal> {
        Self::joined(mask, Touch::Corners)
    }

    /// Finds the components whose voxels touch so.
    pub fn joined(mask: &Mask, touch: Touch) -> Result<Self, Refusal> {
        let [nx, ny, _] = mask.grid.shape();
        let rows = mask.grid.rows();
        let stride = mask.grid.row_words();
        let most = f64::from(u32::MAX);
        if nx as f64 > most {
            return Err(Refusal::with(Code::Size, &[nx as f64, most]));
        }
        let before = counted(mask, most)?;
        let total = before[rows] as usize;
        let mut runs = Self {
            start: Buffer::take(total),
            end: Buffer::take(total),
            root: Buffer::take(total),
            before,
        };
        let height = (SLAB / stride).max(1);
        let mut slabs = Vec::with_capacity(rows.div_ceil(height));
        let (mut start, mut end, mut root) = (&mut *runs.start, &mut *runs.end, &mut *runs.root);
        for first in (0..rows).step_by(height) {
            let rows = first..(first + height).min(rows);
            let count = (runs.before[rows.end] - runs.before[rows.start]) as usize;
            let mut slab = Slab { rows, start: &mut [], end: &mut [], root: &mut [] };
            (slab.start, start) = start.split_at_mut(count);
            (slab.end, end) = end.split_at_mut(count);
            (slab.root, root) = root.split_at_mut(count);
            slabs.push(slab);
        }
        let before = &runs.before;
        slabs.into_par_iter().for_each(|mut slab| {
            widest(Fill { slab: &mut slab, mask, before, touch });
        });
        for first in (height..rows).step_by(height) {
            runs.sew(first, ny, touch);
        }
        // Parents come before their children, so one pass flattens all.
        for run in 0..total {
            runs.root[run] = runs.root[runs.root[run] as usize];
        }
        Ok(runs)
    }

    /// Returns the count of runs.
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Says whether the mask is empty.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Returns the name of the component that a run belongs to: its first run.
    pub fn root(&self, run: usize) -> usize {
        self.root[run] as usize
    }

    /// Returns the voxels of a run along x.
    pub fn span(&self, run: usize) -> Range<usize> {
        self.start[run] as usize..self.end[run] as usize
    }

    /// Returns the runs of a row.
    pub fn of_row(&self, row: usize) -> Range<usize> {
        self.before[row] as usize..self.before[row + 1] as usize
    }

    /// Joins the rows from `first` on with the rows before it that they touch.
    fn sew(&mut self, first: usize, ny: usize, touch: Touch) {
        let rows = self.before.len() - 1;
        for row in first..(first + ny + 1).min(rows) {
            let others = touching(row, ny, touch).into_iter().flatten();
            for other in others.filter(|other| *other < first) {
                let (a, b) = (self.of_row(row), self.of_row(other));
                join(&self.start, &self.end, &mut self.root, 0, touch, [a, b]);
            }
        }
    }
}

struct Fill<'a, 'b> {
    slab: &'a mut Slab<'b>,
    mask: &'a Mask,
    before: &'a [u32],
    touch: Touch,
}

impl Task for Fill<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        self.slab.fill(self.mask, self.before, self.touch);
    }
}

impl Slab<'_> {
    #[inline(always)]
    fn fill(&mut self, mask: &Mask, before: &[u32], touch: Touch) {
        let ny = mask.grid.shape()[1];
        let stride = mask.grid.row_words();
        let base = before[self.rows.start] as usize;
        let mut run = 0;
        for row in self.rows.clone() {
            let end = before[row + 1] as usize - base;
            if run == end {
                continue;
            }
            let first = run;
            run = self.find(&mask.words[row * stride..][..stride], run);
            for (at, root) in self.root[first..run].iter_mut().enumerate() {
                *root = (base + first + at) as u32;
            }
            for other in touching(row, ny, touch).into_iter().flatten() {
                if other >= self.rows.start {
                    let b = before[other] as usize - base..before[other + 1] as usize - base;
                    join(self.start, self.end, self.root, base as u32, touch, [first..run, b]);
                }
            }
        }
    }

    /// Writes the runs of a row's words from `run` on; returns the one after the last.
    #[inline(always)]
    fn find(&mut self, words: &[u64], run: usize) -> usize {
        let (mut starts, mut ends, mut carry) = (run, run, 0);
        for (at, word) in words.iter().enumerate() {
            let first = (at * 64) as u32;
            let before = word << 1 | carry;
            carry = word >> 63;
            starts += bits(word & !before, first, &mut self.start[starts..]);
            ends += bits(before & !word, first, &mut self.end[ends..]);
        }
        if carry == 1 {
            self.end[ends] = (words.len() * 64) as u32;
        }
        starts
    }
}

/// Writes the places of the ones of a word, counted from `first`; returns how many there are.
#[inline(always)]
fn bits(mut word: u64, first: u32, out: &mut [u32]) -> usize {
    let count = word.count_ones() as usize;
    for out in &mut out[..count] {
        *out = first + word.trailing_zeros();
        word &= word.wrapping_sub(1);
    }
    count
}

/// Counts the runs before each row.
fn counted(mask: &Mask, most: f64) -> Result<Vec<u32>, Refusal> {
    let stride = mask.grid.row_words();
    let mut before = vec![0u32; mask.grid.rows() + 1];
    let rows = (SLAB / stride).max(1);
    before[1..]
        .par_chunks_mut(rows)
        .zip(mask.words.par_chunks(rows * stride))
        .for_each(|(counts, words)| widest(Count { counts, words, stride }));
    let mut total = 0u64;
    for count in &mut before {
        total += u64::from(*count);
        *count =
            u32::try_from(total).map_err(|_| Refusal::with(Code::Size, &[total as f64, most]))?;
    }
    Ok(before)
}

struct Count<'a> {
    counts: &'a mut [u32],
    words: &'a [u64],
    stride: usize,
}

impl Task for Count<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (count, row) in self.counts.iter_mut().zip(self.words.chunks_exact(self.stride)) {
            let mut carry = 0;
            for word in row {
                *count += (word & !(word << 1 | carry)).count_ones();
                carry = word >> 63;
            }
        }
    }
}

/// Returns the rows before `row` that its voxels touch.
#[inline(always)]
fn touching(row: usize, ny: usize, touch: Touch) -> [Option<usize>; 4] {
    let (y, z) = (row % ny, row / ny);
    let corners = touch == Touch::Corners;
    [
        (y > 0).then(|| row - 1),
        (corners && z > 0 && y > 0).then(|| row - ny - 1),
        (z > 0).then(|| row - ny),
        (corners && z > 0 && y + 1 < ny).then(|| row - ny + 1),
    ]
}

/// Joins the runs `a` of one row with the runs `b` of a row beside it; `base` is what roots count
/// more than places in the slices.
#[inline(always)]
fn join(
    start: &[u32],
    end: &[u32],
    root: &mut [u32],
    base: u32,
    touch: Touch,
    [mut a, mut b]: [Range<usize>; 2],
) {
    // Runs whose voxels share only corners may lie beside each other.
    let beside = u32::from(touch == Touch::Corners);
    while !a.is_empty() && !b.is_empty() {
        let (i, j) = (a.start, b.start);
        if start[i] < end[j].saturating_add(beside) && start[j] < end[i].saturating_add(beside) {
            let (i, j) = (find(root, base, i), find(root, base, j));
            // The smaller one becomes the root: so roots are first runs.
            if i < j {
                root[j] = i as u32 + base;
            } else {
                root[i] = j as u32 + base;
            }
        }
        if end[i] < end[j] {
            a.start += 1;
        } else {
            b.start += 1;
        }
    }
}

#[inline(always)]
fn find(root: &mut [u32], base: u32, mut run: usize) -> usize {
    loop {
        let parent = (root[run] - base) as usize;
        if parent == run {
            return run;
        }
        root[run] = root[parent];
        run = (root[run] - base) as usize;
    }
}
