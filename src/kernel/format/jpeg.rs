//! JPEG: images of two axes with origin 0, spacing 1 and identity direction, read only.
//!
//! The resolution that a file may tell is ignored: the same picture as PNG has the same distances. The
//! decoder works in integers, the same on every machine.

use std::io::Cursor;
use std::sync::Arc;

use jpeg_decoder::{Decoder, PixelFormat};

use crate::kernel::format::probe::Header;
use crate::pool::Buffer;
use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Colour, Volume, VoxelType, Voxels};

/// A block of 8 x 8 voxels takes some bits, but a lost one none: files that announce more than this
/// many bytes for each of theirs are not believed.
const BEST_RATIO: usize = 4096;

/// Reads the header, which ends where the voxels begin.
pub fn header(file: &[u8]) -> Result<Header, Refusal> {
    open(file).map(|opened| opened.header)
}

struct Opened<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    header: Header,
}

fn open(file: &[u8]) -> Result<Opened<'_>, Refusal> {
    let bad = |_| Refusal::new(Code::Format);
    let mut decoder = Decoder::new(Cursor::new(file));
    decoder.read_info().map_err(bad)?;
    let info = decoder.info().ok_or(Refusal::new(Code::Format))?;
    let dims = [usize::from(info.width), usize::from(info.height)];
    let shown = [f64::from(info.width), f64::from(info.height)];
    let grid = Grid::plain(&dims).map_err(|_| Refusal::with(Code::Dims, &shown))?;
    let (voxels, colour) = match info.pixel_format {
        PixelFormat::L8 => (VoxelType::U8, None),
        PixelFormat::L16 => (VoxelType::U16, None),
        PixelFormat::RGB24 => (VoxelType::F32, Some(3)),
        // Inks are no colours of light: without a profile nobody can say which.
        PixelFormat::CMYK32 => return Err(Refusal::with(Code::Format, &[4.0])),
    };
    let header = Header { grid: Arc::new(grid), frames: None, voxels, colour };
    Ok(Opened { decoder, header })
}

/// Reads an image: grey as u8 or u16, colour as f32 of 0 to 255.
pub fn read(file: &[u8]) -> Result<Output, Refusal> {
    let Opened { mut decoder, header } = open(file)?;
    let count = header.grid.voxels() * header.colour.unwrap_or(1);
    if count / BEST_RATIO > file.len() {
        return Err(Refusal::with(Code::Format, &[file.len() as f64, count as f64]));
    }
    decoder.set_max_decoding_buffer_size(count * 2);
    let bytes = decoder.decode().map_err(|_| Refusal::new(Code::Format))?;
    let width = if header.voxels == VoxelType::U16 { 2 } else { 1 };
    if bytes.len() != count * width {
        return Err(Refusal::with(Code::Format, &[bytes.len() as f64, count as f64]));
    }
    let grid = header.grid;
    Ok(Output::from(if let Some(components) = header.colour {
        let mut voxels = Buffer::<f32>::take(count);
        for (out, byte) in voxels.iter_mut().zip(&bytes) {
            *out = f32::from(*byte);
        }
        Value::Colour(Colour { grid, components, voxels: Arc::new(voxels) })
    } else if width == 2 {
        let mut voxels = Buffer::<u16>::take(count);
        for (out, pair) in voxels.iter_mut().zip(bytes.chunks_exact(2)) {
            // The decoder gives the order of memory.
            *out = u16::from_ne_bytes([pair[0], pair[1]]);
        }
        Value::Volume(Volume { grid, voxels: Voxels::U16(Arc::new(voxels)) })
    } else {
        let voxels = Voxels::U8(Arc::new(Buffer::copied(&bytes)));
        Value::Volume(Volume { grid, voxels })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A grey picture of 16 x 8 pixels, the left half 40, the right half 200, from another program.
    const HALVES: &str = include_str!("halves.jpg.hex");

    fn halves() -> Vec<u8> {
        let digits: String = HALVES.split_whitespace().collect();
        hex::decode(digits).unwrap()
    }

    #[test]
    fn a_grey_picture_is_read() {
        let file = halves();
        let Value::Volume(volume) = read(&file).unwrap().value else { panic!("no number image") };
        assert_eq!(volume.grid.dims(), [16, 8]);
        for (at, byte) in volume.voxels.bytes().iter().enumerate() {
            assert_eq!(*byte, if at % 16 < 8 { 40 } else { 200 });
        }
        assert_eq!(header(&file).unwrap().grid, volume.grid);
    }

    #[test]
    fn damaged_files_are_refused_or_have_the_voxels_they_announce() {
        let file = halves();
        for at in 0..file.len() {
            drop(read(&file[..at]));
            for to in [0, 0x7f, 0xff] {
                let mut file = file.clone();
                file[at] = to;
                if let Ok(output) = read(&file) {
                    assert_eq!(output.value.grid().unwrap(), &header(&file).unwrap().grid);
                }
            }
        }
    }
}
