//! PNG: images of two axes with origin 0, spacing 1 and identity direction.

use std::io::Cursor;
use std::sync::Arc;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Reader, Transformations};

use crate::each_voxel_type;
use crate::kernel::format::gzip;
use crate::kernel::format::number::Number as _;
use crate::kernel::format::probe::Header;
use crate::pool::Buffer;
use crate::primitive::contract::{Output, Warning};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Colour, Volume, VoxelType, Voxels};

/// What the decoder may take for itself; the voxels come on top.
const DECODER_BYTES: usize = 1 << 26;

/// Reads the header; all chunks before the first of data must be there.
pub fn header(file: &[u8]) -> Result<Header, Refusal> {
    let reader = open(file)?;
    let info = reader.info();
    let grid = Grid::plain(&[info.width as usize, info.height as usize])
        .map_err(|_| Refusal::with(Code::Dims, &[f64::from(info.width), f64::from(info.height)]))?;
    let (voxels, colour) = match (info.color_type, reader.output_color_type()) {
        (_, (ColorType::Rgb, _)) => (VoxelType::F32, Some(3)),
        (_, (ColorType::Rgba, _)) => (VoxelType::F32, Some(4)),
        (ColorType::Grayscale, (_, BitDepth::Sixteen)) => (VoxelType::U16, None),
        (ColorType::Grayscale, _) => (VoxelType::U8, None),
        // Grey with alpha has two components, which no reader of images here takes.
        _ => return Err(Refusal::with(Code::Format, &[2.0])),
    };
    Ok(Header { grid: Arc::new(grid), frames: None, voxels, colour })
}

/// Reads an image: grey as u8 or u16 (1, 2 and 4 bits are stretched to 8), colour and palettes as f32
/// of 0 to 255, or to 65535.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let bad = || Refusal::new(Code::Format);
    let header = header(file)?;
    let mut reader = open(file)?;
    let len = reader.output_buffer_size().ok_or_else(bad)?;
    if !gzip::can_hold(file, len) {
        return Err(Refusal::with(Code::Format, &[file.len() as f64, len as f64]));
    }
    let mut bytes = Buffer::<u8>::take(len);
    let frame = reader.next_frame(&mut bytes).map_err(|_| bad())?;
    let wide = frame.bit_depth == BitDepth::Sixteen;
    // A transparent grey comes as grey and alpha; the grey is the image.
    let stored = frame.color_type.samples();
    let count = header.grid.voxels();
    if frame.buffer_size() != count * stored * if wide { 2 } else { 1 } {
        return Err(bad());
    }
    let bytes = &bytes[..frame.buffer_size()];
    let grid = header.grid;
    Ok(Output::from(if let Some(components) = header.colour {
        let mut voxels = Buffer::<f32>::take(count * components);
        if wide {
            for (out, pair) in voxels.iter_mut().zip(bytes.chunks_exact(2)) {
                *out = f32::from(u16::from_be_bytes([pair[0], pair[1]]));
            }
        } else {
            for (out, byte) in voxels.iter_mut().zip(bytes) {
                *out = f32::from(*byte);
            }
        }
        Value::Colour(Colour { grid, components, voxels: Arc::new(voxels) })
    } else if wide {
        let mut voxels = Buffer::<u16>::take(count);
        for (out, pair) in voxels.iter_mut().zip(bytes.chunks_exact(2 * stored)) {
            *out = u16::from_be_bytes([pair[0], pair[1]]);
        }
        Value::Volume(Volume { grid, voxels: Voxels::U16(Arc::new(voxels)) })
    } else {
        let mut voxels = Buffer::<u8>::take(count);
        for (out, pixel) in voxels.iter_mut().zip(bytes.chunks_exact(stored)) {
            *out = pixel[0];
        }
        Value::Volume(Volume { grid, voxels: Voxels::U8(Arc::new(voxels)) })
    }))
}

fn open(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Refusal> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: DECODER_BYTES });
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info().map_err(|_| Refusal::new(Code::Format))
}

/// Returns the file of an image of two axes, and how many voxels had to change to fit.
///
/// Masks are 0 and 255; u8 and u16 stay; other numbers and colours are rounded half to even and
/// clamped to 0..255, NaN to 0.
pub fn write(value: &Value) -> Result<(Vec<u8>, Vec<Warning>), Refusal> {
    let grid = value.grid().ok_or(Refusal::new(Code::Kind))?;
    let dims = grid.dims();
    if dims.len() != 2 {
        return Err(Refusal::with(Code::Dims, &[dims.len() as f64, 2.0]));
    }
    let (bytes, clamped) = bytes(value)?;
    let (colour, depth) = match value {
        Value::Volume(Volume { voxels: Voxels::U16(_), .. }) => {
            (ColorType::Grayscale, BitDepth::Sixteen)
        }
        Value::Colour(colour) if colour.components == 4 => (ColorType::Rgba, BitDepth::Eight),
        Value::Colour(_) => (ColorType::Rgb, BitDepth::Eight),
        _ => (ColorType::Grayscale, BitDepth::Eight),
    };
    let too_large = |_| Refusal::with(Code::Size, &[dims[0] as f64, dims[1] as f64]);
    let width = u32::try_from(dims[0]).map_err(too_large)?;
    let height = u32::try_from(dims[1]).map_err(too_large)?;
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Balanced);
    let too_large = |_| Refusal::with(Code::Size, &[dims[0] as f64, dims[1] as f64]);
    let mut writer = encoder.write_header().map_err(too_large)?;
    writer.write_image_data(&bytes).map_err(too_large)?;
    writer.finish().map_err(too_large)?;
    let warnings =
        if clamped > 0 { vec![Warning { code: "clamped", count: clamped }] } else { Vec::new() };
    Ok((out, warnings))
}

