//! Wide vectors: the best instructions the machine has, chosen while running.
//!
//! Two things live here. [`widest`] runs ordinary code compiled anew for AVX2 and AVX-512, for loops
//! that LLVM vectorises by itself. [`pack_within`] and [`pack_pair`] turn comparisons into the bits of
//! a mask, which it does not. All paths give the same bits.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]
#![expect(unsafe_code, reason = "calls code compiled for features that were found at run time")]

use crate::kernel::cpu::{Path, path};

/// How two numbers are compared; with a NaN every relation is false.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// a = b.
    Equal,
    /// a < b.
    Less,
    /// a <= b.
    AtMost,
}

/// Runs `work` compiled for the best instructions the machine has.
///
/// Only what the compiler inlines into `work` gains: loops over slices, and functions marked
/// `#[inline(always)]`.
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    match path() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features of `x86::with_avx512`.
        Path::Avx512 => unsafe { x86::with_avx512(work) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features of `x86::with_avx2`.
        Path::Avx2 => unsafe { x86::with_avx2(work) },
        _ => work(),
    }
}

/// The same for a function marked `#[inline(always)]` and its argument.
///
/// Closures as large as a kernel are not inlined: give the name of a function.
pub fn apply<A, R>(work: impl Fn(A) -> R, with: A) -> R {
    match path() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features of `x86::apply_avx512`.
        Path::Avx512 => unsafe { x86::apply_avx512(work, with) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features of `x86::apply_avx2`.
        Path::Avx2 => unsafe { x86::apply_avx2(work, with) },
        _ => work(with),
    }
}

/// Sets bit x of `words` where `lo <= row[x] <= hi`; the bits behind the row become 0.
///
/// # Panics
///
/// When `words` is shorter than the row needs.
pub fn pack_within(row: &[f32], lo: f32, hi: f32, words: &mut [u64]) {
    assert!(words.len() * 64 >= row.len(), "there is a bit for each voxel");
    match path() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features.
        Path::Avx512 => unsafe { x86::within_avx512(row, lo, hi, words) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features.
        Path::Avx2 => unsafe { x86::within_avx2(row, lo, hi, words) },
        _ => pack(row.len(), words, |x| lo <= row[x] && row[x] <= hi),
    }
}

