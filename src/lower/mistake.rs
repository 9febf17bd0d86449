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
    NO_IMAGE = program("E0229", "ReadImage reads images only; load reads other files.");
    KEEP = program("E0230", "The condition of a filter is a bool or a number.");
    ABSENT = input("E0240", "A file that is read must be there.");
    NOT_GIVEN = input("E0241", "An input that is loaded without a path must be given by --in.");
    UNREADABLE = input("E0242", "A file that is read must be readable.");
    GRIDS = input("E0250", "Images that meet in one operator must lie on one grid.");
    SHADOWS = program("E0260", "A declaration hides another of the same name from here on.");
    UNREACHED = program("E0261", "WriteImage writes only where a goal expands it.");
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
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(ALL.iter().all(|mistake| mistake.sentence.ends_with('.')));
    }
}
