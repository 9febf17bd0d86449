//! From values to canonical bytes.

use std::sync::Arc;

use crate::canon::{self, Tree, Writer};
use crate::id::{BlobId, Hasher};
use crate::pool::Buffer;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::Voxels;

/// An image inside another value is embedded up to this many canonical bytes; a larger one is an
/// object of its own.
pub const EMBEDDED: usize = 4096;

/// The canonical bytes of a value, in parts.
#[derive(Clone, Debug)]
pub struct Encoded {
    parts: Vec<Part>,
    /// Images that the bytes mention by name, each to be stored as an object of its own; sorted by
    /// name, each once.
    pub refs: Vec<(BlobId, Value)>,
}

/// A run of bytes, made for the purpose or shared with the value.
#[derive(Clone, Debug)]
enum Part {
    Made(Vec<u8>),
    Shared(Arc<[u8]>),
    Text(Arc<str>),
    Words(Arc<Buffer<u64>>),
    Floats(Arc<Buffer<f32>>),
    Voxels(Voxels),
}

impl Part {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Made(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
            Self::Words(words) => words.bytes(),
            Self::Floats(floats) => floats.bytes(),
            Self::Voxels(voxels) => voxels.bytes(),
        }
    }
}

impl Encoded {
    /// Returns the parts in order; the whole is their concatenation.
    pub fn parts(&self) -> Vec<&[u8]> {
        self.parts.iter().map(Part::bytes).collect()
    }

    /// Returns the count of all bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.bytes().len()).sum()
    }

    /// Says whether there are none; there always are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the name of the value: the digest of all bytes.
    pub fn digest(&self) -> BlobId {
        let mut hasher = Hasher::new();
        for part in &self.parts {
            hasher.update(part.bytes());
        }
        BlobId(hasher.finish())
    }

    /// Returns all bytes in one piece: for what is known to be small.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }
}

/// Returns the canonical bytes of `value`.
///
/// Voxels stay where they are, and the parts hold on to them. Kernels write one NaN only; a float
/// image with another one is copied with the one NaN in its place (looking costs a pass over memory,
/// about a tenth of what hashing costs), so that equal images have equal names whoever made them.
pub fn encode(value: &Value) -> Encoded {
    let mut refs = Vec::new();
    let parts = match value {
        Value::Text(text) => {
            let mut head = Writer::new();
            canon_text_head(&mut head, text.len());
            vec![Part::Made(head.out), Part::Text(text.clone())]
        }
        Value::Bytes(bytes) => {
            let mut head = Writer::new();
            head.bytes_head(bytes.len());
            vec![Part::Made(head.out), Part::Shared(bytes.clone())]
        }
        _ => image(value).unwrap_or_else(|| {
            let mut writer = Writer::new();
            write(&mut writer, value, &mut refs);
            vec![Part::Made(writer.out)]
        }),
    };
    refs.sort_by_key(|(blob, _): &(BlobId, Value)| *blob);
    refs.dedup_by_key(|(blob, _)| *blob);
    Encoded { parts, refs }
}

/// Returns the tree of a literal as it stands in `args` of a node.
///
/// The caller has asked [`Value::is_literal`]. What is no literal is written as values are, an image
/// as its reference; [`value_of`] does not take these back.
pub fn literal(value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(truth) => Tree::Bool(*truth),
        Value::Number(number) => Tree::Float(*number),
        Value::Text(text) => Tree::text(text),
        Value::Bytes(bytes) => Tree::bytes(bytes),
        Value::Sequence(items) => Tree::Array(items.iter().map(literal).collect()),
        Value::Record(fields) => {
            let fields =
                fields.iter().map(|(name, value)| (name.to_string(), literal(value))).collect();
            Tree::map([("t", Tree::text("record")), ("fields", Tree::Map(fields))])
        }
        Value::Overlay(layers) => Tree::map([
            ("t", Tree::text("overlay")),
            ("layers", Tree::Array(layers.iter().map(literal).collect())),
        ]),
        Value::Grid(grid) => grid_tree(grid),
        Value::Mask(_) | Value::Volume(_) | Value::Colour(_) => Tree::map([
            ("t", Tree::text("ref")),
            ("blob", Tree::bytes(&encode(value).digest().0.0)),
        ]),
    }
}

/// Returns the value of a literal in `args`, or `None` when the tree is none.
pub fn value_of(tree: &Tree) -> Option<Value> {
    Some(match tree {
        Tree::Bool(truth) => Value::Bool(*truth),
        Tree::Float(number) => Value::Number(*number),
        Tree::Text(text) => Value::text(text),
        Tree::Array(items) => {
            Value::sequence(items.iter().map(value_of).collect::<Option<Vec<_>>>()?)
        }
        Tree::Map(entries) => {
            if entries.len() != 2 || tree.get("t")?.as_text()? != "record" {
                return None;
            }
            let fields = tree.get("fields")?.as_map()?;
            let fields = fields
                .iter()
                .map(|(name, tree)| Some((Arc::from(name.as_str()), value_of(tree)?)))
                .collect::<Option<Vec<_>>>()?;
            Value::record(fields)
        }
        Tree::Null | Tree::Uint(_) | Tree::Bytes(_) => return None,
    })
}

