//! Local correlation of some rows over all slices: the work of one task.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernel::space::bin::{Binned, Id};
use crate::kernel::space::wide::{Task, widest};
use crate::kernel::space::window::{Count, Is, IsNot, Itself, Pile, Squares, Tile, Widens, Work};
use crate::pool::Buffer;

/// Rows of one tile; more where the box is high, for its rows are read besides.
const ROWS: usize = 16;
/// Bytes that the piles of one tile may take.
const PILES: usize = 1 << 23;

/// What all tiles share.
pub struct Setting {
    /// Voxels along each axis.
    pub shape: [usize; 3],
    /// How far the box reaches along each axis, in voxels.
    pub reach: [usize; 3],
    /// k.
    pub bins: f64,
    /// S2.
    pub sum: u64,
    /// k Q2 - S2^2.
    pub second: u128,
    /// Are all numbers up to the root integers that f64 holds?
    pub exact: bool,
}

/// Computes all voxels, tile by tile.
///
/// `I` numbers bins, `A` counts in a slice's box, `C` in a box, `Q` holds sums of squares, `P` of
/// products.
pub fn tiled<I: Id, A: Count, C: Widens<A>, Q: Squares<C>, P: Widens<P>>(
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
    let counts = binned.counts.iter().copied().chain([0]);
    let products: Vec<P> = counts.map(P::exact).collect();
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

    // Nothing that works on voxels stands in a closure that is not inlined: it would be compiled
    // for the narrowest vectors.
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
        // The last product stands for no bin.
        let none = self.products.len() - 1;
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
                    let enters = match slice {
                        Some(slice) if self.has(z, bin) => {
                            work.boxes(&tile, slice, Is(bin), &mut fresh);
                            Some(&mut fresh)
                        }
                        _ => None,
                    };
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
                let (mut enters, mut product_enters) = (None, None);
                if let Some(slice) = slice {
                    work.boxes(&tile, slice, IsNot(I::NONE), &mut fresh);
                    for (product, id) in looked_up.iter_mut().zip(slice) {
                        *product = self.products[id.place().min(none)];
                    }
                    product_work.boxes(&tile, &looked_up, Itself, &mut product_fresh);
                    (enters, product_enters) = (Some(&mut fresh), Some(&mut product_fresh));
                }
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
        if let Some(rows) = &self.binned.rows {
            let mut any = [0u64; 4];
            for z in 0..self.setting.shape[2] {
                for y in self.tile.rows() {
                    let row = &rows[z * self.tile.ny + y];
                    any = std::array::from_fn(|word| any[word] | row[word]);
                }
            }
            let has = |id: &usize| any[id / 64] >> (id % 64) & 1 == 1;
            return (0..self.binned.counts.len()).filter(has).map(I::at).collect();
        }
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
pub fn ratio(k: u128, [s1, s2]: [u128; 2], product: u128, [square, second]: [u128; 2]) -> f32 {
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
