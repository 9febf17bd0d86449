//! NRRD: `.nrrd` (numbers behind the header) and `.nhdr` (numbers in a file beside it), as the Teem
//! library defines them. The world is LPS here: what says RAS or LAS is turned.

use std::sync::Arc;

use crate::kernel::format::gzip;
use crate::kernel::format::number::Order;
use crate::kernel::format::raster::{self, Packing, Raster};
use crate::primitive::contract::Output;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::VoxelType;

/// Longer headers are of something else.
const LONGEST: usize = 1 << 16;

/// Reads the header.
pub fn header(first: &[u8]) -> Result<Raster, Refusal> {
    let bad = || Refusal::new(Code::Format);
    let mut fields: Vec<(String, &str)> = Vec::new();
    let mut at = 0;
    loop {
        let rest = first.get(at..first.len().min(LONGEST)).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            // A header whose numbers lie apart may end with the file.
            at = first.len();
            break;
        };
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| bad())?.trim_end_matches('\r');
        let is_magic = at == 0;
        at += end + 1;
        if is_magic {
            if !line.starts_with("NRRD000") {
                return Err(bad());
            }
        } else if line.is_empty() {
            break;
        } else if !line.starts_with('#') && !line.contains(":=") {
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            fields.push((name.trim().to_ascii_lowercase(), value.trim()));
        }
    }
    parse(&Fields(fields), at)?.ok_or_else(bad)
}

struct Fields<'a>(Vec<(String, &'a str)>);

impl<'a> Fields<'a> {
    fn one_of(&self, names: &[&str]) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| *value)
    }

    /// Returns a field that is one of some known words, which may be written in capitals.
    fn word(&self, name: &str) -> Option<String> {
        self.one_of(&[name]).map(str::to_ascii_lowercase)
    }
}

fn kind_of(word: &str) -> Option<VoxelType> {
    Some(match word {
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => VoxelType::U8,
        "signed char" | "int8" | "int8_t" => VoxelType::I8,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => {
            VoxelType::U16
        }
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            VoxelType::I16
        }
        "uint" | "unsigned int" | "uint32" | "uint32_t" => VoxelType::U32,
        "int" | "signed int" | "int32" | "int32_t" => VoxelType::I32,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            VoxelType::U64
        }
        "longlong" | "long long" | "long long int" | "signed long long" | "int64" | "int64_t" => {
            VoxelType::I64
        }
        "float" => VoxelType::F32,
        "double" => VoxelType::F64,
        _ => return None,
    })
}

/// Which axes of the world are turned to become LPS, by the words of `space`.
fn signs(space: Option<&str>, d: usize) -> Option<Vec<f64>> {
    Some(match space {
        Some("right-anterior-superior" | "ras") => vec![-1.0, -1.0, 1.0],
        Some("left-anterior-superior" | "las") => vec![1.0, -1.0, 1.0],
        None
        | Some(
            "left-posterior-superior"
            | "lps"
            | "scanner-xyz"
            | "3d-right-handed"
            | "3d-left-handed",
        ) => vec![1.0; d],
        Some(_) => return None,
    })
}

/// Reads `(1,0,0)`.
fn vector(text: &str, count: usize) -> Option<Vec<f64>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let numbers: Option<Vec<f64>> = inner.split(',').map(|word| word.trim().parse().ok()).collect();
    numbers.filter(|all| all.len() == count && all.iter().all(|x: &f64| x.is_finite()))
}

/// Reads a list of vectors and the word `none`.
fn vectors(text: &str, count: usize) -> Option<Vec<Option<Vec<f64>>>> {
    let mut all = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            all.push(None);
            rest = after.trim_start();
        } else {
            let end = rest.find(')')? + 1;
            all.push(Some(vector(&rest[..end], count)?));
            rest = rest[end..].trim_start();
        }
    }
    Some(all)
}

