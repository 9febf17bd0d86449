//! Sequences and records.

use std::sync::Arc;

use crate::canon::Tree;
use crate::kernel::argument;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// The longest range.
const LONGEST: f64 = 1_000_000.0;

/// Refuses: a large literal is resolved from the store by its name, never computed.
pub fn literal(_: &Call<'_>) -> Result<Output, Refusal> {
    Err(argument::kind())
}

/// Makes a sequence of the arguments.
pub fn sequence(call: &Call<'_>) -> Result<Output, Refusal> {
    Ok(Value::sequence(call.args.to_vec()).into())
}

/// Makes a record of the arguments, named by `p.fields`.
pub fn record(call: &Call<'_>) -> Result<Output, Refusal> {
    let names = call.params.get("fields").and_then(Tree::as_array).ok_or_else(argument::kind)?;
    if names.len() != call.args.len() {
        return Err(Refusal::with(Code::Length, &[names.len() as f64, call.args.len() as f64]));
    }
    let fields = names
        .iter()
        .zip(call.args)
        .map(|(name, value)| {
            let name = name.as_text().ok_or_else(argument::kind)?;
            Ok((Arc::from(name), value.clone()))
        })
        .collect::<Result<_, Refusal>>()?;
    Ok(Value::record(fields).into())
}

/// Returns the field `p.name` of a record.
pub fn field(call: &Call<'_>) -> Result<Output, Refusal> {
    let name = call.params.get("name").and_then(Tree::as_text).ok_or_else(argument::kind)?;
    let [Value::Record(fields)] = call.args else { return Err(argument::kind()) };
    fields
        .iter()
        .find(|(other, _)| **other == *name)
        .map(|(_, value)| value.clone().into())
        .ok_or_else(|| Refusal::new(Code::Field))
}

/// Returns one element; the index may be a text of digits.
pub fn index(call: &Call<'_>) -> Result<Output, Refusal> {
    let [items, index] = call.args else { return Err(argument::kind()) };
    let items = argument::sequence(items)?;
    let index = match index {
        Value::Text(text) => {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Refusal::new(Code::Integer));
            }
            text.parse().unwrap_or(f64::INFINITY)
        }
        index => {
            argument::integer(index)?;
            argument::number(index)?
        }
    };
    // A number beyond 2^53 saturates, and no sequence is so long.
    if index < 0.0 || index >= items.len() as f64 {
        return Err(Refusal::with(Code::Range, &[index, items.len() as f64]));
    }
    Ok(items[index as usize].clone().into())
}

/// Returns the elements from one index to before another; negative ones count from the end.
pub fn slice(call: &Call<'_>) -> Result<Output, Refusal> {
    part(call, |bound, len| if bound < 0.0 { bound + len } else { bound })
}

/// Returns the elements from one index to before another; negative ones are 0.
pub fn subsequence(call: &Call<'_>) -> Result<Output, Refusal> {
    part(call, |bound, _| bound)
}

fn part(call: &Call<'_>, place: impl Fn(f64, f64) -> f64) -> Result<Output, Refusal> {
    let (items, from, to) = match call.args {
        [items, to] => (items, 0.0, bound(to)?),
        [items, from, to] => (items, bound(from)?, bound(to)?),
        _ => return Err(argument::kind()),
    };
    let items = argument::sequence(items)?;
    let len = items.len() as f64;
    let clamped = |bound: f64| place(bound, len).clamp(0.0, len) as usize;
    let (from, to) = (clamped(from), clamped(to));
    Ok(Value::sequence(items[from..to.max(from)].to_vec()).into())
}

/// Reads a bound: an integer, or an infinity where none was written.
fn bound(value: &Value) -> Result<f64, Refusal> {
    let number = argument::number(value)?;
    if number.is_infinite() {
        return Ok(number);
    }
    argument::integer(value)?;
    Ok(number)
}

/// Returns the integers from one number to before another.
pub fn range(call: &Call<'_>) -> Result<Output, Refusal> {
    let (from, to) = match call.args {
        [to] => (&Value::Number(0.0), to),
        [from, to] => (from, to),
        _ => return Err(argument::kind()),
    };
    argument::integer(from)?;
    argument::integer(to)?;
    // From -0.0 the first element is 0.0.
    let (from, to) = (argument::number(from)? + 0.0, argument::number(to)?);
    let len = to - from;
    if len > LONGEST {
        return Err(Refusal::with(Code::Size, &[len, LONGEST]));
    }
    let len = if len > 0.0 { len as usize } else { 0 };
    Ok(Value::sequence((0..len).map(|at| Value::Number(from + at as f64)).collect()).into())
}

