//! The signed Euclidean distance in mm, exact.

use rayon::prelude::*;

use crate::kernel::space::lanes::{Group, LANES, LaneTask, Lanes, Word};
use crate::kernel::space::neighbour::contour;
use crate::kernel::space::weight::Metric;
use crate::pool::Buffer;
use crate::primitive::refusal::Refusal;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// The distance in an empty mask, and negated in a full one: the root of the greatest f32.
pub const NOWHERE: f32 = f32::from_bits(0x5f7f_ffff);
/// Up to here f32 holds all integers, and the root of one rounds the same from f32 as from f64.
const EXACT: i64 = 1 << 24;
/// Candidates from which on it pays to look for the far ones first.
const CLIP: usize = 12;

/// Returns the distance to the nearest true voxel outside, and inside minus the distance to the
/// nearest contour voxel (a true voxel with a false 26/8-neighbour inside the image), there -0.0.
///
/// Both are distances to the contour, so one transform and the mask's bits as signs do. The axes
/// follow each other: along x gaps are filled from a table; along y and z each voxel takes the least
/// of its line's values plus a parabola. The best place along a line never moves backwards, so
/// halving finds all in O(n log n), for 16 lines at once.
pub fn signed(mask: &Mask) -> Result<Volume, Refusal> {
    Ok(measured(mask, &Metric::of(&mask.grid)?))
}

/// The same by any metric.
pub fn measured(mask: &Mask, metric: &Metric) -> Volume {
    let count = mask.count();
    if count == 0 || count == mask.grid.voxels() as u64 {
        let mut out = Buffer::take(mask.grid.voxels());
        out.fill(if count == 0 { NOWHERE } else { -NOWHERE });
        return Volume::f32(mask.grid.clone(), out);
    }
    if metric.reach < i32::FAR.wide() {
        transformed::<i32>(mask, metric)
    } else {
        transformed::<i64>(mask, metric)
    }
}

fn transformed<W: Word>(mask: &Mask, metric: &Metric) -> Volume {
    let border = contour(mask);
    let [nx, ny, nz] = mask.grid.shape();
    let stride = mask.grid.row_words();
    let tables = [nx, ny, nz]
        .into_iter()
        .zip(metric.weights)
        .map(|(n, weight)| (0..n as i64).map(|d| W::of(d * d * weight)).collect::<Vec<W>>());
    let tables: Vec<Vec<W>> = tables.collect();
    // The squares of n-1, ..., 1, 0, 1, ..., n-1.
    let mirrored = |axis: usize| -> Vec<W> {
        let table: &Vec<W> = &tables[axis];
        table.iter().rev().chain(&table[1..]).copied().collect()
    };
    let (along_x, along_y, along_z) = (mirrored(0), mirrored(1), mirrored(2));
    let mut flat = Buffer::<W>::take(mask.grid.voxels());
    flat.par_chunks_mut(nx * ny).zip(border.words.par_chunks(stride * ny)).for_each_init(
        Scratch::default,
        |scratch, (out, words)| {
            let places = Places::of(words, stride);
            W::widest(Slice {
                words,
                nx,
                gaps: &along_x,
                squares: &along_y,
                weight: metric.weights[1],
                places: &places,
                scratch,
                out,
            });
        },
    );
    let places = Places::of(&border.words, stride * ny);
    let mut out = Buffer::<f32>::take(mask.grid.voxels());
    // The rows of one y, over all slices, are one task.
    let mut rows: Vec<Vec<&mut [f32]>> = (0..ny).map(|_| Vec::with_capacity(nz)).collect();
    for (at, row) in out.chunks_exact_mut(nx).enumerate() {
        rows[at % ny].push(row);
    }
    rows.into_par_iter().enumerate().for_each_init(Scratch::default, |scratch, (y, rows)| {
        W::widest(Rows {
            flat: &flat,
            words: &mask.words,
            stride,
            shape: [nx, ny],
            y,
            squares: &along_z,
            metric,
            places: &places,
            scratch,
            out: rows,
        });
    });
    Volume::f32(mask.grid.clone(), out)
}

/// Memory of one task.
struct Scratch<W> {
    row: Vec<W>,
    /// Values at the candidates, 16 lines after 16 lines.
    blocks: Vec<Group<W>>,
    /// The results of 16 lines, or of all, one 16 after the other.
    line: Vec<Group<W>>,
}

impl<W> Default for Scratch<W> {
    fn default() -> Self {
        Self { row: Vec::new(), blocks: Vec::new(), line: Vec::new() }
    }
}