/// Returns the samples of an image, of two bytes for u16, and how many voxels had to change to fit.
pub fn bytes(value: &Value) -> Result<(Vec<u8>, u64), Refusal> {
    let mut clamped = 0;
    let bytes = match value {
        Value::Mask(mask) => {
            let nx = mask.grid.dims()[0];
            let mut bytes = Vec::with_capacity(mask.grid.voxels());
            for row in mask.words.chunks_exact(mask.grid.row_words()) {
                bytes.extend((0..nx).map(|x| (row[x / 64] >> (x % 64) & 1) as u8 * 255));
            }
            bytes
        }
        Value::Volume(volume) => match &volume.voxels {
            Voxels::U8(voxels) => voxels.to_vec(),
            Voxels::U16(voxels) => voxels.iter().flat_map(|x| x.to_be_bytes()).collect(),
            voxels => each_voxel_type!(voxels, buffer => {
                buffer.iter().map(|x| {
                    let (byte, fits) = byte(x.to_f64());
                    clamped += u64::from(!fits);
                    byte
                }).collect()
            }),
        },
        Value::Colour(colour) => {
            let mut bytes = Vec::with_capacity(colour.voxels.len());
            for voxel in colour.voxels.chunks_exact(colour.components) {
                let mut all_fit = true;
                for x in voxel {
                    let (byte, fits) = byte(f64::from(*x));
                    bytes.push(byte);
                    all_fit &= fits;
                }
                clamped += u64::from(!all_fit);
            }
            bytes
        }
        _ => return Err(Refusal::new(Code::Kind)),
    };
    Ok((bytes, clamped))
}

/// Returns the byte nearest to a number, and whether the number lay among bytes.
fn byte(number: f64) -> (u8, bool) {
    let rounded = number.round_ties_even();
    (rounded as u8, (0.0..=255.0).contains(&rounded))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode::encode;
    use crate::value::mask::Mask;

    fn grid(nx: usize, ny: usize) -> Arc<Grid> {
        Arc::new(Grid::plain(&[nx, ny]).unwrap())
    }

    fn same(a: &Value, b: &Value) -> bool {
        encode(a).digest() == encode(b).digest()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn images_come_back(nx in 1usize..70, ny in 1usize..9, seed in any::<u16>(), kind in 0..4) {
            let n = nx * ny;
            let number = |at: usize| (at as u16).wrapping_mul(seed);
            let floats = |n: usize| {
                let all: Vec<f32> = (0..n).map(|at| f32::from(number(at) as u8)).collect();
                Arc::new(Buffer::copied(&all))
            };
            let bytes: Vec<u8> = (0..n).map(|at| number(at) as u8).collect();
            let shorts: Vec<u16> = (0..n).map(number).collect();
            let grid = grid(nx, ny);
            let value = match kind {
                0 => Value::Volume(Volume {
                    grid, voxels: Voxels::U8(Arc::new(Buffer::copied(&bytes))),
                }),
                1 => Value::Volume(Volume {
                    grid, voxels: Voxels::U16(Arc::new(Buffer::copied(&shorts))),
                }),
                components => {
                    let components = components as usize + 1;
                    Value::Colour(Colour { grid, components, voxels: floats(n * components) })
                }
            };
            let (file, warnings) = write(&value).unwrap();
            prop_assert!(warnings.is_empty());
            prop_assert!(same(&read(&file).unwrap().value, &value));
            let header = header(&file[..file.len().min(60)]).unwrap();
            prop_assert_eq!(&header.grid, value.grid().unwrap());
        }

        #[test]
        fn cut_and_damaged_files_are_refused(at in 0usize..80, flip in 1u8..) {
            let value = Value::Mask(Mask::from_fn(grid(9, 9), |x, y, _| x > y));
            let mut file = write(&value).unwrap().0;
            let at = at.min(file.len() - 13);
            prop_assert!(read(&file[..at]).is_err());
            file[at] ^= flip;
            // What is read all the same has the voxels that its header says.
            if let Ok(output) = read(&file) {
                let header = header(&file).unwrap();
                prop_assert_eq!(output.value.grid().unwrap(), &header.grid);
            }
        }
    }

    #[test]
    fn what_does_not_fit_a_byte_is_clamped_and_counted() {
        let voxels = Buffer::copied(&[-1.0f32, 0.5, 1.5, 255.4, 255.5, f32::NAN, -0.2, 7.0]);
        let (file, warnings) = write(&Value::Volume(Volume::f32(grid(4, 2), voxels))).unwrap();
        assert_eq!(warnings, [Warning { code: "clamped", count: 3 }]);
        let Value::Volume(volume) = read(&file).unwrap().value else { panic!() };
        assert_eq!(volume.voxels.bytes(), [0, 0, 2, 255, 255, 0, 0, 7]);
    }

    #[test]
    fn masks_are_black_and_white_and_three_axes_are_refused() {
        let mask = Mask::from_fn(grid(65, 1), |x, _, _| x == 64);
        let Value::Volume(volume) = read(&write(&Value::Mask(mask)).unwrap().0).unwrap().value
        else {
            panic!()
        };
        assert_eq!(volume.voxels.bytes()[63..], [0, 255]);
        let solid = Mask::constant(Arc::new(Grid::plain(&[2, 2, 1]).unwrap()), true);
        assert_eq!(write(&Value::Mask(solid)).unwrap_err().code, Code::Dims);
    }
}
