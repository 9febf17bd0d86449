//! TIFF: one image of two axes with origin 0, spacing 1 and identity direction.

use std::io::Cursor;
use std::sync::Arc;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use crate::kernel::format::gzip;
use crate::kernel::format::number::Number;
use crate::kernel::format::png;
use crate::kernel::format::probe::Header;
use crate::pool::Buffer;
use crate::primitive::contract::{Output, Warning};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Colour, Volume, VoxelType, Voxels};

/// What the decoder may take for one piece of a file and for its tables.
const PIECE_BYTES: usize = 1 << 28;

/// Reads the header, which may lie anywhere in the file.
pub fn header(file: &[u8]) -> Result<Header, Refusal> {
    open(file).map(|opened| opened.header)
}

struct Opened<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    header: Header,
}

fn bad(_: TiffError) -> Refusal {
    Refusal::new(Code::Format)
}

fn open(file: &[u8]) -> Result<Opened<'_>, Refusal> {
    let mut decoder = Decoder::new(Cursor::new(file)).map_err(bad)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::MAX;
    limits.intermediate_buffer_size = PIECE_BYTES;
    decoder = decoder.with_limits(limits);
    if decoder.more_images() {
        // Several pages may be slices, or sizes of one picture: nobody says which.
        return Err(Refusal::with(Code::Dims, &[2.0]));
    }
    let (width, height) = decoder.dimensions().map_err(bad)?;
    let dims = [width as usize, height as usize];
    let grid = Grid::plain(&dims)
        .map_err(|_| Refusal::with(Code::Dims, &[f64::from(width), f64::from(height)]))?;
    let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(bad)?;
    let format = format.and_then(|all| all.first().copied()).unwrap_or(1);
    let (voxels, colour) = match decoder.colortype().map_err(bad)? {
        ColorType::Gray(bits) => (kind(format, bits)?, None),
        ColorType::RGB(_) => (VoxelType::F32, Some(3)),
        ColorType::RGBA(_) => (VoxelType::F32, Some(4)),
        // Palettes, CMYK, grey with alpha and the rest.
        _ => return Err(Refusal::new(Code::Format)),
    };
    let len = grid.voxels() * colour.unwrap_or(1) * voxels.size();
    if !gzip::can_hold(file, len) {
        return Err(Refusal::with(Code::Format, &[file.len() as f64, len as f64]));
    }
    let header = Header { grid: Arc::new(grid), frames: None, voxels, colour };
    Ok(Opened { decoder, header })
}

fn kind(format: u16, bits: u8) -> Result<VoxelType, Refusal> {
    Ok(match (format, bits) {
        (1, 1..=8) => VoxelType::U8,
        (1, 16) => VoxelType::U16,
        (1, 32) => VoxelType::U32,
        (1, 64) => VoxelType::U64,
        (2, 8) => VoxelType::I8,
        (2, 16) => VoxelType::I16,
        (2, 32) => VoxelType::I32,
        (2, 64) => VoxelType::I64,
        (3, 32) => VoxelType::F32,
        (3, 64) => VoxelType::F64,
        _ => return Err(Refusal::with(Code::Format, &[f64::from(format), f64::from(bits)])),
    })
}

/// Reads an image: grey keeps its type, colour becomes f32; every NaN is the one NaN.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let Opened { mut decoder, header } = open(file)?;
    let numbers = decoder.read_image().map_err(bad)?;
    let value = match numbers {
        DecodingResult::U8(numbers) => image(&header, &numbers),
        DecodingResult::U16(numbers) => image(&header, &numbers),
        DecodingResult::U32(numbers) => image(&header, &numbers),
        DecodingResult::U64(numbers) => image(&header, &numbers),
        DecodingResult::I8(numbers) => image(&header, &numbers),
        DecodingResult::I16(numbers) => image(&header, &numbers),
        DecodingResult::I32(numbers) => image(&header, &numbers),
        DecodingResult::I64(numbers) => image(&header, &numbers),
        DecodingResult::F32(numbers) => image(&header, &numbers),
        DecodingResult::F64(numbers) => image(&header, &numbers),
        DecodingResult::F16(_) => None,
    };
    value.map(Output::from).ok_or(Refusal::new(Code::Format))
}

