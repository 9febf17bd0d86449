//! Voxelwise operators one after the other in one pass: what lies between them stays in the cache.
//!
//! Each step gives the very bits of its operator; [`crate::kernel::number::arithmetic`] and
//! [`crate::kernel::number::simd`] have the loops of both.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::number::arithmetic::{greater, lesser, quotient};
use crate::kernel::number::operand::Operand;
use crate::kernel::number::select::kept;
use crate::kernel::number::simd::{self, Relation};
use crate::kernel::number::source::{Cut, Piece, Source, expand};
use crate::kernel::number::sweep::{self, Side, canonical, turn};
use crate::pool::Buffer;
use crate::primitive::fused::{Place, Step};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::mask::Mask;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kernel::number) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Neg,
    Abs,
    Same,
    Mask,
    Less,
    AtMost,
    Equal,
    Differs,
    Between,
    And,
    Or,
    Not,
}

/// What an operator takes of its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kernel::number) enum View {
    Voxels,
    Bits,
}

pub(in crate::kernel::number) const OPS: [(&str, Op, &[View]); 18] = {
    use View::{Bits, Voxels};
    [
        ("vox1.add", Op::Add, &[Voxels, Voxels]),
        ("vox1.sub", Op::Sub, &[Voxels, Voxels]),
        ("vox1.mul", Op::Mul, &[Voxels, Voxels]),
        ("vox1.div", Op::Div, &[Voxels, Voxels]),
        ("vox1.max", Op::Max, &[Voxels, Voxels]),
        ("vox1.min", Op::Min, &[Voxels, Voxels]),
        ("vox1.neg", Op::Neg, &[Voxels]),
        ("vox1.abs", Op::Abs, &[Voxels]),
        ("vox1.intensity", Op::Same, &[Voxels]),
        ("vox1.mask", Op::Mask, &[Voxels, Bits]),
        ("vox1.lt", Op::Less, &[Voxels, Voxels]),
        ("vox1.le", Op::AtMost, &[Voxels, Voxels]),
        ("vox1.eq", Op::Equal, &[Voxels, Voxels]),
        ("vox1.ne", Op::Differs, &[Voxels, Voxels]),
        ("vox1.between", Op::Between, &[Voxels, Voxels, Voxels]),
        ("vox1.and", Op::And, &[Bits, Bits]),
        ("vox1.or", Op::Or, &[Bits, Bits]),
        ("vox1.not", Op::Not, &[Bits]),
    ]
};

/// Says whether an operator can be a step.
pub fn knows(op: &str) -> bool {
    OPS.iter().any(|(name, ..)| *name == op)
}

/// One step, its arguments as places among all values: those of the group, then those of the steps.
struct Code {
    op: Op,
    args: Vec<usize>,
    is_mask: bool,
}

/// A value that the group is given.
enum Input<'a> {
    Number(f32),
    Image(Source<'a>),
}

/// What some value needs to be in memory as, beside the form it comes in.
#[derive(Clone, Copy, Default)]
struct Needs {
    voxels: bool,
    bits: bool,
}

struct Chain<'a> {
    inputs: Vec<Input<'a>>,
    steps: Vec<Code>,
    needs: Vec<Needs>,
    grid: &'a Arc<Grid>,
}

/// One piece of each value, in the forms that are needed.
#[derive(Default)]
struct Tile {
    voxels: Vec<f32>,
    bits: Vec<u64>,
}

/// Runs the steps; what is no image on one grid, and what could lose digits on being read as f32, is
/// refused: the operators one by one say what there is to say.
pub fn run(steps: &[Step], args: &[Value]) -> Result<Value, Refusal> {
    let chain = Chain::of(steps, args)?;
    if chain.steps.last().is_some_and(|last| last.is_mask) {
        let cut = Cut::of(chain.grid);
        let mut words = Buffer::take(chain.grid.rows() * chain.grid.row_words());
        sweep::tasks(&mut words, cut.task_words(), |task, words| {
            let first = task * cut.task_words();
            let mut tiles = chain.tiles();
            for piece in cut.pieces(task) {
                let span = piece.words();
                let out = &mut words[span.start - first..span.end - first];
                chain.piece(piece, &mut tiles);
                out.copy_from_slice(&tiles[tiles.len() - 1].bits);
            }
            0
        });
        return Ok(Value::Mask(Mask::new(Arc::clone(chain.grid), words)));
    }
    let (volume, _) = sweep::scan(
        chain.grid,
        || chain.tiles(),
        |piece, out, tiles| {
            let last = tiles.len() - 1;
            // The last step writes where its voxels are to stay.
            chain.before_last(piece, tiles);
            chain.voxels_of(chain.steps.len() - 1, piece, &tiles[..last], out);
            0
        },
    );
    Ok(Value::Volume(volume))
}

