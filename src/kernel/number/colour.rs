//! Colour images: channels, and colour from channels.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use std::sync::Arc;

use rayon::prelude::*;

use crate::kernel::argument;
use crate::kernel::number::simd;
use crate::kernel::number::source::{Cut, Source};
use crate::kernel::number::sweep::{self, canonical, fill};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;
use crate::value::volume::{Colour, Volume, Voxels};

/// Returns 0.2126 R + (0.7152 G + 0.0722 B), rounded to f32 at each step; of a number image itself.
pub fn intensity(call: &Call<'_>) -> Result<Output, Refusal> {
    channel(call, |voxel| 0.2126 * voxel[0] + (0.7152 * voxel[1] + 0.0722 * voxel[2]))
}

/// Returns the first component.
pub fn red(call: &Call<'_>) -> Result<Output, Refusal> {
    channel(call, |voxel| voxel[0])
}

/// Returns the second component.
pub fn green(call: &Call<'_>) -> Result<Output, Refusal> {
    channel(call, |voxel| voxel[1])
}

/// Returns the third component.
pub fn blue(call: &Call<'_>) -> Result<Output, Refusal> {
    channel(call, |voxel| voxel[2])
}

/// Returns the fourth component, 255 where there is none.
pub fn alpha(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    match image {
        Value::Colour(colour) if colour.components == 4 => channel(call, |voxel| voxel[3]),
        Value::Colour(_) | Value::Mask(_) | Value::Volume(_) => {
            let grid = image.grid().ok_or_else(argument::kind)?;
            let (volume, _) = fill(grid, |_, out, _| {
                out.fill(255.0);
                0
            });
            Ok(Value::Volume(volume).into())
        }
        _ => Err(argument::kind()),
    }
}

fn channel(call: &Call<'_>, of: impl Fn(&[f32]) -> f32 + Sync) -> Result<Output, Refusal> {
    let [image] = call.args else { return Err(argument::kind()) };
    match image {
        Value::Colour(colour) => {
            let n = colour.components;
            let (volume, _) = fill(&colour.grid, |piece, out, _| {
                let voxels = &colour.voxels[piece.start * n..(piece.start + piece.len) * n];
                for (out, voxel) in out.iter_mut().zip(voxels.chunks_exact(n)) {
                    *out = canonical(of(voxel));
                }
                0
            });
            Ok(Value::Volume(volume).into())
        }
        Value::Volume(volume) if is_canonical(volume) => Ok(image.clone().into()),
        Value::Mask(_) | Value::Volume(_) => {
            let source = Source::of(image).ok_or_else(argument::kind)?;
            let (volume, rounded) = sweep::map(source, |x| x);
            Ok(sweep::told(Value::Volume(volume), rounded))
        }
        _ => Err(argument::kind()),
    }
}

/// Says whether an image is what comes out of it: f32 with one NaN. Then it is shared, not copied.
fn is_canonical(volume: &Volume) -> bool {
    const CHUNK: usize = 1 << 16;
    let Voxels::F32(voxels) = &volume.voxels else { return false };
    // No early exit within a chunk: the loop becomes vector code.
    let is_odd = |x: &f32| x.is_nan() & (x.to_bits() != canonical(f32::NAN).to_bits());
    voxels.par_chunks(CHUNK).all(|chunk| !chunk.iter().fold(false, |odd, x| odd | is_odd(x)))
}

/// Makes a colour image of three or four images.
pub fn rgb(call: &Call<'_>) -> Result<Output, Refusal> {
    let sources: Vec<Source<'_>> = call
        .args
        .iter()
        .map(|image| Source::of(image).ok_or_else(argument::kind))
        .collect::<Result<_, _>>()?;
    if !(3..=4).contains(&sources.len()) {
        return Err(argument::kind());
    }
    argument::same_grid(&call.args.iter().collect::<Vec<_>>())?;
    let n = sources.len();
    let grid = sources[0].grid();
    let cut = Cut::of(grid);
    let mut out: Buffer<f32> = Buffer::take(grid.voxels() * n);
    let rounded = out
        .par_chunks_mut(cut.task_voxels() * n)
        .enumerate()
        .map(|(task, out)| {
            let first = task * cut.task_voxels();
            let mut scratch: [Vec<f32>; 4] = Default::default();
            let mut rounded = 0;
            for piece in cut.pieces(task) {
                let from = (piece.start - first) * n;
                let out = &mut out[from..from + piece.len * n];
                let mut parts: [&[f32]; 4] = [&[]; 4];
                for ((part, source), scratch) in parts.iter_mut().zip(&sources).zip(&mut scratch) {
                    let (voxels, count) = source.piece(piece, scratch);
                    *part = voxels;
                    rounded += count;
                }
                let [r, g, b, a] = parts;
                if n == 3 {
                    simd::widest(|| mixed([r, g, b], out));
                } else {
                    simd::widest(|| mixed([r, g, b, a], out));
                }
            }
            rounded
        })
        .sum();
    let colour = Colour { grid: Arc::clone(grid), components: n, voxels: Arc::new(out) };
    Ok(sweep::told(Value::Colour(colour), rounded))
}

/// Writes the first of all parts, then the second of all, and so on.
#[inline(always)]
fn mixed<const N: usize>(parts: [&[f32]; N], out: &mut [f32]) {
    let count = out.len() / N;
    let parts = parts.map(|part| &part[..count]);
    let (out, _) = out.as_chunks_mut::<N>();
    for (x, out) in out[..count].iter_mut().enumerate() {
        for (out, part) in out.iter_mut().zip(parts) {
            *out = canonical(part[x]);
        }
    }
}
