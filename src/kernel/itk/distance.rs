//! The signed distance, squared or not, in voxels or mm.

use crate::each_voxel_type;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::space::distance::measured;
use crate::kernel::space::weight::Metric;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::Volume;

/// Returns the distance to the nearest voxel that is not background; inside, to the nearest contour
/// voxel, with the other sign. The contour is -0.0, or 0.0 where inside is positive.
///
/// Where there is no contour, distances are the greatest f32 or its root; the root has the sign of
/// its voxel, the square has none, as in ITK.
pub fn signed_maurer(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::integers_at(args, 0)?;
    let is_positive = typed::truth_at(args, 1)?;
    let squared = typed::truth_at(args, 2)?;
    let in_mm = typed::truth_at(args, 3)?;
    let mask = each_voxel_type!(&volume.voxels, voxels => object(&volume, voxels, args)?);
    let mut metric = if in_mm {
        Metric::of(&volume.grid)?
    } else {
        // The dims are those of a grid already.
        Metric::of(&Grid::plain(volume.grid.dims()).expect("dims of a grid make a grid"))?
    };
    metric.squared = squared;
    let count = mask.count();
    let is_whole = count == 0 || count == volume.grid.voxels() as u64;
    let mm = measured(&mask, &metric);
    let voxels = bytemuck::cast_slice::<u8, f32>(mm.voxels.bytes());
    let voxels = typed::map(voxels, |mm: f32| match (is_whole && squared, is_positive) {
        (true, _) => f32::MAX,
        (false, true) => -mm,
        (false, false) => mm,
    });
    Ok(typed::image(&volume.grid, voxels).into())
}

fn object<T: Voxel>(volume: &Volume, voxels: &[T], args: &[Value]) -> Result<Mask, Refusal> {
    let background = typed::scalar_at::<T>(args, 4)?;
    Ok(typed::packed(&volume.grid, voxels, |voxel| voxel != background))
}