/// Sets bit x of `words` where `a[x]` and `b[x]` are so related; the bits behind become 0.
///
/// # Panics
///
/// When `b` or `words` is shorter than `a` needs.
pub fn pack_pair(a: &[f32], b: &[f32], relation: Relation, words: &mut [u64]) {
    assert!(b.len() == a.len(), "both have a number for each voxel");
    assert!(words.len() * 64 >= a.len(), "there is a bit for each voxel");
    match path() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features.
        Path::Avx512 => unsafe {
            match relation {
                Relation::Equal => x86::pair_avx512::<{ x86::EQ }>(a, b, words),
                Relation::Less => x86::pair_avx512::<{ x86::LT }>(a, b, words),
                Relation::AtMost => x86::pair_avx512::<{ x86::LE }>(a, b, words),
            }
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` found the features.
        Path::Avx2 => unsafe {
            match relation {
                Relation::Equal => x86::pair_avx2::<{ x86::EQ }>(a, b, words),
                Relation::Less => x86::pair_avx2::<{ x86::LT }>(a, b, words),
                Relation::AtMost => x86::pair_avx2::<{ x86::LE }>(a, b, words),
            }
        },
        _ => match relation {
            Relation::Equal => pack(a.len(), words, |x| a[x] == b[x]),
            Relation::Less => pack(a.len(), words, |x| a[x] < b[x]),
            Relation::AtMost => pack(a.len(), words, |x| a[x] <= b[x]),
        },
    }
}

/// Packs truths, 64 at a time through bytes: that much LLVM vectorises on any machine.
#[inline(always)]
pub fn pack(len: usize, words: &mut [u64], truth: impl Fn(usize) -> bool) {
    let whole = len / 64;
    for (at, word) in words.iter_mut().enumerate() {
        let start = at * 64;
        let mut bytes = [0u8; 64];
        let count = if at < whole { 64 } else { len.saturating_sub(start) };
        for (x, byte) in bytes[..count].iter_mut().enumerate() {
            *byte = u8::from(truth(start + x));
        }
        *word = 0;
        for (eight, bytes) in bytes.chunks_exact(8).enumerate() {
            let bytes = u64::from_le_bytes(bytes.try_into().expect("chunks have eight bytes"));
            // Eight bytes of 0 or 1 become eight bits: the product puts byte i at bit 56 + i.
            *word |= (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (eight * 8);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, _CMP_EQ_OQ, _CMP_GE_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _mm256_and_ps, _mm256_cmp_ps,
        _mm256_loadu_ps, _mm256_movemask_ps, _mm256_set1_ps, _mm512_cmp_ps_mask,
        _mm512_mask_cmp_ps_mask, _mm512_maskz_loadu_ps, _mm512_set1_ps,
    };

    pub(super) const EQ: i32 = _CMP_EQ_OQ;
    pub(super) const LT: i32 = _CMP_LT_OQ;
    pub(super) const LE: i32 = _CMP_LE_OQ;

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,popcnt,bmi1,bmi2")]
    pub(super) fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    pub(super) fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,popcnt,bmi1,bmi2")]
    pub(super) fn apply_avx512<A, R>(work: impl Fn(A) -> R, with: A) -> R {
        work(with)
    }

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    pub(super) fn apply_avx2<A, R>(work: impl Fn(A) -> R, with: A) -> R {
        work(with)
    }

    /// Returns the lanes of a piece of 1 to 16 numbers.
    #[inline]
    fn lanes(count: usize) -> u16 {
        u16::MAX >> (16 - count)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn within_avx512(row: &[f32], lo: f32, hi: f32, words: &mut [u64]) {
        let (low, high) = (_mm512_set1_ps(lo), _mm512_set1_ps(hi));
        let mut rows = row.chunks(64);
        for word in words {
            *word = 0;
            let Some(chunk) = rows.next() else { continue };
            for (at, piece) in chunk.chunks(16).enumerate() {
                let lanes = lanes(piece.len());
                // SAFETY: only the lanes of the piece are read.
                let v = unsafe { _mm512_maskz_loadu_ps(lanes, piece.as_ptr()) };
                let above = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(lanes, v, low);
                let bits = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(above, v, high);
                *word |= u64::from(bits) << (at * 16);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn pair_avx512<const RELATION: i32>(a: &[f32], b: &[f32], words: &mut [u64]) {
        let mut rows = a.chunks(64).zip(b.chunks(64));
        for word in words {
            *word = 0;
            let Some((a, b)) = rows.next() else { continue };
            for (at, (a, b)) in a.chunks(16).zip(b.chunks(16)).enumerate() {
                let lanes = lanes(a.len());
                // SAFETY: only the lanes of the pieces, which are equally long, are read.
                let (a, b) = unsafe {
                    (
                        _mm512_maskz_loadu_ps(lanes, a.as_ptr()),
                        _mm512_maskz_loadu_ps(lanes, b.as_ptr()),
                    )
                };
                let bits = _mm512_cmp_ps_mask::<RELATION>(a, b) & lanes;
                *word |= u64::from(bits) << (at * 16);
            }
        }
    }

    /// Loads eight numbers, NaN where the piece has fewer: a NaN is in no relation.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(piece: &[f32]) -> __m256 {
        if piece.len() >= 8 {
            // SAFETY: the piece has eight numbers.
            unsafe { _mm256_loadu_ps(piece.as_ptr()) }
        } else {
            let mut whole = [f32::NAN; 8];
            whole[..piece.len()].copy_from_slice(piece);
            // SAFETY: the array has eight numbers.
            unsafe { _mm256_loadu_ps(whole.as_ptr()) }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn within_avx2(row: &[f32], lo: f32, hi: f32, words: &mut [u64]) {
        let (low, high) = (_mm256_set1_ps(lo), _mm256_set1_ps(hi));
        let mut rows = row.chunks(64);
        for word in words {
            *word = 0;
            let Some(chunk) = rows.next() else { continue };
            for (at, piece) in chunk.chunks(8).enumerate() {
                let v = load(piece);
                let inside = _mm256_and_ps(
                    _mm256_cmp_ps::<_CMP_GE_OQ>(v, low),
                    _mm256_cmp_ps::<_CMP_LE_OQ>(v, high),
                );
                let bits = u64::from(_mm256_movemask_ps(inside).cast_unsigned());
                *word |= bits << (at * 8);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pair_avx2<const RELATION: i32>(a: &[f32], b: &[f32], words: &mut [u64]) {
        let mut rows = a.chunks(64).zip(b.chunks(64));
        for word in words {
            *word = 0;
            let Some((a, b)) = rows.next() else { continue };
            for (at, (a, b)) in a.chunks(8).zip(b.chunks(8)).enumerate() {
                let related = _mm256_cmp_ps::<RELATION>(load(a), load(b));
                let bits = u64::from(_mm256_movemask_ps(related).cast_unsigned());
                *word |= bits << (at * 8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::cpu::force;

    fn voxel() -> impl Strategy<Value = f32> {
        prop_oneof![
            Just(0.0f32),
            Just(-0.0),
            Just(1.0),
            Just(f32::NAN),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
            any::<u32>().prop_map(f32::from_bits),
        ]
    }

    proptest! {
        #[test]
        fn all_paths_pack_the_same_bits(
            pairs in prop::collection::vec((voxel(), voxel()), 0..200),
            lo in voxel(),
            hi in voxel(),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let len = a.len().div_ceil(64) + 1;
            let plain = |truth: &dyn Fn(usize) -> bool| {
                let mut words = vec![0u64; len];
                for x in (0..a.len()).filter(|x| truth(*x)) {
                    words[x / 64] |= 1 << (x % 64);
                }
                words
            };
            for at in Path::ALL {
                if !force(Some(at)) {
                    continue;
                }
                let mut words = vec![7; len];
                pack_within(&a, lo, hi, &mut words);
                prop_assert_eq!(&words, &plain(&|x| lo <= a[x] && a[x] <= hi));
                pack_pair(&a, &b, Relation::Equal, &mut words);
                prop_assert_eq!(&words, &plain(&|x| a[x] == b[x]));
                pack_pair(&a, &b, Relation::Less, &mut words);
                prop_assert_eq!(&words, &plain(&|x| a[x] < b[x]));
                pack_pair(&a, &b, Relation::AtMost, &mut words);
                prop_assert_eq!(&words, &plain(&|x| a[x] <= b[x]));
            }
            force(None);
        }
    }
}
