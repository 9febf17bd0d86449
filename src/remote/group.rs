//! A group of cases as a file: all that a worker on another machine needs to know.
//!
//! JSON, about 10 kB for 50 cases. Its name is the digest of its canonical CBOR without `attempt`: equal groups of
//! two people have one name, and an engine that knows names runs them once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::canon::{self, Tree};
use crate::id::Digest;
use crate::remote::error::Error;

/// The number of this form.
pub const FORMAT: u64 = 1;
/// A file that is longer is none of ours.
pub const LONGEST: u64 = 64 << 20;
/// More cases than this are no group.
const CASES: usize = 100_000;

/// Cases that are run together, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The number of the form: 1.
    pub format: u64,
    /// Which of its run, for people; a copy of a group that is late has another word.
    pub group: String,
    /// How often its cases were tried before; enters no name.
    #[serde(default)]
    pub attempt: u32,
    /// The version of vox that may run it.
    pub vox: String,
    /// The digest of the operators and their versions.
    pub kernels: String,
    /// Where results go.
    pub store: StoreRef,
    /// Where it is said, workers have stores of their own, and ask this peer for what theirs have not: a
    /// configured name, an address or a folder; nobody, where it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The working directory that the program is told of, and from which relative paths count.
    pub cwd: PathBuf,
    /// What is run.
    pub program: Program,
    /// What is kept: `auto`, `all` or `goals`.
    pub keep: String,
    /// How long results are kept, in milliseconds; for ever, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Is what an operator refused before computed again?
    #[serde(default)]
    pub retry_failed: bool,
    /// Are input files hashed again, although they look unchanged?
    #[serde(default)]
    pub rehash: bool,
    /// The labels of the goals that are told; all, if none is named.
    #[serde(default)]
    pub goals: Vec<String>,
    /// The nodes that are computed of the first case, instead of what the program wants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Are the nodes told that ran?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report: bool,
    /// The cases, in the order of the cohort.
    pub cases: Vec<Case>,
    /// What the worker may take.
    #[serde(default)]
    pub limits: Limits,
    /// What the host must have, as in `{"GPU": 1}`.
    #[serde(default)]
    pub needs: BTreeMap<String, u64>,
}

/// A store, and where it probably lies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreRef {
    /// Its own name for itself.
    pub id: String,
    /// Its folder, where the sender sees it: a hint.
    pub path: PathBuf,
}

/// A program with everything that it imports: the worker's host need not have its files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The digest of `text` and `imports`.
    pub blob: String,
    /// Where it lies for the sender: `$file` and `$dir` are made of it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The imported files, by the paths under which they were found.
    #[serde(default)]
    pub imports: BTreeMap<PathBuf, String>,
    /// The dialect, whatever its first line says: 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<u8>,
    /// `--set`, in order: names and values as they were written.
    #[serde(default)]
    pub set: Vec<(String, String)>,
}

/// One case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// The file of each input, from `dir` where it is relative.
    #[serde(default)]
    pub input: BTreeMap<String, PathBuf>,
}

/// What a worker may take.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Threads that compute; all cores, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Bytes that values may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// From its start to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Program {
    /// Returns the digest of the text and what it imports.
    pub fn digest(&self) -> Digest {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let imports = self.imports.iter().map(|(at, text)| (path(at), Tree::text(text)));
        let tree = Tree::map([
            ("imports", Tree::Map(imports.collect())),
            ("text", Tree::text(&self.text)),
        ]);
        Digest::of(&canon::write(&tree))
    }
}

impl Group {
    /// Reads a group; `place` says where it was found.
    pub fn parse(place: &str, text: &[u8]) -> Result<Self, Error> {
        let wrong = |message: String| Error::Group { place: place.to_owned(), message };
        // The number of the form first: a later form has fields that are unknown here.
        let json: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        match json.get("format").and_then(serde_json::Value::as_u64) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(wrong(format!("it is of format {other}, and this vox reads {FORMAT}")));
            }
            None => return Err(wrong("it has no number `format`".to_owned())),
        }
        let group: Self = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
        group.check().map_err(wrong)?;
        Ok(group)
    }

    fn check(&self) -> Result<(), String> {
        if self.cases.is_empty() || self.cases.len() > CASES {
            return Err(format!("it has {} cases, where 1 to {CASES} may be", self.cases.len()));
        }
        let mut names = BTreeSet::new();
        for case in &self.cases {
            let id = &case.id;
            if id.is_empty() || id == "." || id == ".." || id.contains(['/', '\0', '\n', '\t']) {
                return Err(format!("`{}` is no name of a case", id.escape_debug()));
            }
            if !names.insert(id) {
                return Err(format!("the case `{id}` is there twice"));
            }
            if !case.dir.is_absolute() {
                return Err(format!("the folder of the case `{id}` is not absolute"));
            }
        }
        if !self.cwd.is_absolute() {
            return Err("its `cwd` is not absolute".to_owned());
        }
        if !matches!(self.keep.as_str(), "auto" | "all" | "goals") {
            return Err(format!("`keep` is `{}`, not `auto`, `all` or `goals`", self.keep));
        }
        if self.program.dialect.is_some_and(|dialect| !(1..=2).contains(&dialect)) {
            return Err("its dialect is neither 1 nor 2".to_owned());
        }
        if let Some(node) = self.nodes.iter().find(|node| Digest::parse(node).is_none()) {
            return Err(format!("`{node}` is no id of a node"));
        }
        if self.program.digest().hex() != self.program.blob {
            return Err(
                "`program.blob` is not the digest of the program's text and imports".to_owned()
            );
        }
        Ok(())
    }

    /// Returns it as it is written.
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a group has text keys only")
    }

    /// Returns its name: what it asks for, whoever asks and however often.
    pub fn name(&self) -> Digest {
        let mut json = self.json();
        if let Some(fields) = json.as_object_mut() {
            fields.remove("attempt");
        }
        Digest::of(&canon::write(&tree(&json)))
    }

    /// Returns what engines know it by.
    pub fn key(&self) -> String {
        format!("vox-{}", self.name())
    }
}

