//! The filters on single voxels and the squared distance against their definitions.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use crate::canon::Tree;
use crate::each_voxel_type;
use crate::kernel::itk::arithmetic::{Pair, pair};
use crate::kernel::itk::compare::{Test, compare};
use crate::kernel::itk::voxel::{Bits, Voxel};
use crate::kernel::itk::{distance, pixel, threshold, typed};
use crate::kernel::space::neighbour::contour;
use crate::kernel::space::sample;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::{Volume, VoxelType, Voxels};

/// An image of these numbers in a voxel type, wrapped around.
fn image(kind: VoxelType, numbers: &[i64]) -> Value {
    let grid = Arc::new(Grid::plain(&[numbers.len(), 1]).unwrap());
    let voxels = Voxels::I64(Arc::new(Buffer::copied(numbers)));
    let voxels = pixel::converted(&Volume { grid: grid.clone(), voxels }, kind);
    typed::image(&grid, voxels)
}

fn numbers(value: &Value) -> Vec<f64> {
    let Value::Volume(volume) = value else { panic!("an image") };
    each_voxel_type!(&volume.voxels, voxels => voxels.iter().map(|voxel| voxel.wide()).collect())
}

fn kind_of(value: &Value) -> VoxelType {
    let Value::Volume(volume) = value else { panic!("an image") };
    volume.voxels.kind()
}

