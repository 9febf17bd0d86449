//! Sums over boxes that slide over an image, 2 ry + 1 rows by 2 rx + 1 voxels, then over slices.
//!
//! Planes are rows of `nx + 2 rx` places; behind a row's last voxel sums are rubbish, which nothing
//! reads. All arithmetic wraps, so rubbish harms nobody.

/// An unsigned integer that sums are made of.
pub trait Count: bytemuck::Pod + Send + Sync {
    /// Nothing.
    const ZERO: Self;
    /// One if true.
    fn of(truth: bool) -> Self;
    /// Adds, wrapping.
    fn plus(self, other: Self) -> Self;
    /// Subtracts, wrapping.
    fn minus(self, other: Self) -> Self;
    /// Returns the nearest f64.
    fn float(self) -> f64;
    /// Returns the number.
    fn whole(self) -> u128;
    /// Returns the number of this type that counts from 0 reach.
    fn exact(number: u64) -> Self;
}

macro_rules! count {
    ($($kind:ident)*) => {$(
        impl Count for $kind {
            const ZERO: Self = 0;

            #[inline(always)]
            fn of(truth: bool) -> Self {
                Self::from(truth)
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            #[allow(clippy::allow_attributes, clippy::cast_lossless, reason = "one for all")]
            fn float(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "one for all")]
            fn whole(self) -> u128 {
                self as u128
            }

            #[inline(always)]
            #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "one for all")]
            fn exact(number: u64) -> Self {
                number as Self
            }
        }
    )*};
}

count!(u8 u16 u32 u64 u128);

/// A count whose values are those of a narrower one.
pub trait Widens<A>: Count {
    /// Returns the same number.
    fn widened(narrow: A) -> Self;
}

/// The square of a count, which it holds.
pub trait Squares<C>: Count {
    /// Returns the square.
    fn square(count: C) -> Self;
}

macro_rules! wider {
    ($($narrow:ident to $wide:ident)*) => {$(
        impl Widens<$narrow> for $wide {
            #[inline(always)]
            fn widened(narrow: $narrow) -> Self {
                Self::from(narrow)
            }
        }

        impl Squares<$narrow> for $wide {
            #[inline(always)]
            fn square(count: $narrow) -> Self {
                let count = Self::from(count);
                count.wrapping_mul(count)
            }
        }
    )*};
}

wider!(u8 to u16 u16 to u16 u16 to u32 u32 to u32 u32 to u64 u64 to u64 u64 to u128 u128 to u128);

/// The rows of a tile that a plane is made of.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// The first row of the result.
    pub start: usize,
    /// The row after the last.
    pub end: usize,
    /// Rows of the image.
    pub ny: usize,
    /// Voxels of a row.
    pub nx: usize,
    /// Radius in voxels along x and y.
    pub rx: usize,
    /// The same along y.
    pub ry: usize,
}

impl Tile {
    /// Returns the places of one row of a plane.
    pub fn stride(&self) -> usize {
        self.nx + 2 * self.rx
    }

    /// Returns the places of a plane.
    pub fn places(&self) -> usize {
        (self.end - self.start) * self.stride()
    }

    /// Returns the rows of the image that the tile looks at.
    pub fn rows(&self) -> std::ops::Range<usize> {
        self.start.saturating_sub(self.ry)..(self.end + self.ry).min(self.ny)
    }
}

/// Memory for one plane's sums.
pub struct Work<A> {
    column: Vec<A>,
    /// Sums along y, with `rx` zeros on both sides of each row and more behind the last.
    padded: Vec<A>,
    doubled: Vec<A>,
    other: Vec<A>,
}

impl<A: Count> Work<A> {
    /// Makes the memory for planes of a tile.
    pub fn new(tile: &Tile) -> Self {
        let len = tile.places() + 2 * tile.rx + 1;
        let zeros = || vec![A::ZERO; len];
        let many = 2 * tile.rx + 1 > DIRECT;
        let spare = || if many { zeros() } else { Vec::new() };
        Self { column: vec![A::ZERO; tile.nx], padded: zeros(), doubled: spare(), other: spare() }
    }

