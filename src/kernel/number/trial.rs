//! Every operator of the room against its plain definition, on shapes that hurt.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use crate::canon::Tree;
use crate::kernel::install::table;
use crate::pool::Buffer;
use crate::primitive::contract::Call;
use crate::primitive::refusal::Code;
use crate::primitive::registry::Registry as _;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::{Mask, last_word};
use crate::value::volume::{Volume, Voxels};

fn run(name: &str, args: &[Value]) -> Result<Value, Code> {
    let table = table();
    let primitive = table.find(name).unwrap();
    primitive
        .kernel(&Call { args, params: &Tree::Null, files: &[] })
        .map(|output| output.value)
        .map_err(|refusal| refusal.code)
}

fn image(grid: &Arc<Grid>, voxels: &[f32]) -> Value {
    Value::Volume(Volume::f32(Arc::clone(grid), Buffer::copied(voxels)))
}

fn mask(grid: &Arc<Grid>, truths: &[bool]) -> Value {
    let [nx, ny, _] = grid.shape();
    Value::Mask(Mask::from_fn(Arc::clone(grid), |x, y, z| truths[(z * ny + y) * nx + x]))
}

/// Returns the bits of the voxels: of a mask 0 and 1, whose padding must be zero.
fn bits(value: &Value) -> Vec<u32> {
    match value {
        Value::Volume(Volume { voxels: Voxels::F32(voxels), .. }) => {
            voxels.iter().map(|voxel| voxel.to_bits()).collect()
        }
        Value::Mask(mask) => {
            let [nx, ny, nz] = mask.grid.shape();
            for row in mask.words.chunks(mask.grid.row_words()) {
                assert_eq!(row[row.len() - 1] & !last_word(nx), 0, "padding is zero");
            }
            (0..nx * ny * nz)
                .map(|at| u32::from(mask.get(at % nx, at / nx % ny, at / nx / ny)))
                .collect()
        }
        other => panic!("{} is no image", other.kind()),
    }
}

fn number(value: &Value) -> f64 {
    let Value::Number(number) = value else { panic!("{} is no number", value.kind()) };
    *number
}

fn one_nan(x: f32) -> u32 {
    if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() }
}

const WILD: [f32; 9] =
    [0.0, -0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::from_bits(1)];

fn voxel() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => prop::sample::select(&WILD[..]),
        3 => (-8i8..8).prop_map(f32::from),
        2 => -1.0f32..1.0,
        1 => any::<u32>().prop_map(f32::from_bits),
    ]
}

#[derive(Debug, Clone)]
struct Trial {
    grid: Arc<Grid>,
    a: Vec<f32>,
    b: Vec<f32>,
    m: Vec<bool>,
    k: f32,
}

fn trial() -> impl Strategy<Value = Trial> {
    let shapes: Vec<Vec<usize>> = vec![
        vec![1, 1],
        vec![1, 1, 1],
        vec![63, 3],
        vec![64, 2, 2],
        vec![65, 2, 3],
        vec![127, 3, 1],
        vec![8200, 2],
    ];
    (prop::sample::select(shapes), 0u8..4).prop_flat_map(|(dims, fullness)| {
        let grid = Arc::new(Grid::plain(&dims).unwrap());
        let n = grid.voxels();
        let truth = move |x: u8| match fullness {
            0 => false,
            1 => true,
            _ => x < 90,
        };
        (
            prop::collection::vec(voxel(), n),
            prop::collection::vec(voxel(), n),
            prop::collection::vec(any::<u8>().prop_map(truth), n),
            voxel(),
        )
            .prop_map(move |(a, b, m, k)| Trial { grid: Arc::clone(&grid), a, b, m, k })
    })
}

