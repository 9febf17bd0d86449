//! What the filters of this room say of themselves; those on single voxels stand in
//! [`pointwise`].

use crate::kernel::argument::{at, sequence};
use crate::kernel::itk::morphology::{self, Way};
use crate::kernel::itk::{
    component, distance, flow, kernel, pixel, pointwise, recursive, resample, statistics,
    threshold, typed,
};
use crate::kernel::space::extract::extract;
use crate::primitive::contract::{Call, Output, Plain};
use crate::primitive::refusal::Refusal;
use crate::primitive::signature::Slot::{
    Bool, Image, Number, NumberOrSequence, Sequence, Text, Volume,
};
use crate::primitive::signature::{Cost, Default, Form, Signature};
use crate::value::data::Value;
use crate::value::kind::Kind;

/// A filter's code.
pub type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

fn plain(signature: Signature, run: Run) -> Plain {
    Plain { signature, run }
}

const MORPH: &[Form] =
    &[Form::new(&[Volume, NumberOrSequence, Number, Number, Number, Bool], Kind::Image)];
const MORPH_NAMES: &[&str] =
    &["image", "radius", "kernel", "background", "foreground", "boundaryToForeground"];
const CUBE: Default = Default::Numbers(&[1.0, 1.0, 1.0]);

/// Returns the filters.
pub fn primitives() -> Vec<Plain> {
    let mut all = pointwise::primitives();
    all.extend(numbers());
    all.extend(shapes());
    all.extend(smoothers());
    all
}

fn numbers() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "simpleitk.MinimumMaximum",
                &["image"],
                const { &[Form::new(&[Volume], Kind::Sequence)] },
                Cost::Pass,
                "The least and the greatest voxel, NaN passed over.",
            ),
            statistics::minimum_maximum,
        ),
        plain(
            Signature::new(
                "simpleitk.Statistics",
                &["image"],
                const { &[Form::new(&[Volume], Kind::Sequence)] },
                Cost::Ranks,
                "Least, greatest, mean, standard deviation, variance (over n - 1), sum and count.",
            ),
            statistics::statistics,
        ),
        plain(
            Signature::new(
                "simpleitk.RescaleIntensity",
                &["image", "min", "max"],
                const { &[Form::new(&[Volume, Number, Number], Kind::Image)] },
                Cost::Pass,
                "Scales voxels so that the least is `min` and the greatest `max`, truncated to the voxel type; \
                 a constant image becomes `min`.",
            )
            .defaults(const { &[Default::Number(0.0), Default::Number(255.0)] }),
            statistics::rescale,
        ),
        plain(
            Signature::new(
                "simpleitk.GetPixelIDValueFromString",
                &["name"],
                const { &[Form::new(&[Text], Kind::Number)] },
                Cost::Scalar,
                "The number of a voxel type by its name, such as `sitkFloat32`; -1 of `sitkUnknown`.",
            ),
            pixel::get_pixel_id,
        ),
    ]
}

