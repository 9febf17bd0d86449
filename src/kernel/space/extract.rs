//! Cutting a box out of an image, also with fewer axes.

use std::sync::Arc;

use rayon::prelude::*;

use crate::kernel::argument::{integer, kind};
use crate::pool::Buffer;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::{Mask, last_word};
use crate::value::volume::{Colour, Volume, Voxels};

/// Returns the voxels of an image from `start` on, `size` along each axis; an axis of size 0 is
/// dropped at `start`.
///
/// Voxel type, mask and colour stay. The lists have one entry an axis, x first.
pub fn extract(image: &Value, size: &[Value], start: &[Value]) -> Result<Value, Refusal> {
    let grid = image.grid().ok_or_else(kind)?;
    let cut = Cut::new(grid, size, start)?;
    Ok(match image {
        Value::Mask(mask) => Value::Mask(cut.mask(mask)),
        Value::Volume(volume) => {
            let voxels = cut.voxels(&volume.voxels);
            Value::Volume(Volume { grid: cut.grid, voxels })
        }
        Value::Colour(colour) => {
            // Buffers are typed, so the numbers of whole voxels are copied once more.
            let voxels: Buffer<f32> = if colour.components == 3 {
                let whole = cut.copied(bytemuck::cast_slice::<f32, [f32; 3]>(&colour.voxels));
                Buffer::copied(bytemuck::cast_slice(&whole))
            } else {
                let whole = cut.copied(bytemuck::cast_slice::<f32, [f32; 4]>(&colour.voxels));
                Buffer::copied(bytemuck::cast_slice(&whole))
            };
            let components = colour.components;
            Value::Colour(Colour { grid: cut.grid, components, voxels: Arc::new(voxels) })
        }
        _ => return Err(kind()),
    })
}

/// What is cut, checked.
struct Cut {
    /// Of the result.
    grid: Arc<Grid>,
    /// Voxels between neighbours in the image, along the axes of the result.
    step: [usize; 3],
    /// The first voxel.
    first: usize,
    /// nx of the image.
    nx: usize,
}

impl Cut {
    fn new(grid: &Grid, size: &[Value], start: &[Value]) -> Result<Self, Refusal> {
        let dims = grid.dims();
        let d = dims.len();
        let (mut size, mut start) = (integers(size)?, integers(start)?);
        // Programs for 3-D give a 2-D image a third entry that says nothing.
        if d == 2 && size.len() == 3 && size[2] <= 1 && size[2] >= 0 {
            size.truncate(2);
        }
        if d == 2 && start.len() == 3 && start[2] == 0 {
            start.truncate(2);
        }
        if size.len() != d || start.len() != d {
            let counts = [size.len(), start.len(), d];
            return Err(Refusal::with(Code::Length, &counts.map(|n| n as f64)));
        }
        let kept: Vec<usize> = (0..d).filter(|axis| size[*axis] != 0).collect();
        for axis in 0..d {
            let (size, start, n) = (size[axis], start[axis], dims[axis] as i64);
            let end = start.checked_add(size.max(1));
            if size < 0 || start < 0 || end.is_none_or(|end| end > n) {
                return Err(Refusal::with(Code::Range, &[start as f64, size as f64, n as f64]));
            }
        }
        if kept.len() < 2 {
            return Err(Refusal::with(Code::Dims, &[kept.len() as f64, 2.0]));
        }
        let strides = [1, dims[0], dims[0] * dims[1]];
        let mut step = [0; 3];
        for (step, axis) in step.iter_mut().zip(&kept) {
            *step = strides[*axis];
        }
        let first = (0..d).map(|axis| start[axis] as usize * strides[axis]).sum();
        let grid = Arc::new(geometry(grid, &kept, &size, &start)?);
        Ok(Self { grid, step, first, nx: dims[0] })
    }

    fn voxels(&self, voxels: &Voxels) -> Voxels {
        match voxels {
            Voxels::U8(voxels) => Voxels::U8(Arc::new(self.copied(voxels))),
            Voxels::I8(voxels) => Voxels::I8(Arc::new(self.copied(voxels))),
            Voxels::U16(voxels) => Voxels::U16(Arc::new(self.copied(voxels))),
            Voxels::I16(voxels) => Voxels::I16(Arc::new(self.copied(voxels))),
            Voxels::U32(voxels) => Voxels::U32(Arc::new(self.copied(voxels))),
            Voxels::I32(voxels) => Voxels::I32(Arc::new(self.copied(voxels))),
            Voxels::U64(voxels) => Voxels::U64(Arc::new(self.copied(voxels))),
            Voxels::I64(voxels) => Voxels::I64(Arc::new(self.copied(voxels))),
            Voxels::F32(voxels) => Voxels::F32(Arc::new(self.copied(voxels))),
            Voxels::F64(voxels) => Voxels::F64(Arc::new(self.copied(voxels))),
        }
    }

