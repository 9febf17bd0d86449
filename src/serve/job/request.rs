//! What may be asked of a child, and the command line that it becomes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A program with its inputs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The text, in imgQL.
    #[schema(
        example = "load f = \"case1/flair.nii.gz\"\nprint \"most\" max(f)",
        max_length = 1_000_000
    )]
    pub program: String,
    /// Files for what the program loads, by name; paths count from the folders that may be read.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Values for top-level names of the program, or for `$NAME`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// 1 reads the program as `VoxLogicA` 1 does, 2 as `VoxLogicA` 2 does.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2)]
    pub dialect: Option<u8>,
}

/// What is kept of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// What costs more to compute again than to store.
    #[default]
    Auto,
    /// Every node.
    All,
    /// Only what the program prints and saves.
    Goals,
}

/// A program to run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The text, in imgQL.
    #[schema(
        example = "load f = \"case1/flair.nii.gz\"\nprint \"most\" max(f)",
        max_length = 1_000_000
    )]
    pub program: String,
    /// Files for what the program loads, by name; in a cohort patterns, where `{case}` is the name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Values for top-level names of the program, or for `$NAME`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// 1 reads the program as `VoxLogicA` 1 does, 2 as `VoxLogicA` 2 does.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2)]
    pub dialect: Option<u8>,
    /// Run over each folder in this one that holds an input.
    #[serde(default)]
    pub cases: Option<String>,
    /// What is kept.
    #[serde(default)]
    pub keep: Keep,
    /// Compute again what an operator refused before.
    #[serde(default)]
    pub retry_failed: bool,
    /// Hash the input files again, although they look unchanged.
    #[serde(default)]
    pub rehash: bool,
    /// End it after so many seconds, if the server does not do so before.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub seconds: Option<u32>,
}

impl Run {
    /// Returns the program with its inputs.
    pub fn program(&self) -> Program {
        Program {
            program: self.program.clone(),
            inputs: self.inputs.clone(),
            settings: self.settings.clone(),
            dialect: self.dialect,
        }
    }

    /// Returns the command line that runs it.
    pub fn args(&self, place: &Place) -> Vec<OsString> {
        let mut args = self.program().args("run", place);
        args.extend(["--json", "--events", "--no-save", "--quiet"].map(OsString::from));
        if let Some(cases) = &self.cases {
            args.push(joined("--cases", if cases.is_empty() { "." } else { cases }));
        }
        let keep = match self.keep {
            Keep::Auto => "auto",
            Keep::All => "all",
            Keep::Goals => "goals",
        };
        args.push(joined("--keep", keep));
        args.extend(self.retry_failed.then(|| "--retry-failed".into()));
        args.extend(self.rehash.then(|| "--rehash".into()));
        args.push(joined("--memory", &place.memory.to_string()));
        args
    }
}

/// Where programs run.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store.
    pub store: PathBuf,
    /// The folders that programs may read.
    pub roots: Vec<PathBuf>,
    /// Bytes of values that a run holds.
    pub memory: u64,
}

impl Place {
    /// Returns the command line of a command that works on the store.
    pub fn args(&self, command: &[&str]) -> Vec<OsString> {
        let mut args: Vec<OsString> = command.iter().map(OsString::from).collect();
        args.push(path("--store", &self.store));
        args
    }
}

impl Program {
    /// Returns the command line of a command that reads a program from stdin.
    pub fn args(&self, command: &str, place: &Place) -> Vec<OsString> {
        let mut args = place.args(&[command, "-", "--message-format", "json"]);
        // Without a folder nothing may be read: an empty list of folders is no list to the command.
        let nowhere = PathBuf::from("/var/empty");
        let roots = if place.roots.is_empty() { vec![nowhere] } else { place.roots.clone() };
        args.extend(roots.iter().map(|root| path("--read-root", root)));
        let pairs = |flag: &'static str, pairs: &BTreeMap<String, String>| {
            let join =
                move |(name, value): (&String, &String)| joined(flag, &format!("{name}={value}"));
            pairs.iter().map(join).collect::<Vec<_>>()
        };
        args.extend(pairs("--in", &self.inputs));
        args.extend(pairs("--set", &self.settings));
        args.extend(self.dialect.map(|dialect| joined("--dialect", &dialect.to_string())));
        args
    }

    /// Says what makes it no command line, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let texts =
            self.inputs.iter().chain(&self.settings).flat_map(|(name, value)| [name, value]);
        let mut names = self.inputs.keys().chain(self.settings.keys());
        if self.program.len() > PROGRAM || texts.clone().map(String::len).sum::<usize>() > WORDS {
            Some("the program, or what it is given, is too long")
        } else if texts.into_iter().any(|text| text.contains('\0')) {
            Some("a name, path or value holds a null character")
        } else if names.any(|name| name.is_empty() || name.contains('=')) {
            Some("the name of an input or a setting is empty or holds `=`")
        } else if !self.dialect.is_none_or(|dialect| matches!(dialect, 1 | 2)) {
            Some("there are the dialects 1 and 2")
        } else {
            None
        }
    }
}

/// Bytes of a program's text.
const PROGRAM: usize = 1_000_000;
/// Bytes of all inputs and settings: they become a command line.
const WORDS: usize = 64_000;

/// Returns a flag and its value as one word, so that no value is taken for a flag.
fn joined(flag: &str, value: &str) -> OsString {
    format!("{flag}={value}").into()
}

fn path(flag: &str, value: &std::path::Path) -> OsString {
    let mut word = OsString::from(format!("{flag}="));
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_value_becomes_a_flag() {
        let place = Place { store: "/s".into(), roots: vec!["/r".into()], memory: 5 };
        let run: Run = serde_json::from_str(
            r#"{"program": "x", "inputs": {"--store": "--no-store"}, "cases": "--read-root=/",
                "settings": {"a": "b=c"}, "keep": "all"}"#,
        )
        .unwrap();
        assert_eq!(
            run.args(&place),
            [
                "run",
                "-",
                "--message-format",
                "json",
                "--store=/s",
                "--read-root=/r",
                "--in=--store=--no-store",
                "--set=a=b=c",
                "--json",
                "--events",
                "--no-save",
                "--quiet",
                "--cases=--read-root=/",
                "--keep=all",
                "--memory=5",
            ]
            .map(OsString::from)
        );
        assert!(serde_json::from_str::<Run>(r#"{"program": "x", "output": "/tmp"}"#).is_err());
    }

    #[test]
    fn what_cannot_be_a_command_line_is_refused() {
        let with = |name: &str, value: &str| Program {
            settings: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..Program::default()
        };
        assert_eq!(with("a", "b").fault(), None);
        for (name, value) in [("", "b"), ("a=b", "c"), ("a", "b\0"), ("a", &"x".repeat(WORDS))] {
            assert!(with(name, value).fault().is_some());
        }
        assert!(Program { dialect: Some(3), ..Program::default() }.fault().is_some());
    }
}
