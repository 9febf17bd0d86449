//! From descriptions in JSON to values, parameters and arguments.

use std::sync::Arc;

use bytemuck::Pod;
use serde_json::Value as Json;
use vox::canon::Tree;
use vox::codec::encode::{encode, literal};
use vox::id::{BlobId, Digest};
use vox::plan::node::{self, Entry};
use vox::pool::Buffer;
use vox::store::log::definition::Definition;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::mask::Mask;
use vox::value::volume::{Colour, Volume, VoxelType, Voxels};

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

pub(crate) fn uint(json: &Json) -> u64 {
    json.as_u64().unwrap()
}

pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

pub(crate) fn bytes(json: &Json) -> Vec<u8> {
    hex::decode(text(json)).unwrap()
}

pub(crate) fn digest(json: &Json) -> Digest {
    Digest::parse(text(json)).unwrap()
}

pub(crate) fn blobs(json: &Json) -> Vec<BlobId> {
    list(json).iter().map(|one| BlobId(digest(one))).collect()
}

/// The only entry of an object: what it is, and what of it.
fn only(json: &Json) -> (&str, &Json) {
    let entries = json.as_object().unwrap();
    assert_eq!(entries.len(), 1);
    let (kind, what) = entries.iter().next().unwrap();
    (kind, what)
}

/// Numbers are texts, because JSON has no -0.0 that all readers keep, and no NaN.
fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(json: &Json) -> T {
    text(json).parse().unwrap()
}

fn numbers(json: &Json) -> Vec<f64> {
    list(json).iter().map(number).collect()
}

pub(crate) fn value(of: &Json) -> Value {
    let (kind, what) = only(of);
    match kind {
        "null" => Value::Null,
        "bool" => Value::Bool(what.as_bool().unwrap()),
        "number" => Value::Number(number(what)),
        "text" => Value::text(text(what)),
        "repeat" => Value::text(&text(&what[0]).repeat(uint(&what[1]) as usize)),
        "bytes" => Value::Bytes(bytes(what).into()),
        "sequence" => Value::sequence(list(what).iter().map(value).collect()),
        "record" => {
            let field = |pair: &Json| (Arc::from(text(&pair[0])), value(&pair[1]));
            Value::record(list(what).iter().map(field).collect())
        }
        "overlay" => Value::Overlay(list(what).iter().map(value).collect()),
        "grid" => Value::Grid(grid(what)),
        "image" => image(what),
        other => panic!("no value is described as {other}"),
    }
}

fn grid(of: &Json) -> Arc<Grid> {
    let dims: Vec<usize> = list(&of["dims"]).iter().map(|n| uint(n) as usize).collect();
    let [spacing, origin, direction] =
        ["spacing", "origin", "direction"].map(|key| numbers(&of[key]));
    Arc::new(Grid::new(&dims, &spacing, &origin, &direction).unwrap())
}

fn image(of: &Json) -> Value {
    /// Voxels of one type: listed, or voxel i is `(start + i * step) % modulus`.
    fn voxels<T: Pod>(
        of: &Json,
        count: usize,
        listed: impl Fn(&Json) -> T,
        ramp: impl Fn(u64) -> T,
    ) -> Buffer<T> {
        let all: Vec<T> = match of.get("ramp").map(list) {
            Some([start, step, modulus]) => {
                let [start, step, modulus] = [start, step, modulus].map(uint);
                (0..count as u64).map(|at| ramp((start + at * step) % modulus)).collect()
            }
            _ => list(&of["numbers"]).iter().map(listed).collect(),
        };
        assert_eq!(all.len(), count);
        Buffer::copied(&all)
    }
    macro_rules! of_type {
        ($case:ident, $type:ty, $count:expr) => {
            Voxels::$case(Arc::new(voxels::<$type>(of, $count, number, |at| at as $type)))
        };
    }
    let grid = grid(of);
    let count = grid.voxels();
    if of["kind"] == "mask" {
        let nx = grid.dims()[0];
        let index = {
            let shape = grid.shape();
            move |x: usize, y: usize, z: usize| (z * shape[1] + y) * nx + x
        };
        let is_true = |at: usize| match of.get("every") {
            Some(every) => (at as u64).is_multiple_of(uint(every)),
            None => list(&of["true"]).iter().any(|one| uint(one) == at as u64),
        };
        return Value::Mask(Mask::from_fn(grid, |x, y, z| is_true(index(x, y, z))));
    }
    if let Some(components) = of.get("components") {
        let components = uint(components) as usize;
        let voxels = voxels::<f32>(of, count * components, number, |at| at as f32);
        return Value::Colour(Colour { grid, components, voxels: Arc::new(voxels) });
    }
    let voxels = match VoxelType::parse(text(&of["kind"])).unwrap() {
        VoxelType::U8 => of_type!(U8, u8, count),
        VoxelType::I8 => of_type!(I8, i8, count),
        VoxelType::U16 => of_type!(U16, u16, count),
        VoxelType::I16 => of_type!(I16, i16, count),
        VoxelType::U32 => of_type!(U32, u32, count),
        VoxelType::I32 => of_type!(I32, i32, count),
        VoxelType::U64 => of_type!(U64, u64, count),
        VoxelType::I64 => of_type!(I64, i64, count),
        VoxelType::F32 => of_type!(F32, f32, count),
        VoxelType::F64 => of_type!(F64, f64, count),
    };
    Value::Volume(Volume { grid, voxels })
}

/// Makes `p`: pairs of a name and what stands there.
pub(crate) fn params(of: &Json) -> Tree {
    fn one(of: &Json) -> Tree {
        match only(of) {
            ("uint", what) => Tree::Uint(uint(what)),
            ("array", what) => Tree::Array(list(what).iter().map(one).collect()),
            _ => literal(&value(of)),
        }
    }
    let pair = |pair: &Json| (text(&pair[0]).to_owned(), one(&pair[1]));
    Tree::Map(list(of).iter().map(pair).collect())
}

/// Calls `with` on the arguments as a plan has them.
pub(crate) fn with_entries<T>(of: &Json, with: impl FnOnce(&[Entry<'_>]) -> T) -> T {
    let literals: Vec<Option<Value>> =
        list(of).iter().map(|arg| arg.get("node").is_none().then(|| value(arg))).collect();
    let entries: Vec<Entry<'_>> = list(of)
        .iter()
        .zip(&literals)
        .map(|(arg, literal)| match literal {
            Some(literal) => Entry::Literal(literal),
            None => Entry::Node(digest(&arg["node"])),
        })
        .collect();
    with(&entries)
}

/// Makes a definition as the log has it.
pub(crate) fn definition(of: &Json) -> Definition {
    let arg = |arg: &Json| {
        if let Some(node) = arg.get("node") {
            return Tree::bytes(&digest(node).0);
        }
        let value = value(arg);
        assert!(value.is_literal());
        let encoded = encode(&value);
        if encoded.len() > node::LONGEST_LITERAL {
            return Tree::bytes(&node::long_literal(encoded.digest()).0.0);
        }
        literal(&value)
    };
    Definition {
        op: text(&of["op"]).into(),
        v: uint(&of["v"]),
        args: list(&of["args"]).iter().map(arg).collect(),
        p: params(&of["p"]),
    }
}
