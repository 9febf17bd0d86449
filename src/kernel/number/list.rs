//! What the operators of this room say of themselves.

use crate::kernel::number::{
    arithmetic, base, colour, compare, logic, measure, otsu, percentiles, select,
};
use crate::primitive::contract::{Call, Output, Plain};
use crate::primitive::refusal::Refusal;
use crate::primitive::signature::Slot::{
    Bool, Bytes, Grid, Image, Mask, Null, Number, Text, Volume,
};
use crate::primitive::signature::{Cost, Form, Signature, Slot};
use crate::value::kind::Kind;

type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

fn plain(signature: Signature, run: Run) -> Plain {
    Plain { signature, run }
}

const ARITHMETIC: &[Form] = &[
    Form::new(&[Number, Number], Kind::Number),
    Form::new(&[Volume, Volume], Kind::Image),
    Form::new(&[Volume, Number], Kind::Image),
    Form::new(&[Number, Volume], Kind::Image),
];
const BY_NUMBER: &[Form] =
    &[Form::new(&[Volume, Number], Kind::Image), Form::new(&[Number, Number], Kind::Number)];
const SIGN: &[Form] = &[Form::new(&[Number], Kind::Number), Form::new(&[Volume], Kind::Image)];
const EXTREME: &[Form] = &[
    Form::new(&[Volume], Kind::Number),
    Form::new(&[Number, Number], Kind::Number),
    Form::new(&[Volume, Volume], Kind::Image),
    Form::new(&[Volume, Number], Kind::Image),
    Form::new(&[Number, Volume], Kind::Image),
];
const ORDER: &[Form] = &[
    Form::new(&[Number, Number], Kind::Bool),
    Form::new(&[Volume, Volume], Kind::Mask),
    Form::new(&[Volume, Number], Kind::Mask),
    Form::new(&[Number, Volume], Kind::Mask),
];
/// A boolean beside a number image is refused while running: no slot takes a mask alone.
const EQUALITY: &[Form] = &[
    Form::new(&[Number, Number], Kind::Bool),
    Form::new(&[Volume, Volume], Kind::Mask),
    Form::new(&[Volume, Number], Kind::Mask),
    Form::new(&[Number, Volume], Kind::Mask),
    Form::new(&[Bool, Bool], Kind::Bool),
    Form::new(&[Bool, Mask], Kind::Mask),
    Form::new(&[Mask, Bool], Kind::Mask),
    Form::new(&[Text, Text], Kind::Bool),
    Form::new(&[Bytes, Bytes], Kind::Bool),
    Form::new(&[Null, Slot::Any], Kind::Bool),
    Form::new(&[Slot::Any, Null], Kind::Bool),
];
const LOGIC: &[Form] = &[
    Form::new(&[Bool, Bool], Kind::Bool),
    Form::new(&[Mask, Mask], Kind::Mask),
    Form::new(&[Mask, Bool], Kind::Mask),
    Form::new(&[Bool, Mask], Kind::Mask),
];
const NOT: &[Form] = &[Form::new(&[Bool], Kind::Bool), Form::new(&[Mask], Kind::Mask)];
const ON_GRID_MASK: &[Form] = &[Form::new(&[Grid], Kind::Mask)];
const ON_GRID_IMAGE: &[Form] = &[Form::new(&[Grid], Kind::Image)];
const CHANNEL: &[Form] = &[Form::new(&[Image], Kind::Image)];
const INSIDE: &[Form] = &[Form::new(&[Volume, Mask], Kind::Number)];