impl<W: Word> Scratch<W> {
    fn prepare(&mut self, nx: usize, candidates: usize, n: usize) {
        self.row.resize(nx.next_multiple_of(LANES), W::FAR);
        self.blocks.resize(nx.div_ceil(LANES) * candidates, [W::FAR; LANES]);
        self.line.resize(n, [W::FAR; LANES]);
    }

    /// Puts the row, its last value repeated, where the lines have their candidate `at`.
    #[inline(always)]
    fn deal(&mut self, nx: usize, at: usize, candidates: usize) {
        let last = self.row[nx - 1];
        self.row[nx..].fill(last);
        for (block, group) in self.row.as_chunks::<LANES>().0.iter().enumerate() {
            self.blocks[block * candidates + at] = *group;
        }
    }
}

/// The candidates along a line: from the first place that is not infinitely far to the last.
struct Places {
    first: usize,
    /// Of each candidate: is it not infinitely far?
    near: Vec<bool>,
}

impl Places {
    /// Looks at words, so many for each place.
    fn of(words: &[u64], each: usize) -> Self {
        let near = words.chunks_exact(each).map(|words| words.iter().any(|word| *word != 0));
        let near: Vec<bool> = near.collect();
        let first = near.iter().position(|near| *near).unwrap_or(0);
        let end = near.iter().rposition(|near| *near).map_or(0, |last| last + 1);
        Self { first, near: near[first.min(end)..end].to_vec() }
    }
}

/// One slice: along x, then along y.
struct Slice<'a, W> {
    words: &'a [u64],
    nx: usize,
    /// Squares along x, mirrored.
    gaps: &'a [W],
    /// Squares along y, mirrored.
    squares: &'a [W],
    weight: i64,
    places: &'a Places,
    scratch: &'a mut Scratch<W>,
    out: &'a mut [W],
}

impl<W: Word> LaneTask<W> for Slice<'_, W> {
    #[inline(always)]
    fn run<L: Lanes<Word = W>>(self, lanes: L) {
        let (candidates, nx) = (self.places.near.len(), self.nx);
        let (ny, stride) = (self.out.len() / nx, nx.div_ceil(64));
        if candidates == 0 {
            // An empty slice is no candidate along z, so nobody reads it.
            return;
        }
        let scratch = self.scratch;
        scratch.prepare(nx, candidates, ny);
        for (at, near) in self.places.near.iter().enumerate() {
            let words = &self.words[(self.places.first + at) * stride..][..stride];
            if *near {
                fill(words, self.gaps, &mut scratch.row[..nx]);
            } else {
                scratch.row.fill(W::FAR);
            }
            scratch.deal(nx, at, candidates);
        }
        for (block, from) in (0..nx).step_by(LANES).enumerate() {
            let values = &scratch.blocks[block * candidates..][..candidates];
            least(lanes, values, self.places.first, self.squares, self.weight, &mut scratch.line);
            let width = LANES.min(nx - from);
            for (line, out) in scratch.line.iter().zip(self.out.chunks_exact_mut(nx)) {
                if width == LANES {
                    out[from..from + LANES].copy_from_slice(line);
                } else {
                    out[from..].copy_from_slice(&line[..width]);
                }
            }
        }
    }
}

/// All rows of one y: along z, then to mm.
struct Rows<'a, W> {
    flat: &'a [W],
    words: &'a [u64],
    stride: usize,
    shape: [usize; 2],
    y: usize,
    squares: &'a [W],
    metric: &'a Metric,
    places: &'a Places,
    scratch: &'a mut Scratch<W>,
    out: Vec<&'a mut [f32]>,
}

impl<W: Word> LaneTask<W> for Rows<'_, W> {
    #[inline(always)]
    fn run<L: Lanes<Word = W>>(mut self, lanes: L) {
        let [nx, ny] = self.shape;
        let (candidates, nz) = (self.places.near.len(), self.out.len());
        let scratch = self.scratch;
        scratch.prepare(nx, candidates, nx.div_ceil(LANES) * nz);
        for (at, near) in self.places.near.iter().enumerate() {
            if *near {
                let row = (self.places.first + at) * ny + self.y;
                scratch.row[..nx].copy_from_slice(&self.flat[row * nx..][..nx]);
            } else {
                scratch.row.fill(W::FAR);
            }
            scratch.deal(nx, at, candidates);
        }
        for (block, line) in scratch.line.chunks_exact_mut(nz).enumerate() {
            let values = &scratch.blocks[block * candidates..][..candidates];
            let weight = self.metric.weights[2];
            least(lanes, values, self.places.first, self.squares, weight, line);
        }
        // Row by row: in groups, the roots would be drawn one by one.
        for (z, out) in self.out.iter_mut().enumerate() {
            let groups = scratch.row.as_chunks_mut::<LANES>().0;
            for (group, line) in groups.iter_mut().zip(scratch.line[z..].iter().step_by(nz)) {
                *group = *line;
            }
            let words = &self.words[(z * ny + self.y) * self.stride..][..self.stride];
            to_mm(&scratch.row[..nx], words, self.metric, out);
        }
    }
}

