//! Voxel types by name and number, and casts.

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::{Volume, VoxelType, Voxels};

/// The names of `SimpleITK`'s voxel types, by their numbers.
const NAMES: [&str; 26] = [
    "sitkInt8",
    "sitkUInt8",
    "sitkInt16",
    "sitkUInt16",
    "sitkInt32",
    "sitkUInt32",
    "sitkInt64",
    "sitkUInt64",
    "sitkFloat32",
    "sitkFloat64",
    "sitkComplexFloat32",
    "sitkComplexFloat64",
    "sitkVectorInt8",
    "sitkVectorUInt8",
    "sitkVectorInt16",
    "sitkVectorUInt16",
    "sitkVectorInt32",
    "sitkVectorUInt32",
    "sitkVectorInt64",
    "sitkVectorUInt64",
    "sitkVectorFloat32",
    "sitkVectorFloat64",
    "sitkLabelUInt8",
    "sitkLabelUInt16",
    "sitkLabelUInt32",
    "sitkLabelUInt64",
];

/// The number of a colour image's type.
const COLOUR: i64 = 20;

/// The name of no voxel type.
const UNKNOWN: &str = "sitkUnknown";

/// Names of kernels and interpolators.
const OTHERS: [(&str, f64); 4] =
    [("sitkBall", 1.0), ("sitkBox", 2.0), ("sitkNearestNeighbor", 1.0), ("sitkLinear", 2.0)];

/// Returns the numbers that have names in the namespace.
pub fn constants() -> impl Iterator<Item = (&'static str, f64)> {
    let types = NAMES.iter().enumerate().map(|(at, name)| (*name, at as f64));
    types.chain([(UNKNOWN, -1.0)]).chain(OTHERS)
}

/// Returns the number of a voxel type.
pub fn id_of(name: &str) -> Option<f64> {
    if name == UNKNOWN {
        return Some(-1.0);
    }
    NAMES.iter().position(|known| *known == name).map(|at| at as f64)
}

/// Returns the number of a voxel type; a text that is no name is refused.
pub fn get_pixel_id(call: &Call<'_>) -> Result<Output, Refusal> {
    let [name] = call.args else { return Err(argument::kind()) };
    let id = id_of(argument::text(name)?).ok_or_else(|| Refusal::new(Code::Format))?;
    Ok(Value::Number(id).into())
}

fn of_id(id: i64) -> Option<VoxelType> {
    Some(match id {
        0 => VoxelType::I8,
        1 => VoxelType::U8,
        2 => VoxelType::I16,
        3 => VoxelType::U16,
        4 => VoxelType::I32,
        5 => VoxelType::U32,
        6 => VoxelType::I64,
        7 => VoxelType::U64,
        8 => VoxelType::F32,
        9 => VoxelType::F64,
        _ => return None,
    })
}

/// Returns an image in another voxel type: integers wrap around, floats are truncated toward zero
/// and stay within an integer type.
pub fn cast(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, id] = call.args else { return Err(argument::kind()) };
    let id = argument::integer(id)?;
    if let Value::Colour(_) = image {
        return if id == COLOUR { Ok(image.clone().into()) } else { Err(argument::kind()) };
    }
    let volume = typed::volume(image)?;
    let kind = of_id(id).ok_or_else(argument::kind)?;
    Ok(typed::image(&volume.grid, converted(&volume, kind)).into())
}

/// Returns the voxels in another type.
#[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "one line for all types")]
pub fn converted(volume: &Volume, kind: VoxelType) -> Voxels {
    if volume.voxels.kind() == kind && kind.is_integer() {
        return volume.voxels.clone();
    }
    each_voxel_type!(&volume.voxels, voxels => {
        let voxels = &voxels[..];
        match kind {
            VoxelType::U8 => typed::map(voxels, |voxel| voxel as u8),
            VoxelType::I8 => typed::map(voxels, |voxel| voxel as i8),
            VoxelType::U16 => typed::map(voxels, |voxel| voxel as u16),
            VoxelType::I16 => typed::map(voxels, |voxel| voxel as i16),
            VoxelType::U32 => typed::map(voxels, |voxel| voxel as u32),
            VoxelType::I32 => typed::map(voxels, |voxel| voxel as i32),
            VoxelType::U64 => typed::map(voxels, |voxel| voxel as u64),
            VoxelType::I64 => typed::map(voxels, |voxel| voxel as i64),
            VoxelType::F32 => typed::map(voxels, |voxel| voxel as f32),
            VoxelType::F64 => typed::map(voxels, |voxel| voxel as f64),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::pool::Buffer;
    use crate::value::grid::Grid;

    #[test]
    fn every_type_has_its_number() {
        assert_eq!(id_of("sitkInt8"), Some(0.0));
        assert_eq!(id_of("sitkUInt8"), Some(1.0));
        assert_eq!(id_of("sitkFloat64"), Some(9.0));
        assert_eq!(id_of("sitkVectorFloat32"), Some(20.0));
        assert_eq!(id_of("sitkLabelUInt64"), Some(25.0));
        assert_eq!(id_of("sitkUnknown"), Some(-1.0));
        assert_eq!(id_of("Int8"), None);
        assert_eq!(id_of("sitkint8"), None);
        for (at, kind) in (0..10).map(|at| (at, of_id(at).unwrap())) {
            let name = NAMES[at as usize].trim_start_matches("sitk").to_lowercase();
            let word = kind.name().replace('f', "float").replace('i', "int").replace('u', "uint");
            assert_eq!(name, word);
        }
    }

    #[test]
    fn casts_wrap_truncate_and_stay() {
        let grid = Arc::new(Grid::plain(&[2, 2]).unwrap());
        let floats = Buffer::copied(&[-1.9f32, 300.0, f32::NAN, 2.9]);
        let floats = Volume { grid: grid.clone(), voxels: Voxels::F32(Arc::new(floats)) };
        let Voxels::U8(got) = converted(&floats, VoxelType::U8) else { panic!("u8") };
        assert_eq!(got[..], [0, 255, 0, 2]);
        let Voxels::I8(got) = converted(&floats, VoxelType::I8) else { panic!("i8") };
        assert_eq!(got[..], [-1, 127, 0, 2]);
        let integers =
            Volume { grid, voxels: Voxels::I16(Arc::new(Buffer::copied(&[-1, 300, 0, 7]))) };
        let Voxels::U8(got) = converted(&integers, VoxelType::U8) else { panic!("u8") };
        assert_eq!(got[..], [255, 44, 0, 7]);
    }
}