fn image<T: Number>(header: &Header, numbers: &[T]) -> Option<Value> {
    let grid = Arc::clone(&header.grid);
    if numbers.len() != grid.voxels() * header.colour.unwrap_or(1) {
        return None;
    }
    if let Some(components) = header.colour {
        let mut voxels = Buffer::<f32>::take(numbers.len());
        for (out, number) in voxels.iter_mut().zip(numbers) {
            *out = (number.to_f64() as f32).one_nan();
        }
        return Some(Value::Colour(Colour { grid, components, voxels: Arc::new(voxels) }));
    }
    let mut voxels = Buffer::<T>::take(numbers.len());
    for (out, number) in voxels.iter_mut().zip(numbers) {
        *out = number.one_nan();
    }
    let voxels = T::voxels(voxels);
    (voxels.kind() == header.voxels).then_some(Value::Volume(Volume { grid, voxels }))
}

/// Returns the file of an image of two axes, not packed, and how many voxels had to change to fit.
///
/// Numbers keep their type; masks are 0 and 255; colours are rounded to bytes as in PNG.
pub fn write(value: &Value) -> Result<(Vec<u8>, Vec<Warning>), Refusal> {
    let grid = value.grid().ok_or(Refusal::new(Code::Kind))?;
    let dims = grid.dims();
    if dims.len() != 2 {
        return Err(Refusal::with(Code::Dims, &[dims.len() as f64, 2.0]));
    }
    let too_large = || Refusal::with(Code::Size, &[dims[0] as f64, dims[1] as f64]);
    let width = u32::try_from(dims[0]).map_err(|_| too_large())?;
    let height = u32::try_from(dims[1]).map_err(|_| too_large())?;
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut out).map_err(|_| too_large())?;
    let mut warnings = Vec::new();
    macro_rules! put {
        ($color:ident, $numbers:expr) => {
            encoder.write_image::<colortype::$color>(width, height, $numbers)
        };
    }
    let done = match value {
        Value::Volume(volume) => match &volume.voxels {
            Voxels::U8(numbers) => put!(Gray8, numbers),
            Voxels::I8(numbers) => put!(GrayI8, numbers),
            Voxels::U16(numbers) => put!(Gray16, numbers),
            Voxels::I16(numbers) => put!(GrayI16, numbers),
            Voxels::U32(numbers) => put!(Gray32, numbers),
            Voxels::I32(numbers) => put!(GrayI32, numbers),
            Voxels::U64(numbers) => put!(Gray64, numbers),
            Voxels::I64(numbers) => put!(GrayI64, numbers),
            Voxels::F32(numbers) => put!(Gray32Float, numbers),
            Voxels::F64(numbers) => put!(Gray64Float, numbers),
        },
        Value::Mask(_) | Value::Colour(_) => {
            let (bytes, clamped) = png::bytes(value)?;
            if clamped > 0 {
                warnings.push(Warning { code: "clamped", count: clamped });
            }
            match value {
                Value::Colour(colour) if colour.components == 4 => put!(RGBA8, &bytes),
                Value::Colour(_) => put!(RGB8, &bytes),
                _ => put!(Gray8, &bytes),
            }
        }
        _ => return Err(Refusal::new(Code::Kind)),
    };
    done.map_err(|_| too_large())?;
    Ok((out.into_inner(), warnings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::format::sample;

    fn flat() -> impl Iterator<Item = Value> {
        sample::images().into_iter().filter(|value| value.grid().unwrap().dims().len() == 2)
    }

    #[test]
    fn images_come_back() {
        for value in flat().filter(|value| !matches!(value, Value::Mask(_))) {
            let (file, warnings) = write(&value).unwrap();
            assert!(warnings.is_empty());
            let back = read(&file).unwrap().value;
            assert_eq!(back.grid().unwrap().dims(), value.grid().unwrap().dims());
            assert_eq!(back.grid().unwrap(), &header(&file).unwrap().grid);
            let bytes = |value: &Value| match value {
                Value::Volume(volume) => volume.voxels.bytes().to_vec(),
                Value::Colour(colour) => bytemuck::cast_slice(&colour.voxels).to_vec(),
                _ => panic!("no image"),
            };
            assert_eq!(bytes(&back), bytes(&value));
        }
    }

    #[test]
    fn cut_files_are_refused_and_hostile_ones_take_no_memory() {
        let value = flat().next().unwrap();
        let file = write(&value).unwrap().0;
        for at in 0..file.len() - 1 {
            // The directory lies last, so that a cut file has none.
            assert!(read(&file[..at]).is_err(), "cut at {at}");
        }
        for at in 0..file.len() {
            for to in [0, 1, 0x7f, 0xff] {
                let mut file = file.clone();
                file[at] = to;
                if let Ok(output) = read(&file) {
                    let header = header(&file).unwrap();
                    assert_eq!(output.value.grid().unwrap(), &header.grid);
                }
            }
        }
        let deep = sample::images().remove(0);
        assert_eq!(write(&deep).unwrap_err().code, Code::Dims);
    }
}
