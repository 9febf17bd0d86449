//! From images to a `.nii` file.
//!
//! The header is made from the grid and the type alone, and says nothing of time, host or program, so
//! that equal images make equal files.

use crate::kernel::format::nifti::place;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::VoxelType;

const OFFSET: usize = 352;
const INTENT_LABEL: i16 = 1002;
const INTENT_VECTOR: i16 = 1007;
/// The eight voxels of a byte of a mask.
static SPREAD: [[u8; 8]; 256] = spread();

const fn spread() -> [[u8; 8]; 256] {
    let mut all = [[0; 8]; 256];
    let mut at = 0;
    while at < 256 * 8 {
        all[at / 8][at % 8] = ((at / 8) >> (at % 8) & 1) as u8;
        at += 1;
    }
    all
}

/// Returns the file of an image.
///
/// A mask is u8 of 0 and 1 with the intent of a label; a colour image has its components along the
/// fifth axis. Axes of more than 32,767 voxels do not fit the format.
pub fn write(value: &Value) -> Result<Vec<u8>, Refusal> {
    match value {
        Value::Mask(mask) => {
            let mut out = header(&mask.grid, VoxelType::U8, 1, INTENT_LABEL, 1.0)?;
            let nx = mask.grid.dims()[0];
            out.reserve_exact(mask.grid.voxels() + 8);
            for row in mask.words.chunks_exact(mask.grid.row_words()) {
                let end = out.len() + nx;
                for byte in row.iter().flat_map(|word| word.to_le_bytes()).take(nx.div_ceil(8)) {
                    out.extend_from_slice(&SPREAD[byte as usize]);
                }
                // The last byte of a row may be wider than the row.
                out.truncate(end);
            }
            Ok(out)
        }
        Value::Volume(volume) => {
            let mut out = header(&volume.grid, volume.voxels.kind(), 1, 0, 0.0)?;
            out.extend_from_slice(volume.voxels.bytes());
            Ok(out)
        }
        Value::Colour(colour) => {
            let parts = colour.components;
            let mut out = header(&colour.grid, VoxelType::F32, parts, INTENT_VECTOR, 0.0)?;
            out.reserve_exact(colour.voxels.len() * 4);
            for component in 0..parts {
                for x in colour.voxels[component..].iter().step_by(parts) {
                    out.extend_from_slice(&x.to_le_bytes());
                }
            }
            Ok(out)
        }
        _ => Err(Refusal::new(Code::Kind)),
    }
}

fn datatype(kind: VoxelType) -> i16 {
    match kind {
        VoxelType::U8 => 2,
        VoxelType::I16 => 4,
        VoxelType::I32 => 8,
        VoxelType::F32 => 16,
        VoxelType::F64 => 64,
        VoxelType::I8 => 256,
        VoxelType::U16 => 512,
        VoxelType::U32 => 768,
        VoxelType::I64 => 1024,
        VoxelType::U64 => 1280,
    }
}

