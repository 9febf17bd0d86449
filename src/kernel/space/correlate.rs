//! Local correlation of histograms.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::kernel::space::bin::{Binned, Bins, Id, SHORT};
use crate::kernel::space::wide::{Task, widest};
use crate::kernel::space::window::{Count, Pile, Squares, Tile, Widens, Work};
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// Rows of one tile; more where the box is high, for its rows are read besides.
const ROWS: usize = 16;
/// Bytes that the piles of one tile may take.
const PILES: usize = 1 << 23;
/// Integers up to here are all f64.
const EXACT: u128 = 1 << 53;
/// More bins are refused: their count would no longer be exact.
const MOST_BINS: f64 = 9_007_199_254_740_992.0;

/// What correlation asks besides the images.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Radius of the box in mm.
    pub radius: f64,
    /// The least value that counts.
    pub low: f64,
    /// The least value above all that count.
    pub high: f64,
    /// Bins between them.
    pub bins: f64,
}

/// Returns for each voxel Pearson's correlation, over the bins, of how often values of `a` fall into
/// each bin in the box around the voxel, and how often those of `b` do in `within`.
///
/// The box reaches max(1, round half to even (radius / spacing)) voxels along each axis and ends at
/// the image. Of k bins with counts H1 and H2 it is
/// `(k P - S1 S2) / (sqrt(k Q - S1^2) * sqrt(k Q2 - S2^2))`, where S are sums of counts, Q of their
/// squares and P of products: integers up to the last step. Both constant is 1, one constant 0.
///
/// P and S1 are box sums of the image (each voxel stands for its bin's H2, or 1), only Q needs each
/// bin's own box sum. Costs grow with the bins that occur, hardly with the radius.
pub fn correlation(
    grid: &Arc<Grid>,
    a: &[f32],
    b: &[f32],
    within: &Mask,
    options: &Options,
) -> Result<Volume, Refusal> {
    let Options { radius, low, high, bins } = *options;
    if !bins.is_finite() || bins.fract() != 0.0 {
        return Err(Refusal::with(Code::Integer, &[bins]));
    }
    if bins < 1.0 {
        return Err(Refusal::with(Code::Range, &[bins, 1.0]));
    }
    if bins > MOST_BINS {
        return Err(Refusal::with(Code::Size, &[bins, MOST_BINS]));
    }
    if radius.is_nan() {
        return Err(Refusal::with(Code::Range, &[radius]));
    }
    let shape = grid.shape();
    let mut reach = [0; 3];
    for (axis, spacing) in grid.spacing().iter().enumerate() {
        let voxels = (radius / spacing).round_ties_even().max(1.0) as usize;
        reach[axis] = voxels.min(shape[axis] - 1);
    }
    let wide: [u128; 3] =
        std::array::from_fn(|axis| (2 * reach[axis] + 1).min(shape[axis]) as u128);
    let (area, volume) = (wide[0] * wide[1], wide[0] * wide[1] * wide[2]);
    let sorted = Bins::new(low, high, bins);
    let kernel = |sum: u64, squares: u128, most: u64| {
        let k = bins as u128;
        let second = k * squares - u128::from(sum).pow(2);
        let greatest =
            [k * volume * u128::from(most), volume * u128::from(sum), k * volume * volume];
        let exact = greatest.into_iter().all(|number| number < EXACT);
        Setting { shape, reach, bins, sum, second, exact }
    };
    let voxels = if bins <= SHORT && volume <= u128::from(u16::MAX) {
        let binned = sorted.short(a, b, within);
        let most = binned.counts.iter().copied().max().unwrap_or(0);
        let setting = kernel(binned.sum, binned.squares, most);
        if area <= u128::from(u8::MAX) && volume * u128::from(most) <= u128::from(u32::MAX) {
            tiled::<u8, u8, u16, u32, u32>(&binned, &setting)
        } else {
            tiled::<u8, u16, u16, u32, u64>(&binned, &setting)
        }
    } else {
        let binned = sorted.long(a, b, within)?;
        let most = binned.counts.iter().copied().max().unwrap_or(0);
        let setting = kernel(binned.sum, binned.squares, most);
        let fits = volume * u128::from(most) <= u128::from(u64::MAX);
        if volume <= u128::from(u32::MAX) && fits {
            tiled::<u32, u32, u32, u64, u64>(&binned, &setting)
        } else {
            tiled::<u32, u64, u64, u128, u128>(&binned, &setting)
        }
    };
    Ok(Volume::f32(grid.clone(), voxels))
}

/// What all tiles share.
struct Setting {
    shape: [usize; 3],
    reach: [usize; 3],
    bins: f64,
    /// S2.
    sum: u64,
    /// k Q2 - S2^2.
    second: u128,
    /// Are all numbers up to the root integers that f64 holds?
    exact: bool,
}

