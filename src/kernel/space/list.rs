//! The operators of this room as the language names them.

use crate::kernel::argument::{at, mask, number, same_grid, sequence, volume_f32, warned};
use crate::kernel::space::correlate::{Options, correlation};
use crate::kernel::space::extract::extract;
use crate::kernel::space::gradient::magnitude;
use crate::kernel::space::{component, distance, neighbour};
use crate::primitive::contract::Plain;
use crate::primitive::signature::{Cost, Form, Signature, Slot};
use crate::value::data::Value;
use crate::value::kind::Kind;

const MASK_TO_MASK: &[Form] = &[Form::new(&[Slot::Mask], Kind::Mask)];
const MASK_TO_IMAGE: &[Form] = &[Form::new(&[Slot::Mask], Kind::Image)];

const TWO_MASKS_TO_MASK: &[Form] = &[Form::new(&[Slot::Mask, Slot::Mask], Kind::Mask)];
const VOLUME_TO_IMAGE: &[Form] = &[Form::new(&[Slot::Volume], Kind::Image)];
/// The result is of the kind of the image, which no form can say.
const EXTRACT: &[Form] = &[Form::new(&[Slot::Image, Slot::Sequence, Slot::Sequence], Kind::Any)];
const CORRELATE: &[Form] = &[Form::new(
    &[
        Slot::Number,
        Slot::Volume,
        Slot::Volume,
        Slot::Mask,
        Slot::Number,
        Slot::Number,
        Slot::Number,
    ],
    Kind::Image,
)];

