//! Volumes and masks: 240x240x155 voxels of a head.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use vox::id::{BlobId, Digest};
use vox::store::library::handle::{Library, Options};
use vox::store::object::objects::Objects as _;
use vox::store::object::tree::Tree;

use crate::row;

const DIMS: [usize; 3] = [240, 240, 155];
const RUNS: usize = 15;

pub(crate) fn run() {
    let (volume, mask) = (volume(), mask());
    let folder = row::folder();
    let mut out = vec![0u8; volume.len()];

    let hashed = row::median("SHA-256 of 35.7 MB", RUNS, None, &mut |_| {
        black_box(Digest::of(&volume));
    });
    let mut stored = Vec::new();
    let packed = row::median("zstd-1 of 35.7 MB, one thread", RUNS, None, &mut |_| {
        stored = zstd::bulk::compress(&volume, 1).expect("there is memory");
    });
    let mut decompressor = zstd::bulk::Decompressor::new().expect("there is memory");
    let unpacked = row::median("decompressed into a reused buffer", RUNS, None, &mut |_| {
        decompressor.decompress_to_buffer(&stored, &mut out).expect("it was compressed");
    });

    // No cache: what is asked for comes from the disk's pages each time.
    let options = Options { cache: 0, ..Options::default() };
    let path = folder.path().join("store");
    let store = Library::at(&path, options.clone()).expect("it opens");
    let limit = Some(1.5 * (hashed + packed));
    let mut keys: Vec<BlobId> = Vec::new();
    row::median("put of a volume, durable", RUNS, limit, &mut |at| {
        keys.push(store.put(&other(&volume, at)).expect("it can be written"));
    });
    row::median("(making another volume is in it)", RUNS, None, &mut |at| {
        black_box(other(&volume, at));
    });
    row::median("get of a volume, verified by checksums", RUNS, Some(1.3 * unpacked), &mut |at| {
        black_box(store.get(keys[at]).expect("it can be read"));
    });
    let vox = row::median("get of a volume, verified by SHA-256", RUNS, None, &mut |at| {
        let blob = store.store().objects().open(keys[at]).expect("it can be read");
        let blob = blob.expect("it was put");
        // The head of a byte string stands before the voxels.
        out.resize(blob.len(), 0);
        blob.fill_proved(&mut out).expect("it is good");
    });

    let objects = Tree::new(store.store().layout());
    row::median("put of a mask, not yet durable", RUNS, Some(0.6), &mut |at| {
        drop(objects.put(&[&[at as u8], &mask]).expect("it can be written"));
    });
    let mut keys: Vec<BlobId> = Vec::new();
    row::median("put of a mask, durable", RUNS, None, &mut |at| {
        keys.push(store.put(&other(&mask, at)).expect("it can be written"));
    });
    row::median("get of a mask, verified by checksums", RUNS, Some(0.3), &mut |at| {
        black_box(store.get(keys[at]).expect("it can be read"));
    });

    peers(&volume, folder.path(), vox);
}