/// A percentile as the table of operators defines it.
fn percentile(inside: &[f32], v: f32, c: f64) -> f32 {
    let below = |x: f32| if v.is_nan() { !x.is_nan() } else { x < v };
    let equal = |x: f32| x == v || (x.is_nan() && v.is_nan());
    let below = inside.iter().filter(|x| below(**x)).count() as f64;
    let equal = inside.iter().filter(|x| equal(**x)).count() as f64;
    ((below + c * equal) / inside.len() as f64) as f32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn two_images_are_computed_voxel_by_voxel(t in trial()) {
        let (a, b) = (image(&t.grid, &t.a), image(&t.grid, &t.b));
        let pairs = || t.a.iter().copied().zip(t.b.iter().copied());
        type F = fn(f32, f32) -> f32;
        let arithmetic: [(&str, F); 4] = [
            ("vox1.add", |a, b| a + b),
            ("vox1.sub", |a, b| a - b),
            ("vox1.mul", |a, b| a * b),
            ("vox1.div", |a, b| if b == 0.0 { f32::MAX } else { a / b }),
        ];
        for (name, f) in arithmetic {
            let want: Vec<u32> = pairs().map(|(a, b)| one_nan(f(a, b))).collect();
            prop_assert_eq!(bits(&run(name, &[a.clone(), b.clone()]).unwrap()), want, "{}", name);
            let want: Vec<u32> = t.a.iter().map(|a| one_nan(f(*a, t.k))).collect();
            let k = Value::Number(f64::from(t.k));
            prop_assert_eq!(bits(&run(name, &[a.clone(), k.clone()]).unwrap()), want, "{}", name);
            let want: Vec<u32> = t.a.iter().map(|a| one_nan(f(t.k, *a))).collect();
            prop_assert_eq!(bits(&run(name, &[k, a.clone()]).unwrap()), want, "{}", name);
        }
        type P = fn(f32, f32) -> bool;
        let comparisons: [(&str, P); 4] = [
            ("vox1.lt", |a, b| a < b),
            ("vox1.le", |a, b| a <= b),
            ("vox1.eq", |a, b| a == b),
            ("vox1.ne", |a, b| a != b),
        ];
        for (name, f) in comparisons {
            let k = Value::Number(f64::from(t.k));
            let got = run(name, &[a.clone(), b.clone()]).unwrap();
            prop_assert_eq!(bits(&got), pairs().map(|(a, b)| u32::from(f(a, b))).collect::<Vec<_>>());
            let got = run(name, &[a.clone(), k.clone()]).unwrap();
            prop_assert_eq!(bits(&got), t.a.iter().map(|a| u32::from(f(*a, t.k))).collect::<Vec<_>>());
            let got = run(name, &[k.clone(), a.clone()]).unwrap();
            prop_assert_eq!(bits(&got), t.a.iter().map(|a| u32::from(f(t.k, *a))).collect::<Vec<_>>());
            // A mask is 0 and 1 beside anything.
            let m = mask(&t.grid, &t.m);
            let ones = |m: &bool| f32::from(u8::from(*m));
            let got = run(name, &[m.clone(), k]).unwrap();
            prop_assert_eq!(bits(&got), t.m.iter().map(|m| u32::from(f(ones(m), t.k))).collect::<Vec<_>>());
            let got = run(name, &[m.clone(), a.clone()]).unwrap();
            let want: Vec<u32> = t.m.iter().zip(&t.a).map(|(m, a)| u32::from(f(ones(m), *a))).collect();
            prop_assert_eq!(bits(&got), want);
            let other: Vec<bool> = t.a.iter().map(|a| *a > 0.0).collect();
            let got = run(name, &[m, mask(&t.grid, &other)]).unwrap();
            let want: Vec<u32> = t.m.iter().zip(&other).map(|(m, o)| u32::from(f(ones(m), ones(o)))).collect();
            prop_assert_eq!(bits(&got), want);
        }
    }

    #[test]
    fn extremes_pass_nan_over_and_put_the_zeros_in_order(t in trial()) {
        let a = image(&t.grid, &t.a);
        let mut sorted: Vec<f32> = t.a.iter().copied().filter(|x| !x.is_nan()).collect();
        sorted.sort_by(f32::total_cmp);
        let nan = f64::NAN.to_bits();
        let want = |x: Option<&f32>| x.map_or(nan, |x| f64::from(*x).to_bits());
        prop_assert_eq!(number(&run("vox1.min", std::slice::from_ref(&a)).unwrap()).to_bits(), want(sorted.first()));
        prop_assert_eq!(number(&run("vox1.max", std::slice::from_ref(&a)).unwrap()).to_bits(), want(sorted.last()));
        let greater = |a: f32, b: f32| match (a.is_nan(), b.is_nan()) {
            (true, _) => b,
            (_, true) => a,
            _ if a.total_cmp(&b).is_gt() => a,
            _ => b,
        };
        let lesser = |a: f32, b: f32| if a.is_nan() || b.is_nan() { greater(a, b) } else { -greater(-a, -b) };
        let b = image(&t.grid, &t.b);
        for (name, f) in [("vox1.max", &greater as &dyn Fn(f32, f32) -> f32), ("vox1.min", &lesser)] {
            let want: Vec<u32> = t.a.iter().zip(&t.b).map(|(a, b)| one_nan(f(*a, *b))).collect();
            prop_assert_eq!(bits(&run(name, &[a.clone(), b.clone()]).unwrap()), want);
            let (x, y) = (f64::from(t.a[0]), f64::from(t.b[0]));
            let got = number(&run(name, &[Value::Number(x), Value::Number(y)]).unwrap());
            let want = f64::from(f(t.a[0], t.b[0]));
            prop_assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()));
        }
    }

    #[test]
    fn masks_select_and_count(t in trial()) {
        let (a, m) = (image(&t.grid, &t.a), mask(&t.grid, &t.m));
        let selected = run("vox1.mask", &[a.clone(), m.clone()]).unwrap();
        let want: Vec<u32> =
            t.a.iter().zip(&t.m).map(|(a, m)| if *m { one_nan(*a) } else { 0 }).collect();
        prop_assert_eq!(bits(&selected), want);
        let count = |truths: &dyn Fn(usize) -> bool| (0..t.a.len()).filter(|at| truths(*at)).count() as f64;
        prop_assert_eq!(number(&run("vox1.volume", std::slice::from_ref(&m)).unwrap()), count(&|at| t.m[at]));
        prop_assert_eq!(number(&run("vox1.volume", std::slice::from_ref(&a)).unwrap()), count(&|at| t.a[at] != 0.0));
        let truths = |name: &str, args: &[Value]| bits(&run(name, args).unwrap());
        let both: Vec<u32> = t.a.iter().zip(&t.m).map(|(a, m)| u32::from(*a != 0.0 && *m)).collect();
        prop_assert_eq!(truths("vox1.and", &[a.clone(), m.clone()]), both);
        let either: Vec<u32> = t.a.iter().zip(&t.m).map(|(a, m)| u32::from(*a != 0.0 || *m)).collect();
        prop_assert_eq!(truths("vox1.or", &[m.clone(), a.clone()]), either);
        let none: Vec<u32> = t.a.iter().map(|a| u32::from(*a == 0.0)).collect();
        prop_assert_eq!(truths("vox1.not", std::slice::from_ref(&a)), none);
        let all = vec![1; t.a.len()];
        prop_assert_eq!(truths("vox1.or", &[m.clone(), Value::Bool(true)]), all);
        let same: Vec<u32> = t.m.iter().map(|m| u32::from(*m)).collect();
        prop_assert_eq!(truths("vox1.and", &[Value::Bool(true), m]), same);
    }

    #[test]
    fn means_are_those_of_the_exact_sum(t in trial()) {
        let whole: Vec<f32> = t.a.iter().map(|a| (a.clamp(-64.0, 64.0) * 8.0).round() / 8.0).collect();
        let whole: Vec<f32> = whole.iter().map(|x| if x.is_nan() { 2.5 } else { *x }).collect();
        let args = [image(&t.grid, &whole), mask(&t.grid, &t.m)];
        let inside: Vec<f64> =
            whole.iter().zip(&t.m).filter(|(_, m)| **m).map(|(x, _)| f64::from(*x)).collect();
        // Multiples of an eighth below 64 add up without rounding.
        let want = inside.iter().sum::<f64>() / inside.len() as f64;
        if inside.is_empty() {
            prop_assert_eq!(run("vox1.avg", &args).unwrap_err(), Code::Empty);
            prop_assert_eq!(number(&run("vox1.avg0", &args).unwrap()), 0.0);
        } else {
            prop_assert_eq!(number(&run("vox1.avg", &args).unwrap()), want);
            prop_assert_eq!(number(&run("vox1.avg0", &args).unwrap()), want);
        }
    }

    #[test]
    fn percentiles_count_what_is_below_and_equal(
        t in trial(),
        integral: bool,
        c in prop::sample::select(vec![0.0, 0.5, 1.0, 0.3, f64::NAN]),
    ) {
        let n = t.a.len().min(400);
        let mut a = t.a.clone();
        if integral {
            a.iter_mut().for_each(|x| *x = if x.is_nan() { 3.0 } else { x.clamp(-9.0, 9.0).trunc() });
        }
        // The plain definition is quadratic, so far voxels of the long shape stay outside.
        let m: Vec<bool> = t.m.iter().enumerate().map(|(at, m)| *m && at < n).collect();
        let got = run("vox1.percentiles", &[image(&t.grid, &a), mask(&t.grid, &m), Value::Number(c)]);
        let inside: Vec<f32> = a.iter().zip(&m).filter(|(_, m)| **m).map(|(x, _)| *x).collect();
        let want: Vec<u32> = a
            .iter()
            .zip(&m)
            .map(|(x, m)| if *m { one_nan(percentile(&inside, *x, c)) } else { (-1.0f32).to_bits() })
            .collect();
        prop_assert_eq!(bits(&got.unwrap()), want);
    }
}