    /// Writes the sums of `value` over the boxes of one slice to `out`.
    ///
    /// `slice` holds the tile's [`Tile::rows`].
    #[inline(always)]
    pub fn boxes<I: Copy>(
        &mut self,
        tile: &Tile,
        slice: &[I],
        value: impl Fn(I) -> A,
        out: &mut [A],
    ) {
        let Tile { start, end, ny, nx, rx, ry } = *tile;
        let first = tile.rows().start;
        let row = |y: usize| &slice[(y - first) * nx..][..nx];
        let column = &mut self.column[..nx];
        column.fill(A::ZERO);
        for y in first..(start + ry + 1).min(ny) {
            for (sum, item) in column.iter_mut().zip(row(y)) {
                *sum = sum.plus(value(*item));
            }
        }
        let stride = tile.stride();
        for y in start..end {
            self.padded[(y - start) * stride + rx..][..nx].copy_from_slice(column);
            let (enters, leaves) = (y + 1 + ry, y.checked_sub(ry));
            match (enters < ny, leaves) {
                _ if y + 1 == end => {}
                (true, Some(leaves)) => {
                    let rows = row(enters).iter().zip(row(leaves));
                    for (sum, (enters, leaves)) in column.iter_mut().zip(rows) {
                        *sum = sum.plus(value(*enters)).minus(value(*leaves));
                    }
                }
                (true, None) => {
                    for (sum, item) in column.iter_mut().zip(row(enters)) {
                        *sum = sum.plus(value(*item));
                    }
                }
                (false, Some(leaves)) => {
                    for (sum, item) in column.iter_mut().zip(row(leaves)) {
                        *sum = sum.minus(value(*item));
                    }
                }
                (false, None) => {}
            }
        }
        let (len, padded) = (out.len(), &self.padded);
        let part = |at: usize| &padded[at..at + len];
        match 2 * rx + 1 {
            1 => out.copy_from_slice(part(0)),
            3 => {
                let [a, b, c] = [0, 1, 2].map(part);
                for (at, out) in out.iter_mut().enumerate() {
                    *out = a[at].plus(b[at]).plus(c[at]);
                }
            }
            5 => {
                let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(part);
                for (at, out) in out.iter_mut().enumerate() {
                    *out = a[at].plus(b[at]).plus(c[at].plus(d[at])).plus(e[at]);
                }
            }
            7 => {
                let [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6].map(part);
                for (at, out) in out.iter_mut().enumerate() {
                    let four = a[at].plus(b[at]).plus(c[at].plus(d[at]));
                    *out = four.plus(e[at].plus(f[at]).plus(g[at]));
                }
            }
            width => self.doubling(width, out),
        }
    }

    /// Sums `width` neighbours by sums of 1, 2, 4, ... of them.
    #[inline(always)]
    fn doubling(&mut self, width: usize, out: &mut [A]) {
        let len = out.len();
        out.copy_from_slice(&self.padded[..len]);
        self.doubled.copy_from_slice(&self.padded);
        let (mut done, mut step) = (1, 1);
        while done < width {
            // `doubled` holds sums of `step`; what lies behind its end is outside all boxes.
            let keep = self.doubled.len() - step;
            let (near, far) = (&self.doubled[..keep], &self.doubled[step..]);
            for ((sum, near), far) in self.other[..keep].iter_mut().zip(near).zip(far) {
                *sum = near.plus(*far);
            }
            self.other[keep..].copy_from_slice(&self.doubled[keep..]);
            std::mem::swap(&mut self.doubled, &mut self.other);
            step *= 2;
            if width & step != 0 {
                for (sum, more) in out.iter_mut().zip(&self.doubled[done..]) {
                    *sum = sum.plus(*more);
                }
                done += step;
            }
        }
    }
}

/// Widths up to this are summed directly.
const DIRECT: usize = 7;

/// The planes of one sum that are inside the box now, and their sum.
pub struct Pile<A, C> {
    planes: Vec<Vec<A>>,
    filled: Vec<bool>,
    /// How many are not empty.
    count: usize,
    sum: Vec<C>,
}

impl<A: Count, C: Widens<A>> Pile<A, C> {
    /// Makes an empty pile for boxes of `rz` slices to both sides, of `nz`.
    pub fn new(places: usize, rz: usize, nz: usize) -> Self {
        let slots = (2 * rz + 1).min(nz);
        Self {
            planes: (0..slots).map(|_| vec![A::ZERO; places]).collect(),
            filled: vec![false; slots],
            count: 0,
            sum: vec![C::ZERO; places],
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.filled.fill(false);
        self.count = 0;
        self.sum.fill(C::ZERO);
    }

    /// Says whether all sums are 0.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the sums.
    pub fn sum(&self) -> &[C] {
        &self.sum
    }

    /// Puts slice `z` in, if it has something, and takes out the one that is `2 rz + 1` before it.
    #[inline(always)]
    pub fn turn(&mut self, z: usize, rz: usize, enters: Option<&mut Vec<A>>) {
        let slots = self.planes.len();
        let leaves = z.checked_sub(2 * rz + 1).map(|z| z % slots).filter(|slot| self.filled[*slot]);
        match (&enters, leaves) {
            (Some(enters), Some(slot)) => {
                let planes = enters.iter().zip(&self.planes[slot]);
                for (sum, (enters, leaves)) in self.sum.iter_mut().zip(planes) {
                    *sum = sum.plus(C::widened(*enters)).minus(C::widened(*leaves));
                }
            }
            (Some(enters), None) => {
                for (sum, enters) in self.sum.iter_mut().zip(&**enters) {
                    *sum = sum.plus(C::widened(*enters));
                }
            }
            (None, Some(slot)) => {
                for (sum, leaves) in self.sum.iter_mut().zip(&self.planes[slot]) {
                    *sum = sum.minus(C::widened(*leaves));
                }
            }
            (None, None) => {}
        }
        if let Some(slot) = leaves {
            self.filled[slot] = false;
            self.count -= 1;
        }
        if let Some(enters) = enters {
            std::mem::swap(enters, &mut self.planes[z % slots]);
            self.filled[z % slots] = true;
            self.count += 1;
        }
    }
}