/// Returns the index of the first greatest number; NaN is passed over.
pub fn argmax(call: &Call<'_>) -> Result<Output, Refusal> {
    let [items] = call.args else { return Err(argument::kind()) };
    let items = argument::sequence(items)?;
    if items.is_empty() {
        return Err(Refusal::new(Code::Empty));
    }
    let mut best: Option<(usize, f64)> = None;
    for (at, item) in items.iter().enumerate() {
        let number = argument::number(item)?;
        if !number.is_nan() && best.is_none_or(|(_, greatest)| number > greatest) {
            best = Some((at, number));
        }
    }
    Ok(Value::Number(best.map_or(0.0, |(at, _)| at as f64)).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::value::text::show;

    type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

    fn run(run: Run, args: &[Value]) -> Result<String, Code> {
        let call = Call { args, params: &Tree::Null, files: &[] };
        run(&call).map(|output| show(&output.value).unwrap()).map_err(|refusal| refusal.code)
    }

    fn numbers(numbers: &[f64]) -> Value {
        Value::sequence(numbers.iter().map(|x| Value::Number(*x)).collect())
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn slices_count_from_the_end_and_subsequences_do_not() {
        let xs = numbers(&[0.0, 1.0, 2.0, 3.0]);
        let at = |run_it: Run, a: f64, b: f64| {
            run(run_it, &[xs.clone(), Value::Number(a), Value::Number(b)])
        };
        assert_eq!(at(slice, -2.0, INF).unwrap(), "[2.0, 3.0]");
        assert_eq!(at(slice, 0.0, -3.0).unwrap(), "[0.0]");
        assert_eq!(at(slice, 3.0, 1.0).unwrap(), "[]");
        assert_eq!(at(slice, -9.0, 9.0).unwrap(), "[0.0, 1.0, 2.0, 3.0]");
        assert_eq!(at(subsequence, -2.0, 1.0).unwrap(), "[0.0]");
        assert_eq!(at(subsequence, 1.0, -1.0).unwrap(), "[]");
        assert_eq!(at(slice, 0.5, 1.0), Err(Code::Integer));
        assert_eq!(at(slice, f64::NAN, 1.0), Err(Code::Integer));
    }

    #[test]
    fn an_index_is_an_integer_or_a_text_of_one() {
        let xs = numbers(&[5.0, 6.0]);
        let at = |index: Value| run(index_, &[xs.clone(), index]);
        assert_eq!(at(Value::Number(1.0)).unwrap(), "6.0");
        assert_eq!(at(Value::text("1")).unwrap(), "6.0");
        assert_eq!(at(Value::text("x")), Err(Code::Integer));
        assert_eq!(at(Value::text("")), Err(Code::Integer));
        assert_eq!(at(Value::Number(0.5)), Err(Code::Integer));
        for beyond in [2.0, -1.0, 1e300] {
            assert_eq!(at(Value::Number(beyond)), Err(Code::Range));
        }
    }

    use super::index as index_;

    #[test]
    fn ranges_are_half_open_and_not_endless() {
        let of = |a: f64, b: f64| run(range, &[Value::Number(a), Value::Number(b)]);
        assert_eq!(of(-0.0, 3.0).unwrap(), "[0.0, 1.0, 2.0]");
        assert_eq!(of(5.0, 2.0).unwrap(), "[]");
        assert_eq!(of(1.2, 3.0), Err(Code::Integer));
        assert_eq!(of(0.0, 1_000_001.0), Err(Code::Size));
        assert_eq!(of(-1e300, 1e300), Err(Code::Size));
    }

    #[test]
    fn argmax_is_the_first_greatest() {
        let of = |xs: &[f64]| run(argmax, &[numbers(xs)]);
        assert_eq!(of(&[3.0, 9.0, 4.0, 9.0, 1.0]).unwrap(), "1.0");
        assert_eq!(of(&[f64::NAN, -INF]).unwrap(), "1.0");
        assert_eq!(of(&[f64::NAN]).unwrap(), "0.0");
        assert_eq!(of(&[]), Err(Code::Empty));
    }

    #[test]
    fn records_are_made_and_read_by_name() {
        let params = Tree::map([("fields", Tree::Array(vec![Tree::text("a"), Tree::text("b")]))]);
        let args = [Value::Number(1.0), Value::Null];
        let made = record(&Call { args: &args, params: &params, files: &[] }).unwrap().value;
        assert_eq!(show(&made).unwrap(), "{a: 1.0, b: null}");
        let read = |name: &str| {
            let params = Tree::map([("name", Tree::text(name))]);
            let args = [made.clone()];
            field(&Call { args: &args, params: &params, files: &[] })
                .map(|output| show(&output.value).unwrap())
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(read("b").unwrap(), "null");
        assert_eq!(read("c"), Err(Code::Field));
    }
}
