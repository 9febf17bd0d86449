//! Images for the tests of formats: every voxel type, colours, masks, two and three axes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use crate::kernel::format::number::Number as _;
use crate::pool::Buffer;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::{Colour, Volume, VoxelType, Voxels};
use crate::with_voxel_type;

/// Makes the images, a u8 of three axes first.
pub(super) fn images() -> Vec<Value> {
    let skew = [0.0, -1.0, 0.0, 0.6, 0.0, 0.8, 0.8, 0.0, -0.6];
    let deep = Grid::new(&[5, 4, 3], &[0.7, 1.0, 3.3], &[-12.5, 0.0, 1e3], &skew).unwrap();
    let flat = Grid::new(&[65, 2], &[0.5, 0.25], &[1.0, -1.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let mut all = Vec::new();
    for grid in [Arc::new(deep), Arc::new(flat)] {
        for kind in VoxelType::ALL {
            let bytes: Vec<u8> =
                (0..grid.voxels() * kind.size()).map(|at| (at * 37 % 120) as u8).collect();
            let voxels = with_voxel_type!(kind, T => {
                let mut buffer = Buffer::<T>::take(grid.voxels());
                bytemuck::cast_slice_mut(&mut buffer).copy_from_slice(&bytes);
                T::voxels(buffer)
            });
            all.push(Value::Volume(Volume { grid: Arc::clone(&grid), voxels }));
        }
        all.push(Value::Mask(Mask::from_fn(Arc::clone(&grid), |x, y, z| (x + y * z) % 3 == 1)));
        for components in [3, 4] {
            let voxels: Vec<f32> =
                (0..grid.voxels() * components).map(|at| (at * 37 % 256) as f32).collect();
            let voxels = Arc::new(Buffer::copied(&voxels));
            all.push(Value::Colour(Colour { grid: Arc::clone(&grid), components, voxels }));
        }
    }
    all
}

/// Returns the image that a file without masks gives back: u8 of 0 and 1.
pub(super) fn without_mask(value: &Value) -> Value {
    let Value::Mask(mask) = value else { return value.clone() };
    let [nx, ny, nz] = mask.grid.shape();
    let voxels: Vec<u8> = (0..nx * ny * nz)
        .map(|at| u8::from(mask.get(at % nx, at / nx % ny, at / nx / ny)))
        .collect();
    let voxels = Voxels::U8(Arc::new(Buffer::copied(&voxels)));
    Value::Volume(Volume { grid: Arc::clone(&mask.grid), voxels })
}
