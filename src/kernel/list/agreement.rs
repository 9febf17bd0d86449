//! How far two images agree.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::list::samples::{Number, Samples};
use crate::kernel::number::exact::Doubles;
use crate::kernel::number::operand::number;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// More classes are refused.
const CLASSES: i64 = 4096;

/// Makes a record of named numbers.
pub fn named<const N: usize>(fields: [(&str, Value); N]) -> Output {
    Value::record(fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()).into()
}

/// Makes a sequence of numbers.
pub fn numbers(numbers: impl IntoIterator<Item = f64>) -> Value {
    Value::sequence(numbers.into_iter().map(number).collect())
}

fn two<'a>(call: &Call<'a>) -> Result<(Samples<'a>, Samples<'a>), Refusal> {
    let (a, b) = (argument::at(call.args, 0)?, argument::at(call.args, 1)?);
    let pair = (Samples::of(a)?, Samples::of(b)?);
    argument::same_grid(&[a, b])?;
    Ok(pair)
}

/// Returns the share of voxels that are equal, and the counts.
pub fn pixel_accuracy(call: &Call<'_>) -> Result<Output, Refusal> {
    let (predicted, truth) = two(call)?;
    let total = predicted.count();
    let correct = (0..total).filter(|at| predicted.at(*at).equals(truth.at(*at))).count();
    Ok(named([
        ("accuracy", number(correct as f64 / total as f64)),
        ("correct_pixels", number(correct as f64)),
        ("total_pixels", number(total as f64)),
        ("incorrect_pixels", number((total - correct) as f64)),
    ]))
}

/// Reads a label: an integer from 0.
fn label(sample: Number) -> Result<i64, Refusal> {
    match sample {
        Number::Float(float) if !float.is_finite() || float.fract() != 0.0 => {
            Err(Refusal::with(Code::Integer, &[float]))
        }
        Number::Float(float) => check(float as i64, float),
        Number::Integer(integer) => {
            check(i64::try_from(integer).unwrap_or(i64::MAX), integer as f64)
        }
    }
}

fn check(label: i64, shown: f64) -> Result<i64, Refusal> {
    if label < 0 { Err(Refusal::with(Code::Range, &[shown, 0.0])) } else { Ok(label) }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn mean(numbers: &[f64]) -> f64 {
    let mut sum = Doubles::default();
    for number in numbers {
        sum.add(*number);
    }
    sum.round() / numbers.len() as f64
}

/// Counts voxels by true and predicted label, with precision, recall and F1 of each label.
pub fn confusion_matrix(call: &Call<'_>) -> Result<Output, Refusal> {
    let (predicted, truth) = two(call)?;
    let mut greatest = 0;
    for samples in [predicted, truth] {
        let mut bad = None;
        samples.each(|sample| match label(sample) {
            Ok(label) => greatest = greatest.max(label),
            Err(refusal) => bad = bad.take().or(Some(refusal)),
        });
        if let Some(refusal) = bad {
            return Err(refusal);
        }
    }
    let n = match call.args.get(2) {
        Some(n) => argument::integer(n)?,
        None => greatest.saturating_add(1),
    };
    if n > CLASSES {
        return Err(Refusal::with(Code::Size, &[n as f64, CLASSES as f64]));
    }
    if n < 1 {
        return Err(Refusal::with(Code::Range, &[n as f64, 1.0]));
    }
    if greatest >= n {
        return Err(Refusal::with(Code::Range, &[greatest as f64, n as f64]));
    }
    let n = n as usize;
    let mut matrix = vec![0u64; n * n];
    for at in 0..truth.count() {
        let (row, column) = (label(truth.at(at))? as usize, label(predicted.at(at))? as usize);
        matrix[row * n + column] += 1;
    }
    let (mut precision, mut recall, mut f1) = (Vec::new(), Vec::new(), Vec::new());
    for class in 0..n {
        let hit = matrix[class * n + class];
        let said = (0..n).map(|row| matrix[row * n + class]).sum();
        let is = matrix[class * n..(class + 1) * n].iter().sum();
        let (p, r) = (share(hit, said), share(hit, is));
        precision.push(p);
        recall.push(r);
        f1.push(if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) });
    }
    let rows = matrix.chunks(n).map(|row| numbers(row.iter().map(|count| *count as f64)));
    Ok(named([
        ("confusion_matrix", Value::sequence(rows.collect())),
        ("num_classes", number(n as f64)),
        ("mean_precision", number(mean(&precision))),
        ("mean_recall", number(mean(&recall))),
        ("mean_f1_score", number(mean(&f1))),
        ("precision", numbers(precision)),
        ("recall", numbers(recall)),
        ("f1_score", numbers(f1)),
    ]))
}

