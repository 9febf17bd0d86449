//! How far two images agree.
#![expect(clippy::inline_always, reason = "`apply` compiles anew only what is inlined into it")]
#![expect(clippy::needless_bitwise_bool, reason = "without branches loops become vector code")]

use std::sync::Arc;

use crate::kernel::argument::{self, CHUNK};
use crate::kernel::list::samples::{Number, Samples, counted, folded};
use crate::kernel::number::exact::{Doubles, Many};
use crate::kernel::number::operand::number;
use crate::kernel::number::simd;
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
    let correct = if predicted.is_narrow() && truth.is_narrow() {
        let equal = |sum: &mut u64, _: usize, [a, b]: [&[f64]; 2]| *sum += equals(a, b);
        folded([predicted, truth], CHUNK, &|| 0, &equal).into_iter().sum()
    } else {
        counted(total, &|at| predicted.at(at).equals(truth.at(at)))
    };
    Ok(named([
        ("accuracy", number(correct as f64 / total as f64)),
        ("correct_pixels", number(correct as f64)),
        ("total_pixels", number(total as f64)),
        ("incorrect_pixels", number((total as u64 - correct) as f64)),
    ]))
}

/// Counts where two rows of numbers are equal.
fn equals(a: &[f64], b: &[f64]) -> u64 {
    simd::widest(|| a.iter().zip(b).map(|(a, b)| u64::from(a == b)).sum())
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
        greatest = greatest.max(most(samples)?);
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
    let matrix = matrix(predicted, truth, n)?;
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

/// Returns the greatest label.
fn most(samples: Samples<'_>) -> Result<i64, Refusal> {
    if !samples.is_narrow() {
        return (0..samples.count()).try_fold(0, |most, at| Ok(most.max(label(samples.at(at))?)));
    }
    let tasks =
        folded([samples], CHUNK, &|| Ok(0), &|state: &mut Result<i64, Refusal>, _, [numbers]| {
            let Ok(most) = state else { return };
            // Nearly all labels are small ones, and then there is no more to look at.
            let (all, greatest) = simd::widest(|| {
                numbers.iter().fold((true, 0), |(all, greatest), x| {
                    let label = *x as i32;
                    (all & (f64::from(label) == *x) & (label >= 0), greatest.max(label))
                })
            });
            if all {
                *most = (*most).max(i64::from(greatest));
                return;
            }
            *state =
                numbers.iter().try_fold(*most, |most, x| Ok(most.max(label(Number::Float(*x))?)));
        });
    tasks.into_iter().try_fold(0, |most, task| Ok(most.max(task?)))
}

/// Counts voxels by true and predicted label, all below `n`, row by row.
fn matrix(predicted: Samples<'_>, truth: Samples<'_>, n: usize) -> Result<Vec<u64>, Refusal> {
    let mut matrix = vec![0u64; n * n];
    if !(predicted.is_narrow() && truth.is_narrow()) {
        for at in 0..truth.count() {
            let (row, column) = (label(truth.at(at))? as usize, label(predicted.at(at))? as usize);
            matrix[row * n + column] += 1;
        }
        return Ok(matrix);
    }
    // Neighbours mostly have equal labels: in turn they are counted in four tables, so that they do
    // not wait for each other.
    let ways = if n * n <= CHUNK { 4 } else { 1 };
    let task = (16 * n * n).max(CHUNK).max(truth.count().div_ceil(64)).min(1 << 31);
    let begin = || vec![0u32; ways * n * n];
    let tasks = folded([predicted, truth], task, &begin, &|tables, _, [predicted, truth]| {
        for (at, (column, row)) in predicted.iter().zip(truth).enumerate() {
            tables[at % ways * n * n + *row as usize * n + *column as usize] += 1;
        }
    });
    for table in tasks.iter().flat_map(|tables| tables.chunks_exact(n * n)) {
        matrix.iter_mut().zip(table).for_each(|(sum, count)| *sum += u64::from(*count));
    }
    Ok(matrix)
}

/// Counts the voxels that are a label in the first, in the second, and in both.
fn overlap(call: &Call<'_>) -> Result<(u64, u64, u64), Refusal> {
    let (predicted, truth) = two(call)?;
    let label = argument::number(argument::at(call.args, 2)?)?;
    if predicted.is_narrow() && truth.is_narrow() {
        let tasks = folded([predicted, truth], CHUNK, &|| [0u64; 3], &|sums, _, [p, t]| {
            let counts = simd::widest(|| {
                p.iter().zip(t).fold([0u64; 3], |[first, second, both], (p, t)| {
                    let (p, t) = (u64::from(*p == label), u64::from(*t == label));
                    [first + p, second + t, both + (p & t)]
                })
            });
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        });
        let sum = |at: usize| tasks.iter().map(|sums| sums[at]).sum();
        return Ok((sum(0), sum(1), sum(2)));
    }
    let label = Number::Float(label);
    let (first, second) =
        (|at: usize| predicted.at(at).equals(label), |at: usize| truth.at(at).equals(label));
    let total = predicted.count();
    let both = counted(total, &|at| first(at) && second(at));
    Ok((counted(total, &first), counted(total, &second), both))
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

/// What is known of some differences.
struct Differences {
    equal: u64,
    sum: Many,
    absolute: Many,
    least: f64,
    greatest: f64,
    nan: bool,
}

impl Differences {
    fn new() -> Self {
        let (least, greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        let (sum, absolute) = (Many::default(), Many::default());
        Self { equal: 0, sum, absolute, least, greatest, nan: false }
    }

    /// Adds differences, not more than a piece has.
    fn add(&mut self, differences: &mut [f64]) {
        self.sum.add(differences);
        let (least, greatest, nan) = simd::apply(ends, differences);
        self.least = if least < self.least { least } else { self.least };
        self.greatest = if greatest > self.greatest { greatest } else { self.greatest };
        self.nan |= nan;
        differences.iter_mut().for_each(|x| *x = x.abs());
        self.absolute.add(differences);
    }
}

#[inline(always)]
fn ends(numbers: &mut [f64]) -> (f64, f64, bool) {
    let (mut least, mut greatest) = ([f64::INFINITY; 16], [f64::NEG_INFINITY; 16]);
    let mut nan = 0;
    // As many at once as a vector has.
    for lane in numbers.chunks(16) {
        for (x, number) in lane.iter().enumerate() {
            least[x] = if *number < least[x] { *number } else { least[x] };
            greatest[x] = if *number > greatest[x] { *number } else { greatest[x] };
            nan |= u64::from(number.is_nan());
        }
    }
    let least = least.into_iter().fold(f64::INFINITY, |a, b| if b < a { b } else { a });
    let greatest = greatest.into_iter().fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    (least, greatest, nan != 0)
}

/// Describes the differences second - first, in f64.
pub fn compare_arrays(call: &Call<'_>) -> Result<Output, Refusal> {
    let (first, second) = two(call)?;
    let total = first.count();
    let narrow = first.is_narrow() && second.is_narrow();
    let task = CHUNK.max(total.div_ceil(64));
    let tasks = folded([first, second], task, &Differences::new, &|state, from, [a, b]| {
        let mut differences: Vec<f64>;
        if narrow {
            state.equal += equals(a, b);
            differences = simd::widest(|| a.iter().zip(b).map(|(a, b)| b - a).collect());
        } else {
            // Integers of 64 bits are not all f64.
            let pairs = (from..from + a.len()).map(|at| (first.at(at), second.at(at)));
            differences = Vec::with_capacity(a.len());
            for (a, b) in pairs {
                state.equal += u64::from(a.equals(b));
                differences.push(match (a, b) {
                    (Number::Integer(a), Number::Integer(b)) => (b - a) as f64,
                    (a, b) => b.to_f64() - a.to_f64(),
                });
            }
        }
        state.add(&mut differences);
    });
    let mut equal = 0u64;
    let (mut sum, mut absolute) = (Doubles::default(), Doubles::default());
    let (mut least, mut greatest, mut nan) = (f64::INFINITY, f64::NEG_INFINITY, false);
    for task in tasks {
        equal += task.equal;
        sum.merge(&task.sum.finish());
        absolute.merge(&task.absolute.finish());
        nan |= task.nan;
        least = if task.least < least { task.least } else { least };
        greatest = if task.greatest > greatest { task.greatest } else { greatest };
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
