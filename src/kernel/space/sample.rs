//! Images for the tests: shapes that hurt.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex, PoisonError};

use proptest::prelude::*;

use crate::kernel::cpu::{self, Path};
use crate::value::grid::Grid;
use crate::value::mask::Mask;

/// Paths are forced for the whole process, so one test at a time.
static PATHS: Mutex<()> = Mutex::new(());

/// Makes a grid at the origin.
pub fn grid_of(dims: &[usize], spacing: &[f64]) -> Arc<Grid> {
    let d = dims.len();
    let direction = if d == 2 {
        vec![1.0, 0.0, 0.0, 1.0]
    } else {
        vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    };
    Arc::new(Grid::new(dims, spacing, &vec![0.0; d], &direction).unwrap())
}

/// A number that looks random, the same everywhere.
pub fn hash(seed: u64, at: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Numbers of all sorts.
pub fn voxels(count: usize, seed: u64) -> Vec<f32> {
    (0..count)
        .map(|at| match hash(seed, at as u64) % 64 {
            0 => 0.0,
            1 => -3.5,
            2 => 1e6,
            n => n as f32 / 7.0,
        })
        .collect()
}

/// Any small grid.
pub fn grid() -> impl Strategy<Value = Arc<Grid>> {
    let dims = prop_oneof![
        Just(vec![1, 1]),
        Just(vec![1, 1, 1]),
        (1usize..9).prop_map(|n| vec![1, n]),
        (1usize..9).prop_map(|n| vec![n, 1, 1]),
        (1usize..9).prop_map(|n| vec![1, 1, n]),
        (prop::sample::select(&[63, 64, 65, 127][..]), 1usize..4).prop_map(|(x, y)| vec![x, y]),
        (prop::sample::select(&[63, 64, 65, 127][..]), 1usize..4, 1usize..4)
            .prop_map(|(x, y, z)| vec![x, y, z]),
        (1usize..20, 1usize..20).prop_map(|(x, y)| vec![x, y]),
        (1usize..20, 1usize..12, 1usize..10).prop_map(|(x, y, z)| vec![x, y, z]),
    ];
    let spacing = prop::sample::select(
        &[[1.0, 1.0, 1.0], [0.7, 0.7, 3.3], [0.5, 0.5, 0.5], [3.0, 1.0, 0.9375]][..],
    );
    (dims, spacing).prop_map(|(dims, spacing)| grid_of(&dims, &spacing[..dims.len()]))
}

fn of_kind(grid: Arc<Grid>, kind: u8, seed: u64) -> Mask {
    let [nx, ny, nz] = grid.shape();
    let chosen = hash(seed, 77);
    let at = |n: usize, shift: u32| (chosen >> shift) as usize % n;
    let one = (at(nx, 0), at(ny, 16), at(nz, 32));
    Mask::from_fn(grid, |x, y, z| {
        let random = hash(seed, ((z * ny + y) * nx + x) as u64) % 100;
        match kind {
            0 => false,
            1 => true,
            2 => (x + y + z) % 2 == 0,
            3 => (x, y, z) == one,
            4 => (x, y, z) != one,
            5 => random < 2,
            6 => random < 30,
            7 => random < 70,
            8 => random < 98,
            _ => x * 2 < nx && y * 3 < ny * 2,
        }
    })
}

/// Any mask on a small grid.
pub fn mask() -> impl Strategy<Value = Mask> {
    (grid(), 0u8..10, any::<u64>()).prop_map(|(grid, kind, seed)| of_kind(grid, kind, seed))
}

/// Two masks on one small grid.
pub fn two_masks() -> impl Strategy<Value = (Mask, Mask)> {
    (grid(), 0u8..10, 0u8..10, any::<u64>())
        .prop_map(|(grid, a, b, seed)| (of_kind(grid.clone(), a, seed), of_kind(grid, b, seed ^ 1)))
}

/// Spheres here and there, with some dust.
pub fn blobs(dims: &[usize], spacing: &[f64], seed: u64) -> Mask {
    let grid = grid_of(dims, spacing);
    let shape = grid.shape();
    let balls: Vec<([f64; 3], f64)> = (0..12)
        .map(|ball| {
            let part = |axis: u64| (hash(seed, ball * 4 + axis) % 1000) as f64 / 1000.0;
            let at = [0, 1, 2].map(|axis| part(axis as u64) * shape[axis] as f64);
            (at, (2.0 + part(3) * shape[0] as f64 / 6.0).powi(2))
        })
        .collect();
    Mask::from_fn(grid, |x, y, z| {
        let dust = hash(seed, ((z * shape[1] + y) * shape[0] + x) as u64).is_multiple_of(400);
        let here = [x as f64, y as f64, z as f64];
        let inside = balls
            .iter()
            .any(|(at, r2)| (0..3).map(|axis| (here[axis] - at[axis]).powi(2)).sum::<f64>() < *r2);
        inside != dust
    })
}

/// Runs `check` on every path that this machine has, and says which those are.
pub fn on_each_path(mut check: impl FnMut()) {
    let guard = PATHS.lock().unwrap_or_else(PoisonError::into_inner);
    for path in Path::ALL {
        if cpu::force(Some(path)) {
            check();
        }
    }
    cpu::force(None);
    drop(guard);
}

/// Demands the same result of `compute` on 1, 2, 5 and 7 threads and on every path.
pub fn same_on_any_threads<T: PartialEq + Send>(compute: impl Fn() -> T + Sync) {
    let mut first = None;
    on_each_path(|| {
        for threads in [1, 2, 5, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let got = pool.install(&compute);
            assert!(*first.get_or_insert_with(&compute) == got, "on {threads} threads");
        }
    });
}

#[test]
#[expect(clippy::print_stdout, reason = "says what the other tests ran on")]
fn the_paths_that_ran() {
    let ran: Vec<Path> = Path::ALL.into_iter().filter(|path| path.available()).collect();
    println!("paths: {ran:?}");
    assert!(ran.contains(&Path::Scalar));
}
