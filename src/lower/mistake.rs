//! The stable codes of what lowering finds, with a sentence for each.

use crate::plan::template::FaultClass;

/// One code: what it means, and whose fault it is.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// `E` and four digits.
    pub code: &'static str,
    /// Whose fault it is.
    pub class: FaultClass,
    /// One sentence.
    pub sentence: &'static str,
}

const fn program(code: &'static str, sentence: &'static str) -> Mistake {
    Mistake { code, class: FaultClass::Program, sentence }
}

const fn input(code: &'static str, sentence: &'static str) -> Mistake {
    Mistake { code, class: FaultClass::Input, sentence }
}

macro_rules! mistakes {
    ($($name:ident = $kind:ident($code:literal, $sentence:literal);)*) => {
        $(#[doc = $sentence] pub const $name: &str = $code;)*

        /// All codes, in order.
        pub const ALL: &[Mistake] = &[$($kind($code, $sentence)),*];
    };
}

mistakes! {
    UNKNOWN = program("E0201", "A name must be declared above its use, or belong to a namespace.");
    COUNT = program("E0202", "A function or operator must get as many arguments as it takes.");
    KIND = program("E0203", "An argument must be of a kind that the operator takes.");
    FUNCTION = program("E0204", "A function is no value: it is called, or given to map or fold.");
    VALUE = program("E0205", "A value cannot be called.");
    DOLLAR = program("E0206", "A $name is predefined, given by --set, or a name of the program.");
    RECURSION = program("E0207", "A declaration cannot use itself: there is no recursion.");
    TWICE = program("E0208", "Parameters of a function and fields of a record have different names.");
    FOLD = program("E0209", "fold takes an operator or function of two arguments.");
    MAP = program("E0210", "map takes the name of a function of one parameter.");
    EMPTY = program("E0211", "fold of an empty sequence needs a start, but for + - * and logic.");
    BASE = program("E0212", "tt ff border x y z constant bconstant need an image that is loaded.");
    DOTS = program("E0213", "A dot marks the side of an operator on which the scalar stands.");
    FIELD = program("E0214", "A field must be one of the record's.");
    LENGTH = program("E0215", "Sequences that are combined element by element are of one length.");
    DEEP = program("E0216", "Sequences and records nest at most 64 deep.");
    TEXT = program("E0217", "A path or label must be a text that is known before anything runs.");
    PRINT = program("E0218", "An image is saved, not printed.");
    SUFFIX = program("E0219", "The suffix of a saved file says its format.");
    SAVED = program("E0220", "A value can be saved only in a format that holds it.");
    SAME = program("E0221", "Two goals must not write one file.");
    OVER = program("E0222", "A goal must not write over an input, the program or an import.");
    OUTSIDE = program("E0223", "In a cohort, saves stay below the folder of their case.");
    IMPORT = program("E0224", "An import is a namespace, a file, or of the built-in library.");
    CYCLE = program("E0225", "Files must not import each other in a circle.");
    BLANK = program("E0226", "A blank must separate the operator of a fold from a prefix.");
    MISSING = program("E0227", "The operator is not part of this build.");
    NULL = program("E0228", "null cannot be an argument.");
    NO_IMAGE = program("E0229", "`ReadImage` reads images only; load reads other files.");
    KEEP = program("E0230", "The condition of a filter is a bool or a number.");
    ABSENT = input("E0240", "A file that is read must be there.");
    NOT_GIVEN = input("E0241", "An input that is loaded without a path must be given by --in.");
    UNREADABLE = input("E0242", "A file that is read must be readable.");
    GRIDS = input("E0250", "Images that meet in one operator must lie on one grid.");
    SHADOWS = program("E0260", "A declaration hides another of the same name from here on.");
    UNREACHED = program("E0261", "`WriteImage` writes only where a goal expands it.");
}

/// Finds a code.
pub fn find(code: &str) -> Option<&'static Mistake> {
    ALL.iter().find(|mistake| mistake.code == code)
}