/// Returns `None` where a field has another form than it should.
fn parse(fields: &Fields<'_>, end: usize) -> Result<Option<Raster>, Refusal> {
    let count = fields.one_of(&["dimension"]).and_then(|word| word.parse::<usize>().ok());
    let Some(axes_of_file) = count.filter(|n| (1..=16).contains(n)) else { return Ok(None) };
    let sizes: Option<Vec<usize>> = fields
        .one_of(&["sizes"])
        .map(|text| text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect());
    let Some(sizes) = sizes.filter(|sizes| sizes.len() == axes_of_file) else { return Ok(None) };
    let Some(kind) = fields.word("type").and_then(|word| kind_of(&word)) else { return Ok(None) };

    // An axis that is not of space comes first, as the components of a colour.
    let space = fields.word("space");
    let kinds = fields.word("kinds").unwrap_or_default();
    let kinds: Vec<&str> = kinds.split_ascii_whitespace().collect();
    let is_space = |word: &str| matches!(word, "domain" | "space" | "???" | "none");
    let mut directions = match fields.one_of(&["space directions"]) {
        None => None,
        Some(text) => {
            let known = signs(space.as_deref(), 3);
            let dimension = fields.one_of(&["space dimension"]).and_then(|word| word.parse().ok());
            let d = if space.is_some() { known.map(|signs| signs.len()) } else { dimension };
            let Some(d) = d.filter(|d| *d <= 3) else { return Ok(None) };
            let Some(all) = vectors(text, d) else { return Ok(None) };
            if all.len() != axes_of_file {
                return Ok(None);
            }
            Some(all)
        }
    };
    let first_apart = match &directions {
        Some(all) => all[0].is_none(),
        None => kinds.first().is_some_and(|word| !is_space(word)),
    };
    let components = if first_apart { sizes[0] } else { 1 };
    if first_apart && !matches!(components, 1 | 3 | 4) {
        return Err(Refusal::with(Code::Size, &[components as f64]));
    }
    let skipped = usize::from(first_apart);
    if let Some(all) = &mut directions {
        all.drain(..skipped);
    }
    let dims = &sizes[skipped..];
    let d = dims.len();
    if !(2..=3).contains(&d) {
        return Err(Refusal::with(Code::Dims, &[d as f64]));
    }
    let Some(signs) = signs(space.as_deref(), d) else { return Ok(None) };

    let mm = match fields.one_of(&["space units"]) {
        Some(units) if units.contains("\"um\"") => 0.001,
        Some(units) if units.contains("\"m\"") => 1000.0,
        _ => 1.0,
    };
    let (axes, spacing, origin) = if let Some(all) = directions {
        let all: Option<Vec<Vec<f64>>> = all.into_iter().collect();
        let Some(mut all) = all.filter(|all| all.iter().all(|along| along.len() == d)) else {
            return Err(Refusal::with(Code::Dims, &[d as f64]));
        };
        for along in &mut all {
            for (x, sign) in along.iter_mut().zip(&signs) {
                // What is 0 stays 0, not -0.
                *x = if *x == 0.0 { 0.0 } else { *x * sign };
            }
        }
        let origin = match fields.one_of(&["space origin"]) {
            None => Some(vec![0.0; d]),
            Some(text) => vector(text, d),
        };
        let Some(origin) = origin else { return Ok(None) };
        let turned = origin.iter().zip(&signs).map(|(x, sign)| x * sign * mm).collect();
        (all, vec![mm; d], turned)
    } else {
        let numbers = |name: &str, default: f64| match fields.one_of(&[name]) {
            None => vec![default; d],
            Some(text) => {
                let words = text.split_ascii_whitespace().skip(skipped);
                let mut all: Vec<f64> = words
                    .map(|word| word.parse().ok().filter(|x: &f64| x.is_finite()))
                    .map(|number| number.unwrap_or(default))
                    .collect();
                all.resize(d, default);
                all
            }
        };
        let axes = (0..d)
            .map(|axis| (0..d).map(|row| f64::from(u8::from(row == axis))).collect())
            .collect();
        let spacing: Vec<f64> = numbers("spacings", 1.0).iter().map(|x| x.abs()).collect();
        // The least place of an axis is the border of its first voxel, or the middle at a node.
        let centers = fields.word("centers").or_else(|| fields.word("centerings"));
        let centers: Vec<&str> =
            centers.iter().flat_map(|text| text.split_ascii_whitespace()).skip(skipped).collect();
        let mut origin = numbers("axis mins", 0.0);
        if fields.one_of(&["axis mins"]).is_some() {
            for (at, least) in origin.iter_mut().enumerate() {
                let is_node = centers.get(at) == Some(&"node");
                *least += if is_node { 0.0 } else { spacing[at] / 2.0 };
            }
        }
        (axes, spacing, origin)
    };
    let packing = match fields.word("encoding").as_deref() {
        Some("raw") => Packing::Raw,
        Some("gzip" | "gz") => Packing::Gzip,
        Some("ascii" | "text" | "txt") => Packing::Text,
        // Hexadecimal digits and bzip2 are seldom.
        _ => return Ok(None),
    };
    let order = match fields.word("endian").as_deref() {
        Some("big") => Order::Big,
        Some("little") => Order::Little,
        None if kind.size() == 1 || packing == Packing::Text => Order::Little,
        _ => return Ok(None),
    };
    let apart = fields.one_of(&["data file", "datafile"]);
    if apart.is_some_and(|name| name.starts_with("LIST") || name.contains('%')) {
        // Several files of slices.
        return Ok(None);
    }
    if fields.one_of(&["line skip", "lineskip"]).is_some_and(|word| word != "0") {
        return Ok(None);
    }
    let start = match fields.one_of(&["byte skip", "byteskip"]).map(str::parse::<i64>) {
        Some(Ok(-1)) if packing == Packing::Raw => None,
        Some(Ok(skip)) if packing == Packing::Raw && skip >= 0 => {
            Some(if apart.is_some() { 0 } else { end } + usize::try_from(skip).unwrap_or(0))
        }
        None | Some(Ok(0)) => Some(if apart.is_some() { 0 } else { end }),
        Some(_) => return Ok(None),
    };
    let grid = Arc::new(raster::grid(dims, &spacing, &origin, &axes)?);
    let apart = apart.map(str::to_owned);
    Ok(Some(Raster { grid, kind, order, components, packing, apart, start }))
}

