//! Connected components as label images.

use std::collections::BTreeMap;

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::Voxels;

/// Labels the components of what is not 0 (and not 0 in the mask, if there is one) from 1, in raster
/// order of their first voxels.
pub fn connected(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::integers_at(args, 0)?;
    let mut is = each_voxel_type!(&volume.voxels, voxels => nonzero(voxels));
    let fully = match args.get(1) {
        Some(Value::Bool(fully)) => *fully,
        _ => {
            let mask = typed::integers_at(args, 1)?;
            argument::same_grid(&[&args[0], &args[1]])?;
            let counts = each_voxel_type!(&mask.voxels, voxels => nonzero(voxels));
            for (is, counts) in is.iter_mut().zip(counts.iter()) {
                *is &= counts;
            }
            typed::truth_at(args, 2)?
        }
    };
    let labels = labelled(&is, &volume.grid, fully)?;
    Ok(typed::image(&volume.grid, u32::voxels(labels)).into())
}

fn nonzero<T: Voxel>(voxels: &[T]) -> Buffer<u8> {
    typed::made(voxels.len(), |at| u8::from(voxels[at] != T::ZERO))
}

/// Labels by union-find: the parent of a voxel is an earlier voxel of its component, or itself.
fn labelled(is: &[u8], grid: &Grid, fully: bool) -> Result<Buffer<u32>, Refusal> {
    let most = u32::MAX as usize;
    if is.len() > most {
        return Err(Refusal::with(Code::Size, &[is.len() as f64, most as f64]));
    }
    let [nx, ny, _] = grid.shape();
    let before = earlier(fully);
    let mut parents = Buffer::<u32>::take(is.len());
    for at in (0..is.len()).filter(|at| is[*at] == 1) {
        parents[at] = at as u32;
        let place = [at % nx, at / nx % ny, at / nx / ny];
        for [dx, dy, dz] in &before {
            let x = place[0] as i64 + dx;
            let y = place[1] as i64 + dy;
            let z = place[2] as i64 + dz;
            if x < 0 || y < 0 || z < 0 || x >= nx as i64 || y >= ny as i64 {
                continue;
            }
            let other = (z as usize * ny + y as usize) * nx + x as usize;
            if is[other] == 1 {
                join(&mut parents, at as u32, other as u32);
            }
        }
    }
    let mut labels = Buffer::<u32>::take(is.len());
    let mut count = 0;
    for at in 0..is.len() {
        labels[at] = if is[at] == 0 {
            0
        } else if parents[at] as usize == at {
            count += 1;
            count
        } else {
            // Parents come first, so theirs is known.
            labels[parents[at] as usize]
        };
    }
    Ok(labels)
}

/// Returns the steps to the neighbours that come before a voxel.
fn earlier(fully: bool) -> Vec<[i64; 3]> {
    let mut steps = Vec::new();
    for dz in -1..=0i64 {
        for dy in -1..=1i64 {
            for dx in -1..=1i64 {
                let is_before = (dz, dy, dx) < (0, 0, 0);
                if is_before && (fully || dx.abs() + dy.abs() + dz.abs() == 1) {
                    steps.push([dx, dy, dz]);
                }
            }
        }
    }
    steps
}

fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while parents[at as usize] != at {
        let parent = parents[at as usize];
        parents[at as usize] = parents[parent as usize];
        at = parent;
    }
    at
}

fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
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
    let mut sizes: BTreeMap<Label<T>, u64> = BTreeMap::new();
    // Neighbours mostly have one label: runs are counted, not voxels.
    for run in voxels.chunk_by(|a, b| a == b).filter(|run| run[0] != T::ZERO) {
        *sizes.entry(Label(run[0])).or_default() += run.len() as u64;
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
    let numbers: BTreeMap<Label<T>, T> = kept
        .iter()
        .enumerate()
        .map(|(at, (label, _))| (Label(*label), T::of((at + 1) as f64)))
        .collect();
    let mut out = Buffer::<T>::take(voxels.len());
    let mut from = 0;
    for run in voxels.chunk_by(|a, b| a == b) {
        let number = numbers.get(&Label(run[0])).copied().unwrap_or(T::ZERO);
        out[from..from + run.len()].fill(number);
        from += run.len();
    }
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
            let got = labelled(is, &mask.grid, fully).unwrap();
            prop_assert_eq!(&got[..], &flooded(is, &mask.grid, fully)[..]);
            if fully {
                let Voxels::F32(other) = numbered(&mask).unwrap().voxels else { panic!("f32") };
                prop_assert!(got.iter().zip(other.iter()).all(|(a, b)| *a as f32 == *b));
            }
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