    fn copied<T: bytemuck::Pod + Send + Sync>(&self, voxels: &[T]) -> Buffer<T> {
        let [nx, ny, _] = self.grid.shape();
        let mut out = Buffer::take(self.grid.voxels());
        out.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
            let first = self.row(row, ny);
            if self.step[0] == 1 {
                out.copy_from_slice(&voxels[first..first + nx]);
            } else {
                for (x, out) in out.iter_mut().enumerate() {
                    *out = voxels[first + x * self.step[0]];
                }
            }
        });
        out
    }

    fn mask(&self, mask: &Mask) -> Mask {
        let [nx, ny, _] = self.grid.shape();
        let (stride, out_stride) = (mask.grid.row_words(), self.grid.row_words());
        let mut words = Buffer::take(self.grid.rows() * out_stride);
        words.par_chunks_mut(out_stride).enumerate().for_each(|(row, out)| {
            let first = self.row(row, ny);
            if self.step[0] == 1 {
                let (source, x) = (first / self.nx * stride, first % self.nx);
                Self::shift(&mask.words[source..][..stride], x, out);
                out[out_stride - 1] &= last_word(nx);
                return;
            }
            for (at, out) in out.iter_mut().enumerate() {
                let count = (nx - at * 64).min(64);
                *out = (0..count).fold(0, |word, bit| {
                    let voxel = first + (at * 64 + bit) * self.step[0];
                    let (row, x) = (voxel / self.nx, voxel % self.nx);
                    word | (mask.words[row * stride + x / 64] >> (x % 64) & 1) << bit
                });
            }
        });
        Mask::new(self.grid.clone(), words)
    }

    /// Writes the bits of a row from `x` on.
    fn shift(row: &[u64], x: usize, out: &mut [u64]) {
        let (first, by) = (x / 64, x % 64);
        for (at, out) in out.iter_mut().enumerate() {
            let word = |at: usize| row.get(first + at).copied().unwrap_or(0);
            // By 0 there is nothing to take from the next word; a shift by 64 would overflow.
            let above = if by == 0 { 0 } else { word(at + 1) << (64 - by) };
            *out = word(at) >> by | above;
        }
    }

    /// Returns the voxel of the image that row `row` of the result begins with.
    fn row(&self, row: usize, ny: usize) -> usize {
        self.first + row % ny * self.step[1] + row / ny * self.step[2]
    }
}

fn integers(items: &[Value]) -> Result<Vec<i64>, Refusal> {
    items.iter().map(integer).collect()
}

