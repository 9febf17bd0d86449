//! Exact sums of floats: integers by exponent, rounded once.
//!
//! Adding integers has no order, so the sum is the same for any number of threads and any cut; and it
//! is the nearest f64 to the true sum.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use crate::kernel::number::simd;

/// Limbs of a sum in units of 2^-1074, the least f64: room for 2^100 of the greatest.
const LIMBS: usize = 35;
/// Tables that are added to in turn, so that equal exponents do not wait for each other.
const WAYS: usize = 4;

/// An exact sum of f32.
///
/// Significands are added up by sign and exponent: each is below 2^24, and there are at most 2^36
/// voxels, so 64 bits hold them.
#[derive(Clone)]
pub struct Singles {
    tables: Box<[[u64; 512]; WAYS]>,
    nan: bool,
}

impl Default for Singles {
    fn default() -> Self {
        Self { tables: Box::new([[0; 512]; WAYS]), nan: false }
    }
}

impl Singles {
    /// Adds numbers.
    pub fn add(&mut self, numbers: &[f32]) {
        let mut fours = numbers.chunks_exact(WAYS);
        for four in &mut fours {
            for (table, number) in self.tables.iter_mut().zip(four) {
                self.nan |= one(table, *number);
            }
        }
        for number in fours.remainder() {
            self.nan |= one(&mut self.tables[0], *number);
        }
    }

    /// Adds another sum.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        for (table, other) in self.tables.iter_mut().zip(other.tables.iter()) {
            for (sum, other) in table.iter_mut().zip(other) {
                *sum += other;
            }
        }
        self.nan |= other.nan;
        self
    }

    /// Returns the f64 nearest to the sum; NaN of a NaN or of both infinities.
    pub fn round(&self) -> f64 {
        let sum = |at: usize| -> u64 { self.tables.iter().map(|table| table[at]).sum() };
        let infinite = (sum(255) > 0, sum(511) > 0);
        if self.nan || infinite == (true, true) {
            return f64::NAN;
        }
        if infinite.0 {
            return f64::INFINITY;
        }
        if infinite.1 {
            return f64::NEG_INFINITY;
        }
        let mut total = Total::default();
        for exponent in 0..255usize {
            let value = i128::from(sum(exponent)) - i128::from(sum(256 + exponent));
            // A significand counts units of 2^(exponent - 150); exponent 0 those of exponent 1.
            total.add(value, exponent.max(1) + (1074 - 150));
        }
        total.round()
    }
}

/// Adds one number, and says whether it is NaN.
#[inline]
fn one(table: &mut [u64; 512], number: f32) -> bool {
    let bits = number.to_bits();
    let hidden = u32::from(bits & 0x7f80_0000 != 0) << 23;
    table[(bits >> 23) as usize] += u64::from(bits & 0x7f_ffff | hidden);
    number.is_nan()
}

/// An exact sum of f64.
#[derive(Clone, Default)]
pub struct Doubles {
    total: Total,
    nan: bool,
    positive: bool,
    negative: bool,
}

impl Doubles {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        if !number.is_finite() {
            self.nan |= number.is_nan();
            self.positive |= number == f64::INFINITY;
            self.negative |= number == f64::NEG_INFINITY;
            return;
        }
        self.add_times(number, 1);
    }

    /// Adds a number so many times, at least once.
    pub fn add_times(&mut self, number: f64, count: u64) {
        if !number.is_finite() {
            return self.add(number);
        }
        let (significand, exponent) = parts(number.to_bits());
        let value = i128::from(significand) * i128::from(count);
        let value = if number.is_sign_negative() { -value } else { value };
        self.total.add(value, exponent.max(1) - 1);
    }

    /// Adds an integer.
    pub fn add_integer(&mut self, integer: i128) {
        self.total.add(integer, 1074);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.nan |= other.nan;
        self.positive |= other.positive;
        self.negative |= other.negative;
    }

    /// Returns the f64 nearest to the sum; NaN of a NaN or of both infinities.
    pub fn round(&self) -> f64 {
        match (self.nan, self.positive, self.negative) {
            (true, _, _) | (_, true, true) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            _ => self.total.round(),
        }
    }
}

/// Returns the significand with its hidden bit, and the exponent.
#[inline(always)]
fn parts(bits: u64) -> (u64, usize) {
    let exponent = (bits >> 52 & 0x7ff) as usize;
    (bits & 0xf_ffff_ffff_ffff | u64::from(exponent != 0) << 52, exponent)
}

/// Signs and exponents. Two tables of them are added to in turn, so that equal ones need not wait.
const TABLE: usize = 4096;
/// Numbers that are looked at together: their sum is one of integers if all are small ones.
const TOGETHER: usize = 512;
/// The greatest integer of which so many are f64.
const SMALL: f64 = 1e12;
/// Added and subtracted again, it rounds numbers up to 2^51 to integers.
const ROUNDS: f64 = 6_755_399_441_055_744.0;

