//! What a caller wants beside the program's text.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::lang::dialect::Dialect;
use crate::value::data::Value;

/// Inputs, settings and places of one case.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Where inputs lie, by the names that the program loads (`--in`).
    pub inputs: BTreeMap<String, PathBuf>,
    /// Values in the place of the program's (`--set`), in order; of two for a name the later stands.
    pub settings: Vec<(String, Setting)>,
    /// The case of a cohort, `$case`.
    pub case: Option<String>,
    /// The working directory, `$cwd`.
    pub cwd: PathBuf,
    /// Where the program lies, if it is a file: imports are looked up beside it, saves over it are
    /// refused, and `$file $dir $filename $stem` are made of it.
    pub program: Option<PathBuf>,
    /// Relative saves go below it; empty for the working directory.
    pub output: PathBuf,
    /// Are saves kept below the output folder (a cohort: `..` and absolute paths are mistakes)?
    pub confined: bool,
    /// The dialect, whatever the first line says.
    pub dialect: Option<Dialect>,
}

impl Request {
    /// Returns what `$NAME` means before settings.
    pub fn predefined(&self) -> HashMap<String, Setting> {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let program = self.program.clone().unwrap_or_else(|| PathBuf::from("program"));
        let file_name = program.file_name().map(|name| name.to_string_lossy().into_owned());
        let stem = program.file_stem().map(|name| name.to_string_lossy().into_owned());
        let folder = program.parent().filter(|dir| !dir.as_os_str().is_empty());
        let mut all = HashMap::new();
        let mut add = |name: &str, raw: String| {
            let value = Value::text(&raw);
            all.insert(name.to_owned(), Setting { raw, value });
        };
        add("cwd", shown(&self.cwd));
        add("dir", folder.map_or_else(|| ".".to_owned(), shown));
        add("file", shown(&program));
        add("filename", file_name.unwrap_or_default());
        add("stem", stem.unwrap_or_default());
        if let Some(case) = &self.case {
            add("case", case.clone());
        }
        all
    }
}

/// The value of a setting, and how it was written.
#[derive(Clone, Debug)]
pub struct Setting {
    /// As it was written: what `$NAME` in a string becomes.
    pub raw: String,
    /// A number, a boolean or a text.
    pub value: Value,
}

impl Setting {
    /// Reads a number, `true`, `false` or a quoted string; all else is the bare string.
    pub fn parse(raw: &str) -> Self {
        let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_number = raw.contains(|c: char| c.is_ascii_digit())
            && !raw.contains(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E');
        let value = match (raw, quoted) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (_, Some(text)) => Value::text(&text.replace("\\\"", "\"").replace("\\\\", "\\")),
            _ => match raw.parse::<f64>() {
                Ok(number) if is_number => Value::Number(number),
                _ => Value::text(raw),
            },
        };
        let raw = match &value {
            Value::Text(text) => text.to_string(),
            _ => raw.to_owned(),
        };
        Self { raw, value }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn settings_are_numbers_truths_or_texts() {
        let number = |raw: &str| match Setting::parse(raw).value {
            Value::Number(number) => Some(number),
            _ => None,
        };
        assert_eq!(number("-2.5e1"), Some(-25.0));
        assert_eq!(number("3"), Some(3.0));
        assert_eq!(number("inf"), None);
        assert_eq!(number("e"), None);
        assert!(matches!(Setting::parse("true").value, Value::Bool(true)));
        assert_eq!(Setting::parse("\"3\"").raw, "3");
        assert!(matches!(Setting::parse("\"true\"").value, Value::Text(_)));
        assert_eq!(Setting::parse("a b").raw, "a b");
    }
}