/// Writes a row's distances from their squares, negative where the mask has its bit.
#[inline(always)]
fn to_mm<W: Word>(row: &[W], words: &[u64], metric: &Metric, out: &mut [f32]) {
    if metric.scale == 1.0 && metric.reach < EXACT && !metric.squared {
        for (out, squared) in out.iter_mut().zip(row) {
            *out = (squared.wide() as i32 as f32).sqrt();
        }
    } else {
        for (out, squared) in out.iter_mut().zip(row) {
            *out = metric.mm(squared.wide());
        }
    }
    for (at, out) in out.chunks_mut(32).enumerate() {
        let half = (words[at / 2] >> (at % 2 * 32)) as u32;
        for (lane, mm) in (0..32).zip(out) {
            *mm = f32::from_bits(mm.to_bits() | (half >> lane & 1) << 31);
        }
    }
}

/// Writes for each voxel of a row the squared distance to the nearest true one; there is one.
#[inline(always)]
fn fill<W: Word>(words: &[u64], mirrored: &[W], row: &mut [W]) {
    let nx = row.len();
    let (turned, squares) = (&mirrored[..nx], &mirrored[nx - 1..]);
    // `turned[nx - 1 - d]` is the square of d.
    let mut before = None;
    for (at, word) in words.iter().enumerate() {
        let mut word = *word;
        while word != 0 {
            let x = at * 64 + word.trailing_zeros() as usize;
            match before {
                None => row[..x].copy_from_slice(&turned[nx - 1 - x..nx - 1]),
                Some(before) if x - before > 1 => {
                    let middle = usize::midpoint(before, x) + 1;
                    row[before + 1..middle].copy_from_slice(&squares[1..middle - before]);
                    row[middle..x].copy_from_slice(&turned[nx - 1 - (x - middle)..nx - 1]);
                }
                Some(_) => {}
            }
            row[x] = squares[0];
            before = Some(x);
            word &= word - 1;
        }
    }
    if let Some(before) = before {
        row[before + 1..].copy_from_slice(&squares[1..nx - before]);
    }
}

/// Sets `line[y]` to the least of `values[j]` plus the square of `y - start - j`, in each lane.
///
/// The first best candidate of y never lies before that of y - 1, so that of the middle bounds both
/// halves: the bounds of a group are those of all its lanes. `squares` is mirrored.
#[inline(always)]
fn least<L: Lanes>(
    lanes: L,
    values: &[Group<L::Word>],
    start: usize,
    squares: &[L::Word],
    weight: i64,
    line: &mut [Group<L::Word>],
) {
    let n = line.len();
    // Halving n times two entries: more than any line needs.
    let mut waiting = [(0, 0, 0, 0); 160];
    waiting[0] = (0, n, 0, values.len() - 1);
    let mut count = 1;
    while count > 0 {
        count -= 1;
        let (from, to, mut first, mut last) = waiting[count];
        let y = usize::midpoint(from, to);
        // The squares to the candidates, in their order.
        let squares = &squares[n - 1 + start - y..][..values.len()];
        if last - first >= CLIP && weight > 0 {
            // No candidate further off than the farthest lane's distance can be the best.
            let close = y.saturating_sub(start).clamp(first, last);
            let mut bound = value(lanes, &values[first], squares[first]);
            bound = lanes.min(bound, value(lanes, &values[last], squares[last]));
            bound = lanes.min(bound, value(lanes, &values[close], squares[close]));
            let (_, most) = ends(lanes, bound);
            let reach = (most.wide() as f64 / weight as f64).sqrt() as usize + 1;
            first = first.max(y.saturating_sub(reach + start));
            last = last.min((y + reach).saturating_sub(start));
        }
        let mut best = value(lanes, &values[first], squares[first]);
        let rest = values[first + 1..=last].iter().zip(&squares[first + 1..=last]);
        if to - from == 1 {
            for (group, square) in rest {
                best = lanes.min(best, value(lanes, group, *square));
            }
            lanes.store(best, &mut line[y]);
            continue;
        }
        let mut place = lanes.splat(L::Word::of(first as i64));
        let one = lanes.splat(L::Word::of(1));
        let mut index = place;
        for (group, square) in rest {
            index = lanes.add(index, one);
            (best, place) = lanes.nearer(best, place, value(lanes, group, *square), index);
        }
        lanes.store(best, &mut line[y]);
        let (low, high) = ends(lanes, place);
        let (_, _, first, last) = waiting[count];
        if y > from {
            waiting[count] = (from, y, first, high.wide() as usize);
            count += 1;
        }
        if y + 1 < to {
            waiting[count] = (y + 1, to, low.wide() as usize, last);
            count += 1;
        }
    }
}