/// The same bytes, kept by others.
fn peers(volume: &[u8], folder: &Path, vox: f64) {
    let path = |at: usize| folder.join(format!("plain-{at}"));
    row::median("plain file: put of a volume, synced", RUNS, None, &mut |at| {
        let mut file = File::create(path(at)).expect("it can be made");
        file.write_all(volume).and_then(|()| file.sync_all()).expect("there is room");
    });
    let mut out = Vec::new();
    row::median("plain file: get of a volume, not verified", RUNS, None, &mut |at| {
        out.clear();
        let file = File::open(path(at)).expect("it was made");
        black_box(&file).read_to_end(&mut out).expect("it can be read");
    });
    (0..RUNS).for_each(|at| fs::remove_file(path(at)).expect("it was made"));

    let table = rusqlite::Connection::open(folder.join("blobs.sqlite")).expect("it opens");
    table
        .execute_batch(
            "pragma journal_mode = wal; pragma synchronous = normal;
             create table blob (key blob primary key, value blob) without rowid;",
        )
        .expect("it is new");
    row::median("SQLite: put of a volume", RUNS, None, &mut |at| {
        let row = rusqlite::params![[at as u8], volume];
        table.execute("insert into blob values (?, ?)", row).expect("there is room");
    });
    row::median("SQLite: get of a volume, not verified", RUNS, None, &mut |at| {
        let mut query =
            table.prepare_cached("select value from blob where key = ?").expect("it is");
        let value: Vec<u8> = query.query_row([[at as u8]], |row| row.get(0)).expect("it was put");
        black_box(value);
    });

    if !git(folder, &["init", "-q", "git"]) {
        println!("git is not here");
        return;
    }
    let (repository, file) = (folder.join("git"), folder.join("volume"));
    fs::write(&file, volume).expect("there is room");
    let name = file.display().to_string();
    row::median("git: put of a volume", 3, None, &mut |at| {
        let mut file = fs::OpenOptions::new().append(true).open(&name).expect("it was made");
        file.write_all(&[at as u8]).expect("there is room");
        assert!(git(&repository, &["hash-object", "-w", &name]));
    });
    let hash = Command::new("git").current_dir(&repository).args(["hash-object", &name]).output();
    let hash = String::from_utf8(hash.expect("git is here").stdout).expect("it is hex");
    let read = row::median("git: get of a volume, verified", 5, None, &mut |_| {
        assert!(git(&repository, &["cat-file", "blob", hash.trim()]));
    });
    row::show("volumes read back verified: git / vox, at least 10", read / vox, "x", None);
}

fn git(folder: &Path, args: &[&str]) -> bool {
    let git = Command::new("git").current_dir(folder).args(args).stdout(Stdio::null()).status();
    git.is_ok_and(|status| status.success())
}

/// The same bytes but for the first.
fn other(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other[0] = at as u8;
    other
}

/// The head of `cargo bench --bench kernel`, as bytes.
fn volume() -> Vec<u8> {
    let [nx, ny, nz] = DIMS.map(|n| n as f64);
    let voxel = |at: usize| -> f32 {
        let place = [at % DIMS[0], at / DIMS[0] % DIMS[1], at / DIMS[0] / DIMS[1]];
        let [x, y, z] = place.map(|n| n as f64);
        let part = |v: f64, n: f64| (v / n - 0.5) / 0.37;
        let out = part(x, nx).powi(2) + part(y, ny).powi(2) + part(z, nz).powi(2);
        if out >= 1.0 {
            return 0.0;
        }
        let folds = (x * 0.21 + (y * 0.13).sin() * 3.0).sin()
            + (y * 0.17 + (z * 0.19).sin() * 2.0).sin()
            + (z * 0.23 + (x * 0.11).sin() * 2.0).sin();
        let lump = (x - 150.0).powi(2) + (y - 110.0).powi(2) + (z - 80.0).powi(2);
        let lump = 260.0 * (-lump / 600.0).exp();
        let noise = (noise(at as u64) % 60) as f64;
        (200.0 + 60.0 * folds + lump + noise - 60.0 * out).max(1.0).round() as f32
    };
    (0..DIMS.iter().product()).flat_map(|at| voxel(at).to_le_bytes()).collect()
}

fn noise(at: u64) -> u64 {
    let x = (at ^ at >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// A ball, one bit a voxel in rows of whole words: 1.2 MB.
fn mask() -> Vec<u8> {
    let row = DIMS[0].div_ceil(64) * 8;
    let mut bytes = vec![0; row * DIMS[1] * DIMS[2]];
    for (at, line) in bytes.chunks_exact_mut(row).enumerate() {
        let (y, z) = ((at % DIMS[1]) as f64 - 120.0, (at / DIMS[1]) as f64 - 77.0);
        for x in 0..DIMS[0] {
            let is_inside = (x as f64 - 120.0).powi(2) + y * y + z * z < 4900.0;
            line[x / 8] |= u8::from(is_inside) << (x % 8);
        }
    }
    bytes
}
