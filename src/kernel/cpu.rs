//! Which instructions kernels may use.
//!
//! Results never depend on it; tests force each path and compare.

use std::sync::atomic::{AtomicU8, Ordering};

/// A set of vector instructions, the narrower ones first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Path {
    /// What every machine of the target has.
    Scalar,
    /// AVX2, with POPCNT and BMI.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// 0: not asked yet, or not forced; else the path plus one.
static FORCED: AtomicU8 = AtomicU8::new(0);

impl Path {
    /// All paths.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Says whether this machine has the instructions.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = || {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("popcnt")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
            };
            match self {
                Self::Scalar => true,
                Self::Avx2 => avx2(),
                Self::Avx512 => {
                    avx2()
                        && is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Scalar
        }
    }
}

/// Returns the path to take: the forced one, else the widest that this machine has.
pub fn path() -> Path {
    let forced = FORCED.load(Ordering::Relaxed);
    Path::ALL
        .into_iter()
        .rev()
        .find(|path| if forced == 0 { path.available() } else { *path as u8 + 1 == forced })
        .unwrap_or(Path::Scalar)
}

/// Makes the whole process take one path, or with `None` the widest again; says whether it can.
///
/// For tests and measurements.
pub fn force(path: Option<Path>) -> bool {
    if path.is_some_and(|path| !path.available()) {
        return false;
    }
    FORCED.store(path.map_or(0, |path| path as u8 + 1), Ordering::Relaxed);
    true
}