/// Returns the grid of the axes `kept`.
///
/// As in ITK and `SimpleITK`: the origin moves along the kept axes only, and when the directions that
/// are left are singular the identity takes their place.
fn geometry(grid: &Grid, kept: &[usize], size: &[i64], start: &[i64]) -> Result<Grid, Refusal> {
    let (d, left) = (grid.dims().len(), kept.len());
    let mut direction: Vec<f64> = kept
        .iter()
        .flat_map(|row| kept.iter().map(move |column| (row, column)))
        .map(|(row, column)| grid.direction()[row * d + column])
        .collect();
    if left < d && direction[0] * direction[3] - direction[1] * direction[2] == 0.0 {
        direction = vec![1.0, 0.0, 0.0, 1.0];
    }
    let dims: Vec<usize> = kept.iter().map(|axis| size[*axis] as usize).collect();
    let spacing: Vec<f64> = kept.iter().map(|axis| grid.spacing()[*axis]).collect();
    let moved: Vec<f64> =
        kept.iter().map(|axis| grid.spacing()[*axis] * start[*axis] as f64).collect();
    let origin: Vec<f64> = (0..left)
        .map(|row| {
            let along = (0..left).fold(0.0, |sum, at| sum + direction[row * left + at] * moved[at]);
            grid.origin()[kept[row]] + along
        })
        .collect();
    // Sizes are those of a part, so only the origin can leave what numbers hold.
    Grid::new(&dims, &spacing, &origin, &direction).map_err(|_| Refusal::with(Code::Range, &origin))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::space::sample;

    fn list(items: &[f64]) -> Vec<Value> {
        items.iter().map(|item| Value::Number(*item)).collect()
    }

    fn cut(image: &Value, size: &[f64], start: &[f64]) -> Result<Value, Code> {
        extract(image, &list(size), &list(start)).map_err(|refusal| refusal.code)
    }

    fn image() -> (Value, Value) {
        let grid = Grid::new(
            &[70, 5, 4],
            &[1.0, 2.0, 3.0],
            &[10.0, 20.0, 30.0],
            &[0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        );
        let grid = Arc::new(grid.unwrap());
        let mask = Mask::from_fn(grid.clone(), |x, y, z| (x + 3 * y + 5 * z) % 4 == 1);
        let mut voxels = Buffer::<i16>::zeroed(70 * 5 * 4);
        voxels.iter_mut().enumerate().for_each(|(at, voxel)| *voxel = at as i16);
        let voxels = Voxels::I16(Arc::new(voxels));
        (Value::Mask(mask), Value::Volume(Volume { grid, voxels }))
    }

    #[test]
    fn every_axis_can_be_dropped_and_voxels_keep_their_place() {
        let (mask, volume) = image();
        let Value::Mask(source) = &mask else { panic!("a mask") };
        for (size, start) in [
            ([66.0, 3.0, 2.0], [3.0, 1.0, 2.0]),
            ([0.0, 3.0, 2.0], [65.0, 1.0, 2.0]),
            ([66.0, 0.0, 2.0], [3.0, 1.0, 1.0]),
            ([66.0, 3.0, 0.0], [3.0, 2.0, 3.0]),
        ] {
            let kept: Vec<usize> = (0..3).filter(|axis| size[*axis] != 0.0).collect();
            let place = |x: usize, y: usize, z: usize| {
                let mut at = start.map(|s| s as usize);
                for (axis, by) in kept.iter().zip([x, y, z]) {
                    at[*axis] += by;
                }
                at
            };
            let Value::Mask(got) = cut(&mask, &size, &start).unwrap() else { panic!("a mask") };
            let want = Mask::from_fn(got.grid.clone(), |x, y, z| {
                let [x, y, z] = place(x, y, z);
                source.get(x, y, z)
            });
            assert_eq!(**got.words, **want.words);
            let Value::Volume(got) = cut(&volume, &size, &start).unwrap() else { panic!("i16") };
            let Voxels::I16(voxels) = &got.voxels else { panic!("i16") };
            let [nx, ny, _] = got.grid.shape();
            for (at, voxel) in voxels.iter().enumerate() {
                let [x, y, z] = place(at % nx, at / nx % ny, at / nx / ny);
                assert_eq!(usize::try_from(*voxel).unwrap(), (z * 5 + y) * 70 + x);
            }
        }
    }

    #[test]
    fn the_origin_moves_along_the_kept_axes() {
        let (mask, _) = image();
        let grid = cut(&mask, &[2.0, 2.0, 0.0], &[3.0, 1.0, 2.0]).unwrap();
        let grid = grid.grid().unwrap();
        assert_eq!(grid.origin(), [10.0 - 2.0, 20.0 + 3.0]);
        assert_eq!(grid.direction(), [0.0, -1.0, 1.0, 0.0]);
        let grid = cut(&mask, &[0.0, 2.0, 2.0], &[3.0, 1.0, 2.0]).unwrap();
        let grid = grid.grid().unwrap();
        assert_eq!(grid.origin(), [20.0 + 2.0, 30.0 + 6.0]);
        assert_eq!(grid.direction(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(grid.spacing(), [2.0, 3.0]);
    }

    #[test]
    fn what_lies_outside_or_is_no_box_is_refused() {
        let (mask, _) = image();
        assert_eq!(cut(&mask, &[71.0, 1.0, 1.0], &[0.0; 3]).unwrap_err(), Code::Range);
        assert_eq!(cut(&mask, &[1.0, 1.0, 0.0], &[0.0, 0.0, 4.0]).unwrap_err(), Code::Range);
        assert_eq!(cut(&mask, &[1.0, -1.0, 1.0], &[0.0; 3]).unwrap_err(), Code::Range);
        assert_eq!(cut(&mask, &[1.0, 0.0, 0.0], &[0.0; 3]).unwrap_err(), Code::Dims);
        assert_eq!(cut(&mask, &[1.0, 1.0], &[0.0; 2]).unwrap_err(), Code::Length);
        assert_eq!(cut(&mask, &[1.5, 1.0, 1.0], &[0.0; 3]).unwrap_err(), Code::Integer);
        assert_eq!(cut(&mask, &[1e30, 1.0, 1.0], &[1e30, 0.0, 0.0]).unwrap_err(), Code::Range);
        let flat = Value::Mask(sample::blobs(&[9, 9], &[1.0; 2], 1));
        assert!(cut(&flat, &[2.0, 2.0, 0.0], &[1.0, 1.0, 0.0]).is_ok());
        assert!(cut(&flat, &[2.0, 2.0, 1.0], &[1.0, 1.0, 0.0]).is_ok());
        assert_eq!(cut(&flat, &[2.0, 2.0, 2.0], &[0.0; 3]).unwrap_err(), Code::Length);
    }
}
