//! What the set leaves out: rows of the operators' table, each with what it must give.
//!
//! Kinds that meet, integers, narrowing, division by zero, grids that do not meet, a base image that
//! is not the only one, and an example of every operator that no case of the set runs.

use std::fmt::Write as _;

use crate::answer::Runner;
use crate::images::{shown, write_inputs};

/// Stands for any mistake of the program or refusal.
const ERROR: &str = "error";

/// What all rows may use; `f` is loaded first, so it gives the base grid.
const NAMES: &str = r#"
import "simpleitk"
load f = "{dir}/f.nii"
load t = "{dir}/t.nii"
load u = "{dir}/u.nii"
load s = "{dir}/s.nii"
load m = "{dir}/m.nii"
load n = "{dir}/n.nii"
load far = "{dir}/far.nii"
load wide = "{dir}/wide.nii"
load row = "{dir}/row.nii"
load c = "{dir}/c.png"
load j = "{dir}/j.json"
let a = m >. 0
let b = n >. 0
let nan = 0 / 0
let dice = dice_score(a, b)
let jaccard = jaccard_index(a, b)
let accuracy = pixel_accuracy(a, b)
let matrix = confusion_matrix(a, b)
let count = count_pixels(u, 250)
let counts = count_pixels(m)
let described = array_stats(f)
let compared = compare_arrays(f, u)
let r = {x: 1, y: "z"}
"#;