/// `I` numbers bins, `A` counts in a slice's box, `C` in a box, `Q` holds sums of squares, `P` of
/// products.
fn tiled<I: Id, A: Count, C: Widens<A>, Q: Squares<C>, P: Widens<P>>(
    binned: &Binned<I>,
    setting: &Setting,
) -> Buffer<f32> {
    let [nx, ny, _] = setting.shape;
    let height = ROWS.max(setting.reach[1]);
    let mut out = Buffer::take(binned.ids.len());
    let mut tiles: Vec<Vec<&mut [f32]>> = (0..ny.div_ceil(height)).map(|_| Vec::new()).collect();
    for (at, row) in out.chunks_exact_mut(nx).enumerate() {
        tiles[at % ny / height].push(row);
    }
    let products: Vec<P> = binned.counts.iter().map(|count| P::exact(*count)).collect();
    tiles.into_par_iter().enumerate().for_each(|(at, out)| {
        let [rx, ry, _] = setting.reach;
        let tile = Tile { start: at * height, end: ((at + 1) * height).min(ny), ny, nx, rx, ry };
        let products = &products;
        widest(Correlate::<I, A, C, Q, P> {
            binned,
            setting,
            products,
            tile,
            out,
            counts: std::marker::PhantomData,
        });
    });
    out
}

struct Correlate<'a, I, A, C, Q, P> {
    binned: &'a Binned<I>,
    setting: &'a Setting,
    products: &'a [P],
    tile: Tile,
    out: Vec<&'a mut [f32]>,
    counts: std::marker::PhantomData<(A, C, Q)>,
}

impl<I: Id, A: Count, C: Widens<A>, Q: Squares<C>, P: Widens<P>> Task
    for Correlate<'_, I, A, C, Q, P>
{
    type Out = ();

    #[inline(always)]
    fn run(mut self) {
        let (tile, nz, rz) = (self.tile, self.setting.shape[2], self.setting.reach[2]);
        let places = tile.places();
        let slots = (2 * rz + 1).min(nz);
        let room = places * (slots * size_of::<A>() + size_of::<C>());
        let present = self.present();
        let together = (PILES / room).clamp(1, present.len().max(1));
        let groups: Vec<&[I]> =
            if present.is_empty() { vec![&[]] } else { present.chunks(together).collect() };
        let once = groups.len() == 1;
        let mut work = Work::<A>::new(&tile);
        let mut fresh = vec![A::ZERO; places];
        let mut piles: Vec<Pile<A, C>> =
            (0..groups[0].len()).map(|_| Pile::new(places, rz, nz)).collect();
        let mut squares = vec![Q::ZERO; if once { places } else { places * nz }];
        let mut all = Pile::<A, C>::new(places, rz, nz);
        let mut product_work = Work::<P>::new(&tile);
        let mut product_fresh = vec![P::ZERO; places];
        let mut product = Pile::<P, P>::new(places, rz, nz);
        let mut looked_up = vec![P::ZERO; tile.rows().len() * tile.nx];
        for (number, group) in groups.iter().enumerate() {
            let last = number + 1 == groups.len();
            piles.iter_mut().for_each(Pile::clear);
            for z in 0..nz + rz {
                let slice = (z < nz).then(|| self.slice(z));
                let done = z.checked_sub(rz);
                let at = if once { 0 } else { done.unwrap_or(0) * places };
                let squares = &mut squares[at..at + places];
                if once {
                    squares.fill(Q::ZERO);
                }
                for (bin, pile) in group.iter().zip(&mut piles) {
                    let bin = *bin;
                    let enters = slice.filter(|_| self.has(z, bin)).map(|slice| {
                        work.boxes(
                            &tile,
                            slice,
                            #[inline(always)]
                            |id| A::of(id == bin),
                            &mut fresh,
                        );
                        &mut fresh
                    });
                    pile.turn(z, rz, enters);
                    if done.is_some() && !pile.is_empty() {
                        for (square, count) in squares.iter_mut().zip(pile.sum()) {
                            *square = square.plus(Q::square(*count));
                        }
                    }
                }
                if !last {
                    continue;
                }
                let mut product_enters = None;
                let enters = slice.map(|slice| {
                    work.boxes(
                        &tile,
                        slice,
                        #[inline(always)]
                        |id| A::of(id != I::NONE),
                        &mut fresh,
                    );
                    for (product, id) in looked_up.iter_mut().zip(slice) {
                        *product = self.products.get(id.place()).copied().unwrap_or(P::ZERO);
                    }
                    product_work.boxes(
                        &tile,
                        &looked_up,
                        #[inline(always)]
                        |p| p,
                        &mut product_fresh,
                    );
                    product_enters = Some(&mut product_fresh);
                    &mut fresh
                });
                all.turn(z, rz, enters);
                product.turn(z, rz, product_enters);
                if let Some(done) = done {
                    self.finish(done, all.sum(), squares, product.sum());
                }
            }
        }
    }
}

