//! All that a program can call: operators, definitions of the library, forms and named numbers.

use serde_json::{Value as Json, json};

use crate::kernel::install;
use crate::lower::reference;
use crate::lower::suggest;
use crate::primitive::registry::{Registry as _, Spelling};
use crate::primitive::signature::{Default, Form, Signature};

/// What sort of thing it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// A kernel runs it; it makes a node.
    Operator,
    /// Written in imgQL; it leaves no trace in the names of nodes.
    Definition,
    /// Part of the language: it makes no node of its own.
    Form,
    /// A number with a name.
    Number,
}

impl Sort {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Definition => "definition",
            Self::Form => "form",
            Self::Number => "number",
        }
    }
}

/// One entry of the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `namespace.name`, or the word of a form.
    pub name: String,
    /// What it is.
    pub sort: Sort,
    /// Other ways to write it, with its arguments where these are not `(a, b)` in order.
    pub spellings: Vec<String>,
    /// The ways to call it, with kinds.
    pub calls: Vec<String>,
    /// Its text, where it is written in imgQL.
    pub definition: Option<String>,
    /// What must be imported for it.
    pub import: Option<&'static str>,
    /// What it does, with its edges.
    pub doc: String,
    /// What it may be asked for as, besides its name.
    names: Vec<String>,
}

impl Entry {
    /// Returns it as JSON.
    pub fn json(&self) -> Json {
        json!({
            "name": self.name,
            "sort": self.sort.word(),
            "spellings": self.spellings,
            "calls": self.calls,
            "definition": self.definition,
            "import": self.import,
            "doc": self.doc,
        })
    }
}

/// Returns the whole reference: forms first, then by namespace and name.
pub fn all() -> Vec<Entry> {
    let table = install::table();
    let mut spellings: Vec<(Spelling, &str)> = Vec::new();
    for (namespace, name) in table.names() {
        if let Some(spelling) = table.resolve(namespace, name)
            && !spellings.iter().any(|(other, _)| *other == spelling)
        {
            spellings.push((spelling, name));
        }
    }
    let mut rest = Vec::new();
    for primitive in table.primitives() {
        let signature = primitive.signature();
        if signature.callable {
            rest.push(operator(signature, &spellings));
        }
    }
    for definition in reference::definitions() {
        let is_region = definition.home != "vox1";
        rest.push(Entry {
            name: format!("{}.{}", definition.home, definition.name),
            sort: Sort::Definition,
            spellings: Vec::new(),
            calls: vec![format!("{}{}", definition.name, definition.kinds)],
            definition: Some(definition.text),
            import: is_region.then_some("RegionCalculus"),
            doc: definition.doc,
            names: vec![definition.name],
        });
    }
    for (namespace, name, number) in table.constants() {
        rest.push(Entry {
            name: format!("{namespace}.{name}"),
            sort: Sort::Number,
            spellings: Vec::new(),
            calls: vec![name.to_owned()],
            definition: None,
            import: None,
            doc: format!("The number {number}."),
            names: vec![name.to_owned()],
        });
    }
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all: Vec<Entry> = FORMS.iter().map(form).collect();
    all.append(&mut rest);
    all
}

/// Returns the entries that a name or spelling means, or the nearest name that there is.
pub fn find(name: &str) -> Result<Vec<Entry>, Option<String>> {
    let all = all();
    let asked =
        |entry: &&Entry| entry.name == name || entry.names.iter().any(|other| other == name);
    let found: Vec<Entry> = all.iter().filter(asked).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names = all.iter().flat_map(|entry| entry.names.iter().chain([&entry.name]));
    Err(suggest::nearest(name, names.map(String::as_str)))
}

