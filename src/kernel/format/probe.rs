//! Which format a file has, and what its header says: what lowering asks before anything is read.

use std::sync::Arc;

use crate::kernel::format::gzip;
use crate::kernel::format::nifti::{self, header::LONGEST};
use crate::kernel::format::{jpeg, mha, npy, nrrd, png, tiff};
use crate::primitive::refusal::Refusal;
use crate::value::grid::Grid;
use crate::value::kind::Kind;
use crate::value::volume::VoxelType;

/// So many first bytes are enough for [`probe`], and for [`header`] of nearly all files.
pub const PREFIX: usize = 1 << 16;

/// A format that is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `NIfTI`, also deflated, also of two files.
    Nifti,
    /// PNG.
    Png,
    /// JPEG, which is read only.
    Jpeg,
    /// TIFF.
    Tiff,
    /// `MetaImage`.
    Mha,
    /// NRRD.
    Nrrd,
    /// `NumPy`.
    Npy,
    /// JSON.
    Json,
    /// Lines.
    Text,
    /// Bytes as they are.
    Bytes,
}

/// What the header of an image says.
#[derive(Clone, Debug)]
pub struct Header {
    /// Where the voxels lie, of one frame.
    pub grid: Arc<Grid>,
    /// How many frames a sequence of images has; `None` is one image.
    pub frames: Option<usize>,
    /// The type of the numbers once they are read.
    pub voxels: VoxelType,
    /// 3 or 4 for colour.
    pub colour: Option<usize>,
}

impl Header {
    /// Returns the kind of one frame.
    pub fn frame_kind(&self) -> Kind {
        if self.colour.is_some() { Kind::Colour } else { Kind::Image }
    }

    /// Returns the kind of the whole.
    pub fn kind(&self) -> Kind {
        if self.frames.is_some() { Kind::Sequence } else { self.frame_kind() }
    }
}

impl Format {
    const ALL: [Self; 10] = [
        Self::Nifti,
        Self::Png,
        Self::Jpeg,
        Self::Tiff,
        Self::Mha,
        Self::Nrrd,
        Self::Npy,
        Self::Json,
        Self::Text,
        Self::Bytes,
    ];

    /// Returns the word in `p` of a read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nifti => "nifti",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Tiff => "tiff",
            Self::Mha => "mha",
            Self::Nrrd => "nrrd",
            Self::Npy => "npy",
            Self::Json => "json",
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// Says whether it holds an image.
    pub fn is_image(self) -> bool {
        !matches!(self, Self::Json | Self::Text | Self::Bytes)
    }
}

/// Returns the format of a file: of images by content, of the rest by name.
///
/// `first` are its first bytes, [`PREFIX`] or all. A file that is named like an image and is none
/// counts as the image, so that reading it says what is wrong rather than giving bytes.
pub fn probe(name: &str, first: &[u8]) -> Format {
    if let Some(format) = by_content(first) {
        return format;
    }
    let name = name.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"]) {
        Format::Nifti
    } else if ends(&[".png"]) {
        Format::Png
    } else if ends(&[".jpg", ".jpeg"]) {
        Format::Jpeg
    } else if ends(&[".tif", ".tiff"]) {
        Format::Tiff
    } else if ends(&[".mha", ".mhd"]) {
        Format::Mha
    } else if ends(&[".nrrd", ".nhdr"]) {
        Format::Nrrd
    } else if ends(&[".npy"]) {
        Format::Npy
    } else if ends(&[".json"]) {
        Format::Json
    } else if ends(&[".txt", ".csv", ".tsv"]) {
        Format::Text
    } else {
        Format::Bytes
    }
}

fn by_content(first: &[u8]) -> Option<Format> {
    let nifti = |bytes: &[u8]| nifti::header::sniff(bytes).is_some();
    if nifti(first) || gzip::is_gzip(first) && nifti(&gzip::first(first, LONGEST)) {
        return Some(Format::Nifti);
    }
    let begins: [(&[u8], Format); 8] = [
        (b"\x89PNG\r\n\x1a\n", Format::Png),
        (b"\xff\xd8\xff", Format::Jpeg),
        (b"II*\0", Format::Tiff),
        (b"MM\0*", Format::Tiff),
        (b"ObjectType", Format::Mha),
        (b"NDims", Format::Mha),
        (b"NRRD000", Format::Nrrd),
        (npy::MAGIC, Format::Npy),
    ];
    begins.into_iter().find(|(magic, _)| first.starts_with(magic)).map(|(_, format)| format)
}

/// Returns the names of all files that make up the image of which `name` is one, in the order that
/// `p` and the reader have them: the `.hdr` and the `.img`, the header and the numbers apart, or the
/// one.
pub fn files(format: Format, name: &str, first: &[u8]) -> Vec<String> {
    let apart = match format {
        Format::Nifti => return pair(name, first),
        Format::Mha => mha::header(first).ok().and_then(|raster| raster.apart),
        Format::Nrrd => nrrd::header(first).ok().and_then(|raster| raster.apart),
        _ => None,
    };
    [name.to_owned()].into_iter().chain(apart).collect()
}

