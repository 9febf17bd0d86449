//! `MetaImage`: `.mha` (numbers behind the header) and `.mhd` (numbers in a file beside it).
//!
//! The fields are those of ITK's `MetaIO`. `TransformMatrix` has one direction of the world, LPS, for
//! each axis of the image.

use std::sync::Arc;

use crate::kernel::format::number::Order;
use crate::kernel::format::raster::{self, Packing, Raster};
use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::VoxelType;

/// Longer headers are of something else.
const LONGEST: usize = 1 << 16;

/// Each type of a number and its word, the first that fits when writing.
const TYPES: [(&str, VoxelType); 13] = [
    ("MET_UCHAR", VoxelType::U8),
    ("MET_CHAR", VoxelType::I8),
    ("MET_USHORT", VoxelType::U16),
    ("MET_SHORT", VoxelType::I16),
    ("MET_UINT", VoxelType::U32),
    ("MET_INT", VoxelType::I32),
    ("MET_ULONG_LONG", VoxelType::U64),
    ("MET_LONG_LONG", VoxelType::I64),
    ("MET_FLOAT", VoxelType::F32),
    ("MET_DOUBLE", VoxelType::F64),
    // What a C compiler of 1990 called long has 4 bytes in these files.
    ("MET_ULONG", VoxelType::U32),
    ("MET_LONG", VoxelType::I32),
    ("MET_ASCII_CHAR", VoxelType::I8),
];

/// Reads the header.
pub fn header(first: &[u8]) -> Result<Raster, Refusal> {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    let mut at = 0;
    let bad = || Refusal::new(Code::Format);
    // The field that names the data is the last one, by definition.
    while fields.last().is_none_or(|(name, _)| *name != "ElementDataFile") {
        let rest = first.get(at..first.len().min(LONGEST)).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(bad)?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| bad())?;
        at += end + 1;
        if let Some((name, value)) = line.split_once('=') {
            fields.push((name.trim(), value.trim()));
        } else if !line.trim().is_empty() {
            return Err(bad());
        }
    }
    parse(&Fields(fields), at)?.ok_or_else(bad)
}

struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Returns the first field of the first of these names that there is.
    fn one_of(&self, names: &[&str]) -> Option<&'a str> {
        let field = |word: &&str| self.0.iter().find(|(name, _)| name == word);
        names.iter().find_map(field).map(|(_, value)| *value)
    }

    fn truth(&self, names: &[&str]) -> bool {
        self.one_of(names).is_some_and(|word| word.eq_ignore_ascii_case("true") || word == "1")
    }
}

/// Returns `None` where a field has another form than it should.
fn parse(fields: &Fields<'_>, end: usize) -> Result<Option<Raster>, Refusal> {
    let count = fields.one_of(&["NDims"]).and_then(|word| word.parse::<usize>().ok());
    let Some(d) = count else { return Ok(None) };
    if !(2..=3).contains(&d) {
        return Err(Refusal::with(Code::Dims, &[d as f64]));
    }
    let numbers = |names: &[&str], count: usize, default: Vec<f64>| match fields.one_of(names) {
        Some(text) => raster::floats(text, count),
        None => Some(default),
    };
    let dims: Option<Vec<usize>> = fields
        .one_of(&["DimSize"])
        .map(|text| text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect());
    let Some(dims) = dims.filter(|dims| dims.len() == d) else { return Ok(None) };
    let spacing = numbers(&["ElementSpacing", "ElementSize"], d, vec![1.0; d]);
    let origin = numbers(&["Offset", "Origin", "Position"], d, vec![0.0; d]);
    let identity = (0..d * d).map(|at| f64::from(u8::from(at % (d + 1) == 0))).collect();
    let matrix = numbers(&["TransformMatrix", "Rotation", "Orientation"], d * d, identity);
    let (Some(spacing), Some(origin), Some(matrix)) = (spacing, origin, matrix) else {
        return Ok(None);
    };
    let axes: Vec<Vec<f64>> = matrix.chunks(d).map(<[f64]>::to_vec).collect();
    let word = fields.one_of(&["ElementType"]);
    let kind = TYPES.iter().find(|(name, _)| Some(*name) == word).map(|(_, kind)| *kind);
    let Some(kind) = kind else { return Ok(None) };
    let components = match fields.one_of(&["ElementNumberOfChannels"]).map(str::parse) {
        None => 1,
        Some(Ok(n @ (1 | 3 | 4))) => n,
        Some(Ok(n)) => return Err(Refusal::with(Code::Size, &[n as f64])),
        Some(Err(_)) => return Ok(None),
    };
    let packing = if fields.truth(&["CompressedData"]) {
        Packing::Zlib
    } else if fields.truth(&["BinaryData"]) || fields.one_of(&["BinaryData"]).is_none() {
        Packing::Raw
    } else {
        Packing::Text
    };
    let big = fields.truth(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]);
    let file = fields.one_of(&["ElementDataFile"]).unwrap_or_default();
    let is_list = file == "LIST" || file.starts_with("LIST ") || file.contains('%');
    if file.is_empty() || is_list {
        // Several files of slices.
        return Ok(None);
    }
    let apart = (file != "LOCAL").then(|| file.to_owned());
    let start = match (fields.one_of(&["HeaderSize"]).map(str::parse::<i64>), &apart) {
        (Some(Ok(-1)), _) => None,
        (Some(Ok(skip)), Some(_)) => Some(usize::try_from(skip).unwrap_or(0)),
        (_, Some(_)) => Some(0),
        (_, None) => Some(end),
    };
    let grid = Arc::new(raster::grid(&dims, &spacing, &origin, &axes)?);
    let order = if big { Order::Big } else { Order::Little };
    Ok(Some(Raster { grid, kind, order, components, packing, apart, start }))
}