impl<'a> Chain<'a> {
    fn of(steps: &[Step], args: &'a [Value]) -> Result<Self, Refusal> {
        let mut inputs = Vec::with_capacity(args.len());
        for arg in args {
            inputs.push(match Operand::of(arg) {
                Operand::Number(number) => Input::Number(number as f32),
                Operand::Image(source) if source.is_exact() => Input::Image(source),
                _ => return Err(argument::kind()),
            });
        }
        let mut needs = vec![Needs::default(); args.len() + steps.len()];
        let mut codes = Vec::with_capacity(steps.len());
        for step in steps {
            let Some((_, op, views)) = OPS.iter().find(|(name, ..)| *name == step.op) else {
                return Err(argument::kind());
            };
            if views.len() != step.args.len() {
                return Err(argument::kind());
            }
            let places: Vec<usize> = step
                .args
                .iter()
                .map(|place| match place {
                    Place::Arg(at) => *at,
                    Place::Step(at) => args.len() + at,
                })
                .collect();
            for (place, view) in places.iter().zip(*views) {
                match (view, inputs.get(*place)) {
                    (View::Bits, Some(Input::Number(_))) => return Err(argument::kind()),
                    (View::Bits, _) => needs[*place].bits = true,
                    (View::Voxels, _) => needs[*place].voxels = true,
                }
            }
            let is_range = *op == Op::Between;
            let numbers = |place: &usize| matches!(inputs.get(*place), Some(Input::Number(_)));
            if is_range && !places[..2].iter().all(numbers) {
                return Err(argument::kind());
            }
            codes.push(Code { op: *op, args: places, is_mask: step.is_mask });
        }
        let grid = grid(&inputs, &codes)?;
        let others = inputs.iter().filter_map(|input| match input {
            Input::Image(source) => Some(source.grid()),
            Input::Number(_) => None,
        });
        for other in others {
            // Nearly the same grids: which one stays is for the operators to say.
            if !Arc::ptr_eq(grid, other) && grid != other {
                return Err(argument::kind());
            }
        }
        let chain = Self { inputs, steps: codes, needs, grid };
        chain.check_ranges()?;
        Ok(chain)
    }

    fn check_ranges(&self) -> Result<(), Refusal> {
        for step in self.steps.iter().filter(|step| step.op == Op::Between) {
            if self.number(step.args[0]) > self.number(step.args[1]) {
                return Err(argument::kind());
            }
        }
        Ok(())
    }

    /// Makes a tile for each value; those of numbers are filled for good.
    fn tiles(&self) -> Vec<Tile> {
        let len = Cut::of(self.grid).piece_voxels();
        let mut tiles: Vec<Tile> = Vec::new();
        tiles.resize_with(self.needs.len(), Tile::default);
        for (tile, input) in tiles.iter_mut().zip(&self.inputs) {
            if let Input::Number(number) = input {
                tile.voxels = vec![*number; len];
            }
        }
        tiles
    }

    fn number(&self, place: usize) -> f32 {
        match self.inputs.get(place) {
            Some(Input::Number(number)) => *number,
            _ => f32::NAN,
        }
    }

    /// Computes one piece of all values.
    fn piece(&self, piece: Piece, tiles: &mut [Tile]) {
        self.before_last(piece, tiles);
        self.step(self.steps.len() - 1, piece, tiles);
    }

    /// Computes one piece of all values but the last.
    fn before_last(&self, piece: Piece, tiles: &mut [Tile]) {
        for (at, input) in self.inputs.iter().enumerate() {
            let Input::Image(source) = input else { continue };
            let tile = &mut tiles[at];
            let is_number_image = matches!(source, Source::Volume(_));
            let needs = self.needs[at];
            if needs.voxels || (needs.bits && is_number_image) {
                let (voxels, _) = source.piece(piece, &mut tile.voxels);
                if needs.bits && is_number_image {
                    truths(piece, voxels, &mut tile.bits);
                }
            }
        }
        for at in 0..self.steps.len() - 1 {
            self.step(at, piece, tiles);
        }
    }

    /// Computes one piece of a step, in the forms that are needed.
    fn step(&self, at: usize, piece: Piece, tiles: &mut [Tile]) {
        let place = self.inputs.len() + at;
        let (before, rest) = tiles.split_at_mut(place);
        let Tile { voxels, bits } = &mut rest[0];
        if self.steps[at].is_mask {
            bits.resize(piece.words().len(), 0);
            self.bits_of(at, piece, before, bits);
            if self.needs[place].voxels {
                voxels.resize(piece.len, 0.0);
                let first = piece.words().start;
                simd::widest(|| {
                    for (start, len, word) in piece.rows() {
                        expand(&bits[word - first..], &mut voxels[start..start + len]);
                    }
                });
            }
        } else {
            voxels.resize(piece.len, 0.0);
            self.voxels_of(at, piece, before, voxels);
            if self.needs[place].bits {
                truths(piece, voxels, bits);
            }
        }
    }

