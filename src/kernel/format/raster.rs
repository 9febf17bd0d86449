//! Images whose numbers lie behind a header of text: what `MetaImage` and NRRD share.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::kernel::format::gzip;
use crate::kernel::format::number::{Number, Order};
use crate::kernel::format::probe::Header;
use crate::pool::Buffer;
use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Colour, Volume, VoxelType};
use crate::with_voxel_type;

/// How the numbers are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Byte for byte.
    Raw,
    /// As a stream of zlib.
    Zlib,
    /// As a file of gzip.
    Gzip,
    /// As digits with blanks between.
    Text,
}

/// What a header says.
#[derive(Clone, Debug)]
pub struct Raster {
    /// Where the voxels lie.
    pub grid: Arc<Grid>,
    /// The type of a number.
    pub kind: VoxelType,
    /// The order of its bytes.
    pub order: Order,
    /// Numbers of a voxel, which follow each other: 3 or 4 are a colour.
    pub components: usize,
    /// How the numbers are packed.
    pub packing: Packing,
    /// The name of the file that holds the numbers, when it is another.
    pub apart: Option<String>,
    /// Where they begin in the file that holds them; `None`: they are its last bytes.
    pub start: Option<usize>,
}

impl Raster {
    /// Returns what every header says.
    pub fn header(&self) -> Header {
        let colour = (self.components > 1).then_some(self.components);
        let voxels = if colour.is_some() { VoxelType::F32 } else { self.kind };
        Header { grid: Arc::clone(&self.grid), frames: None, voxels, colour }
    }

    /// Reads the image from the file, or the files, that hold header and numbers.
    ///
    /// A single component keeps its type, colours become f32; every NaN is the one NaN.
    pub fn image(&self, files: &[&[u8]]) -> Result<Output, Refusal> {
        let file = match (files, &self.apart) {
            ([file], None) | ([_, file], Some(_)) => *file,
            _ => return Err(Refusal::with(Code::Format, &[files.len() as f64])),
        };
        let count = self.grid.voxels() * self.components;
        let len = count * self.kind.size();
        let start = match self.start {
            Some(start) => start,
            None => file.len().saturating_sub(len),
        };
        let packed = file.get(start..).unwrap_or_default();
        let cut = || Refusal::with(Code::Format, &[packed.len() as f64, len as f64]);
        with_voxel_type!(self.kind, T => {
            let numbers = if self.packing == Packing::Text {
                digits::<T>(packed, count).ok_or_else(cut)?
            } else {
                let mut numbers = Buffer::<T>::take(if self.fits(packed, len) { count } else {
                    return Err(cut());
                });
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut numbers);
                match self.packing {
                    Packing::Raw => bytes.copy_from_slice(&packed[..len]),
                    Packing::Zlib => {
                        let mut inflater = ZlibDecoder::new(packed);
                        inflater.read_exact(bytes).map_err(|_| cut())?;
                        // The checksum is looked at only by who asks for more.
                        inflater.read(&mut [0]).map_err(|_| cut())?;
                    }
                    Packing::Gzip | Packing::Text => {
                        gzip::fill(packed, bytes).map_err(|_| cut())?;
                    }
                }
                numbers
            };
            Ok(self.settled(numbers).into())
        })
    }

    /// Says whether so many packed bytes can be `len` bytes, before memory is taken.
    fn fits(&self, packed: &[u8], len: usize) -> bool {
        match self.packing {
            Packing::Raw => packed.len() >= len,
            _ => gzip::can_hold(packed, len),
        }
    }

    fn settled<T: Number>(&self, mut numbers: Buffer<T>) -> Value {
        let swap = self.order == Order::Big && self.packing != Packing::Text;
        for number in numbers.iter_mut() {
            let native = if swap { number.swapped() } else { *number };
            *number = native.one_nan();
        }
        let grid = Arc::clone(&self.grid);
        if self.components == 1 {
            return Value::Volume(Volume { grid, voxels: T::voxels(numbers) });
        }
        let mut voxels = Buffer::<f32>::take(numbers.len());
        for (out, number) in voxels.iter_mut().zip(numbers.iter()) {
            *out = (number.to_f64() as f32).one_nan();
        }
        Value::Colour(Colour { grid, components: self.components, voxels: Arc::new(voxels) })
    }
}