fn shapes() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "simpleitk.Extract",
                &["image", "size", "index"],
                const { &[Form::new(&[Image, Sequence, Sequence], Kind::Any)] },
                Cost::Pass,
                "The box of `size` voxels from `index` on, x first; an axis of size 0 is dropped there.",
            ),
            |call| {
                let (size, start) = (sequence(at(call.args, 1)?)?, sequence(at(call.args, 2)?)?);
                Ok(match at(call.args, 0)? {
                    mask @ Value::Mask(_) => {
                        extract(&Value::Volume(typed::volume(mask)?), size, start)?.into()
                    }
                    image => extract(image, size, start)?.into(),
                })
            },
        ),
        plain(
            Signature::new(
                "simpleitk.BinaryDilate",
                MORPH_NAMES,
                MORPH,
                Cost::Passes,
                "Grows the voxels that are `foreground` by a ball (1) or box (2) of so many voxels.",
            )
            .defaults(const {
                &[
                    CUBE,
                    Default::Number(1.0),
                    Default::Number(0.0),
                    Default::Number(1.0),
                    Default::Bool(false),
                ]
            }),
            |call| morphology::morph(call, Way::Dilate),
        ),
        plain(
            Signature::new(
                "simpleitk.BinaryErode",
                MORPH_NAMES,
                MORPH,
                Cost::Passes,
                "Shrinks the voxels that are `foreground` by a ball (1) or box (2); what falls away is `background`.",
            )
            .defaults(const {
                &[
                    CUBE,
                    Default::Number(1.0),
                    Default::Number(0.0),
                    Default::Number(1.0),
                    Default::Bool(true),
                ]
            }),
            |call| morphology::morph(call, Way::Erode),
        ),
        plain(
            Signature::new(
                "simpleitk.ConnectedComponent",
                &["image", "mask", "fullyConnected"],
                const {
                    &[
                        Form::new(&[Volume, Bool], Kind::Image),
                        Form::new(&[Volume, Volume, Bool], Kind::Image),
                    ]
                },
                Cost::Passes,
                "Numbers the components of what is not 0 from 1 in raster order; neighbours share faces, or also \
                 corners.",
            )
            .defaults(const { &[Default::Bool(false)] }),
            component::connected,
        ),
        plain(
            Signature::new(
                "simpleitk.RelabelComponent",
                &["image", "minimumObjectSize", "sortByObjectSize"],
                const { &[Form::new(&[Volume, Number, Bool], Kind::Image)] },
                Cost::Ranks,
                "Numbers labels anew from 1, greatest components first; those of fewer voxels vanish.",
            )
            .defaults(const { &[Default::Number(0.0), Default::Bool(true)] }),
            component::relabel,
        ),
        plain(
            Signature::new(
                "simpleitk.SignedMaurerDistanceMap",
                &["image", "insideIsPositive", "squared", "useImageSpacing", "background"],
                const { &[Form::new(&[Volume, Bool, Bool, Bool, Number], Kind::Image)] },
                Cost::Distance,
                "Distance to what is not background, in voxels or mm, squared or not; negative inside.",
            )
            .defaults(const {
                &[
                    Default::Bool(false),
                    Default::Bool(true),
                    Default::Bool(false),
                    Default::Number(0.0),
                ]
            }),
            distance::signed_maurer,
        ),
        plain(
            Signature::new(
                "simpleitk.OtsuThreshold",
                &[
                    "image",
                    "mask",
                    "inside",
                    "outside",
                    "bins",
                    "maskOutput",
                    "maskValue",
                    "binMidpoint",
                ],
                const {
                    &[
                        Form::new(&[Volume, Number, Number, Number, Bool, Number, Bool], Kind::Image),
                        Form::new(
                            &[Volume, Volume, Number, Number, Number, Bool, Number, Bool],
                            Kind::Image,
                        ),
                    ]
                },
                Cost::Ranks,
                "`inside` up to Otsu's threshold, `outside` above; with a mask only of voxels where it is `maskValue`.",
            )
            .defaults(const {
                &[
                    Default::Number(1.0),
                    Default::Number(0.0),
                    Default::Number(128.0),
                    Default::Bool(true),
                    Default::Number(255.0),
                    Default::Bool(false),
                ]
            }),
            threshold::otsu,
        ),
        plain(
            Signature::new(
                "simpleitk.Resample",
                &["image", "reference", "interpolator", "default"],
                const { &[Form::new(&[Volume, Image, Number, Number], Kind::Image)] },
                Cost::Passes,
                "The image on the grid of the reference, nearest (1) or linear (2); `default` outside of it.",
            )
            .defaults(const { &[Default::Number(2.0), Default::Number(0.0)] }),
            resample::resample,
        ),
    ]
}

fn smoothers() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "simpleitk.CurvatureFlow",
                &["image", "timeStep", "iterations"],
                const { &[Form::new(&[Volume, Number, Number], Kind::Image)] },
                Cost::Passes,
                "Smooths along edges: so many steps in which level lines move by their curvature.",
            )
            .defaults(const { &[Default::Number(0.05), Default::Number(5.0)] }),
            flow::curvature_flow,
        ),
        plain(
            Signature::new(
                "simpleitk.SmoothingRecursiveGaussian",
                &["image", "sigma", "normalizeAcrossScale"],
                const { &[Form::new(&[Volume, NumberOrSequence, Bool], Kind::Image)] },
                Cost::Passes,
                "Smooths by a Gaussian of `sigma` mm, recursively; each axis has at least 4 voxels.",
            )
            .defaults(const { &[Default::Number(1.0), Default::Bool(false)] }),
            recursive::smooth,
        ),
        plain(
            Signature::new(
                "simpleitk.DiscreteGaussian",
                &["image", "variance", "maxKernelWidth", "maxError", "useImageSpacing"],
                const {
                    &[Form::new(
                        &[Volume, NumberOrSequence, Number, NumberOrSequence, Bool],
                        Kind::Image,
                    )]
                },
                Cost::Passes,
                "Convolves with the discrete Gaussian of a variance in mm2 (or voxels).",
            )
            .defaults(const {
                &[
                    Default::Number(1.0),
                    Default::Number(32.0),
                    Default::Number(0.01),
                    Default::Bool(true),
                ]
            }),
            kernel::discrete_gaussian,
        ),
    ]
}