    fn voxels<'t>(&'t self, place: usize, piece: Piece, tiles: &'t [Tile]) -> &'t [f32] {
        if let Some(Input::Image(source)) = self.inputs.get(place)
            && let Some(voxels) = source.plain()
        {
            return &voxels[piece.start..piece.start + piece.len];
        }
        &tiles[place].voxels[..piece.len]
    }

    fn bits<'t>(&'t self, place: usize, piece: Piece, tiles: &'t [Tile]) -> &'t [u64] {
        match self.inputs.get(place) {
            Some(Input::Image(Source::Mask(mask))) => &mask.words[piece.words()],
            _ => &tiles[place].bits[..piece.words().len()],
        }
    }

    /// Computes the voxels of a step that gives an image.
    fn voxels_of(&self, at: usize, piece: Piece, tiles: &[Tile], out: &mut [f32]) {
        let Code { op, args, .. } = &self.steps[at];
        let a = self.voxels(args[0], piece, tiles);
        if *op == Op::Mask {
            let bits = self.bits(args[1], piece, tiles);
            let first = piece.words().start;
            simd::widest(|| {
                for (start, len, word) in piece.rows() {
                    let row = start..start + len;
                    kept(&bits[word - first..], &a[row.clone()], &mut out[row]);
                }
            });
            return;
        }
        if let [_] = args[..] {
            return match op {
                Op::Neg => each(a, out, |a| -a),
                Op::Abs => each(a, out, f32::abs),
                _ => each(a, out, |a| a),
            };
        }
        let b = self.voxels(args[1], piece, tiles);
        match op {
            Op::Sub => both(a, b, out, |a, b| a - b),
            Op::Mul => both(a, b, out, |a, b| a * b),
            Op::Div => both(a, b, out, quotient),
            Op::Max => both(a, b, out, greater),
            Op::Min => both(a, b, out, lesser),
            _ => both(a, b, out, |a, b| a + b),
        }
    }

    /// Computes the bits of a step that gives a mask.
    fn bits_of(&self, at: usize, piece: Piece, tiles: &[Tile], out: &mut [u64]) {
        let Code { op, args, .. } = &self.steps[at];
        let first = piece.words().start;
        let rows = || {
            piece.rows().map(move |(start, len, word)| {
                (start..start + len, word - first..word - first + len.div_ceil(64))
            })
        };
        match op {
            Op::And | Op::Or => {
                let (a, b) = (self.bits(args[0], piece, tiles), self.bits(args[1], piece, tiles));
                let is_and = *op == Op::And;
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = if is_and { a & b } else { a | b };
                }
            }
            Op::Not => {
                let a = self.bits(args[0], piece, tiles);
                out.copy_from_slice(a);
                rows().for_each(|(voxels, words)| turn(Side::Fails, &mut out[words], voxels.len()));
            }
            Op::Between => {
                let (lo, hi) = (self.number(args[0]), self.number(args[1]));
                let a = self.voxels(args[2], piece, tiles);
                for (voxels, words) in rows() {
                    simd::pack_within(&a[voxels], lo, hi, &mut out[words]);
                }
            }
            _ => {
                let relation = match op {
                    Op::Less => Relation::Less,
                    Op::AtMost => Relation::AtMost,
                    _ => Relation::Equal,
                };
                let (a, b) =
                    (self.voxels(args[0], piece, tiles), self.voxels(args[1], piece, tiles));
                let side = if *op == Op::Differs { Side::Fails } else { Side::Holds };
                for (voxels, words) in rows() {
                    let (len, words) = (voxels.len(), &mut out[words]);
                    simd::pack_pair(&a[voxels.clone()], &b[voxels], relation, words);
                    turn(side, words, len);
                }
            }
        }
    }
}

/// Returns the grid of the last step: each lies where its first image lies.
fn grid<'a>(inputs: &[Input<'a>], steps: &[Code]) -> Result<&'a Arc<Grid>, Refusal> {
    let mut at = inputs.len() + steps.len() - 1;
    loop {
        match inputs.get(at) {
            Some(Input::Image(source)) => return Ok(source.grid()),
            Some(Input::Number(_)) => return Err(argument::kind()),
            None => {
                let args = &steps[at - inputs.len()].args;
                let image =
                    args.iter().find(|arg| !matches!(inputs.get(**arg), Some(Input::Number(_))));
                at = *image.ok_or_else(argument::kind)?;
            }
        }
    }
}

/// Makes the bits of the voxels that are not 0, NaN too.
fn truths(piece: Piece, voxels: &[f32], bits: &mut Vec<u64>) {
    let span = piece.words();
    bits.resize(span.len(), 0);
    for (start, len, word) in piece.rows() {
        let words = &mut bits[word - span.start..][..len.div_ceil(64)];
        simd::pack_within(&voxels[start..start + len], 0.0, 0.0, words);
        turn(Side::Fails, words, len);
    }
}

fn each(a: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    simd::widest(|| {
        for (out, a) in out.iter_mut().zip(a) {
            *out = canonical(f(*a));
        }
    });
}

fn both(a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    simd::widest(|| {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = canonical(f(*a, *b));
        }
    });
}
