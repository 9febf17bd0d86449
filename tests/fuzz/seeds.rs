//! What the fuzz targets begin with: well-formed inputs of every sort.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use vox::canon::Tree;
use vox::codec::encode::encode;
use vox::id::Digest;
use vox::kernel::format::{mha, nifti, npy, nrrd, png, tiff};
use vox::pool::Buffer;
use vox::store::log::record::{Body, Draft};
use vox::store::log::segment::build;
use vox::store::object::frame::compress;
use vox::store::object::layout::WriterId;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::mask::Mask;
use vox::value::volume::{Colour, Volume, Voxels};

fn files(folder: &str, found: &mut Vec<Vec<u8>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "imgql") {
            found.push(fs::read(path).unwrap());
        }
    }
}

/// Programs.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    files("examples", &mut all);
    files("tests/programs/okay", &mut all);
    files("tests/programs/fail", &mut all);
    files("src/lower/library", &mut all);
    for text in [
        "let f(x,y) = x .+. y\nprint \"a\" f(1, 2) ^ -3",
        "import \"stdlib.imgql\"\nload a = \"a.nii\"\nsave \"b.nii\" ((a > 3) & !near(a < 2)) | tt",
        "s = [1, 2, [3], {a: 1, b: \"x\"}]\nprint \"s\" map(x -> x .* 2, s)[0:2]",
        "for i in range(0, 3) { print \"i{i}\" i }",
        "namespace default\n/* a /* b */ c */ // d\nprint \"x\" fold(0, +, range(1, 4))",
        "//! imgql 1\nlet B+ = a B+ c\nprint \"q\" ¬ x",
        "r = {a: 1}.a\nprint \"r\" r; print \"t\" \"\\u{41}\\n\"",
    ] {
        all.push(text.as_bytes().to_vec());
    }
    all
}

fn grid(dims: &[usize]) -> Arc<Grid> {
    Arc::new(Grid::plain(dims).unwrap())
}

fn samples() -> Vec<Value> {
    let small = grid(&[5, 3, 2]);
    let flat = grid(&[65, 2]);
    let floats: Vec<f32> = (0..30).map(|at| at as f32 / 3.0).collect();
    let shorts: Vec<i16> = (0..130).map(|at| at * 251 - 9000).collect();
    vec![
        Value::Null,
        Value::Bool(true),
        Value::Number(-0.5),
        Value::text("grün"),
        Value::sequence(vec![Value::Number(1.0), Value::text("x"), Value::sequence(vec![])]),
        Value::record(vec![(Arc::from("a"), Value::Number(2.0)), (Arc::from("bb"), Value::Null)]),
        Value::Bytes(Arc::from([1, 2, 3].as_slice())),
        Value::Grid(Arc::clone(&small)),
        Value::Mask(Mask::from_fn(Arc::clone(&flat), |x, y, _| (x + y) % 3 == 0)),
        Value::Volume(Volume::f32(Arc::clone(&small), Buffer::copied(&floats))),
        Value::Volume(Volume {
            grid: Arc::clone(&flat),
            voxels: Voxels::I16(Arc::new(Buffer::copied(&shorts))),
        }),
        Value::Colour(Colour {
            grid: grid(&[5, 2]),
            components: 3,
            voxels: Arc::new(Buffer::copied(&floats)),
        }),
    ]
}

/// Canonical bytes of values.
pub(crate) fn values() -> Vec<Vec<u8>> {
    samples().iter().map(|value| encode(value).to_vec()).collect()
}

/// Objects and segments as they lie in a store.
pub(crate) fn stored() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> =
        values().iter().map(|bytes| compress(&[bytes.as_slice()]).concat()).collect();
    let long = vec![7u8; 3 << 20];
    all.push(compress(&[long.as_slice()]).concat());
    let definition = vox::canon::write(&Tree::map([
        ("args", Tree::Array(vec![])),
        ("op", Tree::text("vox1.literal")),
        ("p", Tree::map([("value", Tree::Null)])),
        ("t", Tree::text("vox/node/1")),
        ("v", Tree::text("1")),
    ]));
    let record = Draft { lam: 1, at: 0, body: Body::Def(definition.into()) }.numbered(1).bytes();
    let writer = WriterId([5; 16]);
    if let Ok(built) = build(writer, 1, Digest([0; 32]), &[record]) {
        all.push(built.stored.concat());
    }
    all
}

/// Image files.
pub(crate) fn images() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for value in samples() {
        all.extend(nifti::write::write(&value));
        all.extend(npy::write(&value));
        all.extend(mha::write(&value));
        all.extend(nrrd::write(&value));
        all.extend(png::write(&value).map(|(file, _)| file));
        all.extend(tiff::write(&value).map(|(file, _)| file));
    }
    all.push(b"[1, 2.5, {\"a\": null}]".to_vec());
    all.push(b"one\r\ntwo".to_vec());
    all
}
