//! The operators on the voxels of whole images against their plain definitions.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use crate::canon::Tree;
use crate::kernel::list::samples::Samples;
use crate::kernel::list::{agreement, statistics};
use crate::kernel::number::exact::Doubles;
use crate::kernel::space::sample::{self, hash};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::text::show;
use crate::value::volume::{Volume, Voxels};

type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

fn run(run: Run, args: &[Value]) -> Value {
    run(&Call { args, params: &Tree::Null, files: &[] }).unwrap().value
}

fn field(record: &Value, name: &str) -> f64 {
    let Value::Record(fields) = record else { panic!("a record") };
    match fields.iter().find(|(other, _)| **other == *name) {
        Some((_, Value::Number(number))) => *number,
        _ => panic!("{name} is a number"),
    }
}

fn volume(grid: &Arc<Grid>, voxels: Voxels) -> Value {
    Value::Volume(Volume { grid: grid.clone(), voxels })
}

/// An image of any of the voxel types that differ in how they are looked at.
fn image(grid: &Arc<Grid>, kind: u8, seed: u64) -> Value {
    let all = || (0..grid.voxels() as u64).map(|at| hash(seed, at));
    let few = |x: u64| (x % 7) as f32;
    match kind {
        0 => Value::Mask(Mask::from_fn(grid.clone(), |x, y, z| {
            hash(seed, ((z * 131 + y) * 137 + x) as u64).is_multiple_of(3)
        })),
        1 => volume(
            grid,
            Voxels::U8(Arc::new(Buffer::copied(&all().map(|x| x as u8 % 5).collect::<Vec<_>>()))),
        ),
        2 => volume(
            grid,
            Voxels::I16(Arc::new(Buffer::copied(&all().map(|x| x as i16).collect::<Vec<_>>()))),
        ),
        // Beyond 2^53 not all of them are f64.
        3 => volume(
            grid,
            Voxels::I64(Arc::new(Buffer::copied(
                &all().map(|x| (1 << 60) + (x % 5) as i64).collect::<Vec<_>>(),
            ))),
        ),
        4 => {
            volume(grid, Voxels::F32(Arc::new(Buffer::copied(&all().map(few).collect::<Vec<_>>()))))
        }
        5 => volume(
            grid,
            Voxels::F64(Arc::new(Buffer::copied(
                &all().map(|x| f64::from_bits(x >> 2 | 1 << 60) * 0.1).collect::<Vec<_>>(),
            ))),
        ),
        _ => volume(
            grid,
            Voxels::F32(Arc::new(Buffer::copied(
                &all()
                    .map(|x| if x.is_multiple_of(9) { -0.0 } else { x as i32 as f32 / 1024.0 })
                    .collect::<Vec<_>>(),
            ))),
        ),
    }
}

fn check(a: &Value, b: &Value) {
    let (first, second) = (Samples::of(a).unwrap(), Samples::of(b).unwrap());
    let n = first.count();
    let pairs = || (0..n).map(|at| (first.at(at), second.at(at)));
    let pair = [a.clone(), b.clone()];
    let equal = pairs().filter(|(a, b)| a.equals(*b)).count() as f64;
    assert_eq!(field(&run(agreement::pixel_accuracy, &pair), "correct_pixels"), equal);
    let compared = run(agreement::compare_arrays, &pair);
    assert_eq!(field(&compared, "elements_equal"), equal);
    let wanted = first.at(n / 2);
    let args = [a.clone(), b.clone(), Value::Number(wanted.to_f64())];
    let wanted = crate::kernel::list::samples::Number::Float(wanted.to_f64());
    let dice = run(agreement::dice_score, &args);
    let both = pairs().filter(|(a, b)| a.equals(wanted) && b.equals(wanted)).count();
    assert_eq!(field(&dice, "intersection"), both as f64);
    let here = pairs().filter(|(a, _)| a.equals(wanted)).count();
    assert_eq!(field(&dice, "predicted_positive"), here as f64);
    let count = run(statistics::count_pixels, &[a.clone(), Value::Number(wanted.to_f64())]);
    assert_eq!(field(&count, "count"), here as f64);
    let Value::Mask(mask) = run(statistics::threshold_equal, &args[1..]) else { panic!("a mask") };
    assert_eq!(mask.count(), pairs().filter(|(_, b)| b.equals(wanted)).count() as u64);
    let stats = run(statistics::array_stats, std::slice::from_ref(a));
    let mut sorted: Vec<f64> = pairs().map(|(a, _)| a.to_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut sum = Doubles::default();
    pairs().for_each(|(a, _)| a.add_to(&mut sum));
    let mean = sum.round() / n as f64;
    let mut squares = Doubles::default();
    sorted.iter().for_each(|x| squares.add((x - mean) * (x - mean)));
    assert_eq!(field(&stats, "mean"), mean);
    assert_eq!(field(&stats, "std"), (squares.round() / n as f64).sqrt());
    assert_eq!(field(&stats, "median"), f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]));
    assert_eq!((field(&stats, "min"), field(&stats, "max")), (sorted[0], sorted[n - 1]));
}

fn all(a: &Value, b: &Value) -> Vec<String> {
    let pair = [a.clone(), b.clone()];
    let runs: [(Run, &[Value]); 4] = [
        (agreement::pixel_accuracy, &pair),
        (agreement::compare_arrays, &pair),
        (statistics::array_stats, &pair[..1]),
        (statistics::array_stats, &pair[1..]),
    ];
    runs.iter().map(|(of, args)| show(&run(*of, args)).unwrap()).collect()
}

proptest! {
    #[test]
    fn numbers_of_images_are_their_definitions(
        grid in sample::grid(),
        kinds: (u8, u8),
        seed: u64,
    ) {
        check(&image(&grid, kinds.0 % 7, seed), &image(&grid, kinds.1 % 7, seed ^ u64::from(kinds.0 % 2)));
    }
}

/// More voxels than one task takes.
#[test]
fn tasks_and_paths_do_not_show() {
    let grid = sample::grid_of(&[131, 67, 23], &[1.0; 3]);
    for kind in 0..7 {
        let (a, b) = (image(&grid, kind, 5), image(&grid, (kind + 1) % 7, 6));
        check(&a, &b);
        sample::same_on_any_threads(|| all(&a, &b));
    }
}

#[test]
fn labels_are_counted_by_pairs() {
    let grid = sample::grid_of(&[131, 67, 23], &[1.0; 3]);
    for (a, b) in [(1, 4), (4, 0), (0, 1)] {
        let (a, b) = (image(&grid, a, 5), image(&grid, b, 6));
        let (first, second) = (Samples::of(&a).unwrap(), Samples::of(&b).unwrap());
        let args = [a.clone(), b.clone(), Value::Number(9.0)];
        let got = run(agreement::confusion_matrix, &args);
        let Value::Record(fields) = &got else { panic!("a record") };
        let (_, Value::Sequence(rows)) =
            fields.iter().find(|(name, _)| **name == *"confusion_matrix").unwrap()
        else {
            panic!("rows")
        };
        for (row, numbers) in rows.iter().enumerate() {
            let Value::Sequence(numbers) = numbers else { panic!("numbers") };
            for (column, number) in numbers.iter().enumerate() {
                let is = |at: &usize| {
                    (second.at(*at).to_f64(), first.at(*at).to_f64()) == (row as f64, column as f64)
                };
                let want = (0..first.count()).filter(is).count() as f64;
                assert!(matches!(number, Value::Number(number) if *number == want));
            }
        }
        sample::same_on_any_threads(|| show(&run(agreement::confusion_matrix, &args)).unwrap());
    }
}