/// Returns the operators.
pub fn primitives() -> Vec<Plain> {
    let pair = &["a", "b"];
    vec![
        plain(
            Signature::new(
                "vox1.add",
                pair,
                ARITHMETIC,
                Cost::Pass,
                "Sum; images voxel by voxel in f32, masks as 0 and 1.",
            ).voxelwise()
            .elementwise(),
            arithmetic::add,
        ),
        plain(
            Signature::new(
                "vox1.sub",
                pair,
                ARITHMETIC,
                Cost::Pass,
                "Difference; images voxel by voxel in f32, masks as 0 and 1.",
            ).voxelwise()
            .elementwise(),
            arithmetic::sub,
        ),
        plain(
            Signature::new(
                "vox1.mul",
                pair,
                ARITHMETIC,
                Cost::Pass,
                "Product; images voxel by voxel in f32, masks as 0 and 1.",
            ).voxelwise()
            .elementwise(),
            arithmetic::mul,
        ),
        plain(
            Signature::new(
                "vox1.div",
                pair,
                ARITHMETIC,
                Cost::Pass,
                "Quotient; of numbers as IEEE has it, of images 3.4028235e38 where the divisor is 0.",
            ).voxelwise()
            .elementwise(),
            arithmetic::div,
        ),
        plain(
            Signature::new(
                "vox1.div_vs",
                &["image", "k"],
                BY_NUMBER,
                Cost::Pass,
                "Image times f32(1/k); 3.4028235e38 everywhere when k is 0.",
            ),
            arithmetic::div_vs,
        ),
        plain(
            Signature::new("vox1.neg", &["a"], SIGN, Cost::Pass, "The sign flipped, of zeros too.").voxelwise()
                .elementwise(),
            arithmetic::neg,
        ),
        plain(
            Signature::new("vox1.abs", &["a"], SIGN, Cost::Pass, "The sign cleared.").voxelwise().elementwise(),
            arithmetic::abs,
        ),
        plain(
            Signature::new(
                "vox1.max",
                pair,
                EXTREME,
                Cost::Pass,
                "Greatest voxel of an image, or the greater of two; NaN gives way, -0.0 is below 0.0.",
            ).voxelwise(),
            arithmetic::max,
        ),
        plain(
            Signature::new(
                "vox1.min",
                pair,
                EXTREME,
                Cost::Pass,
                "Least voxel of an image, or the lesser of two; NaN gives way, -0.0 is below 0.0.",
            ).voxelwise(),
            arithmetic::min,
        ),
        plain(
            Signature::new(
                "vox1.lt",
                pair,
                ORDER,
                Cost::Pass,
                "Where a < b; a number beside an image is narrowed to f32.",
            ).voxelwise()
            .elementwise(),
            compare::lt,
        ),
        plain(
            Signature::new(
                "vox1.le",
                pair,
                ORDER,
                Cost::Pass,
                "Where a <= b; a number beside an image is narrowed to f32.",
            ).voxelwise()
            .elementwise(),
            compare::le,
        ),
        plain(
            Signature::new(
                "vox1.eq",
                pair,
                EQUALITY,
                Cost::Pass,
                "Where a equals b; NaN equals nothing, -0.0 equals 0.0.",
            ).voxelwise()
            .elementwise(),
            compare::eq,
        ),
        plain(
            Signature::new(
                "vox1.ne",
                pair,
                EQUALITY,
                Cost::Pass,
                "Where a does not equal b; NaN equals nothing.",
            ).voxelwise()
            .elementwise(),
            compare::ne,
        ),
        plain(
            Signature::new(
                "vox1.between",
                &["lo", "hi", "image"],
                const { &[Form::new(&[Number, Number, Volume], Kind::Mask)] },
                Cost::Pass,
                "Where lo <= image <= hi, both narrowed to f32; refused when lo > hi.",
            ).voxelwise(),
            compare::between,
        ),
        plain(
            Signature::new("vox1.and", pair, LOGIC, Cost::Bits, "Where both are true.").voxelwise()
                .elementwise(),
            logic::and,
        ),
        plain(
            Signature::new("vox1.or", pair, LOGIC, Cost::Bits, "Where one or both are true.").voxelwise()
                .elementwise(),
            logic::or,
        ),
        plain(
            Signature::new("vox1.not", &["a"], NOT, Cost::Bits, "Where a is not true.").voxelwise()
                .elementwise(),
            logic::not,
        ),
        plain(
            Signature::new(
                "vox1.mask",
                &["image", "mask"],
                const {
                    &[
                        Form::new(&[Volume, Mask], Kind::Image),
                        Form::new(&[Volume, Bool], Kind::Image),
                    ]
                },
                Cost::Pass,
                "The image where the mask is true, 0.0 elsewhere, whatever lies there.",
            ).voxelwise(),
            select::mask,
        ),
        plain(
            Signature::new(
                "vox1.grid",
                &["image"],
                const { &[Form::new(&[Image], Kind::Grid)] },
                Cost::Scalar,
                "Dims, spacing, origin and direction of an image.",
            )
            .internal(),
            base::grid,
        ),
        plain(
            Signature::new(
                "vox1.tt",
                &[],
                ON_GRID_MASK,
                Cost::Bits,
                "True everywhere on the base grid.",
            ),
            base::tt,
        ),
        plain(
            Signature::new(
                "vox1.ff",
                &[],
                ON_GRID_MASK,
                Cost::Bits,
                "False everywhere on the base grid.",
            ),
            base::ff,
        ),
        plain(
            Signature::new(
                "vox1.bconstant",
                &["truth"],
                const { &[Form::new(&[Grid, Bool], Kind::Mask)] },
                Cost::Bits,
                "One truth value everywhere on the base grid.",
            ),
            base::bconstant,
        ),
        plain(
            Signature::new(
                "vox1.constant",
                &["number"],
                const { &[Form::new(&[Grid, Number], Kind::Image)] },
                Cost::Pass,
                "One number, narrowed to f32, everywhere on the base grid.",
            ),
            base::constant,
        ),
        plain(
            Signature::new(
                "vox1.border",
                &[],
                ON_GRID_MASK,
                Cost::Bits,
                "True on the faces of the base grid.",
            ),
            base::border,
        ),
        plain(
            Signature::new(
                "vox1.x",
                &[],
                ON_GRID_IMAGE,
                Cost::Pass,
                "The voxel's index along the first axis, not in mm.",
            ),
            base::x,
        ),
        plain(
            Signature::new(
                "vox1.y",
                &[],
                ON_GRID_IMAGE,
                Cost::Pass,
                "The voxel's index along the second axis, not in mm.",
            ),
            base::y,
        ),
        plain(
            Signature::new(
                "vox1.z",
                &[],
                ON_GRID_IMAGE,
                Cost::Pass,
                "The voxel's index along the third axis, not in mm; 0 in 2-D.",
            ),
            base::z,
        ),
        plain(
            Signature::new(
                "vox1.volume",
                &["mask"],
                const { &[Form::new(&[Mask], Kind::Number)] },
                Cost::Bits,
                "Count of true voxels; of an image, of voxels that are not 0.",
            ),
            measure::volume,
        ),
        plain(
            Signature::new(
                "vox1.avg",
                &["image", "mask"],
                INSIDE,
                Cost::Ranks,
                "Mean in a mask: the exact sum, rounded once, by the count; an empty mask is refused.",
            ),
            measure::avg,
        ),
        plain(
            Signature::new(
                "vox1.avg0",
                &["image", "mask"],
                INSIDE,
                Cost::Ranks,
                "Mean in a mask: the exact sum, rounded once, by the count; 0.0 of an empty mask.",
            ),
            measure::avg0,
        ),
        plain(
            Signature::new(
                "vox1.percentiles",
                &["image", "mask", "correction"],
                const { &[Form::new(&[Volume, Mask, Number], Kind::Image)] },
                Cost::Ranks,
                "In the mask the share of voxels below plus correction times that of equals; else -1.",
            ),
            percentiles::percentiles,
        ),
        plain(
            Signature::new(
                "vox1.otsu",
                &["image", "mask", "bins"],
                const { &[Form::new(&[Volume, Mask, Number], Kind::Mask)] },
                Cost::Ranks,
                "Where the image lies in the mask and above Otsu's threshold of its voxels there.",
            ),
            otsu::otsu,
        ),
        plain(
            Signature::new(
                "vox1.intensity",
                &["image"],
                CHANNEL,
                Cost::Pass,
                "0.2126 R + (0.7152 G + 0.0722 B) of a colour image; a number image as f32.",
            ).voxelwise(),
            colour::intensity,
        ),
        plain(
            Signature::new(
                "vox1.red",
                &["image"],
                CHANNEL,
                Cost::Pass,
                "The first component; of a number image itself.",
            ),
            colour::red,
        ),
        plain(
            Signature::new(
                "vox1.green",
                &["image"],
                CHANNEL,
                Cost::Pass,
                "The second component; of a number image itself.",
            ),
            colour::green,
        ),
        plain(
            Signature::new(
                "vox1.blue",
                &["image"],
                CHANNEL,
                Cost::Pass,
                "The third component; of a number image itself.",
            ),
            colour::blue,
        ),
        plain(
            Signature::new(
                "vox1.alpha",
                &["image"],
                CHANNEL,
                Cost::Pass,
                "The fourth component; 255 everywhere where there is none.",
            ),
            colour::alpha,
        ),
        plain(
            Signature::new(
                "vox1.rgb",
                &["red", "green", "blue"],
                const { &[Form::new(&[Volume, Volume, Volume], Kind::Colour)] },
                Cost::Pass,
                "A colour image of three images as f32.",
            ),
            colour::rgb,
        ),
        plain(
            Signature::new(
                "vox1.rgba",
                &["red", "green", "blue", "alpha"],
                const { &[Form::new(&[Volume, Volume, Volume, Volume], Kind::Colour)] },
                Cost::Pass,
                "A colour image with opacity of four images as f32.",
            ),
            colour::rgb,
        ),
    ]
}