fn header(
    grid: &Grid,
    kind: VoxelType,
    components: usize,
    intent: i16,
    cal_max: f32,
) -> Result<Vec<u8>, Refusal> {
    let mut out = vec![0; OFFSET];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    let mut dim = [1i16; 8];
    for (at, n) in grid.dims().iter().enumerate() {
        dim[at + 1] = i16::try_from(*n)
            .map_err(|_| Refusal::with(Code::Size, &[*n as f64, f64::from(i16::MAX)]))?;
    }
    dim[0] = grid.dims().len() as i16;
    let fields = place::fields(grid);
    let mut pixdim = fields.pixdim.to_vec();
    pixdim.resize(8, 1.0);
    if components > 1 {
        dim[0] = 5;
        dim[5] = components as i16;
        if grid.dims().len() == 2 {
            // The reader knows by this that there is no third axis.
            pixdim[3] = 0.0;
        }
    }
    put(0, &348i32.to_le_bytes());
    put(38, b"r");
    for (at, n) in dim.iter().enumerate() {
        put(40 + 2 * at, &n.to_le_bytes());
    }
    put(68, &intent.to_le_bytes());
    put(70, &datatype(kind).to_le_bytes());
    put(72, &(8 * kind.size() as i16).to_le_bytes());
    let mut floats = |at: usize, numbers: &[f64]| {
        for (n, number) in numbers.iter().enumerate() {
            put(at + 4 * n, &(*number as f32).to_le_bytes());
        }
    };
    floats(76, &pixdim);
    floats(108, &[OFFSET as f64, 1.0, 0.0]);
    floats(124, &[f64::from(cal_max)]);
    floats(256, &fields.quatern);
    floats(268, &fields.qoffset);
    for (row, numbers) in fields.srow.iter().enumerate() {
        floats(280 + 16 * row, numbers);
    }
    put(123, &[2]);
    put(252, &(fields.qform_code as i16).to_le_bytes());
    put(254, &(fields.sform_code as i16).to_le_bytes());
    put(344, b"n+1\0");
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode::encode;
    use crate::kernel::format::gzip::gzip;
    use crate::kernel::format::nifti::read::read;
    use crate::kernel::format::number::{self, Number as _};
    use crate::pool::Buffer;
    use crate::primitive::contract::Output;
    use crate::value::mask::Mask;
    use crate::value::volume::{Colour, Volume};
    use crate::with_voxel_type;

    fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn volume(output: Output) -> Volume {
        let Value::Volume(volume) = output.value else { panic!("no number image") };
        volume
    }

    fn name(value: &Value) -> String {
        encode(value).digest().to_string()
    }

    fn a_value() -> impl Strategy<Value = Value> {
        let dims = proptest::collection::vec(1usize..70, 2..=3)
            .prop_filter("small", |dims| dims.iter().product::<usize>() < 9_000);
        let turns = proptest::sample::select(vec![[0usize, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1]]);
        (dims, 0usize..13, any::<u32>(), turns, any::<[bool; 3]>()).prop_map(
            |(dims, kind, seed, turn, flip)| {
                let d = dims.len();
                let mut direction = vec![0.0; d * d];
                for row in 0..d {
                    // Two axes are turned among themselves only.
                    let column = if d == 2 { row ^ (turn[0] & 1) } else { turn[row] };
                    direction[row * d + column] = if flip[row] { -1.0 } else { 1.0 };
                }
                let spacing: Vec<f64> = [0.5, 1.25, 3.0][..d].to_vec();
                let grid = Grid::new(&dims, &spacing, &[-1.5, 2.0, 0.25][..d], &direction).unwrap();
                let (n, grid) = (grid.voxels(), Arc::new(grid));
                if kind == 12 {
                    let truth = |x: usize, y: usize, z: usize| {
                        (seed as usize ^ (x * 7 + y * 3 + z)).is_multiple_of(3)
                    };
                    return Value::Mask(Mask::from_fn(grid, truth));
                }
                if kind > 9 {
                    let components = kind - 7;
                    let numbers: Vec<f32> =
                        (0..n * components).map(|at| (at as f32) - (seed as f32)).collect();
                    let voxels = Arc::new(Buffer::copied(&numbers));
                    return Value::Colour(Colour { grid, components, voxels });
                }
                let voxels = with_voxel_type!(VoxelType::ALL[kind], T => {
                    let mut buffer = Buffer::<T>::take(n);
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut buffer);
                    for (at, byte) in bytes.iter_mut().enumerate() {
                        *byte = (at as u32).wrapping_mul(seed | 1).to_le_bytes()[2];
                    }
                    number::settle(&mut buffer, number::Order::Little);
                    T::voxels(buffer)
                });
                Value::Volume(Volume { grid, voxels })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn what_is_written_is_read(value in a_value()) {
            let file = write(&value).unwrap();
            for file in [&file[..], &gzip(&file)] {
                let output = read(&[file], None).unwrap();
                prop_assert_eq!(&output.warnings, &[]);
                if let Value::Mask(mask) = &value {
                    let image = volume(output);
                    prop_assert_eq!(&image.grid, &mask.grid);
                    let [nx, ny, _] = mask.grid.shape();
                    for (at, byte) in image.voxels.bytes().iter().enumerate() {
                        let truth = mask.get(at % nx, at / nx % ny, at / nx / ny);
                        prop_assert_eq!(*byte, u8::from(truth));
                    }
                } else {
                    prop_assert_eq!(name(&output.value), name(&value));
                }
            }
        }

        #[test]
        fn the_quaternion_says_what_the_rows_say(value in a_value(), angle in -3.0f64..3.0) {
            let grid = value.grid().unwrap();
            let d = grid.dims().len();
            // Turns the axes in the plane of the first two world axes.
            let (sin, cos) = angle.sin_cos();
            let mut direction = grid.direction().to_vec();
            for column in 0..d {
                let (x, y) = (grid.direction()[column], grid.direction()[d + column]);
                direction[column] = cos * x - sin * y;
                direction[d + column] = sin * x + cos * y;
            }
            let turned =
                Grid::new(grid.dims(), grid.spacing(), grid.origin(), &direction).unwrap();
            let mut file = write(&Value::Mask(Mask::constant(Arc::new(turned.clone()), true))).unwrap();
            let rows = volume(read(&[&file], None).unwrap());
            put(&mut file, 254, &[0, 0]);
            let quaternion = volume(read(&[&file], None).unwrap());
            prop_assert!(rows.grid.meets(&turned));
            prop_assert!(quaternion.grid.meets(&turned), "{:?} {:?}", quaternion.grid, turned);
        }
    }

    #[test]
    fn a_mask_is_a_label_image_and_long_axes_do_not_fit() {
        let mask = |nx| {
            let grid = Arc::new(Grid::plain(&[nx, 1]).unwrap());
            write(&Value::Mask(Mask::constant(grid, true)))
        };
        let file = mask(3).unwrap();
        assert_eq!(file.len(), 355);
        assert_eq!(file[68..74], [0xea, 3, 2, 0, 8, 0]);
        assert_eq!(file[124..128], 1f32.to_le_bytes());
        assert_eq!(mask(40_000).unwrap_err().code, Code::Size);
        assert_eq!(write(&Value::Null).unwrap_err().code, Code::Kind);
    }
}