/// More values than one block holds, so that blocks and parts meet.
#[test]
fn percentiles_of_many_values_are_ranks() {
    let grid = Arc::new(Grid::plain(&[600, 500, 1]).unwrap());
    let n = grid.voxels();
    // A permutation: 7919 is prime and does not divide the count.
    for scale in [1.0f32, 0.125 / 3.0] {
        let place = |at: usize| at * 7919 % n;
        let voxels: Vec<f32> = (0..n).map(|at| (place(at) as f32 - 1e5) * scale).collect();
        let all = mask(&grid, &vec![true; n]);
        let got =
            run("vox1.percentiles", &[image(&grid, &voxels), all, Value::Number(1.0)]).unwrap();
        let want: Vec<u32> =
            (0..n).map(|at| (((place(at) + 1) as f64 / n as f64) as f32).to_bits()).collect();
        assert_eq!(bits(&got), want, "{scale}");
    }
}

#[test]
fn otsu_parts_two_heaps() {
    let grid = Arc::new(Grid::plain(&[70, 4]).unwrap());
    let voxels: Vec<f32> = (0..280)
        .map(|at| if at % 3 == 0 { 10.0 + (at % 7) as f32 } else { (at % 5) as f32 })
        .collect();
    let half: Vec<bool> = (0..280).map(|at| at < 200).collect();
    let args = |k: f64| [image(&grid, &voxels), mask(&grid, &half), Value::Number(k)];
    let want: Vec<u32> = (0..280).map(|at| u32::from(at < 200 && at % 3 == 0)).collect();
    assert_eq!(bits(&run("vox1.otsu", &args(100.0)).unwrap()), want);
    assert_eq!(run("vox1.otsu", &args(1.0)).unwrap_err(), Code::Range);
    assert_eq!(run("vox1.otsu", &args(1.5)).unwrap_err(), Code::Integer);
    let none = mask(&grid, &[false; 280]);
    let empty = [image(&grid, &voxels), none, Value::Number(9.0)];
    assert_eq!(run("vox1.otsu", &empty).unwrap_err(), Code::Empty);
    let flat = [image(&grid, &[4.0; 280]), mask(&grid, &half), Value::Number(9.0)];
    assert_eq!(bits(&run("vox1.otsu", &flat).unwrap()), [0; 280]);
}

