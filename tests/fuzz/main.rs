//! The fuzz targets on seeds and what becomes of them after a few cuts, flips and splices: the same
//! every time. `scripts/fuzz` runs the targets for longer, guided by coverage.

#![allow(clippy::unwrap_used, reason = "tests")]

mod seeds;
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Numbers that look random: splitmix64 by Sebastiano Vigna, public domain.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Numbers at which sizes and lengths go wrong.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x1b, 0x5b, 0x9b];

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let len = dice.below((bytes.len() - at).min(40) + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = EDGES[dice.below(EDGES.len())],
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let again = bytes[at..at + len].to_vec();
                bytes.splice(at..at, again.repeat(1 + dice.below(3)));
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let len = dice.below((other.len() - from).min(60) + 1);
                bytes.splice(at..at, other[from..from + len].iter().copied());
            }
        }
    }
    bytes
}

/// Runs a target on all seeds, on what was found once, and on mutations for as long as that is quick.
fn hold(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>], rounds: usize) {
    assert!(!seeds.is_empty());
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found").join(name);
    for entry in fs::read_dir(&found).into_iter().flatten() {
        target(&fs::read(entry.unwrap().path()).unwrap());
    }
    for seed in seeds {
        target(seed);
    }
    let begun = Instant::now();
    let mut dice = Dice(seeds.len() as u64);
    for _ in 0..rounds {
        let bytes = mutated(seeds, &mut dice);
        let told = bytes.clone();
        let run = std::panic::catch_unwind(|| target(&bytes));
        assert!(run.is_ok(), "{name} fails on {} bytes: {}", told.len(), hex::encode(&told));
        if begun.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
}

#[test]
fn any_text_is_read_or_refused() {
    hold("parse", targets::parse, &seeds::texts(), 4000);
}

#[test]
fn any_text_is_lowered_or_refused() {
    hold("lower", targets::lower, &seeds::texts(), 4000);
}

#[test]
fn any_bytes_are_a_value_or_refused() {
    hold("decode", targets::decode, &seeds::values(), 200_000);
}

#[test]
fn any_stored_bytes_are_opened_or_refused() {
    hold("open", targets::open, &seeds::stored(), 50_000);
}

#[test]
fn any_file_is_an_image_or_refused() {
    hold("image", targets::image, &seeds::images(), 30_000);
}