/// Reads an image.
pub fn read(files: &[&[u8]]) -> Result<Output, Refusal> {
    let first = files.first().ok_or(Refusal::new(Code::Format))?;
    header(first)?.image(files)
}

/// Returns the `.mha` of an image, packed; a mask is u8 of 0 and 1.
pub fn write(value: &Value) -> Result<Vec<u8>, Refusal> {
    let (grid, kind, components, bytes) = raster::plain(value)?;
    let packed = raster::zlib(&bytes);
    let d = grid.dims().len();
    let word = TYPES.iter().find(|(_, other)| *other == kind).map_or("", |(word, _)| *word);
    let columns: Vec<f64> = (0..d * d).map(|at| grid.direction()[at % d * d + at / d]).collect();
    let sizes: Vec<String> = grid.dims().iter().map(ToString::to_string).collect();
    let mut text = format!(
        "ObjectType = Image\nNDims = {d}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         CompressedData = True\nCompressedDataSize = {}\nTransformMatrix = {}\nOffset = {}\n\
         CenterOfRotation = {}\nElementSpacing = {}\nDimSize = {}\n",
        packed.len(),
        raster::words(&columns),
        raster::words(grid.origin()),
        raster::words(&vec![0.0; d]),
        raster::words(grid.spacing()),
        sizes.join(" "),
    );
    if components > 1 {
        text += &format!("ElementNumberOfChannels = {components}\n");
    }
    text += &format!("ElementType = {word}\nElementDataFile = LOCAL\n");
    let mut out = text.into_bytes();
    out.extend(packed);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::codec::encode::encode;
    use crate::kernel::format::sample;

    #[test]
    fn images_come_back() {
        for value in sample::images() {
            let back = read(&[&write(&value).unwrap()]).unwrap().value;
            let want = sample::without_mask(&value);
            assert_eq!(encode(&back).digest(), encode(&want).digest());
        }
    }

    #[test]
    fn numbers_lie_in_another_file_in_any_order_or_as_text() {
        let text = |more: &str| {
            format!("NDims = 2\nDimSize = 2 1\nElementType = MET_USHORT\n{more}\n").into_bytes()
        };
        let numbers = |output: Output| match output.value {
            Value::Volume(volume) => volume.voxels.bytes().to_vec(),
            _ => panic!("no number image"),
        };
        let apart = text("BinaryData = True\nElementDataFile = x.raw");
        assert_eq!(header(&apart).unwrap().apart.as_deref(), Some("x.raw"));
        assert_eq!(numbers(read(&[&apart, &[1, 2, 3, 4]]).unwrap()), [1, 2, 3, 4]);
        let sized = text("ElementSize = 1 9\nElementSpacing = 0.5 2\nElementDataFile = x.raw");
        assert_eq!(header(&sized).unwrap().grid.spacing(), [0.5, 2.0]);
        let big = text("ElementByteOrderMSB = True\nHeaderSize = -1\nElementDataFile = x.raw");
        assert_eq!(numbers(read(&[&big, &[9, 1, 2, 3, 4]]).unwrap()), [2, 1, 4, 3]);
        let mut digits = text("BinaryData = False\nElementDataFile = LOCAL");
        digits.extend(b"513 7\n");
        assert_eq!(numbers(read(&[&digits]).unwrap()), [1, 2, 7, 0]);
    }

    #[test]
    fn what_is_short_or_strange_is_refused() {
        let whole = write(&sample::images()[0]).unwrap();
        for at in 0..whole.len() {
            assert!(read(&[&whole[..at]]).is_err(), "cut at {at}");
        }
        for (from, to) in [
            ("NDims = 3", "NDims = 4"),
            ("DimSize = ", "DimSize = 99999 "),
            ("DimSize = 5 4 3", "DimSize = 32768 32768 32768"),
            ("MET_UCHAR", "MET_STRING"),
            ("ElementSpacing = ", "ElementSpacing = NaN "),
            ("= LOCAL", "= LIST"),
        ] {
            let at = whole.windows(from.len()).position(|part| part == from.as_bytes());
            let Some(at) = at else { continue };
            let mut bad = whole.clone();
            bad.splice(at..at + from.len(), to.bytes());
            assert!(read(&[&bad]).is_err(), "{to}");
        }
    }
}