#[inline(always)]
fn value<L: Lanes>(lanes: L, group: &Group<L::Word>, square: L::Word) -> L::V {
    lanes.add(lanes.load(group), lanes.splat(square))
}

/// Returns the least and the greatest of the lanes.
#[inline(always)]
fn ends<L: Lanes>(lanes: L, v: L::V) -> (L::Word, L::Word) {
    let mut group = [L::Word::FAR; LANES];
    lanes.store(v, &mut group);
    let (mut low, mut high) = (group[0], group[0]);
    for word in group {
        low = if word < low { word } else { low };
        high = if word > high { word } else { high };
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    /// The definition, voxel against voxel.
    fn defined(mask: &Mask) -> Vec<u32> {
        let metric = Metric::of(&mask.grid).unwrap();
        let [nx, ny, nz] = mask.grid.shape();
        let voxels = || {
            (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
        };
        let inner = crate::kernel::space::neighbour::interior(mask);
        let edge: Vec<[usize; 3]> =
            voxels().filter(|[x, y, z]| mask.get(*x, *y, *z) && !inner.get(*x, *y, *z)).collect();
        voxels()
            .map(|at| {
                let inside = mask.get(at[0], at[1], at[2]);
                let distance = edge.iter().map(|to| {
                    let term = |axis: usize| {
                        (at[axis].abs_diff(to[axis]) as i64).pow(2) * metric.weights[axis]
                    };
                    term(0) + term(1) + term(2)
                });
                let mm = distance.min().map_or(NOWHERE, |d| metric.mm(d));
                if inside { (-mm).to_bits() } else { mm.to_bits() }
            })
            .collect()
    }

    fn bits(volume: &Volume) -> Vec<u32> {
        bytemuck::cast_slice(volume.voxels.bytes()).to_vec()
    }

    proptest! {
        #[test]
        fn distances_are_their_definition(mask in sample::mask()) {
            let want = defined(&mask);
            let metric = Metric::of(&mask.grid).unwrap();
            let constant = mask.count() == 0 || mask.count() == mask.grid.voxels() as u64;
            sample::on_each_path(|| {
                assert_eq!(bits(&signed(&mask).unwrap()), want);
                if !constant {
                    assert_eq!(bits(&transformed::<i64>(&mask, &metric)), want);
                }
            });
        }
    }

    #[test]
    fn larger_images_agree_on_all_threads_and_paths() {
        for spacing in [[1.0; 3], [0.7, 0.7, 3.3]] {
            let mask = sample::blobs(&[67, 50, 41], &spacing, 11);
            let want = defined(&mask);
            sample::same_on_any_threads(|| bits(&signed(&mask).unwrap()));
            assert!(bits(&signed(&mask).unwrap()) == want);
        }
        let one = Mask::from_fn(sample::grid_of(&[300, 200, 3], &[1.0; 3]), |x, y, z| {
            (x, y, z) == (290, 3, 1) || (x, y, z) == (1, 199, 0)
        });
        assert!(bits(&signed(&one).unwrap()) == defined(&one));
    }

    #[test]
    fn a_whole_image_has_no_contour() {
        let grid = sample::grid_of(&[5, 4], &[1.0; 2]);
        let full = bits(&signed(&Mask::constant(grid.clone(), true)).unwrap());
        assert!(full.iter().all(|bits| *bits == 0xdf7f_ffff));
        let empty = bits(&signed(&Mask::constant(grid, false)).unwrap());
        assert!(empty.iter().all(|bits| *bits == 0x5f7f_ffff));
    }
}