/// An exact sum of very many f64.
///
/// Significands are added up by sign and exponent, in two halves of 32 bits: 64 bits hold 2^32 of them.
pub struct Many {
    tables: Vec<[u64; 2]>,
    waiting: u64,
    nan: bool,
    sum: Doubles,
}

impl Default for Many {
    fn default() -> Self {
        Self { tables: vec![[0; 2]; 2 * TABLE], waiting: 0, nan: false, sum: Doubles::default() }
    }
}

impl Many {
    /// Adds numbers.
    pub fn add(&mut self, numbers: &[f64]) {
        for numbers in numbers.chunks(TOGETHER) {
            if let Some(sum) = simd::apply(small, numbers) {
                self.sum.add(sum);
                continue;
            }
            self.waiting += numbers.len() as u64;
            if self.waiting > 1 << 31 {
                self.flush();
                self.waiting = numbers.len() as u64;
            }
            for pair in numbers.chunks(2) {
                for (table, number) in self.tables.chunks_exact_mut(TABLE).zip(pair) {
                    let bits = number.to_bits();
                    let (significand, _) = parts(bits);
                    let [low, high] = &mut table[(bits >> 52) as usize];
                    *low += significand & 0xffff_ffff;
                    *high += significand >> 32;
                    self.nan |= number.is_nan();
                }
            }
        }
    }

    /// Returns the sum.
    pub fn finish(mut self) -> Doubles {
        self.flush();
        self.sum.nan |= self.nan;
        self.sum
    }

    fn flush(&mut self) {
        for (at, halves) in self.tables.iter_mut().enumerate() {
            let [low, high] = std::mem::take(halves);
            if (low, high) == (0, 0) {
                continue;
            }
            let (negative, exponent) = (at & 0x800 != 0, at & 0x7ff);
            if exponent == 0x7ff {
                self.sum.negative |= negative;
                self.sum.positive |= !negative;
                continue;
            }
            let value = i128::from(low) + (i128::from(high) << 32);
            self.sum.total.add(if negative { -value } else { value }, exponent.max(1) - 1);
        }
    }
}

/// Returns the sum of integers so small that no step rounds; of others nothing.
#[inline(always)]
fn small(numbers: &[f64]) -> Option<f64> {
    let (lanes, rest) = numbers.as_chunks::<16>();
    let mut odd = 0;
    let mut sums = [0.0; 16];
    for lane in lanes {
        for x in 0..16 {
            odd |= u64::from(!is_small(lane[x]));
            sums[x] += lane[x];
        }
    }
    let all = odd == 0 && rest.iter().all(|x| is_small(*x));
    all.then(|| sums.iter().chain(rest).fold(0.0, |sum, x| sum + x))
}

#[inline(always)]
fn is_small(x: f64) -> bool {
    x.abs() <= SMALL && (x + ROUNDS) - ROUNDS == x
}

/// A fixed-point number in two's complement, in units of 2^-1074.
#[derive(Clone)]
struct Total([u64; LIMBS]);

impl Default for Total {
    fn default() -> Self {
        Self([0; LIMBS])
    }
}

