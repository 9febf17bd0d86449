//! Kinds: what signatures and diagnostics talk about.

use std::fmt;

/// What sort of value it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Kind {
    /// `null`.
    Null,
    /// A truth value.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// Bytes of a file.
    Bytes,
    /// Values in order.
    Sequence,
    /// Named values.
    Record,
    /// The geometry of an image.
    Grid,
    /// A mask: one bit a voxel.
    Mask,
    /// A number image of any voxel type.
    Image,
    /// A colour image.
    Colour,
    /// Layers for a viewer.
    Overlay,
    /// Not known before the run.
    Any,
}

impl Kind {
    /// Says whether values of this kind have voxels.
    pub fn is_image(self) -> bool {
        matches!(self, Self::Mask | Self::Image | Self::Colour)
    }

    /// Returns its name with "a" or "an" before it, for sentences.
    pub fn article(self) -> String {
        let an = matches!(self, Self::Image | Self::Overlay);
        format!("{} {self}", if an { "an" } else { "a" })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Sequence => "sequence",
            Self::Record => "record",
            Self::Grid => "grid",
            Self::Mask => "mask",
            Self::Image => "image",
            Self::Colour => "colour image",
            Self::Overlay => "overlay",
            Self::Any => "value",
        })
    }
}
