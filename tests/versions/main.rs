//! Operators do not change what they return without a new version.
//!
//! Every operator runs on fixed arguments. The digest of all it returns stands in `table.txt` beside
//! its version; a digest that changes while the version does not would serve yesterday's results for
//! today's. After raising a version, write the table anew with `VOX_BLESS=1 cargo test --test versions`.
//! The same calls show that neither threads nor instructions change a bit, and that wild voxels (every
//! kind of NaN, infinities, subnormals) neither stop an operator nor leave a NaN but the one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod inputs;

use std::fmt::Write as _;
use std::sync::Mutex;

use inputs::{Floats, calls};
use vox::canon::Tree;
use vox::codec::encode::encode;
use vox::id::Hasher;
use vox::kernel::cpu::{Path, force};
use vox::kernel::install::table;
use vox::primitive::contract::{Call, Primitive};
use vox::value::data::Value;
use vox::value::volume::Voxels;

/// One test at a time chooses the instructions.
static PATH: Mutex<()> = Mutex::new(());

/// Returns the digest of all that an operator returns.
fn digest(primitive: &dyn Primitive, floats: Floats) -> String {
    let mut hasher = Hasher::new();
    for args in calls(primitive.signature(), floats) {
        match primitive.kernel(&Call { args: &args, params: &Tree::Map(vec![]), files: &[] }) {
            Ok(output) => {
                for part in encode(&output.value).parts() {
                    hasher.update(part);
                }
                for warning in &output.warnings {
                    hasher.update(format!("{} {}", warning.code, warning.count).as_bytes());
                }
            }
            Err(refusal) => {
                let args = encode(&Value::sequence(refusal.args)).to_vec();
                hasher.update(refusal.code.word().as_bytes());
                hasher.update(&args);
            }
        }
    }
    hasher.finish().to_string()
}

#[test]
fn a_changed_result_has_a_new_version() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/versions/table.txt");
    let table = table();
    let mut now = String::new();
    for primitive in table.primitives() {
        let signature = primitive.signature();
        let digest = digest(primitive, Floats::Wild);
        writeln!(now, "{} {} {digest}", signature.name, signature.version).unwrap();
    }
    if std::env::var_os("VOX_BLESS").is_some() {
        std::fs::write(kept, &now).unwrap();
        return;
    }
    let before = std::fs::read_to_string(kept).unwrap();
    let said = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
    };
    let mut wrong = Vec::new();
    for line in now.lines() {
        let (name, version, digest) = said(line);
        match before.lines().map(said).find(|(other, _, _)| *other == name) {
            Some((_, same, other)) if same == version && other != digest => wrong.push(format!(
                "{name} returns other bits but is still version {version}: raise it"
            )),
            Some((_, same, _)) if same == version => {}
            _ => wrong.push(format!("{name} {version} is not in the table: bless it")),
        }
    }
    for (name, _, _) in before.lines().map(said) {
        if !now.lines().any(|line| said(line).0 == name) {
            wrong.push(format!("{name} is in the table but no longer an operator"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::print_stdout, reason = "says which instructions were compared")]
fn threads_and_instructions_do_not_show() {
    let _one = PATH.lock().unwrap();
    let table = table();
    let all = || -> Vec<(&str, String)> {
        table
            .primitives()
            .map(|primitive| (primitive.signature().name, digest(primitive, Floats::Wild)))
            .collect()
    };
    let want = all();
    for threads in [1, 2, 5, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(all), want, "{threads} threads");
    }
    let mut ran = Vec::new();
    for path in Path::ALL {
        if force(Some(path)) {
            assert_eq!(all(), want, "{path:?}");
            ran.push(path);
        }
    }
    force(None);
    println!("paths that ran: {ran:?}");
    // A machine without AVX2 may run the tests, but CI on one would show nothing.
    if cfg!(target_arch = "x86_64") && std::env::var_os("CI").is_some() {
        assert!(ran.contains(&Path::Avx2), "only {ran:?} ran");
    }
}

/// Looks for a NaN that is not the one NaN.
fn nan_is_one(value: &Value) -> bool {
    let single = |x: &f32| !x.is_nan() || x.to_bits() == 0x7fc0_0000;
    let double = |x: &f64| !x.is_nan() || x.to_bits() == 0x7ff8_0000_0000_0000;
    match value {
        Value::Number(number) => double(number),
        Value::Sequence(items) => items.iter().all(nan_is_one),
        Value::Record(fields) => fields.iter().all(|(_, value)| nan_is_one(value)),
        Value::Volume(volume) => match &volume.voxels {
            Voxels::F32(voxels) => voxels.iter().all(single),
            Voxels::F64(voxels) => voxels.iter().all(double),
            _ => true,
        },
        Value::Colour(colour) => colour.voxels.iter().all(single),
        _ => true,
    }
}

/// Hands a value through: what it is given it returns, and no voxel is written.
const HANDS_THROUGH: [&str; 6] = [
    "default.sequence",
    "default.record",
    "default.index",
    "default.slice",
    "default.subsequence",
    "vox1.extract",
];

#[test]
fn every_nan_that_is_written_is_the_one() {
    for primitive in table().primitives() {
        let signature = primitive.signature();
        if HANDS_THROUGH.contains(&signature.name) {
            continue;
        }
        for args in calls(signature, Floats::Wild) {
            let call = Call { args: &args, params: &Tree::Map(vec![]), files: &[] };
            if let Ok(output) = primitive.kernel(&call) {
                assert!(nan_is_one(&output.value), "{}", signature.name);
            }
        }
    }
}

/// Without this a table of refusals alone would pass for a table of results.
#[test]
fn most_operators_return_something() {
    let table = table();
    let silent: Vec<&str> = table
        .primitives()
        .filter(|primitive| {
            calls(primitive.signature(), Floats::Tame).iter().all(|args| {
                let call = Call { args, params: &Tree::Map(vec![]), files: &[] };
                primitive.kernel(&call).is_err()
            })
        })
        .map(|primitive| primitive.signature().name)
        .collect();
    let known = ["default.record", "default.field", "vox1.literal", "vox1.read", "vox1.encode"];
    let unknown: Vec<&&str> = silent.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} refused every call");
}
