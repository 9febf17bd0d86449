//! What the operators of this room say of themselves.

use crate::kernel::list::{agreement, drawing, overlay, sequence, statistics, template, texts};
use crate::primitive::contract::{Call, Output, Plain};
use crate::primitive::refusal::Refusal;
use crate::primitive::signature::Slot::{Any, Image, Number, Record, Sequence, Text, Volume};
use crate::primitive::signature::{Cost, Default, Form, Signature};
use crate::value::kind::Kind;

type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

fn plain(signature: Signature, run: Run) -> Plain {
    Plain { signature, run }
}

const TWO_IMAGES: &[Form] = &[Form::new(&[Volume, Volume], Kind::Record)];
const OF_LABEL: &[Form] = &[Form::new(&[Volume, Volume, Number], Kind::Record)];
const ONE: &[Default] = &[Default::Number(1.0)];
const VECTOR: &[Form] = &[Form::new(&[Sequence], Kind::Sequence)];

/// Returns the operators.
pub fn primitives() -> Vec<Plain> {
    let mut all = default();
    all.extend(strings());
    all.extend(arrays());
    all.extend(geom());
    all
}

fn default() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "vox1.literal",
                &[],
                const { &[Form::new(&[], Kind::Any)] },
                Cost::Scalar,
                "A large literal, named by its digest; resolved, never computed.",
            )
            .internal(),
            sequence::literal,
        ),
        plain(
            Signature::new(
                "default.sequence",
                &["items"],
                const { &[Form { takes: &[Any], variadic: true, gives: Kind::Sequence }] },
                Cost::Scalar,
                "The arguments in order.",
            ),
            sequence::sequence,
        ),
        plain(
            Signature::new(
                "default.record",
                &["values"],
                const { &[Form { takes: &[Any], variadic: true, gives: Kind::Record }] },
                Cost::Scalar,
                "The arguments under their names.",
            )
            .internal(),
            sequence::record,
        ),
        plain(
            Signature::new(
                "default.field",
                &["record"],
                const { &[Form::new(&[Record], Kind::Any)] },
                Cost::Scalar,
                "One field of a record.",
            )
            .internal(),
            sequence::field,
        ),
        plain(
            Signature::new(
                "default.index",
                &["xs", "i"],
                const {
                    &[
                        Form::new(&[Sequence, Number], Kind::Any),
                        Form::new(&[Sequence, Text], Kind::Any),
                    ]
                },
                Cost::Scalar,
                "The element at an integer from 0, or at a text of its digits.",
            ),
            sequence::index,
        ),
        plain(
            Signature::new(
                "default.slice",
                &["xs", "from", "to"],
                const { &[Form::new(&[Sequence, Number, Number], Kind::Sequence)] },
                Cost::Scalar,
                "The elements from one index to before another; negative ones count from the end.",
            ),
            sequence::slice,
        ),
        plain(
            Signature::new(
                "default.subsequence",
                &["xs", "from", "to"],
                const {
                    &[
                        Form::new(&[Sequence, Number, Number], Kind::Sequence),
                        Form::new(&[Sequence, Number], Kind::Sequence),
                    ]
                },
                Cost::Scalar,
                "The elements from one index to before another; negative ones are 0.",
            ),
            sequence::subsequence,
        ),
        plain(
            Signature::new(
                "default.range",
                &["from", "to"],
                const {
                    &[
                        Form::new(&[Number, Number], Kind::Sequence),
                        Form::new(&[Number], Kind::Sequence),
                    ]
                },
                Cost::Scalar,
                "The integers from one to before another, at most 1,000,000 of them.",
            ),
            sequence::range,
        ),
        plain(
            Signature::new(
                "default.argmax",
                &["xs"],
                const { &[Form::new(&[Sequence], Kind::Number)] },
                Cost::Scalar,
                "Index of the first greatest number; NaN is passed over.",
            ),
            sequence::argmax,
        ),
        plain(
            Signature::new(
                "default.overlay",
                &["layers"],
                const {
                    &[
                        Form { takes: &[Image, Image], variadic: true, gives: Kind::Overlay },
                        Form::new(&[Sequence], Kind::Overlay),
                        Form::new(&[Record], Kind::Overlay),
                        Form { takes: &[Any, Any], variadic: true, gives: Kind::Overlay },
                    ]
                },
                Cost::Pass,
                "Layers for a viewer, bottom first: images, or records with `value`.",
            ),
            overlay::overlay,
        ),
    ]
}