/// Returns the operators.
pub fn primitives() -> Vec<Plain> {
    vec![
        Plain {
            signature: Signature::new(
                "vox1.near",
                &["a"],
                MASK_TO_MASK,
                Cost::Bits,
                "True where the box of 3 voxels along each axis holds a true voxel; outside the image is false.",
            ),
            run: |call| Ok(Value::Mask(neighbour::near(&mask(at(call.args, 0)?)?)).into()),
        },
        Plain {
            signature: Signature::new(
                "vox1.interior",
                &["a"],
                MASK_TO_MASK,
                Cost::Bits,
                "True where the whole box of 3 voxels along each axis is true; outside the image is true.",
            ),
            run: |call| Ok(Value::Mask(neighbour::interior(&mask(at(call.args, 0)?)?)).into()),
        },
        Plain {
            signature: Signature::new(
                "vox1.through",
                &["a", "b"],
                TWO_MASKS_TO_MASK,
                Cost::Components,
                "The components of b (neighbours touch at corners too) that hold a voxel of a.",
            ),
            run: |call| {
                let (a, b) = (at(call.args, 0)?, at(call.args, 1)?);
                let (seeds, within) = (mask(a)?, mask(b)?);
                same_grid(&[a, b])?;
                let mut met = component::through(&seeds, &within)?;
                // The result has the grid of the first image, which may differ by a hair.
                met.grid = seeds.grid;
                Ok(Value::Mask(met).into())
            },
        },
        Plain {
            signature: Signature::new(
                "vox1.lcc",
                &["a"],
                MASK_TO_IMAGE,
                Cost::Components,
                "Numbers the components from 1 in raster order of their first voxels (x fastest), 0 outside.",
            ),
            run: |call| Ok(Value::Volume(component::numbered(&mask(at(call.args, 0)?)?)?).into()),
        },
        Plain {
            signature: Signature::new(
                "vox1.maxvol",
                &["a"],
                MASK_TO_MASK,
                Cost::Components,
                "The component of most voxels, or the union of those where several have as many.",
            ),
            run: |call| Ok(Value::Mask(component::greatest(&mask(at(call.args, 0)?)?)?).into()),
        },
        Plain {
            signature: Signature::new(
                "vox1.dt",
                &["a"],
                MASK_TO_IMAGE,
                Cost::Distance,
                "Distance in mm to the nearest true voxel; inside, minus that to the nearest voxel of the contour, \
                 there -0.0; 1.8446743e19 of an empty mask, minus that of a full one.",
            ),
            run: |call| Ok(Value::Volume(distance::signed(&mask(at(call.args, 0)?)?)?).into()),
        },
        Plain {
            signature: Signature::new(
                "vox1.gradient",
                &["f"],
                VOLUME_TO_IMAGE,
                Cost::Pass,
                "Magnitude of the central differences per mm; behind the edge its voxel is repeated.",
            ),
            run: |call| {
                let (grid, voxels) = volume_f32(at(call.args, 0)?)?;
                Ok(warned(Value::Volume(magnitude(&grid, &voxels)), call.args))
            },
        },
        Plain {
            signature: Signature::new(
                "vox1.extract",
                &["image", "size", "start"],
                EXTRACT,
                Cost::Pass,
                "The box of `size` voxels from index `start` on, x first; an axis of size 0 is dropped at its start.",
            ),
            run: |call| {
                let (size, start) = (sequence(at(call.args, 1)?)?, sequence(at(call.args, 2)?)?);
                Ok(extract(at(call.args, 0)?, size, start)?.into())
            },
        },
        Plain {
            signature: Signature::new(
                "vox1.crossCorrelation",
                &["radius", "a", "b", "within", "low", "high", "bins"],
                CORRELATE,
                Cost::Correlation,
                "Correlation of the histogram (bins from low up to, without, high) of a in the box of that radius in mm \
                 around each voxel with that of b in `within`; 1 where both are constant, 0 where one is.",
            ),
            run: |call| {
                let args = call.args;
                let radius = number(at(args, 0)?)?;
                let (grid, a) = volume_f32(at(args, 1)?)?;
                let (_, b) = volume_f32(at(args, 2)?)?;
                let within = mask(at(args, 3)?)?;
                let (low, high) = (number(at(args, 4)?)?, number(at(args, 5)?)?);
                let bins = number(at(args, 6)?)?;
                same_grid(&args.iter().collect::<Vec<_>>())?;
                let options = Options { radius, low, high, bins };
                let result = correlation(&grid, &a, &b, &within, &options)?;
                Ok(warned(Value::Volume(result), args))
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::canon::Tree;
    use crate::kernel::space::sample;
    use crate::primitive::contract::Call;
    use crate::primitive::refusal::Code;

    #[test]
    fn every_operator_refuses_other_kinds_and_other_grids() {
        let params = Tree::Map(Vec::new());
        let image = Value::Mask(sample::blobs(&[9, 8, 7], &[1.0; 3], 1));
        let other = Value::Mask(sample::blobs(&[9, 8, 6], &[1.0; 3], 1));
        for plain in primitives() {
            let run = |args: &[Value]| (plain.run)(&Call { args, params: &params, files: &[] });
            assert_eq!(run(&[]).unwrap_err().code, Code::Kind);
            let args = vec![Value::Null; plain.signature.parameters.len()];
            assert_eq!(run(&args).unwrap_err().code, Code::Kind);
            let takes = plain.signature.forms[0].takes;
            let args = |images: [&Value; 2]| -> Vec<Value> {
                let mut images = images.into_iter().cycle();
                let one = || Value::sequence(vec![Value::Number(1.0); 3]);
                let arg = |slot: &Slot| match slot {
                    Slot::Number => Value::Number(2.0),
                    Slot::Sequence => one(),
                    _ => images.next().unwrap().clone(),
                };
                takes.iter().map(arg).collect()
            };
            assert!(run(&args([&image, &image])).is_ok(), "{}", plain.signature.name);
            let images = takes.iter().filter(|slot| **slot == Slot::Mask || **slot == Slot::Volume);
            if images.count() > 1 {
                assert_eq!(run(&args([&image, &other])).unwrap_err().code, Code::Grid);
            }
        }
    }
}
