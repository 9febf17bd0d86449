//! Running plain code compiled for the widest vectors that the machine has.
#![expect(unsafe_code, reason = "calls functions compiled for instructions that were detected")]

use crate::kernel::cpu::{Path, path};

/// Work that is compiled once for each path.
///
/// For whoever implements one: `run` is `#[inline(always)]`, and so is all that matters below it;
/// rayon stays outside, for closures do not inherit instructions. The compiler does not contract
/// floats, so all paths give the same bits.
pub trait Task {
    /// What comes out.
    type Out;

    /// Does it.
    fn run(self) -> Self::Out;
}

/// Runs a task on the path to take.
pub fn widest<T: Task>(task: T) -> T::Out {
    match path() {
        Path::Scalar => task.run(),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` returns only what the machine was found to have.
        Path::Avx2 => unsafe { avx2(task) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Path::Avx512 => unsafe { avx512(task) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => task.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn avx2<T: Task>(task: T) -> T::Out {
    task.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<T: Task>(task: T) -> T::Out {
    task.run()
}