const ROWS: &[(&str, &str)] = &[
    // Kinds that meet.
    ("a + a", "f32[2 0 2 0]"),
    ("a + f", "f32[1 0.5 -1 3]"),
    ("f & a", "[0 0 1 0]"),
    ("f | a", "[1 1 1 1]"),
    ("!f", "[1 0 0 0]"),
    ("a == b", "[1 0 0 1]"),
    ("a != b", "[0 1 1 0]"),
    ("a < b", "[0 1 0 0]"),
    ("a <= b", "[1 1 0 1]"),
    ("true & a", "[1 0 1 0]"),
    ("a | false", "[1 0 1 0]"),
    ("true == a", "[1 0 1 0]"),
    ("a != true", "[0 1 0 1]"),
    ("true == f", ERROR),
    ("true < a", ERROR),
    ("true + a", ERROR),
    ("1 & a", ERROR),
    ("!1", ERROR),
    ("true + 1", ERROR),
    ("true < false", ERROR),
    ("true && false", "false"),
    ("true == false", "false"),
    ("\"x\" == \"x\"", "true"),
    ("\"x\" != \"y\"", "true"),
    ("\"x\" < \"y\"", ERROR),
    ("\"x\" + \"y\"", ERROR),
    ("\"1\" == 1", ERROR),
    ("true == 1", ERROR),
    ("j.n == j.n", "true"),
    ("j.n == 1", "false"),
    ("j.n != j.x", "true"),
    ("j.n + 1", ERROR),
    ("j.x + 1", "4.0"),
    ("r.x + 1", "2.0"),
    ("r == r", ERROR),
    ("c + 1", ERROR),
    ("c == c", ERROR),
    ("max(c)", ERROR),
    // Sequences.
    ("[1, 2] + 10", "[11.0, 12.0]"),
    ("10 - [1, 2]", "[9.0, 8.0]"),
    ("[1, 2] + [3]", ERROR),
    ("[1, 2] == [1, 3]", "[true, false]"),
    ("fold && ([1, 2] == [1, 2])", "true"),
    ("![true, false]", "[false, true]"),
    ("abs([0 - 1, 2])", "[1.0, 2.0]"),
    ("-[1, [2]]", "[-1.0, [-2.0]]"),
    ("[[1], [2]] * 2", "[[2.0], [4.0]]"),
    ("[] + 1", "[]"),
    ("volume([a, b])", ERROR),
    ("map(volume, [a, a & b])", "[2.0, 1.0]"),
    ("map(neg, [1, 2])", "[-1.0, -2.0]"),
    ("fold max [1, 3, 2]", "3.0"),
    ("fold max []", ERROR),
    ("fold + []", "0.0"),
    ("fold * []", "1.0"),
    ("fold && []", "true"),
    ("fold || []", "false"),
    ("fold - [10, 1]", "-11.0"),
    ("fold max [f, u]", "f32[250 10 0 255]"),
    ("for i in [1, 2] do i * i", "[1.0, 4.0]"),
    ("filter i in [1, 0, 2] do i", "[1.0, 2.0]"),
    // Integers are numbers, scalars are narrowed.
    ("u + 10", "f32[260 20 10 265]"),
    ("u - 251", "f32[-1 -241 -251 4]"),
    ("s * 0.5", "f32[-2.5 3.5 150 0]"),
    ("s / 2", "f32[-2.5 3.5 150 0]"),
    ("u >. 0.9", "[1 1 0 1]"),
    ("s <. (0 - 4.5)", "[1 0 0 0]"),
    ("u =. 250", "[1 0 0 0]"),
    ("t >. 0.1", "[0 0 1 1]"),
    ("t >=. 0.1", "[1 1 1 1]"),
    ("t =. 0.1", "[1 1 0 0]"),
    ("0.1 .< t", "[0 0 1 1]"),
    ("0.1 == 0.1", "true"),
    ("f +. a", ERROR),
    ("1 +. f", ERROR),
    ("1 .+ 2", ERROR),
    ("1 .+. 2", "3.0"),
    // Division.
    ("1 / 0", "inf"),
    ("0 / 0", "nan"),
    ("(0 - 1) / 0", "-inf"),
    ("f /. 0", "f32[3.4028235e38 3.4028235e38 3.4028235e38 3.4028235e38]"),
    ("(f /. nan) /. (0 * (0 - 1))", "f32[3.4028235e38 3.4028235e38 3.4028235e38 3.4028235e38]"),
    ("1 ./ f", "f32[3.4028235e38 2 -0.5 0.33333334]"),
    ("div_sv(1, f)", "f32[3.4028235e38 2 -0.5 0.33333334]"),
    ("div_vs(f, 0)", "f32[3.4028235e38 3.4028235e38 3.4028235e38 3.4028235e38]"),
    ("div_vs(s, 5)", "f32[-1 1.4 60 0]"),
    ("div_vs(6, 4)", "1.5"),
    // One operand, and two for folding.
    ("-f", "f32[-0 -0.5 2 -3]"),
    ("-1 + 2", "1.0"),
    ("abs(-f)", "f32[0 0.5 2 3]"),
    ("max(f, 1)", "f32[1 1 1 3]"),
    ("min(f, u)", "f32[0 0.5 -2 3]"),
    ("min(2, 3)", "2.0"),
    ("max(nan, 3)", "3.0"),
    ("max(a, b)", "f32[1 1 1 0]"),
    ("max(a)", "1.0"),
    ("max([1, 2])", ERROR),
    ("between(0, 1, f)", "[1 1 0 0]"),
    ("between(1, 0, f)", ERROR),
    ("between(nan, 1, f)", "[0 0 0 0]"),
    ("mask(f, true)", "f32[0 0.5 -2 3]"),
    ("mask(f, a)", "f32[0 0 -2 0]"),
    ("mask(a, b)", "f32[1 0 0 0]"),
    // The base image is the first, whatever else there is; grids must meet.
    ("volume(tt)", "4.0"),
    ("volume(ff)", "0.0"),
    ("wide + x", ERROR),
    ("x", "f32[0 1 0 1]"),
    ("y", "f32[0 0 1 1]"),
    ("z", "f32[0 0 0 0]"),
    ("border", "[1 1 1 1]"),
    ("constant(0.5)", "f32[0.5 0.5 0.5 0.5]"),
    ("bconstant(true)", "[1 1 1 1]"),
    ("f + wide", ERROR),
    ("f + far", ERROR),
    ("a & (far >. 0)", ERROR),
    ("through(a, wide)", ERROR),
    ("avg(f, far)", ERROR),
    ("near(wide)", "[1 1 1 1 1 1]"),
    // Space.
    ("dt(a)", "f32[-0 1 -0 1]"),
    ("dt(far >. 10)", "f32[-0 2 2 2.828427]"),
    ("dt(ff)", "f32[1.8446743e19 1.8446743e19 1.8446743e19 1.8446743e19]"),
    ("dt(tt)", "f32[-1.8446743e19 -1.8446743e19 -1.8446743e19 -1.8446743e19]"),
    ("extract(s, [1, 2], [1, 0])", "i16[7 0]"),
    ("extract(a, [1, 2], [0, 0])", "[1 1]"),
    ("extract(s, [3, 2], [0, 0])", ERROR),
    ("extract(s, [0, 2], [0, 0])", ERROR),
    ("lcc(row)", "f32[1 0 2 0 3]"),
    ("maxvol(row)", "[1 0 1 0 1]"),
    // Numbers of images.
    ("volume(f)", "3.0"),
    ("avg(f, b)", "0.25"),
    ("avg(f, ff)", ERROR),
    ("avg0(f, ff)", "0.0"),
    ("percentiles(f, tt, 0.5)", "f32[0.375 0.625 0.125 0.875]"),
    ("percentiles(f, ff, 1)", "f32[-1 -1 -1 -1]"),
    ("otsu(u, tt, 1)", ERROR),
    ("otsu(u, tt, 2.5)", ERROR),
    ("otsu(constant(3), tt, 8)", "[0 0 0 0]"),
    // Colour.
    ("red(f)", "f32[0 0.5 -2 3]"),
    ("green(u)", "f32[250 10 0 255]"),
    ("blue(a)", "f32[1 0 1 0]"),
    ("red(c)", "f32[10 255 0 0]"),
    ("blue(c)", "f32[30 0 0 255]"),
    ("alpha(c)", "f32[255 255 255 255]"),
    ("alpha(f)", "f32[255 255 255 255]"),
    ("intensity(c)", "f32[18.595999 54.212997 182.376 18.411]"),
    ("intensity(a)", "f32[1 0 1 0]"),
    ("rgb(f, a, s)", "colour[0 1 -5 0.5 0 7 -2 1 300 3 0 0]"),
    ("alpha(rgba(f, f, f, u))", "f32[250 10 0 255]"),
    ("rgb(1, 2, 3)", ERROR),
    // default.
    ("[1, 2][1]", "2.0"),
    ("index([1, 2], \"1\")", "2.0"),
    ("[1, 2][2]", ERROR),
    ("[1, 2][0.5]", ERROR),
    ("[1, 2, 3][1:]", "[2.0, 3.0]"),
    ("[1, 2, 3][0 - 1:]", "[3.0]"),
    ("[1, 2, 3][:9]", "[1.0, 2.0, 3.0]"),
    ("subsequence([1, 2, 3], 2)", "[1.0, 2.0]"),
    ("subsequence([1, 2, 3], 0 - 1, 2)", "[1.0, 2.0]"),
    ("range(3)", "[0.0, 1.0, 2.0]"),
    ("range(2, 1)", "[]"),
    ("range(2000000)", ERROR),
    ("argmax([1, 3, 3])", "1.0"),
    ("argmax([nan, 1])", "1.0"),
    ("argmax([])", ERROR),
    ("overlay([])", ERROR),
    // strings.
    ("concat(\"a\", 7)", "a7.0"),
    ("concat(\"a\", [1, \"b\"], true)", "a[1.0, \"b\"]true"),
    ("concat(f)", ERROR),
    ("format_string(\"{:03d}|{:.2f}|{}\", 7, 2.345, true)", "007|2.35|true"),
    ("format_string(\"{1}{0:>4}\", \"x\", \"y\")", "y   x"),
    ("format_string(\"{:d}\", 0.5)", ERROR),
    ("format_string(\"{0.a}\", 1)", ERROR),
    ("format_string(\"{} {}\", 1)", ERROR),
    // arrays.
    ("dice.dice_score", "0.5"),
    ("jaccard.iou", "0.3333333333333333"),
    ("jaccard.union", "3.0"),
    ("accuracy.accuracy", "0.5"),
    ("matrix.confusion_matrix", "[[1.0, 1.0], [1.0, 1.0]]"),
    ("matrix.precision", "[0.5, 0.5]"),
    ("count.count", "1.0"),
    ("count.percentage", "25.0"),
    ("counts.unique_values", "[0.0, 1.0]"),
    ("counts.counts", "[2.0, 2.0]"),
    ("described.mean", "0.375"),
    ("described.median", "0.25"),
    ("described.shape", "[2.0, 2.0]"),
    ("compared.max_difference", "252.0"),
    ("compared.elements_equal", "0.0"),
    ("threshold_equal(f, 0.5)", "[0 1 0 0]"),
    ("threshold_equal(f, 0.5, 7)", "f32[0 7 0 0]"),
    ("threshold_equal(u, 10, 7, 2)", "f32[2 7 2 2]"),
    ("vector_uint32([1, 2])", "[1.0, 2.0]"),
    ("vector_uint32([0 - 1])", ERROR),
    ("vector_double([0.5])", "[0.5]"),
    ("dice_score(a, wide)", ERROR),
    // geom.
    ("blank(1, 3)", "f32[0 0 0]"),
    ("blank(0, 3)", ERROR),
    ("volume(circle(blank(5, 5), 2, 2, 2, 1))", "13.0"),
    ("circle(blank(5, 5), 2.5, 2, 2, 1)", ERROR),
    ("volume(regular_polygon(blank(9, 9), 4, 4, 3, 4, 1))", "25.0"),
    ("regular_polygon(blank(9, 9), 4, 4, 3, 2, 1)", ERROR),
    // simpleitk.
    ("Add(u, 10)", "u8[4 20 10 9]"),
    ("Subtract(10.9, u)", "u8[16 0 10 11]"),
    ("Add(u, s)", ERROR),
    ("Add(u, 256)", ERROR),
    ("Add(1, 2)", ERROR),
    ("Multiply(a, a)", "u8[1 0 1 0]"),
    ("Divide(u, u)", "u8[1 1 255 1]"),
    ("Divide(u, 0.5)", ERROR),
    ("Maximum(f, 1)", "f32[1 1 1 3]"),
    ("And(u, 6)", "u8[2 2 0 6]"),
    ("And(f, f)", ERROR),
    ("Not(u)", "u8[0 0 1 0]"),
    ("Sqrt(f)", "f32[0 0.70710677 NaN 1.7320508]"),
    ("UnaryMinus(u)", ERROR),
    ("UnaryMinus(s)", "i16[5 -7 -300 0]"),
    ("Square(u)", "u8[36 100 0 1]"),
    ("Equal(u, 250.9)", "u8[1 0 0 0]"),
    ("Less(s, 7, 5, 9)", "u8[9 5 5 9]"),
    ("Less(u, s)", ERROR),
    ("Cast(f, sitkUInt8)", "u8[0 0 0 3]"),
    ("Cast(s, sitkUInt8)", "u8[251 7 44 0]"),
    ("Cast(a, sitkFloat64)", "f64[1 0 1 0]"),
    ("Cast(f, 10)", ERROR),
    ("Cast(f, sitkUnknown)", ERROR),
    ("red(Cast(c, sitkVectorFloat32))", "f32[10 255 0 0]"),
    ("Cast(c, sitkFloat32)", ERROR),
    ("sitkBox", "2.0"),
    ("simpleitk.sitkLabelUInt64", "25.0"),
    ("sitkBall(1)", ERROR),
    ("GetPixelIDValueFromString(\"sitkInt16\")", "2.0"),
    ("GetPixelIDValueFromString(\"int16\")", ERROR),
    ("ReadImage(\"{dir}/s.nii\", sitkUInt8)", "u8[251 7 44 0]"),
    ("ReadImage(\"{dir}/s.nii\", 0 - 1)", "i16[-5 7 300 0]"),
    ("BinaryThreshold(a, 1)", "u8[1 0 1 0]"),
    ("BinaryThreshold(u, 10.9, 250)", "u8[1 1 0 0]"),
    ("BinaryThreshold(u, 5, 2)", ERROR),
    ("BinaryThreshold(u, 0, 9, 300)", ERROR),
    ("Threshold(s, 0, 10, 0 - 1)", "i16[-1 7 -1 0]"),
    ("Threshold(s, 10, 0)", "i16[0 0 0 0]"),
    ("Mask(s, a)", "i16[-5 0 300 0]"),
    ("Mask(s, m, 3, 1)", "i16[3 7 3 0]"),
    ("Mask(s, f)", ERROR),
    ("MinimumMaximum(s)", "[-5.0, 300.0]"),
    ("MinimumMaximum(s)[1] + 1", "301.0"),
    ("Statistics(a)[5]", "2.0"),
    ("Statistics(blank(1, 1))[4]", "nan"),
    ("RescaleIntensity(f, 0, 10)", "f32[4 5 0 10]"),
    ("RescaleIntensity(f, 10, 0)", ERROR),
    ("Extract(u, [1, 2], [0, 0])", "u8[250 0]"),
    ("Extract(a, [1, 2], [0, 0])", "u8[1 1]"),
    ("ConnectedComponent(row)", "u32[1 0 2 0 3]"),
    ("ConnectedComponent(f)", ERROR),
    ("RelabelComponent(u)", "u8[2 1 0 3]"),
    ("RelabelComponent(u, 2)", "u8[0 0 0 0]"),
    ("BinaryDilate(row, [1, 0])", "u8[1 1 1 1 1]"),
    ("BinaryErode(row, 1)", "u8[0 0 0 0 0]"),
    ("BinaryErode(row, [1, 1], sitkBox, 7)", "u8[7 0 7 0 7]"),
    ("BinaryDilate(row, 1, 3)", ERROR),
    ("BinaryDilate(row, [1])", ERROR),
    ("SignedMaurerDistanceMap(a)", "f32[-0 1 -0 1]"),
    ("SignedMaurerDistanceMap(row, true, false)", "f32[0 -1 0 -1 0]"),
    ("OtsuThreshold(u, 7)", "u8[0 7 7 0]"),
    ("OtsuThreshold(u, m, 1, 0, 8)", ERROR),
    ("OtsuThreshold(u, 1, 0, 1)", ERROR),
    ("OtsuThreshold(s)", "u8[1 1 0 1]"),
    ("CurvatureFlow(u, 0.05, 0)", "f64[250 10 0 255]"),
    ("SmoothingRecursiveGaussian(f)", ERROR),
    ("DiscreteGaussian(s, 0)", "i16[-5 7 300 0]"),
    ("DiscreteGaussian(s, 1, 32, 2)", ERROR),
    ("Resample(f, wide)", "f32[0 0.5 0 -2 3 0]"),
    ("Resample(s, far, sitkNearestNeighbor, 9)", "i16[-5 9 9 9]"),
    ("Resample(f, wide, 3)", ERROR),
    ("Resample(c, f)", ERROR),
    // The library.
    ("B+(a)", "[0 1 0 1]"),
    ("collect(row, row)", "false"),
    ("collect(row, row >=. 0)", "true"),
    ("collect(row >. 5, row)", "true"),
    ("collect(row >=. 0, row)", "false"),
    ("~(f, f, 1, 4)", "f32[1 1 1 1]"),
    ("ifB(a, b, !b)", "[1 0 0 1]"),
    ("ifN(a, f, -f)", "f32[0 -0.5 -2 -3]"),
    ("divZ(f, f, s)", "f32[-5 1 1 1]"),
    ("norm(6, f)", "f32[0 1 -4 6]"),
    ("xor(a, b)", "[0 1 1 0]"),
    ("a \\ b", "[0 0 1 0]"),
    ("booleanToNumber(3, a)", "f32[3 0 3 0]"),
    ("overlayB(a, f, u)", "f32[250 0.5 0 3]"),
    ("maxCC(tt, row >. 5)", ERROR),
    ("maxCC(row >=. 0, row)", "3.0"),
    ("eqB(a, a)", "true"),
    ("leqB(a & b, a)", "true"),
    ("distgeq(1, a)", "[0 1 0 1]"),
    ("distleq(0, a)", "[1 0 1 0]"),
];

