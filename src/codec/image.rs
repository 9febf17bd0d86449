//! The canonical bytes of images and grids, head and tail.

use std::sync::Arc;

use bytemuck::Pod;
use ciborium_ll::Header;

use crate::canon::{Reader, Tree};
use crate::codec::error::Error;
use crate::pool::{Block, Buffer};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::{self, Mask};
use crate::value::volume::{Colour, Volume, VoxelType, Voxels};

/// What stands before the voxels of an image.
pub(super) struct Head {
    dims: Vec<usize>,
    /// `None` is a mask.
    kind: Option<VoxelType>,
    origin: Vec<f64>,
    colour: bool,
    /// Where the voxels begin, and how many bytes they are.
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Head {
    /// Reads the head of an image, or says `None` when the bytes begin something else.
    pub(super) fn read<E>(reader: &mut Reader<'_>) -> Result<Option<Self>, Error<E>> {
        let Header::Map(Some(len @ (7 | 8))) = reader.header()? else { return Ok(None) };
        expect(reader, "t")?;
        if reader.text()? != "image" {
            return Err(Error::Malformed("a map of no kind that is known"));
        }
        Self::rest(reader, len).map(Some)
    }

    /// Reads on behind `t` in a map of `entries` entries; checks that the voxels are as many as the
    /// dims say.
    pub(super) fn rest<E>(reader: &mut Reader<'_>, entries: usize) -> Result<Self, Error<E>> {
        let dims = dims(reader, "dims")?;
        expect(reader, "kind")?;
        let kind = match reader.text()? {
            "mask" => None,
            name => Some(VoxelType::parse(name).ok_or(Error::Malformed("an unknown kind"))?),
        };
        let origin = floats(reader, "origin")?;
        expect(reader, "voxels")?;
        let Header::Bytes(Some(len)) = reader.header()? else {
            return Err(Error::Malformed("voxels that are no byte string"));
        };
        let colour = entries == 8;
        if colour && kind != Some(VoxelType::F32) {
            return Err(Error::Malformed("a colour image that is not of f32"));
        }
        // `Grid` bounds the count of voxels; the geometry is not known yet, so a plain one stands in.
        let plain = Grid::plain(&dims).map_err(|_| Error::Malformed("dims of no grid"))?;
        let sizes = match kind {
            None => [plain.rows() * plain.row_words() * 8; 2],
            Some(_) if colour => [plain.voxels() * 12, plain.voxels() * 16],
            Some(kind) => [plain.voxels() * kind.size(); 2],
        };
        if !sizes.contains(&len) {
            return Err(Error::Malformed("other than dims many voxels"));
        }
        Ok(Self { dims, kind, origin, colour, start: reader.offset(), len })
    }

    /// Reads what stands behind the voxels.
    pub(super) fn tail<E>(&self, reader: &mut Reader<'_>) -> Result<Arc<Grid>, Error<E>> {
        let spacing = floats(reader, "spacing")?;
        let direction = floats(reader, "direction")?;
        let grid = grid(&self.dims, &spacing, &self.origin, &direction)?;
        if self.colour {
            expect(reader, "components")?;
            if reader.header()? != Header::Positive((self.len / 4 / grid.voxels()) as u64) {
                return Err(Error::Malformed("other than dims many voxels"));
            }
        }
        Ok(Arc::new(grid))
    }

    pub(super) fn image<E>(&self, grid: Arc<Grid>, from: impl Place) -> Result<Value, Error<E>> {
        let Some(kind) = self.kind else {
            let words: Buffer<u64> = from.place(self.len / 8);
            let padding = !mask::last_word(self.dims[0]);
            if padding != 0
                && words.chunks_exact(grid.row_words()).any(|row| row[row.len() - 1] & padding != 0)
            {
                return Err(Error::Malformed("a mask whose padding is not zero"));
            }
            return Ok(Value::Mask(Mask::new(grid, words)));
        };
        let count = self.len / kind.size();
        if self.colour {
            let components = count / grid.voxels();
            let voxels = Arc::new(from.place(count));
            return Ok(Value::Colour(Colour { grid, components, voxels }));
        }
        let voxels = match kind {
            VoxelType::U8 => Voxels::U8(Arc::new(from.place(count))),
            VoxelType::I8 => Voxels::I8(Arc::new(from.place(count))),
            VoxelType::U16 => Voxels::U16(Arc::new(from.place(count))),
            VoxelType::I16 => Voxels::I16(Arc::new(from.place(count))),
            VoxelType::U32 => Voxels::U32(Arc::new(from.place(count))),
            VoxelType::I32 => Voxels::I32(Arc::new(from.place(count))),
            VoxelType::U64 => Voxels::U64(Arc::new(from.place(count))),
            VoxelType::I64 => Voxels::I64(Arc::new(from.place(count))),
            VoxelType::F32 => Voxels::F32(Arc::new(from.place(count))),
            VoxelType::F64 => Voxels::F64(Arc::new(from.place(count))),
        };
        Ok(Value::Volume(Volume { grid, voxels }))
    }
}

/// Gives a buffer of the voxels.
pub(super) trait Place {
    fn place<T: Pod>(self, count: usize) -> Buffer<T>;
}

/// The voxels stay in the block they were read into.
pub(super) struct Lend {
    pub(super) block: Block,
    pub(super) start: usize,
}

impl Place for Lend {
    fn place<T: Pod>(self, count: usize) -> Buffer<T> {
        Buffer::inside(self.block, self.start, count)
    }
}

/// The voxels are small, or lie among other things.
pub(super) struct Copied<'a> {
    pub(super) voxels: &'a [u8],
}

impl Place for Copied<'_> {
    fn place<T: Pod>(self, count: usize) -> Buffer<T> {
        let mut buffer = Buffer::take(count);
        bytemuck::cast_slice_mut(&mut buffer).copy_from_slice(self.voxels);
        buffer
    }
}

pub(super) fn expect<E>(reader: &mut Reader<'_>, key: &'static str) -> Result<(), Error<E>> {
    if reader.text()? == key { Ok(()) } else { Err(Error::Malformed("another key was expected")) }
}

fn array<E>(reader: &mut Reader<'_>, key: &'static str) -> Result<Vec<Tree>, Error<E>> {
    expect(reader, key)?;
    match reader.header()? {
        Header::Array(Some(len)) if len <= 9 => (0..len).map(|_| Ok(reader.tree(0)?)).collect(),
        _ => Err(Error::Malformed("geometry that is no short array")),
    }
}

pub(super) fn dims<E>(reader: &mut Reader<'_>, key: &'static str) -> Result<Vec<usize>, Error<E>> {
    let numbers = array(reader, key)?;
    let numbers = numbers.iter().map(|tree| usize::try_from(tree.as_uint()?).ok());
    numbers.collect::<Option<_>>().ok_or(Error::Malformed("dims that are no counts"))
}

/// Reads floats of which none is -0.0, for that is written 0.0.
pub(super) fn floats<E>(reader: &mut Reader<'_>, key: &'static str) -> Result<Vec<f64>, Error<E>> {
    let numbers = array(reader, key)?;
    let positive = |x: &f64| *x != 0.0 || x.is_sign_positive();
    let numbers = numbers.iter().map(|tree| tree.as_float().filter(positive));
    numbers.collect::<Option<_>>().ok_or(Error::Malformed("geometry that is no floats"))
}

pub(super) fn grid<E>(
    dims: &[usize],
    spacing: &[f64],
    origin: &[f64],
    direction: &[f64],
) -> Result<Grid, Error<E>> {
    Grid::new(dims, spacing, origin, direction).map_err(|_| Error::Malformed("no grid"))
}
