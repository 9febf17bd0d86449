//! The `.npy` of `NumPy`: an array whose last axis is x, as `SimpleITK.GetArrayFromImage` has it.
//!
//! The grid is a plain one, for the format has no place for it.

use std::sync::Arc;

use crate::kernel::format::number::{Number, Order};
use crate::kernel::format::probe::Header;
use crate::pool::Buffer;
use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Volume, VoxelType};
use crate::with_voxel_type;

/// What a file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// What the header says, and where the numbers begin.
struct Layout {
    grid: Grid,
    kind: VoxelType,
    order: Order,
    /// Is the first axis the one that runs fastest?
    fortran: bool,
    start: usize,
}

/// Reads the header.
pub fn header(file: &[u8]) -> Result<Header, Refusal> {
    let layout = layout(file).ok_or(Refusal::new(Code::Format))?;
    Ok(Header { grid: Arc::new(layout.grid), frames: None, voxels: layout.kind, colour: None })
}

/// Reads an array of two or three axes; booleans become u8, every NaN the one NaN.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let layout = layout(file).ok_or(Refusal::new(Code::Format))?;
    let len = layout.grid.voxels() * layout.kind.size();
    let bytes = file.get(layout.start..).filter(|bytes| bytes.len() == len);
    let have = file.len() - layout.start.min(file.len());
    let bytes = bytes.ok_or(Refusal::with(Code::Format, &[have as f64, len as f64]))?;
    let voxels = with_voxel_type!(layout.kind, T => {
        let mut buffer = Buffer::<T>::take(layout.grid.voxels());
        bytemuck::cast_slice_mut(&mut buffer).copy_from_slice(bytes);
        T::voxels(settled(buffer, &layout))
    });
    Ok(Value::Volume(Volume { grid: Arc::new(layout.grid), voxels }).into())
}

fn settled<T: Number>(mut buffer: Buffer<T>, layout: &Layout) -> Buffer<T> {
    for number in buffer.iter_mut() {
        if layout.order == Order::Big {
            *number = number.swapped();
        }
        *number = number.one_nan();
    }
    if !layout.fortran {
        return buffer;
    }
    let [nx, ny, nz] = layout.grid.shape();
    let mut turned = Buffer::take(buffer.len());
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                turned[(z * ny + y) * nx + x] = buffer[(x * ny + y) * nz + z];
            }
        }
    }
    turned
}

fn layout(file: &[u8]) -> Option<Layout> {
    let rest = file.strip_prefix(MAGIC)?;
    let (head, text): (usize, usize) = match rest.first()? {
        1 => (4, u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?) as usize),
        2 | 3 => (6, u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?) as usize),
        _ => return None,
    };
    let text = std::str::from_utf8(rest.get(head..head.checked_add(text)?)?).ok()?;
    let start = MAGIC.len() + head + text.len();
    let descr = field(text, "descr")?.trim_matches(['\'', '"']);
    let (mark, name) = descr.split_at_checked(1)?;
    let order = match mark {
        "<" | "|" => Order::Little,
        ">" => Order::Big,
        _ => return None,
    };
    let kind = match name {
        "b1" | "u1" => VoxelType::U8,
        "i1" => VoxelType::I8,
        "u2" => VoxelType::U16,
        "i2" => VoxelType::I16,
        "u4" => VoxelType::U32,
        "i4" => VoxelType::I32,
        "u8" => VoxelType::U64,
        "i8" => VoxelType::I64,
        "f4" => VoxelType::F32,
        "f8" => VoxelType::F64,
        _ => return None,
    };
    let fortran = match field(text, "fortran_order")? {
        "False" => false,
        "True" => true,
        _ => return None,
    };
    let shape = field(text, "shape")?.strip_prefix('(')?.strip_suffix(')')?;
    let mut dims: Vec<usize> = Vec::new();
    for part in shape.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        dims.push(part.parse().ok()?);
    }
    dims.reverse();
    Some(Layout { grid: Grid::plain(&dims).ok()?, kind, order, fortran, start })
}