/// Reads an image.
pub fn read(files: &[&[u8]]) -> Result<Output, Refusal> {
    let first = files.first().ok_or(Refusal::new(Code::Format))?;
    header(first)?.image(files)
}

/// Returns the `.nrrd` of an image, packed; a mask is u8 of 0 and 1.
pub fn write(value: &Value) -> Result<Vec<u8>, Refusal> {
    let (grid, kind, components, bytes) = raster::plain(value)?;
    let d = grid.dims().len();
    let shown = |numbers: Vec<f64>| {
        let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        format!("({})", words.join(","))
    };
    let mut sizes: Vec<String> = grid.dims().iter().map(ToString::to_string).collect();
    let mut directions: Vec<String> = (0..d)
        .map(|axis| {
            let step = grid.spacing()[axis];
            shown((0..d).map(|row| grid.direction()[row * d + axis] * step).collect())
        })
        .collect();
    let mut kinds = vec!["domain".to_owned(); d];
    if components > 1 {
        sizes.insert(0, components.to_string());
        directions.insert(0, "none".to_owned());
        kinds.insert(0, if components == 3 { "RGB-color" } else { "RGBA-color" }.to_owned());
    }
    let word = match kind {
        VoxelType::U8 => "unsigned char",
        VoxelType::I8 => "signed char",
        VoxelType::U16 => "unsigned short",
        VoxelType::I16 => "short",
        VoxelType::U32 => "unsigned int",
        VoxelType::I32 => "int",
        VoxelType::U64 => "unsigned long long",
        VoxelType::I64 => "long long",
        VoxelType::F32 => "float",
        VoxelType::F64 => "double",
    };
    let space = if d == 3 { "space: left-posterior-superior" } else { "space dimension: 2" };
    let text = format!(
        "NRRD0004\ntype: {word}\ndimension: {}\n{space}\nsizes: {}\nspace directions: {}\n\
         kinds: {}\nendian: little\nencoding: gzip\nspace origin: {}\n\n",
        sizes.len(),
        sizes.join(" "),
        directions.join(" "),
        kinds.join(" "),
        shown(grid.origin().to_vec()),
    );
    let mut out = text.into_bytes();
    out.extend(gzip::gzip(&bytes));
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::format::sample;

    #[test]
    fn images_come_back() {
        for value in sample::images() {
            let back = read(&[&write(&value).unwrap()]).unwrap().value;
            let want = sample::without_mask(&value);
            let (got, wanted) = (back.grid().unwrap(), want.grid().unwrap());
            // Step times cosine, and apart again, may round.
            assert!(got.meets(wanted), "{got:?} {wanted:?}");
            let voxels = |value: &Value| match value {
                Value::Volume(volume) => volume.voxels.bytes().to_vec(),
                Value::Colour(colour) => bytemuck::cast_slice(&colour.voxels).to_vec(),
                _ => panic!("no image"),
            };
            assert_eq!(voxels(&back), voxels(&want));
        }
    }

    fn text(more: &str) -> Vec<u8> {
        format!("NRRD0005\n# a comment\ntype: uint16\nkey:=value\n{more}\n").into_bytes()
    }

    #[test]
    fn a_world_of_ras_is_turned() {
        let mut file = text(
            "dimension: 3\nspace: right-anterior-superior\nsizes: 2 1 1\nendian: big\n\
             space directions: (-2,0,0) (0,3,0) (0,0,1)\nspace origin: (5,6,7)\nencoding: raw\n",
        );
        file.extend([1, 2, 3, 4]);
        let Value::Volume(volume) = read(&[&file]).unwrap().value else { panic!() };
        assert_eq!(volume.voxels.bytes(), [2, 1, 4, 3]);
        assert_eq!(volume.grid.spacing(), [2.0, 3.0, 1.0]);
        assert_eq!(volume.grid.origin(), [-5.0, -6.0, 7.0]);
        assert_eq!(volume.grid.direction(), [1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn numbers_lie_apart_or_are_text() {
        let apart =
            text("dimension: 2\nsizes: 2 1\nencoding: raw\nendian: little\ndata file: a.raw");
        assert_eq!(header(&apart).unwrap().apart.as_deref(), Some("a.raw"));
        let Value::Volume(volume) = read(&[&apart, &[1, 2, 3, 4]]).unwrap().value else { panic!() };
        assert_eq!(volume.voxels.bytes(), [1, 2, 3, 4]);
        let mins = text(
            "dimension: 2\nsizes: 2 1\nspacings: 0.5 3\naxis mins: 1 2\ncenters: Cell node\n\
             encoding: RAW\nendian: Little\ndata file: a.raw",
        );
        assert_eq!(header(&mins).unwrap().grid.origin(), [1.25, 2.0]);
        let mut digits = text("dimension: 2\nsizes: 2 1\nencoding: text\nspacings: 0.5 nan\n");
        digits.extend(b"513 7");
        let Value::Volume(volume) = read(&[&digits]).unwrap().value else { panic!() };
        assert_eq!(volume.voxels.bytes(), [1, 2, 7, 0]);
        assert_eq!(volume.grid.spacing(), [0.5, 1.0]);
    }

    #[test]
    fn what_is_short_or_strange_is_refused() {
        let whole = write(&sample::images()[0]).unwrap();
        for at in 0..whole.len() {
            assert!(read(&[&whole[..at]]).is_err(), "cut at {at}");
        }
        for more in [
            "dimension: 2\nsizes: 2\nencoding: raw\nendian: little\n",
            "dimension: 2\nsizes: 60000 60000\nencoding: gzip\nendian: little\n",
            "dimension: 2\nsizes: 60000 60000\nencoding: text\n",
            "dimension: 2\nsizes: 2 1\nencoding: bzip2\nendian: little\n",
            "dimension: 2\nsizes: 2 1\nencoding: raw\n",
            "dimension: 4\nsizes: 2 1 1 1\nencoding: raw\nendian: little\n",
            "dimension: 0\nsizes: \nencoding: raw\nendian: little\n",
            "dimension: 3\nspace: LPS\nspace directions: (1,0,0) none (0,0,1)\nsizes: 1 1 1\n\
             encoding: raw\nendian: little\n",
        ] {
            assert!(read(&[&text(more)]).is_err(), "{more}");
        }
    }
}
