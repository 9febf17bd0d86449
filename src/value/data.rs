//! A value of the language.

use std::sync::Arc;

use crate::value::grid::Grid;
use crate::value::kind::Kind;
use crate::value::mask::Mask;
use crate::value::volume::{Colour, Volume};

/// What a node computes.
///
/// Cloning shares: everything large sits behind an [`Arc`].
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, as in JSON.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number of the language, always f64.
    Number(f64),
    /// A text.
    Text(Arc<str>),
    /// Bytes of a file that is neither an image nor text.
    Bytes(Arc<[u8]>),
    /// Values in order.
    Sequence(Arc<[Value]>),
    /// Named values; the names are in canonical order ([`crate::canon::key_order`]), each once.
    Record(Arc<[(Arc<str>, Value)]>),
    /// The geometry of an image.
    Grid(Arc<Grid>),
    /// One bit a voxel.
    Mask(Mask),
    /// One number a voxel.
    Volume(Volume),
    /// Three or four f32 a voxel.
    Colour(Colour),
    /// Layers for a viewer, each a record of the fields given.
    Overlay(Arc<[Value]>),
}

impl Value {
    /// Makes a text.
    pub fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// Makes a sequence.
    pub fn sequence(items: Vec<Value>) -> Self {
        Self::Sequence(items.into())
    }

    /// Makes a record; of two fields of one name the later one stands.
    pub fn record(fields: Vec<(Arc<str>, Value)>) -> Self {
        let mut sorted: Vec<(Arc<str>, Value)> = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            match sorted.binary_search_by(|(other, _)| crate::canon::key_order(other, &name)) {
                Ok(at) => sorted[at].1 = value,
                Err(at) => sorted.insert(at, (name, value)),
            }
        }
        Self::Record(sorted.into())
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::Sequence(_) => Kind::Sequence,
            Self::Record(_) => Kind::Record,
            Self::Grid(_) => Kind::Grid,
            Self::Mask(_) => Kind::Mask,
            Self::Volume(_) => Kind::Image,
            Self::Colour(_) => Kind::Colour,
            Self::Overlay(_) => Kind::Overlay,
        }
    }

    /// Returns the grid of an image.
    pub fn grid(&self) -> Option<&Arc<Grid>> {
        match self {
            Self::Grid(grid) => Some(grid),
            Self::Mask(mask) => Some(&mask.grid),
            Self::Volume(volume) => Some(&volume.grid),
            Self::Colour(colour) => Some(&colour.grid),
            _ => None,
        }
    }

    /// Returns about how many bytes of memory the value takes.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Grid(_) => 32,
            Self::Text(text) => 32 + text.len(),
            Self::Bytes(bytes) => 32 + bytes.len(),
            Self::Sequence(items) | Self::Overlay(items) => {
                32 + items.iter().map(Self::size).sum::<usize>()
            }
            Self::Record(fields) => {
                32 + fields
                    .iter()
                    .map(|(name, value)| 32 + name.len() + value.size())
                    .sum::<usize>()
            }
            Self::Mask(mask) => 32 + mask.words.len() * 8,
            Self::Volume(volume) => 32 + volume.voxels.bytes().len(),
            Self::Colour(colour) => 32 + colour.voxels.len() * 4,
        }
    }

    /// Says whether the value may stand in `args` of a node as a literal (format: a number, boolean,
    /// text, or a sequence or record of literals).
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => true,
            Self::Sequence(items) => items.iter().all(Self::is_literal),
            Self::Record(fields) => fields.iter().all(|(_, value)| value.is_literal()),
            _ => false,
        }
    }
}
