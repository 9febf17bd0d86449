//! Parts of images.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use crate::kernel::argument;
use crate::kernel::number::logic;
use crate::kernel::number::simd;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::{self, canonical};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::Refusal;
use crate::value::data::Value;

/// Returns the image where a mask is true and 0.0 elsewhere, whatever lies there.
pub fn mask(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, by] = call.args else { return Err(argument::kind()) };
    let Some(source) = Source::of(image) else { return Err(argument::kind()) };
    let (volume, rounded) = match by {
        Value::Bool(true) => sweep::map(source, |x| x),
        Value::Bool(false) => sweep::map(source, |_| 0.0),
        _ => {
            let Some(truths) = Source::of(by) else { return Err(argument::kind()) };
            argument::same_grid(&[image, by])?;
            let mask = logic::truths(truths)?;
            sweep::fill(source.grid(), |piece, out, [scratch, ..]| {
                let (voxels, rounded) = source.piece(piece, scratch);
                simd::widest(|| {
                    for (start, len, word) in piece.rows() {
                        let row = start..start + len;
                        kept(&mask.words[word..], &voxels[row.clone()], &mut out[row]);
                    }
                });
                rounded
            })
        }
    };
    Ok(sweep::told(Value::Volume(volume), rounded))
}

/// Writes the voxels of a row whose bits are set, and 0.0 for the others.
#[inline(always)]
pub fn kept(words: &[u64], voxels: &[f32], out: &mut [f32]) {
    let pieces = out.chunks_mut(64).zip(voxels.chunks(64));
    for ((out, voxels), word) in pieces.zip(words) {
        // Where nothing is kept nothing is read.
        if *word == 0 {
            out.fill(0.0);
        } else {
            keep(*word, voxels, out);
        }
    }
}

#[inline(always)]
fn keep(word: u64, voxels: &[f32], out: &mut [f32]) {
    // Sixteen at a time, which LLVM takes at once.
    for (at, (out, voxels)) in out.chunks_mut(16).zip(voxels.chunks(16)).enumerate() {
        let bits = u32::from((word >> (at * 16)) as u16);
        // All ones where the bit is set.
        let one = |x: usize, voxel: f32| {
            f32::from_bits(canonical(voxel).to_bits() & (bits >> x & 1).wrapping_neg())
        };
        if let (Ok(out), Ok(voxels)) =
            (<&mut [f32; 16]>::try_from(&mut *out), <&[f32; 16]>::try_from(voxels))
        {
            for x in 0..16 {
                out[x] = one(x, voxels[x]);
            }
        } else {
            for (x, (out, voxel)) in out.iter_mut().zip(voxels).enumerate() {
                *out = one(x, *voxel);
            }
        }
    }
}
