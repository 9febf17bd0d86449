//! Number images of every voxel type, and colour images.

use std::sync::Arc;

use crate::pool::Buffer;
use crate::value::grid::Grid;

/// A number for each voxel of a grid, x fastest.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Where the voxels lie.
    pub grid: Arc<Grid>,
    /// `grid.voxels()` numbers.
    pub voxels: Voxels,
}

/// Three or four f32 for each voxel of a grid, interleaved.
#[derive(Clone, Debug)]
pub struct Colour {
    /// Where the voxels lie.
    pub grid: Arc<Grid>,
    /// 3 or 4.
    pub components: usize,
    /// `grid.voxels() * components` numbers.
    pub voxels: Arc<Buffer<f32>>,
}

/// The numbers of a volume in their type.
#[derive(Clone, Debug)]
pub enum Voxels {
    /// Unsigned, 8 bits.
    U8(Arc<Buffer<u8>>),
    /// Signed, 8 bits.
    I8(Arc<Buffer<i8>>),
    /// Unsigned, 16 bits.
    U16(Arc<Buffer<u16>>),
    /// Signed, 16 bits.
    I16(Arc<Buffer<i16>>),
    /// Unsigned, 32 bits.
    U32(Arc<Buffer<u32>>),
    /// Signed, 32 bits.
    I32(Arc<Buffer<i32>>),
    /// Unsigned, 64 bits.
    U64(Arc<Buffer<u64>>),
    /// Signed, 64 bits.
    I64(Arc<Buffer<i64>>),
    /// IEEE single.
    F32(Arc<Buffer<f32>>),
    /// IEEE double.
    F64(Arc<Buffer<f64>>),
}

/// The type of a voxel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VoxelType {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
}

/// Runs an expression with `$buffer` bound to the typed buffer of some [`Voxels`].
#[macro_export]
macro_rules! each_voxel_type {
    ($voxels:expr, $buffer:ident => $body:expr) => {
        match $voxels {
            $crate::value::volume::Voxels::U8($buffer) => $body,
            $crate::value::volume::Voxels::I8($buffer) => $body,
            $crate::value::volume::Voxels::U16($buffer) => $body,
            $crate::value::volume::Voxels::I16($buffer) => $body,
            $crate::value::volume::Voxels::U32($buffer) => $body,
            $crate::value::volume::Voxels::I32($buffer) => $body,
            $crate::value::volume::Voxels::U64($buffer) => $body,
            $crate::value::volume::Voxels::I64($buffer) => $body,
            $crate::value::volume::Voxels::F32($buffer) => $body,
            $crate::value::volume::Voxels::F64($buffer) => $body,
        }
    };
}

impl VoxelType {
    /// All types.
    pub const ALL: [Self; 10] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// Returns the word that canonical bytes use.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the bytes of one voxel.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Says whether the type is an integer.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }
}

impl Voxels {
    /// Returns the type.
    pub fn kind(&self) -> VoxelType {
        match self {
            Self::U8(_) => VoxelType::U8,
            Self::I8(_) => VoxelType::I8,
            Self::U16(_) => VoxelType::U16,
            Self::I16(_) => VoxelType::I16,
            Self::U32(_) => VoxelType::U32,
            Self::I32(_) => VoxelType::I32,
            Self::U64(_) => VoxelType::U64,
            Self::I64(_) => VoxelType::I64,
            Self::F32(_) => VoxelType::F32,
            Self::F64(_) => VoxelType::F64,
        }
    }

    /// Returns the count of voxels.
    pub fn len(&self) -> usize {
        each_voxel_type!(self, buffer => buffer.len())
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the little-endian bytes, x fastest.
    pub fn bytes(&self) -> &[u8] {
        each_voxel_type!(self, buffer => buffer.bytes())
    }
}

impl Volume {
    /// Makes an f32 image.
    pub fn f32(grid: Arc<Grid>, voxels: Buffer<f32>) -> Self {
        debug_assert_eq!(voxels.len(), grid.voxels());
        Self { grid, voxels: Voxels::F32(Arc::new(voxels)) }
    }
}