#[test]
fn kinds_meet_as_the_table_says() {
    let grid = Arc::new(Grid::plain(&[3, 1]).unwrap());
    let img = image(&grid, &[0.0, 1.0, 2.0]);
    let msk = mask(&grid, &[false, true, true]);
    let (n, b, s, null) = (Value::Number(1.0), Value::Bool(true), Value::text("1"), Value::Null);
    let bytes = Value::Bytes(Arc::from([1u8]));
    for (name, a, b) in [
        ("vox1.add", &b, &b),
        ("vox1.lt", &b, &b),
        ("vox1.and", &n, &b),
        ("vox1.add", &s, &s),
        ("vox1.eq", &s, &n),
        ("vox1.eq", &b, &n),
        ("vox1.eq", &b, &img),
        ("vox1.lt", &b, &msk),
        ("vox1.add", &b, &msk),
        ("vox1.lt", &null, &null),
        ("vox1.lt", &bytes, &bytes),
        ("vox1.add", &Value::Grid(Arc::clone(&grid)), &img),
    ] {
        assert_eq!(run(name, &[a.clone(), b.clone()]).unwrap_err(), Code::Kind, "{name}");
    }
    let truth = |name: &str, a: &Value, b: &Value| match run(name, &[a.clone(), b.clone()]).unwrap()
    {
        Value::Bool(truth) => truth,
        other => panic!("{} is no truth", other.kind()),
    };
    assert!(truth("vox1.eq", &null, &null) && truth("vox1.ne", &null, &img));
    assert!(truth("vox1.eq", &s, &s) && truth("vox1.eq", &bytes, &bytes));
    assert!(truth("vox1.ne", &Value::Number(f64::NAN), &Value::Number(f64::NAN)));
    assert_eq!(bits(&run("vox1.eq", &[b, msk.clone()]).unwrap()), [0, 1, 1]);
    let sum = run("vox1.add", &[msk.clone(), msk]).unwrap();
    assert_eq!(bits(&sum), [0.0f32, 2.0, 2.0].map(f32::to_bits));
    let far = image(&Arc::new(Grid::plain(&[4, 1]).unwrap()), &[0.0; 4]);
    assert_eq!(run("vox1.add", &[img, far]).unwrap_err(), Code::Grid);
}