/// Counts the voxels that are a label in the first, in the second, and in both.
fn overlap(call: &Call<'_>) -> Result<(u64, u64, u64), Refusal> {
    let (predicted, truth) = two(call)?;
    let label = Number::Float(argument::number(argument::at(call.args, 2)?)?);
    let (mut first, mut second, mut both) = (0, 0, 0);
    for at in 0..predicted.count() {
        let (p, t) = (predicted.at(at).equals(label), truth.at(at).equals(label));
        first += u64::from(p);
        second += u64::from(t);
        both += u64::from(p && t);
    }
    Ok((first, second, both))
}

/// Returns 2 I / (P + T) of the voxels that are a label, NaN when there are none.
pub fn dice_score(call: &Call<'_>) -> Result<Output, Refusal> {
    let (first, second, both) = overlap(call)?;
    Ok(named([
        ("dice_score", number(2.0 * both as f64 / (first + second) as f64)),
        ("intersection", number(both as f64)),
        ("predicted_positive", number(first as f64)),
        ("ground_truth_positive", number(second as f64)),
    ]))
}

/// Returns I / U of the voxels that are a label, 0 when there are none.
pub fn jaccard_index(call: &Call<'_>) -> Result<Output, Refusal> {
    let (first, second, both) = overlap(call)?;
    let union = first + second - both;
    Ok(named([
        ("jaccard_index", number(share(both, union))),
        ("iou", number(share(both, union))),
        ("intersection", number(both as f64)),
        ("union", number(union as f64)),
    ]))
}

/// Describes the differences second - first, in f64.
pub fn compare_arrays(call: &Call<'_>) -> Result<Output, Refusal> {
    let (first, second) = two(call)?;
    let total = first.count();
    let mut equal = 0u64;
    let (mut sum, mut absolute) = (Doubles::default(), Doubles::default());
    let (mut least, mut greatest, mut nan) = (f64::INFINITY, f64::NEG_INFINITY, false);
    for at in 0..total {
        let (a, b) = (first.at(at), second.at(at));
        equal += u64::from(a.equals(b));
        let difference = match (a, b) {
            (Number::Integer(a), Number::Integer(b)) => (b - a) as f64,
            (a, b) => b.to_f64() - a.to_f64(),
        };
        sum.add(difference);
        absolute.add(difference.abs());
        nan |= difference.is_nan();
        least = if difference < least { difference } else { least };
        greatest = if difference > greatest { difference } else { greatest };
    }
    let known = |x: f64| number(if nan { f64::NAN } else { x });
    let all = total as f64;
    let farthest = if least.abs() > greatest.abs() { least.abs() } else { greatest.abs() };
    Ok(named([
        ("shapes_match", Value::Bool(true)),
        ("elements_equal", number(equal as f64)),
        ("elements_different", number(all - equal as f64)),
        ("total_elements", number(all)),
        ("percent_equal", number(100.0 * equal as f64 / all)),
        ("mean_difference", number(sum.round() / all)),
        ("mean_absolute_difference", number(absolute.round() / all)),
        ("max_absolute_difference", known(farthest)),
        ("min_difference", known(least + 0.0)),
        ("max_difference", known(greatest + 0.0)),
    ]))
}