fn operator(signature: &Signature, spellings: &[(Spelling, &str)]) -> Entry {
    let short = signature.short();
    let mut names = vec![short.to_owned()];
    let mut written = Vec::new();
    for (spelling, name) in spellings {
        let is_neg = signature.name == "vox1.neg" && *name == "-";
        if (spelling.primitive != signature.name && !is_neg) || *name == short {
            continue;
        }
        names.push((*name).to_owned());
        let is_word = name.starts_with(char::is_alphabetic);
        let [a, b] = match signature.parameters {
            [a, b, ..] => [*a, *b],
            [a] => [*a, ""],
            [] => ["", ""],
        };
        written.push(match (is_word, spelling.swapped) {
            _ if is_neg || b.is_empty() && !is_word => format!("{name}{a}"),
            (true, false) => (*name).to_owned(),
            (true, true) => format!("{name}({b}, {a})"),
            (false, false) => format!("{a} {name} {b}"),
            (false, true) => format!("{b} {name} {a}"),
        });
    }
    let mut doc = signature.doc.to_owned();
    if signature.on_base_grid() {
        doc.push_str(" It lies on the grid of the base image, the first that the program loads.");
    }
    if signature.elementwise {
        doc.push_str(" Sequences are taken element by element.");
    }
    Entry {
        name: signature.name.to_owned(),
        sort: Sort::Operator,
        spellings: written,
        calls: signature.forms.iter().map(|form| call(signature, form)).collect(),
        definition: None,
        import: None,
        doc,
        names,
    }
}

/// Returns one way to call an operator: `mask(i: image, m: mask) -> image`.
fn call(signature: &Signature, form: &Form) -> String {
    let takes = &form.takes[usize::from(signature.on_base_grid())..];
    let first_default = signature.parameters.len().saturating_sub(signature.defaults.len());
    let mut parts: Vec<String> = Vec::new();
    for (at, slot) in takes.iter().enumerate() {
        let mut part = match signature.parameters.get(at) {
            Some(name) => format!("{name}: {}", slot.words()),
            None => slot.words().to_owned(),
        };
        if form.variadic && at + 1 == takes.len() {
            part.push_str(", ...");
        } else if let Some(default) = at.checked_sub(first_default)
            && let Some(default) = signature.defaults.get(default)
        {
            part.push_str(&format!(" = {}", shown(*default)));
        }
        parts.push(part);
    }
    let arguments =
        if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
    format!("{}{arguments} -> {}", signature.short(), form.gives)
}

fn shown(default: Default) -> String {
    match default {
        Default::Number(number) => number.to_string(),
        Default::Bool(truth) => truth.to_string(),
        Default::Numbers(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
            format!("[{}]", numbers.join(", "))
        }
    }
}

fn form(row: &(&str, &str, &str)) -> Entry {
    let (name, usage, doc) = row;
    let short = name.rsplit('.').next().unwrap_or(name);
    Entry {
        name: (*name).to_owned(),
        sort: Sort::Form,
        spellings: Vec::new(),
        calls: usage.split('\n').map(str::to_owned).collect(),
        definition: None,
        import: None,
        doc: (*doc).to_owned(),
        names: vec![short.to_owned()],
    }
}

