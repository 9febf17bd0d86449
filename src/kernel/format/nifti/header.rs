//! The header: 348 or 540 bytes of either byte order.
//!
//! Fields are named as in `nifti1.h` and `nifti2.h`. Extensions are skipped by `vox_offset`.

use std::sync::Arc;

use crate::kernel::format::nifti::place;
use crate::kernel::format::number::Order;
use crate::primitive::contract::Warning;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::{Grid, MOST_VOXELS};
use crate::value::volume::VoxelType;

/// The longest header.
pub const LONGEST: usize = 544;

/// What a header says, checked.
#[derive(Clone, Debug)]
pub struct Header {
    /// Where the voxels of one frame lie.
    pub grid: Arc<Grid>,
    /// How many images follow each other; `None` is one image that is no sequence.
    pub frames: Option<usize>,
    /// How one number is stored.
    pub stored: VoxelType,
    /// The numbers of a voxel.
    pub components: Components,
    /// How the bytes of a number lie.
    pub order: Order,
    /// What a stored number times `0` plus `1` means; `None` is the number itself.
    pub scale: Option<(f64, f64)>,
    /// Where the voxels begin, in the file that holds them.
    pub offset: usize,
    /// Do the voxels lie in a second file?
    pub pair: bool,
    /// What a person may want to know.
    pub warnings: Vec<Warning>,
}

/// How many numbers a voxel has, and how they lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Components {
    /// One.
    One,
    /// Three or four bytes beside each other: RGB24, RGBA32.
    Beside(usize),
    /// Three or four whole images behind each other: the fifth axis.
    Behind(usize),
}

impl Components {
    /// Returns how many.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Beside(count) | Self::Behind(count) => count,
        }
    }
}

impl Header {
    /// Returns the bytes of one frame as stored.
    pub fn frame_bytes(&self) -> usize {
        self.grid.voxels() * self.components.count() * self.stored.size()
    }

    /// Returns where the voxels end in their file, or `None` when no memory could hold them.
    pub fn end(&self) -> Option<usize> {
        self.frame_bytes().checked_mul(self.frames.unwrap_or(1))?.checked_add(self.offset)
    }

    /// Returns the type of the voxels once they are read.
    pub fn voxels(&self) -> VoxelType {
        if self.scale.is_some() || self.components.count() > 1 {
            VoxelType::F32
        } else {
            self.stored
        }
    }
}

/// Says whether bytes begin with a header, and whether its voxels lie in a second file.
pub fn sniff(bytes: &[u8]) -> Option<Layout> {
    let size: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let (version, order) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => (1, Order::Little),
        (_, 348) => (1, Order::Big),
        (540, _) => (2, Order::Little),
        (_, 540) => (2, Order::Big),
        _ => return None,
    };
    let pair = match if version == 1 { bytes.get(344..348)? } else { bytes.get(4..8)? } {
        b"n+1\0" | b"n+2\0" => false,
        b"ni1\0" | b"ni2\0" => true,
        _ => return None,
    };
    Some(Layout { version, order, pair })
}

/// Which header it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    version: u8,
    order: Order,
    /// Do the voxels lie in a second file?
    pub pair: bool,
}

