//! Sixteen integers at a time: the few operations that the distance passes need.
//!
//! The compiler vectorises plain loops, but not the choice of the smaller value together with its
//! place (81 ms instead of 31 for a distance transform), so that much is written out.
#![expect(unsafe_code, reason = "vector instructions, and calls of functions compiled for them")]

use crate::kernel::cpu::{Path, path};

/// Integers in one group.
pub const LANES: usize = 16;

/// One of each lane.
pub type Group<W> = [W; LANES];

/// An integer that squared distances are counted in.
pub trait Word: bytemuck::Pod + Ord + Send + Sync {
    /// More than any squared distance.
    const FAR: Self;
    /// Returns the number, which fits.
    fn of(number: i64) -> Self;
    /// Returns the number.
    fn wide(self) -> i64;
    /// Runs a task with the widest vectors that the machine has.
    fn widest<T: LaneTask<Self>>(task: T);
}

/// Operations on vectors of sixteen integers; a value of it is the proof that the machine has them.
pub trait Lanes: Copy {
    /// The integer.
    type Word: Word;
    /// Sixteen of them.
    type V: Copy;
    /// Returns sixteen times the same.
    fn splat(self, word: Self::Word) -> Self::V;
    /// Reads a group.
    fn load(self, group: &Group<Self::Word>) -> Self::V;
    /// Writes a group.
    fn store(self, v: Self::V, group: &mut Group<Self::Word>);
    /// Adds.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Returns the smaller ones.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Where `v` is smaller than `best`, returns `v` and `index`, else `best` and `place`.
    fn nearer(
        self,
        best: Self::V,
        place: Self::V,
        v: Self::V,
        index: Self::V,
    ) -> (Self::V, Self::V);
}

/// Work on lanes; `run` is `#[inline(always)]`.
pub trait LaneTask<W> {
    /// Does it.
    fn run<L: Lanes<Word = W>>(self, lanes: L);
}

/// Plain arrays.
#[derive(Clone, Copy)]
struct Plain<W>(std::marker::PhantomData<W>);

macro_rules! plain {
    ($word:ty) => {
        impl Lanes for Plain<$word> {
            type Word = $word;
            type V = Group<$word>;

            #[inline(always)]
            fn splat(self, word: $word) -> Self::V {
                [word; LANES]
            }

            #[inline(always)]
            fn load(self, group: &Group<$word>) -> Self::V {
                *group
            }

            #[inline(always)]
            fn store(self, v: Self::V, group: &mut Group<$word>) {
                *group = v;
            }

            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|lane| a[lane] + b[lane])
            }

            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|lane| if b[lane] < a[lane] { b[lane] } else { a[lane] })
            }

            #[inline(always)]
            fn nearer(
                self,
                mut best: Self::V,
                mut place: Self::V,
                v: Self::V,
                index: Self::V,
            ) -> (Self::V, Self::V) {
                for lane in 0..LANES {
                    let less = v[lane] < best[lane];
                    best[lane] = if less { v[lane] } else { best[lane] };
                    place[lane] = if less { index[lane] } else { place[lane] };
                }
                (best, place)
            }
        }
    };
}

plain!(i32);
plain!(i64);