#[test]
fn sequences_are_taken_element_by_element() {
    let numbers = |xs: &[f64]| Value::sequence(xs.iter().map(|x| Value::Number(*x)).collect());
    let show = |value: Value| crate::value::text::show(&value).unwrap();
    let (a, b) = (numbers(&[1.0, 2.0]), numbers(&[10.0, 20.0]));
    assert_eq!(show(run("vox1.add", &[a.clone(), b.clone()]).unwrap()), "[11.0, 22.0]");
    assert_eq!(show(run("vox1.sub", &[Value::Number(1.0), a.clone()]).unwrap()), "[0.0, -1.0]");
    let nested = Value::sequence(vec![a.clone(), Value::sequence(vec![])]);
    assert_eq!(show(run("vox1.neg", &[nested]).unwrap()), "[[-1.0, -2.0], []]");
    assert_eq!(run("vox1.add", &[a.clone(), numbers(&[1.0])]).unwrap_err(), Code::Length);
    assert_eq!(run("vox1.max", &[a, b]).unwrap_err(), Code::Kind);
    assert_eq!(show(run("vox1.eq", &[numbers(&[]), Value::Null]).unwrap()), "[]");
    let deep = (0..100_000).fold(Value::Number(1.0), |inner, _| Value::sequence(vec![inner]));
    assert_eq!(run("vox1.neg", std::slice::from_ref(&deep)).unwrap_err(), Code::Size);
    // Dropping what is nested so deep would need a deep stack.
    std::mem::forget(deep);
}