impl<I: Id, A, C: Count, Q: Count, P: Count> Correlate<'_, I, A, C, Q, P> {
    /// Returns the bins of the rows of slice `z` that the tile looks at.
    #[inline(always)]
    fn slice(&self, z: usize) -> &[I] {
        let Range { start, end } = self.tile.rows();
        let first = z * self.tile.ny;
        &self.binned.ids[(first + start) * self.tile.nx..(first + end) * self.tile.nx]
    }

    /// Says whether slice `z` may have the bin in the rows that the tile looks at.
    fn has(&self, z: usize, bin: I) -> bool {
        let Some(rows) = &self.binned.rows else { return true };
        let (word, bit) = (bin.place() / 64, bin.place() % 64);
        self.tile.rows().any(|y| rows[z * self.tile.ny + y][word] >> bit & 1 == 1)
    }

    /// Returns the bins that the tile may have.
    fn present(&self) -> Vec<I> {
        let mut present: Vec<I> = Vec::new();
        for z in 0..self.setting.shape[2] {
            let slice = self.slice(z);
            // Most voxels have the bin of the one before them.
            let mut before = I::NONE;
            let mut found: Vec<I> = Vec::new();
            for id in slice {
                if *id != before {
                    before = *id;
                    found.push(before);
                }
            }
            found.sort_unstable();
            found.dedup();
            present.extend(found.into_iter().filter(|id| *id != I::NONE));
            present.sort_unstable();
            present.dedup();
        }
        present
    }

    /// Writes slice `z` from S1, Q and P.
    #[inline(always)]
    fn finish(&mut self, z: usize, sums: &[C], squares: &[Q], products: &[P]) {
        let Setting { bins, sum, second, exact, .. } = *self.setting;
        let rows = self.tile.end - self.tile.start;
        let stride = self.tile.stride();
        let (second_sum, root) = (sum as f64, (second as f64).sqrt());
        for (y, out) in self.out[z * rows..][..rows].iter_mut().enumerate() {
            let sums = &sums[y * stride..][..out.len()];
            let squares = &squares[y * stride..][..out.len()];
            let products = &products[y * stride..][..out.len()];
            let numbers = sums.iter().zip(squares).zip(products);
            if exact {
                let both = if second == 0 { 1.0 } else { 0.0 };
                let one = if second == 0 { 0.0 } else { 1.0 };
                for (out, ((sum, square), product)) in out.iter_mut().zip(numbers) {
                    let sum = sum.float();
                    // Integers below 2^53, so none of these steps rounds.
                    let above = bins * product.float() - sum * second_sum;
                    let first = bins * square.float() - sum * sum;
                    let ratio = above / (first.sqrt() * root);
                    let constant = if first == 0.0 { both } else { 0.0 };
                    let varies = first != 0.0 && one != 0.0;
                    *out = if varies { ratio as f32 } else { constant };
                }
            } else {
                for (out, ((sum, square), product)) in out.iter_mut().zip(numbers) {
                    *out = ratio(
                        bins as u128,
                        [sum.whole(), self.setting.sum.into()],
                        product.whole(),
                        [square.whole(), second],
                    );
                }
            }
        }
    }
}