/// Name, ways to write it, documentation.
const FORMS: &[(&str, &str, &str)] = &[
    (
        "let",
        "name = e\nlet f(a, b) = e\nlet x = e in e",
        "Declares a name, a function or an operator. A declaration stands for its right-hand side and \
         sees what is declared above it only; there is no recursion.",
    ),
    (
        "import",
        "import \"namespace\"\nimport \"file\"",
        "Looks into a namespace before the others, or reads the declarations of a file: beside the \
         importing one, in the working directory, or in the built-in library (RegionCalculus).",
    ),
    (
        "print",
        "print \"label\" e",
        "A goal: writes label=value to stdout. Images are saved, not printed.",
    ),
    (
        "save",
        "save \"file\" e",
        "A goal: writes a file in the format of its suffix. Images: .nii.gz .nii .png .tif .mha .nrrd \
         .npy; values: .json .csv .tsv .txt. A sequence of records is a table, its columns by name; a \
         sequence of numbers is one column.",
    ),
    (
        "for",
        "for x in s do e",
        "The sequence of e for each element x of s. An element's node is that of the written-out \
         program, so that a changed range computes the new elements only.",
    ),
    (
        "filter",
        "filter x in s do p",
        "The elements of s for which p holds: a bool, or a number that is not 0. Order is kept.",
    ),
    (
        "fold",
        "fold op s\nfold op start s",
        "Puts an operator, or a function of two arguments, between the elements of a sequence, from \
         the left. Without a start + and - begin with 0, * with 1, & && .&. with true, | || .|. with \
         false, all others with the first element, which must be there.",
    ),
    (
        "default.map",
        "map(f, s)",
        "The sequence of f(x) for each element x of s; f is the name of a function or operator of one \
         parameter.",
    ),
    (
        "default.load",
        "load x = \"file\"\nload x\nload(path: string)",
        "What a file holds: an image by its content; else by its name .json a value, .txt .csv .tsv a \
         sequence of lines, all other bytes. As a command it names an input, which --in replaces; \
         without a file it must be given.",
    ),
    (
        "simpleitk.ReadImage",
        "ReadImage(path: string)\nReadImage(path: string, type: number)",
        "An image by its path, cast to a voxel type if one is given (sitkFloat32 and so on). A 4-D file \
         is a sequence of images.",
    ),
    (
        "simpleitk.WriteImage",
        "WriteImage(image, path: string)",
        "A save goal inside an expression, wherever a goal expands it; its value is null. Reached by \
         no goal it writes nothing, and warns. Two more arguments are read and ignored.",
    ),
    (
        "default.dir",
        "dir(root: string, glob: string = \"*\", recursive: bool = false, full: bool = false)",
        "The names in a folder, sorted bytewise. * ? [a-z] [!a] match within one part of a path, ** \
         any number of folders; recursive looks below every folder; full gives absolute paths. Links \
         to folders are not walked into.",
    ),
    ("default.sequence", "[a, b, c]\nsequence(a, b, c)", "A sequence of its arguments."),
    (
        "default.index",
        "s[i]\nindex(s, i)",
        "An element, from 0; the index is an integral number, or text of digits. Beyond the end it is \
         refused: range.",
    ),
    (
        "default.slice",
        "s[a:b]\nslice(s, a, b)",
        "The elements from a to before b; negative bounds count from the end, all are clamped.",
    ),
    (
        "default.subsequence",
        "subsequence(s, stop)\nsubsequence(s, start, stop)",
        "The elements from start (0 when left out) to before stop, clamped; negative bounds are 0.",
    ),
    (
        "record",
        "{name: e, ...}\nr.name",
        "Values with names; a record has no order. A sequence of records is a table.",
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn whatever_can_be_written_is_found() {
        let table = install::table();
        for (namespace, name) in table.names() {
            let spelling = table.resolve(namespace, name).unwrap();
            let found = find(name).unwrap();
            assert!(found.iter().any(|entry| entry.name == spelling.primitive), "{name}");
        }
        let only = |name: &str| -> Entry {
            let mut found = find(name).unwrap();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            found.remove(0)
        };
        assert_eq!(only("touch").definition.unwrap(), "touch(a, b) = through(near(b), a)");
        assert_eq!(only("~>").spellings, ["b ~> a"]);
        assert_eq!(only("fold").sort, Sort::Form);
        assert_eq!(only("ntppi").import, Some("RegionCalculus"));
        assert_eq!(only("sitkFloat32").doc, "The number 8.");
        assert!(only("tt").calls[0].starts_with("tt -> mask"));
        assert!(only("BinaryThreshold").calls[0].contains("upper: number = 255"));
        assert_eq!(find("-").unwrap().len(), 2);
        assert_eq!(find("volme").unwrap_err().as_deref(), Some("volume"));
        assert_eq!(find("zzzzzz").unwrap_err(), None);
    }

    #[test]
    fn every_entry_has_words_and_a_call() {
        for entry in all() {
            assert!(entry.doc.ends_with(['.', '?']) && !entry.calls.is_empty(), "{}", entry.name);
        }
    }
}