macro_rules! word {
    ($word:ty, $far:expr, $avx2:ident, $avx512:ident) => {
        impl Word for $word {
            const FAR: Self = $far;

            #[inline(always)]
            fn of(number: i64) -> Self {
                number as Self
            }

            #[inline(always)]
            #[allow(clippy::allow_attributes, clippy::cast_lossless, reason = "for both")]
            #[allow(clippy::unnecessary_cast, reason = "one body for both")]
            fn wide(self) -> i64 {
                self as i64
            }

            fn widest<T: LaneTask<Self>>(task: T) {
                match path() {
                    Path::Scalar => task.run(Plain::<Self>(std::marker::PhantomData)),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `path` returns only what the machine was found to have.
                    Path::Avx2 => unsafe { x86::avx2(task, x86::$avx2::new()) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Path::Avx512 => unsafe { x86::avx512(task, x86::$avx512::new()) },
                    #[cfg(not(target_arch = "x86_64"))]
                    _ => task.run(Plain::<Self>(std::marker::PhantomData)),
                }
            }
        }
    };
}

word!(i32, 1 << 30, Avx2Short, Avx512Short);
word!(i64, 1 << 62, Avx2Long, Avx512Long);

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
    use std::arch::x86_64::*;

    use super::{Group, LaneTask, Lanes};

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    pub(super) fn avx2<L: Lanes, T: LaneTask<L::Word>>(task: T, lanes: L) {
        task.run(lanes);
    }

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn avx512<L: Lanes, T: LaneTask<L::Word>>(task: T, lanes: L) {
        task.run(lanes);
    }

    macro_rules! lanes {
        (
            $name:ident, $word:ty, $scalar:ty, $vector:ty, $count:literal, $splat:ident,
            $load:ident, $store:ident, $add:ident, |$a:ident, $b:ident| $min:expr,
            |$best:ident, $place:ident, $v:ident, $index:ident| $nearer:expr
        ) => {
            /// Vectors of one instruction set; made only where that is there.
            #[derive(Clone, Copy)]
            pub(super) struct $name(());

            impl $name {
                /// # Safety
                /// The machine has the instructions.
                pub(super) unsafe fn new() -> Self {
                    Self(())
                }
            }

            impl Lanes for $name {
                type Word = $word;
                type V = [$vector; $count];

                #[inline(always)]
                fn splat(self, word: $word) -> Self::V {
                    // SAFETY: `self` exists only where the instruction does.
                    [unsafe { $splat(word) }; $count]
                }

                #[inline(always)]
                fn load(self, group: &Group<$word>) -> Self::V {
                    let from = group.as_ptr();
                    // SAFETY: `self` exists only where the instruction does; the vectors lie one
                    // behind the other inside the group; the load needs no alignment.
                    std::array::from_fn(|at| unsafe { $load(from.add(at * (16 / $count)).cast()) })
                }

                #[inline(always)]
                fn store(self, v: Self::V, group: &mut Group<$word>) {
                    let to = group.as_mut_ptr();
                    for (at, v) in v.into_iter().enumerate() {
                        // SAFETY: as in `load`.
                        unsafe { $store(to.add(at * (16 / $count)).cast(), v) };
                    }
                }

                #[inline(always)]
                fn add(self, a: Self::V, b: Self::V) -> Self::V {
                    // SAFETY: `self` exists only where the instruction does.
                    std::array::from_fn(|at| unsafe { $add(a[at], b[at]) })
                }

                #[inline(always)]
                fn min(self, a: Self::V, b: Self::V) -> Self::V {
                    std::array::from_fn(|at| {
                        let ($a, $b) = (a[at], b[at]);
                        // SAFETY: `self` exists only where the instruction does.
                        unsafe { $min }
                    })
                }

                #[inline(always)]
                fn nearer(
                    self,
                    mut best: Self::V,
                    mut place: Self::V,
                    v: Self::V,
                    index: Self::V,
                ) -> (Self::V, Self::V) {
                    for at in 0..$count {
                        let ($best, $place, $v, $index) = (best[at], place[at], v[at], index[at]);
                        // SAFETY: `self` exists only where the instruction does.
                        (best[at], place[at]) = unsafe { $nearer };
                    }
                    (best, place)
                }
            }
        };
    }

    lanes!(
        Avx2Short,
        i32,
        i32,
        __m256i,
        2,
        _mm256_set1_epi32,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        _mm256_add_epi32,
        |a, b| _mm256_min_epi32(a, b),
        |best, place, v, index| {
            let less = _mm256_cmpgt_epi32(best, v);
            (_mm256_min_epi32(best, v), _mm256_blendv_epi8(place, index, less))
        }
    );
    lanes!(
        Avx2Long,
        i64,
        i64,
        __m256i,
        4,
        _mm256_set1_epi64x,
        _mm256_loadu_si256,
        _mm256_storeu_si256,
        _mm256_add_epi64,
        |a, b| _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b)),
        |best, place, v, index| {
            let less = _mm256_cmpgt_epi64(best, v);
            (_mm256_blendv_epi8(best, v, less), _mm256_blendv_epi8(place, index, less))
        }
    );
    lanes!(
        Avx512Short,
        i32,
        i32,
        __m512i,
        1,
        _mm512_set1_epi32,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        _mm512_add_epi32,
        |a, b| _mm512_min_epi32(a, b),
        |best, place, v, index| {
            let less = _mm512_cmplt_epi32_mask(v, best);
            (_mm512_min_epi32(best, v), _mm512_mask_mov_epi32(place, less, index))
        }
    );
    lanes!(
        Avx512Long,
        i64,
        i64,
        __m512i,
        2,
        _mm512_set1_epi64,
        _mm512_loadu_si512,
        _mm512_storeu_si512,
        _mm512_add_epi64,
        |a, b| _mm512_min_epi64(a, b),
        |best, place, v, index| {
            let less = _mm512_cmplt_epi64_mask(v, best);
            (_mm512_min_epi64(best, v), _mm512_mask_mov_epi64(place, less, index))
        }
    );
}