/// Reads the header that `bytes` begin with.
pub fn parse(bytes: &[u8]) -> Result<Header, Refusal> {
    let layout = sniff(bytes).ok_or(Refusal::new(Code::Format))?;
    let size = if layout.version == 1 { 348 } else { 540 };
    if bytes.len() < size {
        return Err(Refusal::with(Code::Format, &[bytes.len() as f64, size as f64]));
    }
    let raw = Raw { bytes, layout };
    let dim: [i64; 8] = std::array::from_fn(|at| raw.dim(at));
    let bad_dims = || {
        let shown = dim.iter().map(|n| *n as f64).collect::<Vec<_>>();
        Refusal::with(Code::Dims, &shown)
    };
    let axes = usize::try_from(dim[0]).ok().filter(|axes| (2..=7).contains(axes));
    let axes = axes.ok_or_else(bad_dims)?;
    let mut size = [1usize; 8];
    for at in 1..=axes {
        let n = usize::try_from(dim[at]).ok().filter(|n| (1..=MOST_VOXELS).contains(n));
        size[at] = n.ok_or_else(bad_dims)?;
    }
    if size[6] > 1 || size[7] > 1 {
        return Err(bad_dims());
    }
    let (stored, beside) = match raw.datatype() {
        2 => (VoxelType::U8, 1),
        4 => (VoxelType::I16, 1),
        8 => (VoxelType::I32, 1),
        16 => (VoxelType::F32, 1),
        64 => (VoxelType::F64, 1),
        128 => (VoxelType::U8, 3),
        256 => (VoxelType::I8, 1),
        512 => (VoxelType::U16, 1),
        768 => (VoxelType::U32, 1),
        1024 => (VoxelType::I64, 1),
        1280 => (VoxelType::U64, 1),
        2304 => (VoxelType::U8, 4),
        other => return Err(Refusal::with(Code::Format, &[f64::from(other)])),
    };
    let components = match (size[5], beside) {
        (1, 1) => Components::One,
        (1, beside) => Components::Beside(beside),
        (behind @ (3 | 4), 1) if size[4] == 1 => Components::Behind(behind),
        _ => return Err(bad_dims()),
    };
    // A colour image of two axes needs five in the header; our writer leaves no step along the third.
    let flat = axes == 5 && size[3] == 1 && raw.pixdim(3) == 0.0;
    let shape = if axes == 2 || flat { &size[1..3] } else { &size[1..4] };
    let mut warnings = Vec::new();
    let grid = place::grid(&raw.place(), shape, &mut warnings)?;
    let (slope, inter) = raw.scale();
    let scale = (slope != 0.0 && slope.is_finite() && beside == 1)
        .then_some((slope, if inter.is_finite() { inter } else { 0.0 }))
        .filter(|scale| *scale != (1.0, 0.0));
    let header = Header {
        grid: Arc::new(grid),
        frames: (size[4] > 1).then_some(size[4]),
        stored,
        components,
        order: layout.order,
        scale,
        offset: raw.offset()?,
        pair: layout.pair,
        warnings,
    };
    header.end().filter(|end| *end <= MOST_VOXELS).ok_or_else(bad_dims)?;
    Ok(header)
}

/// The fields by their places in the two versions.
struct Raw<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

impl Raw<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes: [u8; N] = self.bytes[at..at + N].try_into().expect("the length was checked");
        if self.layout.order == Order::Big {
            bytes.reverse();
        }
        bytes
    }

    fn is_1(&self) -> bool {
        self.layout.version == 1
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.take(at))
    }

    fn int(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.take(at))
    }

    /// Reads entry `n` of an array of floats: f32 at `one` in version 1, f64 at `two` in version 2.
    fn float(&self, one: usize, two: usize, n: usize) -> f64 {
        if self.is_1() {
            f64::from(f32::from_le_bytes(self.take(one + 4 * n)))
        } else {
            f64::from_le_bytes(self.take(two + 8 * n))
        }
    }

    fn dim(&self, n: usize) -> i64 {
        if self.is_1() {
            i64::from(self.short(40 + 2 * n))
        } else {
            i64::from_le_bytes(self.take(16 + 8 * n))
        }
    }

    fn datatype(&self) -> i16 {
        self.short(if self.is_1() { 70 } else { 12 })
    }

    fn pixdim(&self, n: usize) -> f64 {
        self.float(76, 104, n)
    }

    fn scale(&self) -> (f64, f64) {
        (self.float(112, 176, 0), self.float(116, 184, 0))
    }

    fn offset(&self) -> Result<usize, Refusal> {
        let (least, offset) = if self.is_1() {
            (352, self.float(108, 0, 0))
        } else {
            // Beyond 2^53 no file is, so rounding does no harm.
            (544, i64::from_le_bytes(self.take(168)) as f64)
        };
        let offset = match offset {
            // 0 is written for "right behind the header" too.
            0.0 if self.layout.pair => 0.0,
            0.0 => f64::from(least),
            offset => offset,
        };
        let floor = if self.layout.pair { 0.0 } else { f64::from(least - 4) };
        if !(floor..9e15).contains(&offset) || offset.fract() != 0.0 {
            return Err(Refusal::with(Code::Format, &[offset, floor]));
        }
        Ok(offset as usize)
    }

    fn place(&self) -> place::Fields {
        let (qform, sform, units) = if self.is_1() {
            (i32::from(self.short(252)), i32::from(self.short(254)), i32::from(self.bytes[123]))
        } else {
            (self.int(344), self.int(348), self.int(500))
        };
        let floats = |one, two| std::array::from_fn(|n| self.float(one, two, n));
        place::Fields {
            qform_code: qform,
            sform_code: sform,
            units: units & 7,
            pixdim: std::array::from_fn(|n| self.pixdim(n)),
            quatern: floats(256, 352),
            qoffset: floats(268, 376),
            srow: std::array::from_fn(|row| {
                std::array::from_fn(|n| self.float(280 + 16 * row, 400 + 32 * row, n))
            }),
        }
    }
}
