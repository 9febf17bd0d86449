//! Connected components as label images.

use std::collections::BTreeMap;

use crate::each_voxel_type;
use crate::kernel::argument::{self, CHUNK};
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::number::sweep;
use crate::kernel::share;
use crate::kernel::space::component::counted;
use crate::kernel::space::run::Touch;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::mask::Mask;
use crate::value::volume::Voxels;

/// Chunks that one task counts labels of.
const CHUNKS: usize = 8;

/// Labels the components of what is not 0 (and not 0 in the mask, if there is one) from 1, in raster
/// order of their first voxels.
pub fn connected(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let mut is = nonzero(argument::at(args, 0)?)?;
    let fully = match args.get(1) {
        Some(Value::Bool(fully)) => *fully,
        _ => {
            let mask = nonzero(argument::at(args, 1)?)?;
            argument::same_grid(&[&args[0], &args[1]])?;
            is = sweep::words(&is, &mask, |a, b| a & b);
            typed::truth_at(args, 2)?
        }
    };
    let labels = labelled(&is, fully)?;
    Ok(typed::image(&is.grid, u32::voxels(labels)).into())
}

/// Returns where an image of integers is not 0.
fn nonzero(image: &Value) -> Result<Mask, Refusal> {
    match image {
        Value::Mask(mask) => Ok(mask.clone()),
        Value::Volume(volume) if volume.voxels.kind().is_integer() => argument::mask(image),
        _ => Err(argument::kind()),
    }
}

fn labelled(is: &Mask, fully: bool) -> Result<Buffer<u32>, Refusal> {
    let (voxels, most) = (is.grid.voxels(), u32::MAX as usize);
    if voxels > most {
        return Err(Refusal::with(Code::Size, &[voxels as f64, most as f64]));
    }
    counted(is, if fully { Touch::Corners } else { Touch::Faces })
}

/// Numbers labels anew from 1: by size, greatest first, or in their order; small ones vanish.
pub fn relabel(call: &Call<'_>) -> Result<Output, Refusal> {
    let volume = typed::integers_at(call.args, 0)?;
    let least = typed::integer_at(call.args, 1, 0, i64::MAX)? as u64;
    let by_size = typed::truth_at(call.args, 2)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => relabelled(voxels, least, by_size)?);
    Ok(typed::image(&volume.grid, voxels).into())
}

fn relabelled<T: Voxel>(voxels: &[T], least: u64, by_size: bool) -> Result<Voxels, Refusal> {
    let chunks: Vec<&[T]> = voxels.chunks(CHUNKS * CHUNK).collect();
    let counted = share::numbered(chunks.len(), &|at| {
        let mut sizes: BTreeMap<Label<T>, u64> = BTreeMap::new();
        // Neighbours mostly have one label: runs are counted, not voxels.
        for run in chunks[at].chunk_by(|a, b| a == b).filter(|run| run[0] != T::ZERO) {
            *sizes.entry(Label(run[0])).or_default() += run.len() as u64;
        }
        sizes
    });
    let mut sizes: BTreeMap<Label<T>, u64> = BTreeMap::new();
    for (label, size) in counted.into_iter().flatten() {
        *sizes.entry(label).or_default() += size;
    }
    let mut kept: Vec<(T, u64)> = sizes
        .into_iter()
        .filter(|(_, size)| *size >= least)
        .map(|(label, size)| (label.0, size))
        .collect();
    if by_size {
        kept.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    }
    if kept.len() as f64 > T::GREATEST.wide() {
        return Err(Refusal::with(Code::Size, &[kept.len() as f64, T::GREATEST.wide()]));
    }
    let mut numbers: Vec<(Label<T>, T)> = kept
        .iter()
        .enumerate()
        .map(|(at, (label, _))| (Label(*label), T::of((at + 1) as f64)))
        .collect();
    numbers.sort_unstable_by_key(|(label, _)| *label);
    let mut out = Buffer::<T>::take(voxels.len());
    share::pieces(&mut out, CHUNK, &|chunk, out: &mut [T]| {
        let voxels = &voxels[chunk * CHUNK..][..out.len()];
        let mut from = 0;
        for run in voxels.chunk_by(|a, b| a == b) {
            let found = if run[0] == T::ZERO {
                None
            } else {
                numbers.binary_search_by_key(&Label(run[0]), |(label, _)| *label).ok()
            };
            out[from..from + run.len()].fill(found.map_or(T::ZERO, |at| numbers[at].1));
            from += run.len();
        }
    });
    Ok(T::voxels(out))
}