/// Returns the names of the two files of an old `NIfTI`, or the one.
fn pair(name: &str, first: &[u8]) -> Vec<String> {
    let whole = if gzip::is_gzip(first) { gzip::first(first, LONGEST) } else { first.to_vec() };
    let (stem, tail) = match name.len().checked_sub(3).and_then(|at| name.split_at_checked(at)) {
        Some((stem, gz)) if gz.eq_ignore_ascii_case(".gz") => (stem, gz),
        _ => (name, ""),
    };
    let end = stem.len().checked_sub(3).and_then(|at| stem.split_at_checked(at));
    let Some((base, suffix)) = end.filter(|(base, _)| base.ends_with('.')) else {
        return vec![name.to_owned()];
    };
    let (hdr, img) = if suffix.bytes().all(|b| b.is_ascii_uppercase()) {
        ("HDR", "IMG")
    } else {
        ("hdr", "img")
    };
    match nifti::header::sniff(&whole) {
        Some(layout) if layout.pair && suffix.eq_ignore_ascii_case("hdr") => {
            vec![name.to_owned(), format!("{base}{img}{tail}")]
        }
        None if suffix.eq_ignore_ascii_case("img") => {
            vec![format!("{base}{hdr}{tail}"), name.to_owned()]
        }
        _ => vec![name.to_owned()],
    }
}

/// Reads the header of an image from the first bytes of its first file; `None` for what is no image.
///
/// [`PREFIX`] bytes are enough but for a PNG with much before its data and for TIFF; then the whole
/// file is.
pub fn header(format: Format, first: &[u8]) -> Result<Option<Header>, Refusal> {
    match format {
        Format::Nifti => {
            let header = nifti::read::header(first)?;
            let components = header.components.count();
            Ok(Some(Header {
                voxels: header.voxels(),
                grid: header.grid,
                frames: header.frames,
                colour: (components > 1).then_some(components),
            }))
        }
        Format::Png => png::header(first).map(Some),
        Format::Npy => npy::header(first).map(Some),
        Format::Jpeg => jpeg::header(first).map(Some),
        Format::Tiff => tiff::header(first).map(Some),
        Format::Mha => mha::header(first).map(|raster| Some(raster.header())),
        Format::Nrrd => nrrd::header(first).map(|raster| Some(raster.header())),
        Format::Json | Format::Text | Format::Bytes => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::value::data::Value;
    use crate::value::mask::Mask;

    fn a_nifti() -> Vec<u8> {
        let grid = Arc::new(Grid::plain(&[5, 4, 3]).unwrap());
        nifti::write::write(&Value::Mask(Mask::constant(grid, true))).unwrap()
    }

    #[test]
    fn images_are_known_by_content_and_the_rest_by_name() {
        let nifti = a_nifti();
        assert_eq!(probe("x.txt", &nifti), Format::Nifti);
        assert_eq!(probe("x", &gzip::gzip(&nifti)), Format::Nifti);
        assert_eq!(probe("x.gz", &gzip::gzip(b"hello")), Format::Bytes);
        assert_eq!(probe("x.CSV", b"a,b"), Format::Text);
        assert_eq!(probe("x.Json", b"{}"), Format::Json);
        assert_eq!(probe("x.nii.gz", b"hello"), Format::Nifti);
        assert_eq!(probe("x", b"\x89PNG\r\n\x1a\n"), Format::Png);
        assert_eq!(probe("", b""), Format::Bytes);
    }

    #[test]
    fn a_prefix_tells_the_grid() {
        let file = gzip::gzip(&a_nifti());
        let header = header(Format::Nifti, &file[..file.len() - 8]).unwrap().unwrap();
        assert_eq!(header.grid.dims(), [5, 4, 3]);
        assert_eq!(header.kind(), Kind::Image);
    }

    #[test]
    fn the_second_file_of_a_pair_is_named() {
        let mut pair = a_nifti();
        pair[344..348].copy_from_slice(b"ni1\0");
        assert_eq!(files(Format::Nifti, "a/b.hdr", &pair), ["a/b.hdr", "a/b.img"]);
        assert_eq!(files(Format::Nifti, "b.hdr.gz", &gzip::gzip(&pair)), ["b.hdr.gz", "b.img.gz"]);
        assert_eq!(files(Format::Nifti, "B.IMG", b"voxels"), ["B.HDR", "B.IMG"]);
        assert_eq!(files(Format::Nifti, "b.nii", &a_nifti()), ["b.nii"]);
        assert_eq!(files(Format::Nifti, "é", b""), ["é"]);
    }
}