impl Total {
    fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            let (sum, over) = limb.overflowing_add(*other);
            let (sum, more) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || more;
        }
    }

    /// Adds `value * 2^shift` units; the shift is at most that of the greatest f64.
    fn add(&mut self, value: i128, shift: usize) {
        let (first, bits) = (shift / 64, shift % 64);
        let sign = if value < 0 { u64::MAX } else { 0 };
        let (low, high) = (value as u64, (value >> 64) as u64);
        let up = |lower: u64, upper: u64| {
            if bits == 0 { upper } else { upper << bits | lower >> (64 - bits) }
        };
        let pieces = [up(0, low), up(low, high), up(high, sign)];
        let mut carry = false;
        for (at, limb) in self.0[first..].iter_mut().enumerate() {
            let piece = pieces.get(at).copied().unwrap_or(sign);
            if at >= pieces.len() && piece == 0 && !carry {
                break;
            }
            let (sum, over) = limb.overflowing_add(piece);
            let (sum, more) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || more;
        }
    }

    /// Returns the nearest f64, half to even.
    fn round(&self) -> f64 {
        let negative = self.0[LIMBS - 1] >> 63 == 1;
        let mut limbs = self.0;
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                let (sum, over) = (!*limb).overflowing_add(u64::from(carry));
                *limb = sum;
                carry = over;
            }
        }
        let sign = u64::from(negative) << 63;
        let Some(last) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let top = last * 64 + 63 - limbs[last].leading_zeros() as usize;
        if top < 53 {
            // Units are the least f64, so the integer is the bits, subnormal or of exponent 1.
            return f64::from_bits(sign | limbs[0]);
        }
        let from = top - 52;
        let bit = |at: usize| limbs[at / 64] >> (at % 64) & 1 == 1;
        let mut significand = limbs[from / 64] >> (from % 64);
        if !from.is_multiple_of(64) && from / 64 + 1 < LIMBS {
            significand |= limbs[from / 64 + 1] << (64 - from % 64);
        }
        significand &= (1 << 53) - 1;
        let half = bit(from - 1);
        let rest = (0..(from - 1) / 64).any(|at| limbs[at] != 0)
            || limbs[(from - 1) / 64] & ((1u64 << ((from - 1) % 64)) - 1) != 0;
        if half && (rest || significand & 1 == 1) {
            significand += 1;
        }
        // The carry of rounding runs into the exponent as it should.
        let exponent = (from as u64 + 1) << 52;
        let bits = exponent + (significand - (1 << 52));
        if bits >= f64::INFINITY.to_bits() {
            return if negative { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        f64::from_bits(sign | bits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn doubles(numbers: &[f64]) -> f64 {
        let mut sum = Doubles::default();
        for x in numbers {
            sum.add(*x);
        }
        sum.round()
    }

    fn singles(numbers: &[f32]) -> f64 {
        let mut sum = Singles::default();
        sum.add(numbers);
        sum.round()
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(doubles(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(doubles(&[1.0, f64::EPSILON / 2.0]), 1.0);
        assert_eq!(doubles(&[1.0, f64::EPSILON / 2.0, 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(doubles(&[-1.0, -f64::EPSILON / 2.0, -5e-324]), -1.0 - f64::EPSILON);
        assert_eq!(doubles(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(doubles(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(doubles(&[5e-324, 5e-324]), 1e-323);
        assert!(doubles(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(singles(&[f32::MAX, 1e-45, -f32::MAX]), f64::from(1e-45f32));
        assert_eq!(singles(&[f32::NEG_INFINITY, 1.0]), f64::NEG_INFINITY);
        assert!(singles(&[f32::NAN, f32::INFINITY]).is_nan());
        let mut sum = Doubles::default();
        sum.add_integer(i128::from(i64::MIN));
        sum.add_integer(i128::from(u64::MAX));
        assert_eq!(sum.round(), 9_223_372_036_854_775_807.0);
    }

    /// Numbers among which sums of any kind come about.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-1000i32..1000).prop_map(f64::from),
            (-1_000_000i32..1_000_000).prop_map(|x| f64::from(x) * 0.0625),
            Just(-0.0),
            Just(1e12),
            Just(-1e15 - 0.5),
            Just(f64::MAX),
            Just(5e-324),
        ]
    }

    proptest! {
        #[test]
        fn many_add_as_one_by_one(
            numbers in prop::collection::vec(number(), 0..60),
            integers in prop::collection::vec(-9_000i32..9_000, 0..900),
            cut in 0usize..900,
            count in 1u64..9,
        ) {
            let all: Vec<f64> = integers.iter().map(|x| f64::from(*x)).chain(numbers).collect();
            let want = doubles(&all);
            let (head, tail) = all.split_at(cut.min(all.len()));
            let of = |numbers: &[f64]| {
                let mut many = Many::default();
                numbers.chunks(700).for_each(|numbers| many.add(numbers));
                many.finish()
            };
            let mut sum = of(head);
            sum.merge(&of(tail));
            prop_assert_eq!(sum.round().to_bits(), want.to_bits());
            let (mut times, mut each) = (Doubles::default(), Doubles::default());
            for x in &all {
                times.add_times(*x, count);
                (0..count).for_each(|_| each.add(*x));
            }
            prop_assert_eq!(times.round().to_bits(), each.round().to_bits());
        }

        #[test]
        fn one_number_is_its_own_sum(bits: u64, single: u32) {
            let (x, y) = (f64::from_bits(bits), f32::from_bits(single));
            prop_assert!(doubles(&[x]) == x || x.is_nan());
            prop_assert!(singles(&[y]) == f64::from(y) || y.is_nan());
        }

        #[test]
        fn two_numbers_add_as_the_machine_adds(a: u64, b: u64) {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            let sum = a + b;
            prop_assert!(doubles(&[a, b]) == sum || sum.is_nan());
        }

        #[test]
        fn singles_add_as_integers_do(numbers in prop::collection::vec(-1_000_000i32..1_000_000, 0..50)) {
            let want: i64 = numbers.iter().map(|x| i64::from(*x)).sum();
            let singles: Vec<f32> = numbers.iter().map(|x| *x as f32 * 0.25).collect();
            prop_assert_eq!(self::singles(&singles), want as f64 * 0.25);
        }
    }
}