fn run(
    filter: impl Fn(&Call<'_>) -> Result<Output, Refusal>,
    args: &[Value],
) -> Result<Value, Code> {
    let call = Call { args, params: &Tree::Map(vec![]), files: &[] };
    filter(&call).map(|output| output.value).map_err(|refusal| refusal.code)
}

/// Wraps an integer into a type, as two's complement does.
fn wrapped(kind: VoxelType, number: i128) -> f64 {
    let bits = kind.size() as u32 * 8;
    let rest = number.rem_euclid(1 << bits);
    let is_signed =
        matches!(kind, VoxelType::I8 | VoxelType::I16 | VoxelType::I32 | VoxelType::I64);
    let whole = if is_signed && rest >= 1 << (bits - 1) { rest - (1 << bits) } else { rest };
    whole as f64
}

fn integers() -> impl Strategy<Value = VoxelType> {
    prop::sample::select(
        VoxelType::ALL.into_iter().filter(|kind| kind.is_integer()).collect::<Vec<_>>(),
    )
}

proptest! {
    #[test]
    fn integers_add_as_numbers_do_and_wrap(
        kind in integers(),
        pairs in prop::collection::vec((-40_000i64..40_000, -40_000i64..40_000), 1..70),
    ) {
        let (a, b): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
        let (a, b) = (image(kind, &a), image(kind, &b));
        let args = [a.clone(), b.clone()];
        let (left, right) = (numbers(&a), numbers(&b));
        // 64-bit results of these are no f64 where they wrap around, and are not looked at.
        let small = kind.size() < 8;
        type Plain = fn(i128, i128) -> i128;
        let filters: [(Pair, Plain); 7] = [
            (Pair::Add, |a, b| a + b),
            (Pair::Subtract, |a, b| a - b),
            (Pair::Multiply, |a, b| a * b),
            (Pair::Maximum, i128::max),
            (Pair::Minimum, i128::min),
            (Pair::Bits(Bits::And), |a, b| a & b),
            (Pair::Bits(Bits::Xor), |a, b| a ^ b),
        ];
        for (filter, plain) in filters.into_iter().filter(|_| small) {
            let got = run(|call| pair(call, filter), &args).unwrap();
            prop_assert_eq!(kind_of(&got), kind);
            let want = left.iter().zip(&right).map(|(a, b)| wrapped(kind, plain(*a as i128, *b as i128)));
            prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
        }
        let got = run(|call| pair(call, Pair::Divide), &args).unwrap();
        if small {
            let greatest = wrapped(kind, -1).max(wrapped(kind, (1 << (kind.size() * 8 - 1)) - 1));
            let want = left.iter().zip(&right).map(|(a, b)| {
                if *b == 0.0 { greatest } else { wrapped(kind, *a as i128 / *b as i128) }
            });
            prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
        }
        let tail = [Value::Number(3.0), Value::Number(9.0)];
        let args = [&args[..], &tail[..]].concat();
        type Holds = fn(&f64, &f64) -> bool;
        let tests: [(Test, Holds); 6] = [
            (Test::Equal, f64::eq),
            (Test::Differ, f64::ne),
            (Test::Less, f64::lt),
            (Test::AtMost, f64::le),
            (Test::Greater, f64::gt),
            (Test::AtLeast, f64::ge),
        ];
        for (test, plain) in tests.into_iter().filter(|_| small) {
            let got = run(|call| compare(call, test), &args).unwrap();
            let want = left.iter().zip(&right).map(|(a, b)| if plain(a, b) { 9.0 } else { 3.0 });
            prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
        }
    }

    #[test]
    fn thresholds_and_masks_are_their_definitions(
        kind in prop::sample::select(&VoxelType::ALL[..]),
        voxels in prop::collection::vec(0i64..128, 1..70),
        low in 0.0f64..130.0,
        high in 0.0f64..130.0,
    ) {
        let image = image(kind, &voxels);
        let number = |number: f64| Value::Number(number);
        let cut = |number: f64| match kind {
            VoxelType::F32 => f64::from(number as f32),
            VoxelType::F64 => number,
            _ => number.trunc(),
        };
        let args = [image.clone(), number(low), number(high), number(7.0), number(5.0)];
        let inside = |voxel: i64| cut(low) <= voxel as f64 && voxel as f64 <= cut(high);
        let fits = kind != VoxelType::I8 || (low < 128.0 && high < 128.0);
        match run(threshold::binary, &args) {
            Ok(got) => {
                let want = voxels.iter().map(|voxel| if inside(*voxel) { 7.0 } else { 5.0 });
                prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
                prop_assert_eq!(kind_of(&got), VoxelType::U8);
            }
            Err(code) => prop_assert!(code == Code::Range && (cut(low) > cut(high) || !fits)),
        }
        if let Ok(got) = run(threshold::threshold, &args[..4]) {
            let want = voxels.iter().map(|voxel| if inside(*voxel) { *voxel as f64 } else { 7.0 });
            prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
            prop_assert_eq!(kind_of(&got), kind);
        } else {
            prop_assert!(!fits);
        }
        let hidden = self::image(VoxelType::I16, &voxels.iter().map(|voxel| voxel % 3).collect::<Vec<_>>());
        let got = run(threshold::mask, &[image, hidden, number(4.0), number(2.0)]).unwrap();
        let want = voxels.iter().map(|voxel| if voxel % 3 == 2 { 4.0 } else { *voxel as f64 });
        prop_assert_eq!(numbers(&got), want.collect::<Vec<f64>>());
    }

    #[test]
    fn distances_are_those_of_all_pairs(
        mask in sample::mask(),
        is_positive: bool,
        squared: bool,
        in_mm: bool,
    ) {
        let [nx, ny, nz] = mask.grid.shape();
        let edge = contour(&mask);
        let places = || (0..nx * ny * nz).map(|at| [at % nx, at / nx % ny, at / nx / ny]);
        let get = |place: [usize; 3]| mask.get(place[0], place[1], place[2]);
        let near: Vec<[usize; 3]> =
            places().filter(|place| edge.get(place[0], place[1], place[2])).collect();
        prop_assume!(!near.is_empty());
        let spacing = |axis: usize| {
            if in_mm { mask.grid.spacing().get(axis).copied().unwrap_or(1.0) } else { 1.0 }
        };
        let flag = Value::Bool;
        let args = [
            Value::Mask(mask.clone()),
            flag(is_positive),
            flag(squared),
            flag(in_mm),
            Value::Number(0.0),
        ];
        let got = numbers(&run(distance::signed_maurer, &args).unwrap());
        for (place, got) in places().zip(got) {
            let square = |to: &[usize; 3]| -> f64 {
                (0..3).map(|a| (place[a].abs_diff(to[a]) as f64 * spacing(a)).powi(2)).sum()
            };
            let least = near.iter().map(square).fold(f64::INFINITY, f64::min);
            let size = if squared { least } else { least.sqrt() };
            let want = if get(place) == is_positive { size } else { -size };
            prop_assert!((got - want).abs() <= 1e-6 * size, "{} {}", got, want);
            prop_assert_eq!(got.is_sign_negative(), get(place) != is_positive);
        }
    }
}