/// Returns the correlation from k, both S, P, Q and k Q2 - S2^2, for numbers of any size.
fn ratio(k: u128, [s1, s2]: [u128; 2], product: u128, [square, second]: [u128; 2]) -> f32 {
    let first = k * square - s1 * s1;
    match (first == 0, second == 0) {
        (true, true) => 1.0,
        (false, false) => {
            let (plus, minus) = (k * product, s1 * s2);
            let size = plus.abs_diff(minus) as f64;
            let above = if plus < minus { -size } else { size };
            (above / ((first as f64).sqrt() * (second as f64).sqrt())) as f32
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::sample;

    /// The definition, box by box.
    fn defined(a: &[f32], b: &[f32], within: &Mask, options: &Options) -> Vec<u32> {
        let Options { radius, low, high, bins } = *options;
        let grid = &within.grid;
        let shape = grid.shape();
        let mut reach = [0; 3];
        for (axis, spacing) in grid.spacing().iter().enumerate() {
            reach[axis] = ((radius / spacing).round_ties_even().max(1.0) as usize).min(1 << 20);
        }
        let delta = (high - low) / bins;
        let bin = |value: f32| {
            let value = f64::from(value);
            let place = ((value - low) / delta).trunc();
            (low <= value && value < high && delta != 0.0 && place < bins).then_some(place as u64)
        };
        let mut second = std::collections::BTreeMap::<u64, u128>::new();
        let at = |x: usize, y: usize, z: usize| (z * shape[1] + y) * shape[0] + x;
        let voxels = || {
            (0..shape[2]).flat_map(move |z| {
                (0..shape[1]).flat_map(move |y| (0..shape[0]).map(move |x| [x, y, z]))
            })
        };
        for [x, y, z] in voxels().filter(|[x, y, z]| within.get(*x, *y, *z)) {
            if let Some(bin) = bin(b[at(x, y, z)]) {
                *second.entry(bin).or_default() += 1;
            }
        }
        let k = bins as u128;
        let (s2, q2): (u128, u128) = (second.values().sum(), second.values().map(|n| n * n).sum());
        voxels()
            .map(|here| {
                let around = |axis: usize| {
                    here[axis].saturating_sub(reach[axis])
                        ..(here[axis] + reach[axis] + 1).min(shape[axis])
                };
                let mut first = std::collections::BTreeMap::<u64, u128>::new();
                for z in around(2) {
                    for y in around(1) {
                        for x in around(0) {
                            if let Some(bin) = bin(a[at(x, y, z)]) {
                                *first.entry(bin).or_default() += 1;
                            }
                        }
                    }
                }
                let (s1, q1): (u128, u128) =
                    (first.values().sum(), first.values().map(|n| n * n).sum());
                let p =
                    first.iter().map(|(bin, n)| n * second.get(bin).copied().unwrap_or(0)).sum();
                ratio(k, [s1, s2], p, [q1, k * q2 - s2 * s2]).to_bits()
            })
            .collect()
    }

    fn got(a: &[f32], b: &[f32], within: &Mask, options: &Options) -> Vec<u32> {
        let volume = correlation(&within.grid, a, b, within, options).unwrap();
        bytemuck::cast_slice(volume.voxels.bytes()).to_vec()
    }

    fn options() -> impl Strategy<Value = Options> {
        let radius = prop::sample::select(
            &[-1.0, 0.0, 1.0, 2.0, 2.5, 3.0, 5.0, 9.0, f64::INFINITY, f64::NEG_INFINITY][..],
        );
        let limits = prop::sample::select(
            &[
                (0.0, 9.0),
                (1.0, 3.0),
                (-4.0, 1e6),
                (3.0, 3.0),
                (5.0, 1.0),
                (f64::NAN, 1.0),
                (0.0, f64::NAN),
                (f64::NEG_INFINITY, 4.0),
                (0.0, f64::INFINITY),
            ][..],
        );
        let bins = prop::sample::select(&[1.0, 2.0, 3.0, 20.0, 64.0, 254.0, 255.0, 1e4, 9e15][..]);
        (radius, limits, bins).prop_map(|(radius, (low, high), bins)| Options {
            radius,
            low,
            high,
            bins,
        })
    }

    proptest! {
        #[test]
        fn correlation_is_its_definition(
            within in sample::mask(),
            options in options(),
            seed: u64,
        ) {
            let mut a = sample::voxels(within.grid.voxels(), seed);
            let b = sample::voxels(within.grid.voxels(), seed ^ 5);
            a[0] = f32::NAN;
            let want = defined(&a, &b, &within, &options);
            sample::on_each_path(|| assert_eq!(got(&a, &b, &within, &options), want));
        }
    }

    #[test]
    fn larger_images_agree_on_all_threads_and_paths() {
        let within = sample::blobs(&[37, 29, 11], &[1.0; 3], 8);
        let a: Vec<f32> = sample::voxels(within.grid.voxels(), 1);
        for (radius, bins) in [(1.0, 20.0), (2.0, 100.0), (3.0, 7.0), (8.0, 20.0), (2.0, 300.0)] {
            let options = Options { radius, low: 0.0, high: 9.1, bins };
            let want = defined(&a, &a, &within, &options);
            sample::same_on_any_threads(|| got(&a, &a, &within, &options));
            assert!(got(&a, &a, &within, &options) == want);
        }
    }

    #[test]
    fn bins_and_radii_that_mean_nothing_are_refused() {
        let within = sample::blobs(&[4, 4], &[1.0; 2], 1);
        let voxels = vec![0.0; 16];
        for (radius, bins, code) in [
            (1.0, 0.5, Code::Integer),
            (1.0, f64::NAN, Code::Integer),
            (1.0, 0.0, Code::Range),
            (1.0, -3.0, Code::Range),
            (f64::NAN, 3.0, Code::Range),
            (1.0, 1e300, Code::Size),
        ] {
            let options = Options { radius, low: 0.0, high: 1.0, bins };
            let refusal = correlation(&within.grid, &voxels, &voxels, &within, &options);
            assert_eq!(refusal.unwrap_err().code, code);
        }
    }
}
