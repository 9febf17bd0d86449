//! Parts of images.

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
                        let words = &mask.words[word..word + len.div_ceil(64)];
                        let (out, voxels) =
                            (&mut out[start..start + len], &voxels[start..start + len]);
                        for ((out, voxels), word) in
                            out.chunks_mut(64).zip(voxels.chunks(64)).zip(words)
                        {
                            for (x, (out, voxel)) in out.iter_mut().zip(voxels).enumerate() {
                                // All ones where the bit is set.
                                let keep = ((word >> x & 1) as u32).wrapping_neg();
                                *out = f32::from_bits(canonical(*voxel).to_bits() & keep);
                            }
                        }
                    }
                });
                rounded
            })
        }
    };
    Ok(sweep::told(Value::Volume(volume), rounded))
}