#[test]
fn every_row_of_the_table_holds() {
    let folder = tempfile::tempdir().unwrap();
    write_inputs(folder.path());
    let dir = folder.path().to_str().unwrap();
    let runner = Runner::new(folder.path());
    let mut wrong = String::new();
    for (expression, want) in ROWS {
        let program = format!("{NAMES}let result = {expression}\n").replace("{dir}", dir);
        let answer = runner.answer(&program);
        let got = answer.as_ref().map_or(ERROR.to_owned(), shown);
        if got != *want {
            writeln!(wrong, "`{expression}` gives {got}, not {want}").unwrap();
            if let Err(why) = answer {
                writeln!(wrong, "    {why}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn regions_stand_in_one_of_eight_relations() {
    let folder = tempfile::tempdir().unwrap();
    write_inputs(folder.path());
    let dir = folder.path().to_str().unwrap();
    let runner = Runner::new(folder.path());
    let names = ["dc", "ec", "po", "eq", "tpp", "ntpp", "tppi", "ntppi"];
    // Which holds of two parts of a row of eleven.
    let pairs = [
        ("2 <= p <= 4", "7 <= p <= 8", "dc"),
        ("2 <= p <= 4", "5 <= p <= 8", "ec"),
        ("2 <= p <= 4", "4 <= p <= 8", "po"),
        ("2 <= p <= 4", "2 <= p <= 4", "eq"),
        ("2 <= p <= 4", "2 <= p <= 8", "tpp"),
        ("3 <= p <= 4", "2 <= p <= 8", "ntpp"),
        ("2 <= p <= 8", "2 <= p <= 4", "tppi"),
        ("2 <= p <= 8", "3 <= p <= 4", "ntppi"),
    ];
    for (first, second, holds) in pairs {
        let part = |text: &str| {
            let bounds: Vec<&str> = text.split(" <= p <= ").collect();
            format!("between({}, {}, p)", bounds[0], bounds[1])
        };
        for name in names {
            let program = format!(
                "import \"RegionCalculus.imgql\"\nload p = \"{dir}/p.nii\"\n\
                 let result = {name}({}, {})\n",
                part(first),
                part(second)
            );
            let got = runner.answer(&program).map(|value| shown(&value));
            assert_eq!(got, Ok((name == holds).to_string()), "{name} of {first} and {second}");
        }
    }
}