fn canon_text_head(writer: &mut Writer, len: usize) {
    // A text's head is a byte string's with the next major type (RFC 8949 section 3.1).
    writer.bytes_head(len);
    writer.out[0] |= 0x20;
}

fn grid_tree(grid: &Grid) -> Tree {
    let mut entries = vec![("t".to_owned(), Tree::text("grid"))];
    entries.extend(grid.entries().into_iter().map(|(key, tree)| (key.to_owned(), tree)));
    Tree::Map(entries)
}

/// Writes a value behind others, images embedded or mentioned.
fn write(writer: &mut Writer, value: &Value, refs: &mut Vec<(BlobId, Value)>) {
    match value {
        Value::Null => writer.null(),
        Value::Bool(truth) => writer.bool(*truth),
        Value::Number(number) => writer.float(*number),
        Value::Text(text) => writer.text(text),
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::Sequence(items) => {
            writer.array(items.len());
            for item in items.iter() {
                write(writer, item, refs);
            }
        }
        Value::Record(fields) => {
            writer.map(2);
            writer.text("t");
            writer.text("record");
            writer.text("fields");
            writer.map(fields.len());
            debug_assert!(
                fields.is_sorted_by(|(a, _), (b, _)| canon::key_order(a, b).is_lt()),
                "records keep their names in order"
            );
            for (name, value) in fields.iter() {
                writer.text(name);
                write(writer, value, refs);
            }
        }
        Value::Overlay(layers) => {
            writer.map(2);
            writer.text("t");
            writer.text("overlay");
            writer.text("layers");
            writer.array(layers.len());
            for layer in layers.iter() {
                write(writer, layer, refs);
            }
        }
        Value::Grid(grid) => writer.tree(&grid_tree(grid)),
        Value::Mask(_) | Value::Volume(_) | Value::Colour(_) => {
            let whole = encode(value);
            if whole.len() <= EMBEDDED {
                for part in whole.parts() {
                    writer.out.extend_from_slice(part);
                }
            } else {
                let blob = whole.digest();
                writer.map(2);
                writer.text("t");
                writer.text("ref");
                writer.text("blob");
                writer.bytes(&blob.0.0);
                refs.push((blob, value.clone()));
            }
        }
    }
}

/// Returns head, voxels and tail of an image, or `None` for other values.
fn image(value: &Value) -> Option<Vec<Part>> {
    let (grid, kind, components, voxels) = match value {
        Value::Mask(mask) => (&mask.grid, "mask", None, Part::Words(mask.words.clone())),
        Value::Volume(volume) => {
            let voxels = Part::Voxels(with_one_nan(&volume.voxels));
            (&volume.grid, volume.voxels.kind().name(), None, voxels)
        }
        Value::Colour(colour) => {
            let voxels = Part::Floats(one_nan_f32(&colour.voxels));
            (&colour.grid, "f32", Some(colour.components), voxels)
        }
        _ => return None,
    };
    let [(_, dims), (_, spacing), (_, origin), (_, direction)] = grid.entries();
    // The canonical order of the keys: t, dims, kind, origin, voxels, spacing, direction, components.
    let mut head = Writer::new();
    head.map(if components.is_some() { 8 } else { 7 });
    head.text("t");
    head.text("image");
    head.text("dims");
    head.tree(&dims);
    head.text("kind");
    head.text(kind);
    head.text("origin");
    head.tree(&origin);
    head.text("voxels");
    head.bytes_head(voxels.bytes().len());
    let mut tail = Writer::new();
    tail.text("spacing");
    tail.tree(&spacing);
    tail.text("direction");
    tail.tree(&direction);
    if let Some(components) = components {
        tail.text("components");
        tail.uint(components as u64);
    }
    Some(vec![Part::Made(head.out), voxels, Part::Made(tail.out)])
}

const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

fn with_one_nan(voxels: &Voxels) -> Voxels {
    match voxels {
        Voxels::F32(buffer) => Voxels::F32(one_nan_f32(buffer)),
        Voxels::F64(buffer) => {
            let odd =
                buffer.iter().fold(false, |odd, x| odd | (x.is_nan() & (x.to_bits() != NAN_64)));
            if !odd {
                return voxels.clone();
            }
            let mut copy = Buffer::clone(buffer);
            for x in copy.iter_mut().filter(|x| x.is_nan()) {
                *x = f64::from_bits(NAN_64);
            }
            Voxels::F64(Arc::new(copy))
        }
        _ => voxels.clone(),
    }
}

