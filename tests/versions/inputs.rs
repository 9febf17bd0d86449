//! Fixed arguments for every operator: shapes and voxels that hurt.

use std::sync::Arc;

use vox::pool::Buffer;
use vox::primitive::signature::{Form, Signature, Slot};
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::mask::Mask;
use vox::value::volume::{Colour, Volume, Voxels};

/// Calls of each form on each grid.
const CALLS: usize = 6;

/// Numbers in a fixed order that looks random: splitmix64 by Sebastiano Vigna, public domain.
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins with the letters of a name.
    pub(crate) fn of(name: &str) -> Self {
        Self(name.bytes().fold(7, |sum, byte| sum * 31 % (1 << 40) + u64::from(byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Which voxels floats have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floats {
    /// Ordinary numbers.
    Tame,
    /// NaN of every kind, infinities, both zeros, subnormals and extremes among them.
    Wild,
}

fn grids() -> Vec<Arc<Grid>> {
    let skew = Grid::new(
        &[65, 7, 5],
        &[0.7, 1.0, 2.5],
        &[-3.0, 10.0, 0.25],
        &[-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
    );
    let mut all = vec![Arc::new(skew.expect("the numbers make a grid"))];
    for dims in [&[1, 1][..], &[63, 9], &[64, 3, 2], &[127, 2, 1], &[130, 70, 4]] {
        all.push(Arc::new(Grid::plain(dims).expect("the dims make a grid")));
    }
    all
}

fn single(dice: &mut Dice, floats: Floats) -> f32 {
    let wild = [
        f32::from_bits(0x7fc0_0000),
        f32::from_bits(0xffc0_0001),
        f32::from_bits(0x7f80_0001),
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        0.0,
        f32::from_bits(1),
        -f32::from_bits(0x7f_ffff),
        f32::MAX,
        f32::MIN,
    ];
    match dice.below(20) {
        at if floats == Floats::Wild && at < wild.len() => wild[at],
        at if at < 5 => at as f32,
        _ => (dice.below(2001) as f32 - 1000.0) / 64.0,
    }
}

fn image(dice: &mut Dice, grid: &Arc<Grid>, floats: Floats) -> Value {
    let n = grid.voxels();
    let kind = dice.below(10);
    let mut make =
        |of: &mut dyn FnMut(&mut Dice) -> f64| -> Vec<f64> { (0..n).map(|_| of(dice)).collect() };
    let small = &mut |dice: &mut Dice| dice.below(5) as f64;
    macro_rules! voxels {
        ($variant:ident, $kind:ty, $of:expr) => {{
            let numbers: Vec<$kind> = make($of).into_iter().map(|x| x as $kind).collect();
            Voxels::$variant(Arc::new(Buffer::copied(&numbers)))
        }};
    }
    let voxels = match kind {
        0 => voxels!(U8, u8, small),
        1 => voxels!(I16, i16, &mut |dice| dice.below(4000) as f64 - 2000.0),
        2 => voxels!(U32, u32, &mut |dice| dice.below(1 << 26) as f64),
        3 => voxels!(I64, i64, &mut |dice| (dice.next() as i64) as f64),
        4 => voxels!(F64, f64, &mut |dice| {
            if floats == Floats::Wild && dice.below(9) == 0 {
                return [f64::from_bits(0xfff8_0000_0000_0007), f64::MAX, -0.0, 5e-324]
                    [dice.below(4)];
            }
            f64::from(single(dice, floats)) * 1.1
        }),
        _ => {
            let numbers: Vec<f32> = (0..n).map(|_| single(dice, floats)).collect();
            Voxels::F32(Arc::new(Buffer::copied(&numbers)))
        }
    };
    Value::Volume(Volume { grid: Arc::clone(grid), voxels })
}

fn mask(dice: &mut Dice, grid: &Arc<Grid>) -> Value {
    let share = [0, 1, 3, 8, 15, 16][dice.below(6)];
    let grid = Arc::clone(grid);
    Value::Mask(Mask::from_fn(grid, |_, _, _| dice.below(16) < share))
}

fn colour(dice: &mut Dice, grid: &Arc<Grid>, floats: Floats) -> Value {
    let components = 3 + dice.below(2);
    let voxels: Vec<f32> =
        (0..grid.voxels() * components).map(|_| single(dice, floats).abs()).collect();
    Value::Colour(Colour {
        grid: Arc::clone(grid),
        components,
        voxels: Arc::new(Buffer::copied(&voxels)),
    })
}

fn number(dice: &mut Dice) -> Value {
    let numbers = [0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 0.5, 0.1, -1.0, -0.0, 100.0, f64::NAN];
    Value::Number(numbers[dice.below(numbers.len())])
}

fn numbers(dice: &mut Dice, len: usize) -> Value {
    Value::sequence((0..len).map(|_| Value::Number(dice.below(3) as f64)).collect())
}

fn argument(slot: Slot, dice: &mut Dice, grid: &Arc<Grid>, floats: Floats) -> Value {
    match slot {
        Slot::Volume if dice.below(4) == 0 => mask(dice, grid),
        Slot::Mask if dice.below(4) != 0 => mask(dice, grid),
        Slot::Volume | Slot::Mask => image(dice, grid, floats),
        Slot::Image => match dice.below(3) {
            0 => mask(dice, grid),
            1 => image(dice, grid, floats),
            _ => colour(dice, grid, floats),
        },
        Slot::Number => number(dice),
        Slot::Bool => Value::Bool(dice.below(2) == 0),
        Slot::Text => Value::text(["{} {:.2f}", "1", "x", "sitkUInt8"][dice.below(4)]),
        Slot::Sequence => {
            let axes = grid.dims().len();
            let len = [axes, axes, axes, 0, 5][dice.below(5)];
            numbers(dice, len)
        }
        Slot::NumberOrSequence if dice.below(2) == 0 => number(dice),
        Slot::NumberOrSequence => numbers(dice, grid.dims().len()),
        Slot::Record => Value::record(vec![(Arc::from("value"), mask(dice, grid))]),
        Slot::Grid => Value::Grid(Arc::clone(grid)),
        Slot::Null => Value::Null,
        Slot::Bytes => Value::Bytes(Arc::from([dice.below(2) as u8])),
        Slot::Any => match dice.below(4) {
            0 => Value::text("a \"b\""),
            1 => mask(dice, grid),
            2 => numbers(dice, 3),
            _ => number(dice),
        },
    }
}

/// Returns the calls on which an operator is tried.
pub(crate) fn calls(signature: &Signature, floats: Floats) -> Vec<Vec<Value>> {
    let mut dice = Dice::of(signature.name);
    let mut all = Vec::new();
    for form in signature.forms {
        for grid in grids() {
            // Without an image there is nothing to try on every grid.
            let plain = form.takes.iter().all(|slot| matches!(slot, Slot::Number | Slot::Text));
            // Many arguments are seldom all to a filter's liking.
            let picky = signature.namespace() == "simpleitk" && form.takes.len() > 4;
            let calls = match (plain, picky) {
                (true, _) => 3,
                (false, true) => 4 * CALLS,
                (false, false) => CALLS,
            };
            for _ in 0..calls {
                all.push(call(form, &mut dice, &grid, floats));
            }
        }
    }
    if signature.elementwise {
        for args in all.clone().into_iter().take(CALLS) {
            let sequences = args.into_iter().map(|arg| Value::sequence(vec![arg.clone(), arg]));
            all.push(sequences.collect());
        }
    }
    all
}

fn call(form: &Form, dice: &mut Dice, grid: &Arc<Grid>, floats: Floats) -> Vec<Value> {
    let mut slots = form.takes.to_vec();
    if form.variadic {
        let last = slots[slots.len() - 1];
        slots.extend((0..dice.below(3)).map(|_| last));
    }
    slots.into_iter().map(|slot| argument(slot, dice, grid, floats)).collect()
}