fn tree(json: &serde_json::Value) -> Tree {
    use serde_json::Value as Json;
    match json {
        Json::Null => Tree::Null,
        Json::Bool(truth) => Tree::Bool(*truth),
        Json::Number(number) => match number.as_u64() {
            Some(number) => Tree::Uint(number),
            None => Tree::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Tree::text(text),
        Json::Array(items) => Tree::Array(items.iter().map(tree).collect()),
        Json::Object(fields) => {
            Tree::Map(fields.iter().map(|(name, value)| (name.clone(), tree(value))).collect())
        }
    }
}

#[cfg(test)]
pub(in crate::remote) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A group of so many cases.
    pub(in crate::remote) fn group(cases: usize) -> Group {
        let mut program = Program {
            blob: String::new(),
            path: "p.imgql".into(),
            text: "load f\nprint \"m\" max(f)\n".to_owned(),
            imports: BTreeMap::from([("lib.imgql".into(), "let a = 1\n".to_owned())]),
            dialect: None,
            set: vec![("warm".to_owned(), "0.5".to_owned())],
        };
        program.blob = program.digest().hex();
        let case = |n| Case {
            id: format!("case-{n}"),
            dir: format!("/data/case-{n}").into(),
            input: BTreeMap::from([("f".to_owned(), "f.nii.gz".into())]),
        };
        Group {
            format: FORMAT,
            group: "1".to_owned(),
            attempt: 0,
            vox: "0.1.0".to_owned(),
            kernels: "00".to_owned(),
            store: StoreRef { id: "abc".to_owned(), path: "/store".into() },
            from: None,
            cwd: "/work".into(),
            program,
            keep: "auto".to_owned(),
            ttl_ms: None,
            retry_failed: false,
            rehash: false,
            goals: Vec::new(),
            nodes: Vec::new(),
            report: false,
            cases: (0..cases).map(case).collect(),
            limits: Limits { memory: Some(1 << 30), ..Limits::default() },
            needs: BTreeMap::from([("GPU".to_owned(), 1)]),
        }
    }

    fn wrong(change: impl Fn(&mut serde_json::Value)) -> String {
        let mut json = group(2).json();
        change(&mut json);
        Group::parse("`g.json`", json.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_group_is_read_as_it_was_written_and_attempts_do_not_change_its_name() {
        let one = group(3);
        let read = Group::parse("g", one.json().to_string().as_bytes()).unwrap();
        assert_eq!(read, one);
        let again = Group { attempt: 2, ..one.clone() };
        assert_eq!((again.name(), again.key()), (one.name(), format!("vox-{}", one.name())));
        let mut other = one.clone();
        other.cases.pop();
        assert_ne!(other.name(), one.name());
        // Spaces and the order of fields are not of the name.
        let pretty = serde_json::to_string_pretty(&one).unwrap();
        assert_eq!(Group::parse("g", pretty.as_bytes()).unwrap().name(), one.name());
        assert!(pretty.len() < 2000);
    }

    #[test]
    fn what_is_no_group_is_refused_with_its_reason() {
        let parse = |text: &str| Group::parse("stdin", text.as_bytes()).unwrap_err().to_string();
        assert!(parse("{").contains("stdin is no group of cases: EOF"));
        assert!(parse("[]").contains("no number `format`"));
        assert!(wrong(|json| json["format"] = 2.into()).contains("format 2, and this vox reads 1"));
        assert!(wrong(|json| json["colour"] = 2.into()).contains("`colour`"));
        assert!(wrong(|json| json["cases"] = serde_json::json!([])).contains("0 cases"));
        assert!(wrong(|json| json["cases"][1]["id"] = "case-0".into()).contains("there twice"));
        assert!(wrong(|json| json["cases"][1]["id"] = "../x".into()).contains("no name of a case"));
        assert!(wrong(|json| json["cases"][1]["dir"] = "x".into()).contains("not absolute"));
        assert!(wrong(|json| json["keep"] = "some".into()).contains("`keep` is `some`"));
        assert!(wrong(|json| json["program"]["text"] = "print".into()).contains("program.blob"));
        assert!(wrong(|json| json["program"]["dialect"] = 3.into()).contains("dialect"));
    }

    #[test]
    fn fifty_cases_are_about_ten_kilobytes() {
        assert!(group(50).json().to_string().len() < 10_000);
    }
}
