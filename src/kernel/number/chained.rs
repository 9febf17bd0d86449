//! Chains against their operators one by one.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use crate::canon::Tree;
use crate::kernel::install::table;
use crate::kernel::number::chain::{OPS, Op, View, run};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Primitive};
use crate::primitive::fused::{Place, Step};
use crate::primitive::registry::Registry as _;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// Runs the steps one by one.
fn one_by_one(steps: &[Step], args: &[Value]) -> Option<Value> {
    let table = table();
    let mut values: Vec<Value> = args.to_vec();
    for step in steps {
        let places = step.args.iter().map(|place| match place {
            Place::Arg(at) => values[*at].clone(),
            Place::Step(at) => values[args.len() + at].clone(),
        });
        let places: Vec<Value> = places.collect();
        let call = Call { args: &places, params: &Tree::Null, files: &[] };
        values.push(table.find(step.op).unwrap().kernel(&call).ok()?.value);
    }
    values.pop()
}

fn bits(value: &Value) -> Vec<u64> {
    match value {
        Value::Mask(mask) => mask.words.to_vec(),
        Value::Volume(Volume { voxels: Voxels::F32(voxels), .. }) => {
            voxels.iter().map(|voxel| u64::from(voxel.to_bits())).collect()
        }
        other => panic!("{} is no image", other.kind()),
    }
}

const WILD: [f32; 10] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.5,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::from_bits(1),
];

/// Two images, an image of bytes, two masks and two numbers.
fn args(dims: &[usize], seed: u64) -> Vec<Value> {
    let grid = Arc::new(Grid::plain(dims).unwrap());
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize
    };
    let count = grid.voxels();
    let mut image = || {
        let voxels: Vec<f32> = (0..count)
            .map(|_| match next() {
                at if at % 3 == 0 => WILD[at / 3 % WILD.len()],
                at if at % 7 == 0 => f32::from_bits((at as u32) << 1 | 0x7f80_0001),
                at => (at % 17) as f32 - 8.0,
            })
            .collect();
        Value::Volume(Volume::f32(Arc::clone(&grid), Buffer::copied(&voxels)))
    };
    let (a, b) = (image(), image());
    let small: Vec<u8> = (0..count).map(|_| (next() % 4) as u8).collect();
    let small = Voxels::U8(Arc::new(Buffer::copied(&small)));
    let small = Value::Volume(Volume { grid: Arc::clone(&grid), voxels: small });
    let mut mask = || Value::Mask(Mask::from_fn(Arc::clone(&grid), |_, _, _| next() % 3 == 0));
    let (m, n) = (mask(), mask());
    vec![a, b, small, m, n, Value::Number(1.0), Value::Number(f64::from(WILD[next() % 10]))]
}

/// So many of the arguments are images.
const IMAGES: usize = 5;

fn chain() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..OPS.len(), prop::array::uniform3(any::<u16>())), 1..12).prop_map(
        |picks| {
            let mut steps = Vec::new();
            for (at, (op, from)) in picks.into_iter().enumerate() {
                let (op, kind, views) = OPS[op];
                let image = |from: u16| match usize::from(from) % (IMAGES + at) {
                    arg if arg < IMAGES => Place::Arg(arg),
                    step => Place::Step(step - IMAGES),
                };
                let mut args: Vec<Place> =
                    from[..views.len()].iter().map(|at| image(*at)).collect();
                if kind == Op::Between {
                    args[0] = Place::Arg(5);
                    args[1] = Place::Arg(6);
                } else if views == [View::Voxels, View::Voxels] && from[2] % 3 == 0 {
                    args[usize::from(from[2] % 2)] = Place::Arg(5 + usize::from(from[2] / 3 % 2));
                }
                let is_mask = !matches!(
                    kind,
                    Op::Add
                        | Op::Sub
                        | Op::Mul
                        | Op::Div
                        | Op::Max
                        | Op::Min
                        | Op::Neg
                        | Op::Abs
                        | Op::Same
                        | Op::Mask
                );
                steps.push(Step { op, args, is_mask });
            }
            steps
        },
    )
}

proptest! {
    #[test]
    fn a_chain_gives_the_bits_of_its_operators(
        steps in chain(),
        shape in prop::sample::select(vec![
            vec![1usize, 1, 1], vec![63, 3, 2], vec![64, 2, 2], vec![65, 5], vec![127, 2, 3],
            vec![1, 70, 2], vec![8300, 3], vec![240, 300],
        ]),
        seed: u64,
    ) {
        let args = args(&shape, seed);
        let fused = run(&steps, &args).ok();
        let plain = one_by_one(&steps, &args);
        if let Some(fused) = fused {
            let plain = plain.expect("what fuses does not refuse one by one");
            prop_assert_eq!(bits(&fused), bits(&plain));
        } else {
            let is_range = |step: &Step| step.op == "vox1.between";
            prop_assert!(steps.iter().any(is_range), "only a range is refused here");
        }
    }
}

#[test]
fn what_could_lose_digits_or_lies_elsewhere_is_left_to_the_operators() {
    let step = |op, args: &[Place], is_mask| Step { op, args: args.to_vec(), is_mask };
    let steps = [
        step("vox1.neg", &[Place::Arg(0)], false),
        step("vox1.add", &[Place::Step(0), Place::Arg(1)], false),
    ];
    let grid = Arc::new(Grid::plain(&[4, 2]).unwrap());
    let wide = Voxels::F64(Arc::new(Buffer::copied(&[1e300; 8])));
    let wide = Value::Volume(Volume { grid: Arc::clone(&grid), voxels: wide });
    let image = args(&[4, 2], 3)[0].clone();
    assert!(run(&steps, &[wide, image.clone()]).is_err());
    let elsewhere = args(&[2, 4], 3)[0].clone();
    assert!(run(&steps, &[elsewhere, image.clone()]).is_err());
    assert!(run(&steps, &[image.clone(), Value::Text("a".into())]).is_err());
    assert!(run(&steps, &[image.clone(), image]).is_ok());
}

#[test]
fn what_says_that_it_is_voxelwise_can_be_a_step() {
    let table = table();
    let signatures = table.primitives().map(Primitive::signature);
    let mut names: Vec<&str> = signatures.filter(|s| s.voxelwise).map(|s| s.name).collect();
    let mut known = OPS.map(|(name, ..)| name);
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}