/// Returns the text of one field of the dict, which is written as Python does.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(&format!("'{name}'"))?;
    let value = text[at + name.len() + 2..].trim_start().strip_prefix(':')?.trim_start();
    let end = if value.starts_with('(') { value.find(')')? + 1 } else { value.find([',', '}'])? };
    Some(value[..end].trim())
}

/// Returns the file of an image; a mask is an array of booleans.
pub fn write(value: &Value) -> Result<Vec<u8>, Refusal> {
    let (grid, descr) = match value {
        Value::Mask(mask) => (&mask.grid, "|b1"),
        Value::Volume(volume) => (&volume.grid, descr(volume.voxels.kind())),
        _ => return Err(Refusal::new(Code::Kind)),
    };
    let shape: Vec<String> = grid.dims().iter().rev().map(ToString::to_string).collect();
    let mut text = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        shape.join(", ")
    );
    // The numbers begin at a multiple of 64 (NEP 1), behind a newline.
    while !(MAGIC.len() + 4 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    match value {
        Value::Mask(mask) => {
            for row in mask.words.chunks_exact(grid.row_words()) {
                let bits = (0..grid.dims()[0]).map(|x| (row[x / 64] >> (x % 64) & 1) as u8);
                out.extend(bits);
            }
        }
        Value::Volume(volume) => out.extend_from_slice(volume.voxels.bytes()),
        _ => {}
    }
    Ok(out)
}

fn descr(kind: VoxelType) -> &'static str {
    match kind {
        VoxelType::U8 => "|u1",
        VoxelType::I8 => "|i1",
        VoxelType::U16 => "<u2",
        VoxelType::I16 => "<i2",
        VoxelType::U32 => "<u4",
        VoxelType::I32 => "<i4",
        VoxelType::U64 => "<u8",
        VoxelType::I64 => "<i8",
        VoxelType::F32 => "<f4",
        VoxelType::F64 => "<f8",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let text =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(numbers);
        out
    }

    fn numbers(file: &[u8]) -> (Vec<usize>, Vec<u8>) {
        let Value::Volume(volume) = read(file).unwrap().value else { panic!() };
        (volume.grid.dims().to_vec(), volume.voxels.bytes().to_vec())
    }

    #[test]
    fn the_last_axis_is_x_in_either_order() {
        let want = (vec![3, 2], vec![1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers(&file("|u1", "False", "(2, 3)", &[1, 2, 3, 4, 5, 6])), want);
        assert_eq!(numbers(&file("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6])), want);
        assert_eq!(numbers(&file(">u2", "False", "(1, 1)", &[1, 2])), (vec![1, 1], vec![2, 1]));
    }

    #[test]
    fn what_is_written_is_read() {
        let grid = Arc::new(Grid::plain(&[3, 2, 2]).unwrap());
        let voxels: Vec<f32> = (0..12u8).map(f32::from).collect();
        let volume = Value::Volume(Volume::f32(grid, Buffer::copied(&voxels)));
        let bytes = write(&volume).unwrap();
        assert_eq!(numbers(&bytes), (vec![3, 2, 2], bytemuck::cast_slice(&voxels).to_vec()));
        assert_eq!((bytes.len() - 48) % 64, 0);
    }

    #[test]
    fn lies_and_other_arrays_are_refused() {
        for bad in [
            file("|u1", "False", "(2, 3)", &[1]),
            file("|u1", "False", "(2, 3)", &[1; 7]),
            file("|u1", "False", "(99999999999, 99999999999)", &[1]),
            file("<c8", "False", "(1, 1)", &[0; 8]),
            file("|u1", "False", "(6,)", &[0; 6]),
            file("|O", "False", "(1, 1)", &[0; 8]),
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
        ] {
            assert_eq!(read(&bad).unwrap_err().code, Code::Format);
        }
    }
}