/// Returns whose fault it is; codes of other rooms are the program's.
pub fn class(code: &str) -> FaultClass {
    find(code).map_or(FaultClass::Program, |mistake| mistake.class)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::lower::request::Request;
    use crate::lower::toy::{lower_with, lowered, mistakes, path, toys};

    #[test]
    fn codes_are_in_order_and_each_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(ALL.iter().all(|mistake| mistake.sentence.ends_with('.')));
    }

    #[test]
    fn each_mistake_is_told_once_and_without_follow_ups() {
        let text = r#"
            load f = "flair.nii.gz"
            load s = "small.nii"
            load gone = "gone.nii"
            a = volume(nea(f))
            b = near(f, 1)
            c = f .+ 1
            d = near
            e = max(1, "x")
            g(x, x) = x
            h(q) = q + undeclared
            r = {a: 1, a: 2}
            i = r.b
            j = i + 1
            k = volume(gone) + 1
            l = f + s
            m(q) = m(q - 1)
            n = fold near [1, 2]
            o = map(mask, [1])
            p = a(4)
            q = later(1)
            later(x) = x
            t = fold max []
            u = [f, 1] + [1, 2, 3]
            v = [1, 2] + 1
            w = map(3, [1])
            z = {a: volume(f)}.c
            print "p" f
            print "q" k
            print "l" l
            save "x.jpg" f
            save "flair.nii.gz" f
            save "y.nii" f
            save "./y.nii" s
            save "z.csv" f
            save "z.nii" 3
            print "$unknown" 1
            print "u" u
        "#;
        let mut found = mistakes(text);
        found.sort_unstable();
        let codes: Vec<&str> = found.iter().map(|line| &line[..5]).collect();
        assert_eq!(
            codes,
            [
                "E0201", "E0201", "E0201", "E0202", "E0203", "E0204", "E0205", "E0206", "E0207",
                "E0208", "E0208", "E0209", "E0210", "E0210", "E0211", "E0213", "E0214", "E0214",
                "E0215", "E0218", "E0219", "E0220", "E0220", "E0221", "E0222", "E0240", "E0250"
            ],
            "{found:#?}"
        );
    }

    #[test]
    fn a_mistake_names_the_calls_and_the_nearest_name() {
        let lowered = lowered(
            "load f = \"flair.nii.gz\" inner(x) = volume(x) + x outer(y) = inner(y) \
             print \"v\" max(f, outer(\"t\")) print \"w\" volme(f)",
        );
        let errors: Vec<_> = lowered.diagnostics.iter().filter(|d| d.is_error()).collect();
        assert_eq!(errors.len(), 2, "{errors:#?}");
        let calls: Vec<&str> =
            errors[0].labels.iter().map(|label| label.message.as_str()).collect();
        assert_eq!(calls, ["", "in this call of `inner`", "in this call of `outer`"]);
        assert_eq!(errors[1].help.as_deref(), Some("did you mean `volume`?"));
    }

    #[test]
    fn syntax_errors_bring_no_unknown_names() {
        let found = mistakes("x = (1\ny = 2 )) 3\nz = x + y + w");
        assert_eq!(found, ["E0107 y", "E0101 )", "E0201 w"]);
    }

    #[test]
    fn what_is_wrong_with_one_call_is_told_once() {
        let head = "load f = \"flair.nii.gz\" import \"RegionCalculus\" ";
        let told = mistakes(&format!("{head} print \"v\" tpp(f, \"x\") print \"w\" touch(f, 4)"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(mistakes("g(a) = a print \"v\" g 11"), ["E0101 11"]);
        assert_eq!(mistakes("g(a) = a print \"v\" g"), ["E0204 g"]);
    }

    #[test]
    fn grids_are_compared_before_anything_runs() {
        let lowered = lowered(
            "load f = \"flair.nii.gz\" load s = \"small.nii\" print \"v\" volume(border & near(s))",
        );
        let message = &lowered.diagnostics[0].message;
        assert!(message.contains("`flair.nii.gz` has 4x5x6 voxels"), "{message}");
        assert!(message.contains("`small.nii` has 2x2x2 voxels"), "{message}");
        assert_eq!(class(lowered.diagnostics[0].code), FaultClass::Input);
    }

    #[test]
    fn saves_stay_in_their_case() {
        let request = Request { confined: true, output: path("out/c1"), ..Request::default() };
        let text = "load f = \"flair.nii.gz\" save \"flair.nii.gz\" f save \"../x.nii\" f \
                    save \"/x.nii\" f";
        let lowered = lower_with(text, &request, toys());
        let codes: Vec<&str> = lowered.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["E0223", "E0223"]);
    }

    #[test]
    fn hiding_a_name_is_a_note() {
        let lowered = lowered("eq(a, b) = a print \"v\" 1 == 1 touch = 1 print \"w\" eq(touch, 2)");
        let codes: Vec<&str> = lowered.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["E0260", "E0260"]);
        assert!(lowered.plan.is_some());
    }
}