/// Reads numbers that are written out.
fn digits<T: Number>(text: &[u8], count: usize) -> Option<Buffer<T>> {
    // A number takes at least a digit and a blank.
    if count > text.len().div_ceil(2) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    let mut numbers = Buffer::<T>::take(count);
    for number in numbers.iter_mut() {
        *number = T::parse(words.next()?)?;
    }
    Some(numbers)
}

/// Makes a grid of what a header says: one direction of the world for each axis, in order.
///
/// The columns are made of length 1; their lengths times `spacing` are the spacing.
pub fn grid(
    dims: &[usize],
    spacing: &[f64],
    origin: &[f64],
    axes: &[Vec<f64>],
) -> Result<Grid, Refusal> {
    let d = dims.len();
    let mut direction = vec![0.0; d * d];
    let mut steps = vec![1.0; d];
    for (axis, along) in axes.iter().enumerate() {
        let alone = along.iter().filter(|x| **x != 0.0).count() == 1;
        // One entry: its size, to the bit; the root of a square may round.
        let square: f64 = along.iter().map(|x| x * x).sum();
        let len = if alone { along.iter().map(|x| x.abs()).sum() } else { square.sqrt() };
        let is_unit = (len - 1.0f64).abs() < 1e-6;
        steps[axis] = spacing[axis] * if is_unit { 1.0 } else { len };
        for (row, x) in along.iter().enumerate() {
            direction[row * d + axis] = if is_unit { *x } else { x / len };
        }
    }
    Grid::new(dims, &steps, origin, &direction).map_err(|_| {
        let numbers: Vec<f64> = dims.iter().map(|n| *n as f64).chain(steps).collect();
        Refusal::with(Code::Dims, &numbers)
    })
}

/// Returns an image's grid, type and components, and its numbers in order, little-endian; a mask is
/// u8 of 0 and 1.
pub fn plain(value: &Value) -> Result<(&Grid, VoxelType, usize, Vec<u8>), Refusal> {
    Ok(match value {
        Value::Mask(mask) => {
            let grid = mask.grid.as_ref();
            let nx = grid.dims()[0];
            let mut bytes = Vec::with_capacity(grid.voxels());
            for row in mask.words.chunks_exact(grid.row_words()) {
                bytes.extend((0..nx).map(|x| (row[x / 64] >> (x % 64) & 1) as u8));
            }
            (grid, VoxelType::U8, 1, bytes)
        }
        Value::Volume(volume) => {
            (&volume.grid, volume.voxels.kind(), 1, volume.voxels.bytes().to_vec())
        }
        Value::Colour(colour) => {
            let bytes = bytemuck::cast_slice(&colour.voxels).to_vec();
            (&colour.grid, VoxelType::F32, colour.components, bytes)
        }
        _ => return Err(Refusal::new(Code::Kind)),
    })
}

/// Packs bytes as a stream of zlib: the same for the same bytes.
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let out = Vec::with_capacity(bytes.len() / 8 + 64);
    let mut encoder = ZlibEncoder::new(out, Compression::new(3));
    encoder.write_all(bytes).expect("writing into memory cannot fail");
    encoder.finish().expect("writing into memory cannot fail")
}

/// Writes numbers with blanks between, each so that it is read back to the bit.
pub fn words(numbers: &[f64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads as many numbers as asked for, all finite.
pub fn floats(text: &str, count: usize) -> Option<Vec<f64>> {
    let numbers: Option<Vec<f64>> =
        text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    numbers.filter(|all| all.len() == count && all.iter().all(|x: &f64| x.is_finite()))
}
