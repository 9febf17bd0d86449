//! What the filters on single voxels say of themselves.

use crate::kernel::itk::arithmetic::{self, Pair, Single};
use crate::kernel::itk::compare::{Test, compare};
use crate::kernel::itk::list::Run;
use crate::kernel::itk::voxel::Bits;
use crate::kernel::itk::{pixel, threshold};
use crate::primitive::contract::Plain;
use crate::primitive::signature::Slot::{Image, Number, Volume};
use crate::primitive::signature::{Cost, Default, Form, Signature};
use crate::value::kind::Kind;

const PAIR: &[Form] = &[
    Form::new(&[Volume, Volume], Kind::Image),
    Form::new(&[Volume, Number], Kind::Image),
    Form::new(&[Number, Volume], Kind::Image),
];
const SINGLE: &[Form] = &[Form::new(&[Volume], Kind::Image)];
const TEST: &[Form] = &[
    Form::new(&[Volume, Volume, Number, Number], Kind::Image),
    Form::new(&[Volume, Number, Number, Number], Kind::Image),
    Form::new(&[Number, Volume, Number, Number], Kind::Image),
];

fn pair(name: &'static str, doc: &'static str, run: Run) -> Plain {
    Plain { signature: Signature::new(name, &["a", "b"], PAIR, Cost::Pass, doc), run }
}

fn single(name: &'static str, doc: &'static str, run: Run) -> Plain {
    Plain { signature: Signature::new(name, &["image"], SINGLE, Cost::Pass, doc), run }
}

fn test(name: &'static str, doc: &'static str, run: Run) -> Plain {
    let parameters = &["a", "b", "background", "foreground"];
    let signature = Signature::new(name, parameters, TEST, Cost::Pass, doc)
        .defaults(const { &[Default::Number(0.0), Default::Number(1.0)] });
    Plain { signature, run }
}

/// Returns the filters.
pub fn primitives() -> Vec<Plain> {
    let mut all = vec![
        pair("simpleitk.Add", "Sum; integers wrap around.", |call| {
            arithmetic::pair(call, Pair::Add)
        }),
        pair("simpleitk.Subtract", "Difference; integers wrap around.", |call| {
            arithmetic::pair(call, Pair::Subtract)
        }),
        pair("simpleitk.Multiply", "Product; integers wrap around.", |call| {
            arithmetic::pair(call, Pair::Multiply)
        }),
        pair(
            "simpleitk.Divide",
            "Quotient, the greatest number of the type where the divisor is 0; integers are truncated.",
            |call| arithmetic::pair(call, Pair::Divide),
        ),
        pair("simpleitk.Maximum", "The greater of two.", |call| {
            arithmetic::pair(call, Pair::Maximum)
        }),
        pair("simpleitk.Minimum", "The lesser of two.", |call| {
            arithmetic::pair(call, Pair::Minimum)
        }),
        pair("simpleitk.And", "Bits that are 1 in both.", |call| {
            arithmetic::pair(call, Pair::Bits(Bits::And))
        }),
        pair("simpleitk.Or", "Bits that are 1 in one or both.", |call| {
            arithmetic::pair(call, Pair::Bits(Bits::Or))
        }),
        pair("simpleitk.Xor", "Bits that are 1 in just one.", |call| {
            arithmetic::pair(call, Pair::Bits(Bits::Xor))
        }),
        single("simpleitk.Abs", "The sign cleared; integers wrap around.", |call| {
            arithmetic::single(call, Single::Abs)
        }),
        single("simpleitk.Square", "The voxel times itself; integers wrap around.", |call| {
            arithmetic::single(call, Single::Square)
        }),
        single("simpleitk.Sqrt", "The root in f64, then in the voxel type.", |call| {
            arithmetic::single(call, Single::Sqrt)
        }),
        single("simpleitk.UnaryMinus", "The sign changed; not of unsigned voxels.", |call| {
            arithmetic::single(call, Single::Minus)
        }),
        single("simpleitk.Not", "u8 1 where an integer image is 0.", arithmetic::not),
        test(
            "simpleitk.Equal",
            "`foreground` where the first is equal, `background` elsewhere, as u8.",
            |call| compare(call, Test::Equal),
        ),
        test(
            "simpleitk.NotEqual",
            "`foreground` where the first is different, `background` elsewhere, as u8.",
            |call| compare(call, Test::Differ),
        ),
        test(
            "simpleitk.Less",
            "`foreground` where the first is less, `background` elsewhere, as u8.",
            |call| compare(call, Test::Less),
        ),
        test(
            "simpleitk.LessEqual",
            "`foreground` where the first is less or equal, `background` elsewhere, as u8.",
            |call| compare(call, Test::AtMost),
        ),
        test(
            "simpleitk.Greater",
            "`foreground` where the first is greater, `background` elsewhere, as u8.",
            |call| compare(call, Test::Greater),
        ),
        test(
            "simpleitk.GreaterEqual",
            "`foreground` where the first is greater or equal, `background` elsewhere, as u8.",
            |call| compare(call, Test::AtLeast),
        ),
    ];
    all.extend(thresholds());
    all
}

fn thresholds() -> Vec<Plain> {
    vec![
        Plain {
            signature: Signature::new(
                "simpleitk.BinaryThreshold",
                &["image", "lower", "upper", "inside", "outside"],
                const { &[Form::new(&[Volume, Number, Number, Number, Number], Kind::Image)] },
                Cost::Pass,
                "u8 `inside` where lower <= image <= upper, both truncated to the voxel type, else `outside`.",
            )
            .defaults(const {
                &[
                    Default::Number(0.0),
                    Default::Number(255.0),
                    Default::Number(1.0),
                    Default::Number(0.0),
                ]
            }),
            run: threshold::binary,
        },
        Plain {
            signature: Signature::new(
                "simpleitk.Threshold",
                &["image", "lower", "upper", "outside"],
                const { &[Form::new(&[Volume, Number, Number, Number], Kind::Image)] },
                Cost::Pass,
                "The image where lower <= image <= upper, `outside` elsewhere.",
            )
            .defaults(const {
                &[Default::Number(0.0), Default::Number(1.0), Default::Number(0.0)]
            }),
            run: threshold::threshold,
        },
        Plain {
            signature: Signature::new(
                "simpleitk.Mask",
                &["image", "mask", "outside", "maskingValue"],
                const { &[Form::new(&[Volume, Volume, Number, Number], Kind::Image)] },
                Cost::Pass,
                "The image, but `outside` where the mask is `maskingValue`.",
            )
            .defaults(const { &[Default::Number(0.0), Default::Number(0.0)] }),
            run: threshold::mask,
        },
        Plain {
            signature: Signature::new(
                "simpleitk.Cast",
                &["image", "type"],
                const {
                    &[
                        Form::new(&[Volume, Number], Kind::Image),
                        Form::new(&[Image, Number], Kind::Colour),
                    ]
                },
                Cost::Pass,
                "The image in another voxel type: floats are truncated, integers wrap around.",
            ),
            run: pixel::cast,
        },
    ]
}
