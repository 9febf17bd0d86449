//! What each code means: its cause, an example, and its repair.
//!
//! The texts are in `library/mistakes.md`: a heading for each code, a paragraph, a program in a fence,
//! and a paragraph.

/// What one code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// `E` and four digits.
    pub code: &'static str,
    /// Why it is told.
    pub cause: &'static str,
    /// A program that has the mistake; none where no short program can have it.
    pub example: Option<&'static str>,
    /// What to do.
    pub repair: &'static str,
}

impl Explanation {
    /// Returns the first sentence of the cause.
    pub fn summary(&self) -> String {
        let cause = self.cause.replace('\n', " ");
        let end = cause.match_indices(['.', ':', ';']).map(|(at, _)| at).find(|at| {
            // The end of a sentence is followed by a blank or nothing; dots of code are not.
            cause[..*at].matches('`').count().is_multiple_of(2)
                && cause[at + 1..].chars().next().is_none_or(char::is_whitespace)
        });
        cause[..end.unwrap_or(cause.len())].to_owned()
    }
}

const TEXT: &str = include_str!("library/mistakes.md");

/// Returns all explanations, by code.
pub fn all() -> Vec<Explanation> {
    TEXT.split("## ").skip(1).filter_map(read).collect()
}

/// Finds the explanation of a code; case does not matter, nor does the `E`.
pub fn find(code: &str) -> Option<Explanation> {
    let digits = code.trim_start_matches(['e', 'E']);
    all().into_iter().find(|explanation| &explanation.code[1..] == digits)
}

fn read(section: &'static str) -> Option<Explanation> {
    let (code, rest) = section.split_once('\n')?;
    let explanation = match rest.split_once("```imgql\n") {
        Some((cause, rest)) => {
            let (example, repair) = rest.split_once("```\n")?;
            Explanation { code, cause: cause.trim(), example: Some(example), repair: repair.trim() }
        }
        None => {
            let (cause, repair) = rest.split_once("\n\n")?;
            Explanation { code, cause: cause.trim(), example: None, repair: repair.trim() }
        }
    };
    Some(explanation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::lower::mistake;
    use crate::lower::request::Request;
    use crate::lower::toy::{lower_with, path, toys};

    /// Codes that no short program has: a text of four gigabytes, an operator that was left out.
    const WITHOUT_EXAMPLE: [&str; 2] = ["E0109", "E0227"];

    /// Every code that stands in quotes in the sources, outside of tests.
    fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes_in(&path, found);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                for (at, _) in text.match_indices("\"E0") {
                    let code: String = text[at + 1..].chars().take(5).collect();
                    if code[1..].bytes().all(|byte| byte.is_ascii_digit()) {
                        found.insert(code);
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_is_explained_and_no_other() {
        let mut told = BTreeSet::new();
        codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut told);
        // A template that is asked for while it expands: a fault of vox, not of a program.
        told.remove("E0000");
        let explained: Vec<&str> = all().iter().map(|explanation| explanation.code).collect();
        assert!(explained.is_sorted());
        assert_eq!(explained, told.iter().map(String::as_str).collect::<Vec<_>>());
        for mistake in mistake::ALL {
            assert!(explained.contains(&mistake.code));
        }
        for explanation in all() {
            assert!(explanation.cause.ends_with(['.', ':']), "{}", explanation.code);
            assert!(explanation.repair.ends_with('.'), "{}", explanation.code);
            let has_none = WITHOUT_EXAMPLE.contains(&explanation.code);
            assert_eq!(explanation.example.is_none(), has_none, "{}", explanation.code);
        }
    }

    #[test]
    fn each_example_gives_its_code_and_no_other_error() {
        for explanation in all() {
            let Some(example) = explanation.example else { continue };
            let mut request = Request { program: Some(path("circle.imgql")), ..Request::default() };
            if explanation.code == mistake::OUTSIDE {
                request.confined = true;
                request.output = path("out/c1");
            }
            let mut files = toys();
            files.0.insert("circle.imgql".to_owned(), example.to_owned());
            let lowered = lower_with(example, &request, files);
            let codes: Vec<&str> = lowered.diagnostics.iter().map(|found| found.code).collect();
            assert!(codes.contains(&explanation.code), "{}: {codes:?}", explanation.code);
            for found in &lowered.diagnostics {
                let is_other = found.is_error() && found.code != explanation.code;
                assert!(!is_other, "{}: {found:?}", explanation.code);
            }
        }
    }

    #[test]
    fn codes_are_found_however_they_are_written() {
        for written in ["E0203", "e0203", "0203"] {
            assert_eq!(find(written).unwrap().code, "E0203");
        }
        assert_eq!(find("E9999"), None);
        assert_eq!(find("E0240").unwrap().summary(), "A file that the program reads is not there");
        assert!(find("E0110").unwrap().summary().starts_with("`$NAME` is given from outside"));
    }
}