fn one_nan_f32(buffer: &Arc<Buffer<f32>>) -> Arc<Buffer<f32>> {
    // No early exit: the loop becomes vector code, and the usual answer needs all of it anyway.
    let odd = buffer.iter().fold(false, |odd, x| odd | (x.is_nan() & (x.to_bits() != NAN_32)));
    if !odd {
        return buffer.clone();
    }
    let mut copy = Buffer::clone(buffer);
    for x in copy.iter_mut().filter(|x| x.is_nan()) {
        *x = f32::from_bits(NAN_32);
    }
    Arc::new(copy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::value::mask::Mask;
    use crate::value::volume::Volume;

    fn check(value: &Value, bytes: Option<&str>, blob: &str) {
        let encoded = encode(value);
        if let Some(bytes) = bytes {
            assert_eq!(hex::encode(encoded.to_vec()), bytes);
        }
        assert_eq!(encoded.digest().to_string(), blob);
    }

    fn record(fields: &[(&str, f64)]) -> Value {
        Value::record(
            fields.iter().map(|(name, x)| (Arc::from(*name), Value::Number(*x))).collect(),
        )
    }

    #[test]
    fn scalars_have_their_golden_bytes() {
        check(
            &Value::Number(3.0),
            Some("f94200"),
            "45b03fd4a48720ca71d4d12967cdde317c918d7c0295845cf9628784a124108d",
        );
        check(
            &Value::Number(0.1),
            Some("fb3fb999999999999a"),
            "8a4d00337ef54566f0092ea89930adf28d0fd1eb4c0f517928dc2fae71e75639",
        );
        check(
            &Value::Number(-f64::NAN),
            Some("f97e00"),
            "510364a22f07e10b06ba37c25de66e4b549ed7a63394eb73388b36d8deed536a",
        );
        check(
            &Value::Number(-0.0),
            Some("f98000"),
            "e95873bb6549017f8cd72cc8af178667d65261077ca89caf09a330742965f851",
        );
        check(
            &Value::text("flair"),
            Some("65666c616972"),
            "bfb09afce2d807c989b6a07ae5894092f08a5435cf15d1142dc9947fa00e1bca",
        );
        check(
            &record(&[("b", 1.0), ("aa", 2.0), ("a", 3.0)]),
            Some("a26174667265636f7264666669656c6473a36161f942006162f93c00626161f94000"),
            "0026dcf10b1fc364680b355db4c8fb7f7e05d55cde5db5a593f242bfff898dee",
        );
    }

    #[test]
    fn images_have_their_golden_names() {
        let identity: Vec<f64> = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let grid = Grid::new(&[2, 2, 1], &[1.0, 1.0, 2.5], &[0.0; 3], &identity).unwrap();
        let mask = Value::Mask(Mask::from_fn(Arc::new(grid), |x, y, _| x != y));
        assert_eq!(encode(&mask).len(), 125);
        check(&mask, None, "76aaa73ed0a26aec51b9dec7f7f85c75af9f1ec0064434ec1582d9ca5a4682b3");
        let grid = Grid::new(&[3, 1], &[0.7, 1.0], &[0.0, -1.5], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let odd_nan = f32::from_bits(0xffc0_1234);
        let volume =
            Value::Volume(Volume::f32(Arc::new(grid), Buffer::copied(&[0.5, -0.0, odd_nan])));
        assert_eq!(encode(&volume).len(), 104);
        check(&volume, None, "b0ec77a8d841fe9bb7ceb871cae52f7d92d5196588f3e80a0cbbe7f4fe40dcba");
    }

    #[test]
    fn the_voxels_are_not_copied() {
        let grid = Arc::new(Grid::plain(&[64, 64]).unwrap());
        let mask = Mask::constant(grid, true);
        let encoded = encode(&Value::Mask(mask.clone()));
        assert_eq!(encoded.parts()[1].as_ptr(), mask.words.bytes().as_ptr());
    }

    #[test]
    fn large_images_inside_are_mentioned_once() {
        let large = Value::Mask(Mask::constant(Arc::new(Grid::plain(&[512, 100]).unwrap()), true));
        let small = Value::Mask(Mask::constant(Arc::new(Grid::plain(&[8, 8]).unwrap()), true));
        let encoded =
            encode(&Value::sequence(vec![large.clone(), small, large.clone(), Value::Null]));
        assert_eq!(encoded.refs.len(), 1);
        assert_eq!(encoded.refs[0].0, encode(&large).digest());
        assert!(encoded.len() < 400);
    }

    #[test]
    fn literals_come_back() {
        let literal_value = Value::sequence(vec![
            Value::Number(1.0),
            Value::Bool(true),
            Value::text("x"),
            record(&[("b", 1.0), ("aa", f64::NAN)]),
        ]);
        let tree = literal(&literal_value);
        assert_eq!(canon::write(&tree), encode(&literal_value).to_vec());
        assert_eq!(literal(&value_of(&tree).unwrap()), tree);
        assert!(value_of(&literal(&Value::Null)).is_none());
        assert!(value_of(&Tree::Uint(3)).is_none());
    }
}
