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
    let metric = Metric::of(&mask.grid)?;
    let count = mask.count();
    if count == 0 || count == mask.grid.voxels() as u64 {
        let mut out = Buffer::take(mask.grid.voxels());
        out.fill(if count == 0 { NOWHERE } else { -NOWHERE });
        return Ok(Volume::f32(mask.grid.clone(), out));
    }
    Ok(if metric.reach < i32::FAR.wide() {
        transformed::<i32>(mask, &metric)
    } else {
        transformed::<i64>(mask, &metric)
    })
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
    let turned: Vec<W> = tables[0].iter().rev().copied().collect();
    let mut flat = Buffer::<W>::take(mask.grid.voxels());
    flat.par_chunks_mut(nx * ny).zip(border.words.par_chunks(stride * ny)).for_each_init(
        Scratch::default,
        |scratch, (out, words)| {
            let rows = (0..ny).filter(|y| words[y * stride..][..stride].iter().any(|w| *w != 0));
            let places = Places::new(rows.collect(), ny);
            W::widest(Slice {
                words,
                nx,
                gaps: [&tables[0], &turned],
                squares: &tables[1],
                weight: metric.weights[1],
                places: &places,
                scratch,
                out,
            });
        },
    );
    let slices =
        (0..nz).filter(|z| border.words[z * stride * ny..][..stride * ny].iter().any(|w| *w != 0));
    let places = Places::new(slices.collect(), nz);
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
            squares: &tables[2],
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
    /// The result of 16 lines.
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

/// The candidates along a line: places that are not infinitely far.
struct Places {
    at: Vec<usize>,
    /// Candidates before each place, and before the end.
    before: Vec<usize>,
}

impl Places {
    fn new(at: Vec<usize>, n: usize) -> Self {
        let before = (0..=n).map(|place| at.partition_point(|at| *at < place)).collect();
        Self { at, before }
    }
}

/// One slice: along x, then along y.
struct Slice<'a, W> {
    words: &'a [u64],
    nx: usize,
    /// Squares along x, and the same backwards.
    gaps: [&'a [W]; 2],
    squares: &'a [W],
    weight: i64,
    places: &'a Places,
    scratch: &'a mut Scratch<W>,
    out: &'a mut [W],
}

impl<W: Word> LaneTask<W> for Slice<'_, W> {
    #[inline(always)]
    fn run<L: Lanes<Word = W>>(self, lanes: L) {
        let (candidates, nx) = (self.places.at.len(), self.nx);
        let (ny, stride) = (self.out.len() / nx, nx.div_ceil(64));
        if candidates == 0 {
            // An empty slice is no candidate along z, so nobody reads it.
            return;
        }
        let scratch = self.scratch;
        scratch.prepare(nx, candidates, ny);
        for (at, y) in self.places.at.iter().enumerate() {
            fill(&self.words[y * stride..][..stride], self.gaps, &mut scratch.row[..nx]);
            scratch.deal(nx, at, candidates);
        }
        for (block, from) in (0..nx).step_by(LANES).enumerate() {
            let values = &scratch.blocks[block * candidates..][..candidates];
            least(lanes, values, self.places, self.squares, self.weight, &mut scratch.line);
            let width = LANES.min(nx - from);
            for (line, out) in scratch.line.iter().zip(self.out.chunks_exact_mut(nx)) {
                out[from..from + width].copy_from_slice(&line[..width]);
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
        let (candidates, nz) = (self.places.at.len(), self.out.len());
        let scratch = self.scratch;
        scratch.prepare(nx, candidates, nz);
        for (at, z) in self.places.at.iter().enumerate() {
            scratch.row[..nx].copy_from_slice(&self.flat[(z * ny + self.y) * nx..][..nx]);
            scratch.deal(nx, at, candidates);
        }
        let short = self.metric.scale == 1.0 && self.metric.reach < EXACT;
        for (block, from) in (0..nx).step_by(LANES).enumerate() {
            let values = &scratch.blocks[block * candidates..][..candidates];
            let weight = self.metric.weights[2];
            least(lanes, values, self.places, self.squares, weight, &mut scratch.line);
            for (z, out) in self.out.iter_mut().enumerate() {
                let word = self.words[(z * ny + self.y) * self.stride + from / 64] >> (from % 64);
                let line = &scratch.line[z];
                let mm: [f32; LANES] = std::array::from_fn(|lane| {
                    let mm = if short {
                        (line[lane].wide() as i32 as f32).sqrt()
                    } else {
                        self.metric.mm(line[lane].wide())
                    };
                    let sign = (word as u32 >> lane & 1) << 31;
                    f32::from_bits(mm.to_bits() | sign)
                });
                let width = LANES.min(nx - from);
                if width == LANES {
                    out[from..from + LANES].copy_from_slice(&mm);
                } else {
                    out[from..].copy_from_slice(&mm[..width]);
                }
            }
        }
    }
}

/// Writes for each voxel of a row the squared distance to the nearest true one; there is one.
#[inline(always)]
fn fill<W: Word>(words: &[u64], [squares, turned]: [&[W]; 2], row: &mut [W]) {
    let nx = row.len();
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

/// Sets `line[y]` to the least of `values[j] + squares[|y - places.at[j]|]`, in each lane.
///
/// The first best candidate of y never lies before that of y - 1, so that of the middle bounds both
/// halves: the bounds of a group are those of all its lanes.
#[inline(always)]
fn least<L: Lanes>(
    lanes: L,
    values: &[Group<L::Word>],
    places: &Places,
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
        let at = |j: usize| squares[y.abs_diff(places.at[j])];
        let value = |j: usize| lanes.add(lanes.load(&values[j]), lanes.splat(at(j)));
        if last - first >= CLIP && weight > 0 {
            // No candidate further off than the farthest lane's distance can be the best.
            let close = places.before[y].clamp(first, last);
            let mut bound = lanes.min(value(first), value(last));
            bound = lanes.min(bound, value(close));
            if close > first {
                bound = lanes.min(bound, value(close - 1));
            }
            let mut bounds = [L::Word::FAR; LANES];
            lanes.store(bound, &mut bounds);
            let most = bounds.iter().fold(bounds[0], |most, b| if *b > most { *b } else { most });
            let reach = (most.wide() as f64 / weight as f64).sqrt() as usize + 1;
            first = first.max(places.before[y.saturating_sub(reach)]);
            last = last.min(places.before[(y + reach + 1).min(n)].max(1) - 1);
        }
        if to - from == 1 {
            let mut best = value(first);
            for j in first + 1..=last {
                best = lanes.min(best, value(j));
            }
            lanes.store(best, &mut line[y]);
            continue;
        }
        let mut best = value(first);
        let mut place = lanes.splat(L::Word::of(first as i64));
        for j in first + 1..=last {
            let index = lanes.splat(L::Word::of(j as i64));
            (best, place) = lanes.nearer(best, place, value(j), index);
        }
        lanes.store(best, &mut line[y]);
        let mut spots = [L::Word::FAR; LANES];
        lanes.store(place, &mut spots);
        let (mut low, mut high) = (spots[0], spots[0]);
        for spot in spots {
            low = if spot < low { spot } else { low };
            high = if spot > high { spot } else { high };
        }
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