fn strings() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "strings.concat",
                &["texts"],
                const { &[Form { takes: &[Any, Any], variadic: true, gives: Kind::Text }] },
                Cost::Scalar,
                "The arguments joined, each as print shows it.",
            ),
            texts::concat,
        ),
        plain(
            Signature::new(
                "strings.format_string",
                &["template", "values"],
                const { &[Form { takes: &[Text, Any], variadic: true, gives: Kind::Text }] },
                Cost::Scalar,
                "A template filled as Python's str.format does; `d` prints integral numbers.",
            ),
            template::format_string,
        ),
    ]
}

fn arrays() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "arrays.pixel_accuracy",
                &["predicted", "truth"],
                TWO_IMAGES,
                Cost::Ranks,
                "Share of the voxels that are equal, and the counts.",
            ),
            agreement::pixel_accuracy,
        ),
        plain(
            Signature::new(
                "arrays.confusion_matrix",
                &["predicted", "truth", "classes"],
                const {
                    &[
                        Form::new(&[Volume, Volume], Kind::Record),
                        Form::new(&[Volume, Volume, Number], Kind::Record),
                    ]
                },
                Cost::Ranks,
                "Counts by [truth][predicted] label, with precision, recall and F1.",
            ),
            agreement::confusion_matrix,
        ),
        plain(
            Signature::new(
                "arrays.dice_score",
                &["predicted", "truth", "label"],
                OF_LABEL,
                Cost::Ranks,
                "2 I / (P + T) of the voxels that are the label; NaN when there are none.",
            )
            .defaults(ONE),
            agreement::dice_score,
        ),
        plain(
            Signature::new(
                "arrays.jaccard_index",
                &["predicted", "truth", "label"],
                OF_LABEL,
                Cost::Ranks,
                "I / U of the voxels that are the label; 0 when there are none.",
            )
            .defaults(ONE),
            agreement::jaccard_index,
        ),
        plain(
            Signature::new(
                "arrays.count_pixels",
                &["image", "value"],
                const {
                    &[
                        Form::new(&[Volume], Kind::Record),
                        Form::new(&[Volume, Number], Kind::Record),
                    ]
                },
                Cost::Ranks,
                "Count of the voxels of one value, or of every value.",
            ),
            statistics::count_pixels,
        ),
        plain(
            Signature::new(
                "arrays.threshold_equal",
                &["image", "wanted", "equal", "other"],
                const {
                    &[
                        Form::new(&[Volume, Number], Kind::Mask),
                        Form::new(&[Volume, Number, Number], Kind::Image),
                        Form::new(&[Volume, Number, Number, Number], Kind::Image),
                    ]
                },
                Cost::Ranks,
                "Where the image equals a number: a mask, or an image of two numbers.",
            ),
            statistics::threshold_equal,
        ),
        plain(
            Signature::new(
                "arrays.array_stats",
                &["image"],
                const { &[Form::new(&[Volume], Kind::Record)] },
                Cost::Ranks,
                "Mean, deviation, extremes, median and counts of all voxels.",
            ),
            statistics::array_stats,
        ),
        plain(
            Signature::new(
                "arrays.compare_arrays",
                &["first", "second"],
                TWO_IMAGES,
                Cost::Ranks,
                "Counts of equal voxels, and the differences second - first.",
            ),
            agreement::compare_arrays,
        ),
        plain(
            Signature::new(
                "arrays.vector_uint32",
                &["xs"],
                VECTOR,
                Cost::Scalar,
                "The sequence itself, each an integer from 0 to 4294967295.",
            ),
            statistics::vector_uint32,
        ),
        plain(
            Signature::new(
                "arrays.vector_double",
                &["xs"],
                VECTOR,
                Cost::Scalar,
                "The sequence itself, each a number.",
            ),
            statistics::vector_double,
        ),
    ]
}

fn geom() -> Vec<Plain> {
    vec![
        plain(
            Signature::new(
                "geom.blank",
                &["height", "width", "value"],
                const { &[Form::new(&[Number, Number, Number], Kind::Image)] },
                Cost::Pass,
                "A 2-D image of one number, spacing 1, origin 0.",
            )
            .defaults(const { &[Default::Number(0.0)] }),
            drawing::blank,
        ),
        plain(
            Signature::new(
                "geom.circle",
                &["image", "cx", "cy", "r", "value"],
                const { &[Form::new(&[Volume, Number, Number, Number, Number], Kind::Image)] },
                Cost::Pass,
                "The 2-D image with a filled circle; integers, in voxels.",
            ),
            drawing::circle,
        ),
        plain(
            Signature::new(
                "geom.regular_polygon",
                &["image", "cx", "cy", "r", "sides", "value"],
                const { &[Form::new(&[Volume, Number, Number, Number, Number, Number], Kind::Image)] },
                Cost::Pass,
                "The 2-D image with a filled regular polygon; integers, in voxels.",
            ),
            drawing::regular_polygon,
        ),
    ]
}
