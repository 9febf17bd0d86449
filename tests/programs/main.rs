//! Programs and what they say: `okay/NAME.imgql` prints `okay/NAME.out`; `fail/NAME.imgql` is refused
//! with `fail/NAME.err`, whose first line is the exit code.
//!
//! Each runs in a folder of its own beside all programs of its kind (for imports) and these images of
//! 12 x 10 x 8 voxels of 1 mm: `ramp.nii` is x at every voxel; `scan.nii.gz` is 1, with a box of
//! 5 x 5 x 4 voxels of 10 and one voxel of 20; `truth.nii` is that box moved by one voxel along x;
//! `wide.nii` is another grid; `photo.png` has 4 x 3 pixels in colour. `VOX_BLESS=1` writes what is
//! said now; look at the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use vox::kernel::format::{nifti, png};
use vox::pool::Buffer;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::volume::{Colour, Volume};

fn image(dims: &[usize], at: impl Fn(usize, usize, usize) -> f32) -> Value {
    let grid = Arc::new(Grid::plain(dims).unwrap());
    let [nx, ny, nz] = grid.shape();
    let voxels: Vec<f32> =
        (0..nx * ny * nz).map(|n| at(n % nx, n / nx % ny, n / nx / ny)).collect();
    Value::Volume(Volume::f32(grid, Buffer::copied(&voxels)))
}

fn in_box(x: usize, y: usize, z: usize) -> bool {
    (3..8).contains(&x) && (2..7).contains(&y) && (2..6).contains(&z)
}

fn write_images(folder: &Path) {
    let dims = [12, 10, 8];
    let scan = image(&dims, |x, y, z| match (x, y, z) {
        (10, 8, 6) => 20.0,
        _ if in_box(x, y, z) => 10.0,
        _ => 1.0,
    });
    let truth = image(&dims, |x, y, z| f32::from(u8::from(x > 0 && in_box(x - 1, y, z))));
    let volumes = [
        ("ramp.nii", image(&dims, |x, _, _| x as f32)),
        ("truth.nii", truth),
        ("wide.nii", image(&[24, 10, 8], |x, _, _| x as f32)),
    ];
    for (name, value) in volumes {
        fs::write(folder.join(name), nifti::write::write(&value).unwrap()).unwrap();
    }
    let plain = nifti::write::write(&scan).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    fs::write(folder.join("scan.nii.gz"), gzip.finish().unwrap()).unwrap();
    fs::write(folder.join("torn.nii"), &plain[..1000]).unwrap();
    let colours: Vec<f32> = (0..36u8).map(|n| f32::from(n * 7)).collect();
    let photo = Value::Colour(Colour {
        grid: Arc::new(Grid::plain(&[4, 3]).unwrap()),
        components: 3,
        voxels: Arc::new(Buffer::copied(&colours)),
    });
    fs::write(folder.join("photo.png"), png::write(&photo).unwrap().0).unwrap();
}

fn programs(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(kind);
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "imgql"))
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

/// Runs all programs of a kind and compares what `said` makes of it with the files beside them.
fn hold(kind: &str, golden: &str, said: impl Fn(&std::process::Output) -> String) {
    let folder = tempfile::tempdir().unwrap();
    write_images(folder.path());
    let all = programs(kind);
    for program in &all {
        fs::copy(program, folder.path().join(program.file_name().unwrap())).unwrap();
    }
    let mut wrong = Vec::new();
    for program in all {
        let name = program.file_name().unwrap();
        // What begins with an underscore is only imported.
        if name.to_string_lossy().starts_with('_') {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_vox"))
            .args(["run", "--no-store", "--color", "never", "-o", "out", "--threads", "2"])
            .arg(name)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let got = said(&output);
        let want = program.with_extension(golden);
        if std::env::var_os("VOX_BLESS").is_some() {
            fs::write(&want, &got).unwrap();
        }
        let is_as_meant = output.status.success() == (kind == "okay");
        if !is_as_meant || fs::read_to_string(&want).ok().as_ref() != Some(&got) {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            wrong.push(format!("{}\n{got}{errors}", name.to_string_lossy()));
        }
    }
    assert!(wrong.is_empty(), "these say something else:\n{}", wrong.join("\n"));
}

#[test]
fn programs_print_what_they_printed() {
    hold("okay", "out", |output| String::from_utf8_lossy(&output.stdout).into_owned());
}

#[test]
fn wrong_programs_are_told_what_is_wrong() {
    hold("fail", "err", |output| {
        let code = output.status.code().expect("it exits by itself");
        assert_ne!(code, 0);
        let errors = String::from_utf8_lossy(&output.stderr);
        // The last line has times.
        let mut lines = vec![format!("exit {code}")];
        let timeless = errors.lines().filter(|line| !line.contains(" computed, "));
        lines.extend(timeless.map(str::to_owned));
        lines.join("\n") + "\n"
    });
}

#[test]
fn twenty_five_planted_mistakes_are_told_and_no_other() {
    let golden = programs("fail").into_iter().find(|path| path.ends_with("planted.imgql")).unwrap();
    let told = fs::read_to_string(golden.with_extension("err")).unwrap();
    let mut codes: Vec<&str> =
        told.match_indices("error[").map(|(at, _)| &told[at + 6..at + 11]).collect();
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!((count, codes.len()), (25, 25), "{codes:?}");
}
