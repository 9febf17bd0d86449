//! What may stand beside an infix operator, and operators over sequences.

use crate::kernel::argument;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::told;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// A value that has meaning in arithmetic, comparison or logic.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// An image of numbers, or a mask.
    Image(Source<'a>),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Nothing.
    Null,
    /// Any other value; only `eq` and `ne` with null take it.
    Other,
}

impl<'a> Operand<'a> {
    /// Takes a value.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Mask(mask) => Self::Image(Source::Mask(mask)),
            Value::Volume(volume) => Self::Image(Source::Volume(volume)),
            Value::Sequence(_)
            | Value::Record(_)
            | Value::Grid(_)
            | Value::Colour(_)
            | Value::Overlay(_) => Self::Other,
        }
    }
}

/// A number as the language keeps it: one NaN.
pub fn number(x: f64) -> Value {
    // On bits: the compiler takes a NaN for any other, and would leave them as they are.
    let bits = x.to_bits();
    let is_nan = bits & (u64::MAX >> 1) > f64::INFINITY.to_bits();
    Value::Number(f64::from_bits(if is_nan { 0x7ff8_0000_0000_0000 } else { bits }))
}

/// A result with the count of voxels that were rounded on the way.
pub type Counted = Result<(Value, u64), Refusal>;

/// Sequences in sequences deeper than this are refused: no stored value is.
const DEPTH: usize = 512;

/// Applies an operator of one argument to a value, or to each element of a sequence, nested too.
pub fn each(call: &Call<'_>, one: fn(Operand<'_>) -> Counted) -> Result<Output, Refusal> {
    let [a] = call.args else { return Err(argument::kind()) };
    let (value, rounded) = each_at(a, one, 0)?;
    Ok(told(value, rounded))
}

fn each_at(a: &Value, one: fn(Operand<'_>) -> Counted, depth: usize) -> Counted {
    let Value::Sequence(items) = a else { return one(Operand::of(a)) };
    deeper(depth)?;
    let mut out = Vec::with_capacity(items.len());
    let mut rounded = 0;
    for item in items.iter() {
        let (value, count) = each_at(item, one, depth + 1)?;
        out.push(value);
        rounded += count;
    }
    Ok((Value::sequence(out), rounded))
}

/// Applies an operator of two arguments to values, or element by element to sequences, nested too.
///
/// Two sequences must agree in length; beside one sequence the other operand is repeated. An empty
/// sequence stays empty.
pub fn each_pair(
    call: &Call<'_>,
    one: fn(Operand<'_>, Operand<'_>) -> Counted,
) -> Result<Output, Refusal> {
    let [a, b] = call.args else { return Err(argument::kind()) };
    let (value, rounded) = each_pair_at(a, b, one, 0)?;
    Ok(told(value, rounded))
}

fn each_pair_at(
    a: &Value,
    b: &Value,
    one: fn(Operand<'_>, Operand<'_>) -> Counted,
    depth: usize,
) -> Counted {
    let pairs: Vec<(&Value, &Value)> = match (a, b) {
        (Value::Sequence(a), Value::Sequence(b)) => {
            if a.len() != b.len() {
                return Err(Refusal::with(Code::Length, &[a.len() as f64, b.len() as f64]));
            }
            a.iter().zip(b.iter()).collect()
        }
        (Value::Sequence(a), b) => a.iter().map(|a| (a, b)).collect(),
        (a, Value::Sequence(b)) => b.iter().map(|b| (a, b)).collect(),
        (a, b) => {
            argument::same_grid(&[a, b])?;
            return one(Operand::of(a), Operand::of(b));
        }
    };
    deeper(depth)?;
    let mut out = Vec::with_capacity(pairs.len());
    let mut rounded = 0;
    for (a, b) in pairs {
        let (value, count) = each_pair_at(a, b, one, depth + 1)?;
        out.push(value);
        rounded += count;
    }
    Ok((Value::sequence(out), rounded))
}

fn deeper(depth: usize) -> Result<(), Refusal> {
    if depth < DEPTH { Ok(()) } else { Err(Refusal::with(Code::Size, &[DEPTH as f64])) }
}