/// A voxel of an integer type as a key: these compare, all of them.
#[derive(Clone, Copy)]
struct Label<T>(T);

impl<T: Voxel> PartialEq for Label<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Voxel> Eq for Label<T> {}

impl<T: Voxel> PartialOrd for Label<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Voxel> Ord for Label<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::space::component::numbered;
    use crate::kernel::space::sample;
    use crate::value::grid::Grid;

    /// Labels by flooding.
    fn flooded(is: &[u8], grid: &Grid, fully: bool) -> Vec<u32> {
        let [nx, ny, _] = grid.shape();
        let place = |at: usize| [at % nx, at / nx % ny, at / nx / ny];
        let mut labels = vec![0; is.len()];
        let mut count = 0;
        for first in 0..is.len() {
            if is[first] == 0 || labels[first] != 0 {
                continue;
            }
            count += 1;
            labels[first] = count;
            let mut stack = vec![first];
            while let Some(at) = stack.pop() {
                for to in 0..is.len() {
                    let (a, b) = (place(at), place(to));
                    let d = [0, 1, 2].map(|axis| a[axis].abs_diff(b[axis]));
                    let near = d.iter().all(|d| *d <= 1) && (fully || d.iter().sum::<usize>() == 1);
                    if near && is[to] == 1 && labels[to] == 0 {
                        labels[to] = count;
                        stack.push(to);
                    }
                }
            }
        }
        labels
    }

    proptest! {
        #[test]
        fn components_are_those_of_flooding(mask in sample::mask(), fully: bool) {
            let bytes = typed::volume(&Value::Mask(mask.clone())).unwrap();
            let Voxels::U8(is) = &bytes.voxels else { panic!("u8") };
            let got = labelled(&mask, fully).unwrap();
            prop_assert_eq!(&got[..], &flooded(is, &mask.grid, fully)[..]);
            if fully {
                let Voxels::F32(other) = numbered(&mask).unwrap().voxels else { panic!("f32") };
                prop_assert!(got.iter().zip(other.iter()).all(|(a, b)| *a as f32 == *b));
            }
        }
    }

    #[test]
    fn labels_do_not_depend_on_threads() {
        for dims in [&[70, 130, 150][..], &[64, 40_000]] {
            let mask = sample::blobs(dims, &vec![1.0; dims.len()], 5);
            for fully in [false, true] {
                sample::same_on_any_threads(|| labelled(&mask, fully).unwrap().to_vec());
            }
            let labels = labelled(&mask, false).unwrap();
            sample::same_on_any_threads(|| relabelled(&labels, 3, true).unwrap().bytes().to_vec());
        }
    }

    #[test]
    fn labels_are_numbered_by_size_ties_by_label() {
        let voxels = [-5i16, 3, 3, 0, -5, 7, 7, 0, 1, 1, 1, 1];
        let Voxels::I16(got) = relabelled(&voxels, 0, true).unwrap() else { panic!("i16") };
        assert_eq!(got[..], [2, 3, 3, 0, 2, 4, 4, 0, 1, 1, 1, 1]);
        let Voxels::I16(got) = relabelled(&voxels, 3, true).unwrap() else { panic!("i16") };
        assert_eq!(got[..], [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        let Voxels::I16(got) = relabelled(&voxels, 0, false).unwrap() else { panic!("i16") };
        assert_eq!(got[..], [1, 3, 3, 0, 1, 4, 4, 0, 2, 2, 2, 2]);
        let many: Vec<i8> = (-128..=127).collect();
        assert_eq!(relabelled(&many, 0, true).unwrap_err().code, Code::Size);
    }
}
