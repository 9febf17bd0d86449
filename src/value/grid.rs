//! Grids: where the voxels of an image lie in the world.

use crate::canon::Tree;

/// Dims, spacing, origin and direction of a 2-D or 3-D image; world coordinates are LPS, in mm.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    dims: Vec<usize>,
    spacing: Vec<f64>,
    origin: Vec<f64>,
    direction: Vec<f64>,
}

/// Why numbers do not make a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Not two or three axes, or lists of other lengths.
    Axes,
    /// An axis of no voxels, or more voxels than an address space holds.
    Dims,
    /// A spacing that is not finite and positive, or an origin or direction that is not finite.
    Geometry,
}

/// More voxels than this are refused: no kernel could hold them, and no index overflows below it.
pub const MOST_VOXELS: usize = 1 << 36;

fn positive_zero(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number }
}

impl Grid {
    /// Makes a grid of checked numbers; -0.0 becomes 0.0.
    ///
    /// `direction` has d*d numbers, row by row (a row is a world axis).
    pub fn new(
        dims: &[usize],
        spacing: &[f64],
        origin: &[f64],
        direction: &[f64],
    ) -> Result<Self, Bad> {
        let d = dims.len();
        if !(2..=3).contains(&d)
            || spacing.len() != d
            || origin.len() != d
            || direction.len() != d * d
        {
            return Err(Bad::Axes);
        }
        let voxels = dims.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        if voxels.is_none_or(|voxels| voxels == 0 || voxels > MOST_VOXELS) {
            return Err(Bad::Dims);
        }
        if !spacing.iter().all(|s| s.is_finite() && *s > 0.0)
            || !origin.iter().chain(direction).all(|x| x.is_finite())
        {
            return Err(Bad::Geometry);
        }
        let clean = |numbers: &[f64]| numbers.iter().copied().map(positive_zero).collect();
        Ok(Self {
            dims: dims.to_vec(),
            spacing: clean(spacing),
            origin: clean(origin),
            direction: clean(direction),
        })
    }

    /// Makes a grid with spacing 1, origin 0 and identity direction.
    pub fn plain(dims: &[usize]) -> Result<Self, Bad> {
        let d = dims.len();
        let direction: Vec<f64> =
            (0..d * d).map(|i| if i % (d + 1) == 0 { 1.0 } else { 0.0 }).collect();
        Self::new(dims, &vec![1.0; d], &vec![0.0; d], &direction)
    }

    /// Returns the voxels along each axis, x first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Returns nx, ny, nz; nz is 1 in 2-D.
    pub fn shape(&self) -> [usize; 3] {
        [self.dims[0], self.dims[1], self.dims.get(2).copied().unwrap_or(1)]
    }

    /// Returns the distance between neighbours along each axis, in mm.
    pub fn spacing(&self) -> &[f64] {
        &self.spacing
    }

    /// Returns the world coordinates of the first voxel's centre, in mm.
    pub fn origin(&self) -> &[f64] {
        &self.origin
    }

    /// Returns the direction cosines, row by row (a row is a world axis).
    pub fn direction(&self) -> &[f64] {
        &self.direction
    }

    /// Returns the count of voxels.
    pub fn voxels(&self) -> usize {
        self.dims.iter().product()
    }

    /// Returns the count of rows (along x).
    pub fn rows(&self) -> usize {
        self.dims[1..].iter().product()
    }

    /// Returns the 64-bit words of one row of a mask.
    pub fn row_words(&self) -> usize {
        self.dims[0].div_ceil(64)
    }

    /// Returns the index-to-world matrix with the origin as last column, row by row.
    pub fn matrix(&self) -> Vec<f64> {
        let d = self.dims.len();
        let mut matrix = Vec::with_capacity(d * (d + 1));
        for row in 0..d {
            for column in 0..d {
                matrix.push(self.direction[row * d + column] * self.spacing[column]);
            }
            matrix.push(self.origin[row]);
        }
        matrix
    }

    /// Says whether two images may meet: equal dims, and index-to-world matrices that differ by at
    /// most 1e-3 of the smallest voxel.
    pub fn meets(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        if self.dims != other.dims {
            return false;
        }
        let smallest =
            self.spacing.iter().chain(&other.spacing).copied().fold(f64::INFINITY, f64::min);
        self.matrix().iter().zip(other.matrix()).all(|(a, b)| (a - b).abs() <= 1e-3 * smallest)
    }

    /// Returns the entries that a grid and every image begin with, as canonical trees.
    pub fn entries(&self) -> [(&'static str, Tree); 4] {
        let floats =
            |numbers: &[f64]| Tree::Array(numbers.iter().map(|x| Tree::Float(*x)).collect());
        let dims = self.dims.iter().map(|n| Tree::Uint(*n as u64)).collect();
        [
            ("dims", Tree::Array(dims)),
            ("spacing", floats(&self.spacing)),
            ("origin", floats(&self.origin)),
            ("direction", floats(&self.direction)),
        ]
    }
}

impl std::fmt::Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let join = |numbers: Vec<String>| numbers.join("x");
        write!(
            f,
            "{} voxels of {} mm",
            join(self.dims.iter().map(ToString::to_string).collect()),
            join(self.spacing.iter().map(ToString::to_string).collect())
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn grids_meet_up_to_a_thousandth_of_a_voxel() {
        let at =
            |x: f64| Grid::new(&[2, 2], &[1.0, 0.5], &[x, -0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        assert!(at(0.0).meets(&at(0.0004)));
        assert!(!at(0.0).meets(&at(0.0006)));
        assert!(!at(0.0).meets(&Grid::plain(&[2, 3]).unwrap()));
        assert!(at(0.0).origin()[1].is_sign_positive());
    }

    #[test]
    fn numbers_that_make_no_grid_are_refused() {
        assert_eq!(Grid::plain(&[2]), Err(Bad::Axes));
        assert_eq!(Grid::plain(&[2, 0, 3]), Err(Bad::Dims));
        assert_eq!(Grid::plain(&[1 << 30, 1 << 30, 1 << 30]), Err(Bad::Dims));
        let grid = |spacing| Grid::new(&[2, 2], &[1.0, spacing], &[0.0; 2], &[1.0; 4]);
        assert_eq!(grid(0.0), Err(Bad::Geometry));
        assert_eq!(grid(f64::NAN), Err(Bad::Geometry));
    }
}
