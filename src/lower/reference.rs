//! The built-in library as documentation: each definition with the comment above it.

use crate::lang::ast::CommandKind;
use crate::lang::dialect::Options;
use crate::lang::parser::parse;
use crate::lang::source::{Source, SourceId};
use crate::lower::library;

/// A definition of the built-in library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Definition {
    /// The namespace that it belongs to, or the file that is imported for it.
    pub home: &'static str,
    /// Its name.
    pub name: String,
    /// What stands in the brackets behind its name, with kinds, and the kind of what it gives.
    pub kinds: String,
    /// What it is, in words.
    pub doc: String,
    /// Its text.
    pub text: String,
}

/// Returns all definitions, in the order of the files.
pub fn definitions() -> Vec<Definition> {
    let files = [("vox1", library::STDLIB), ("RegionCalculus", library::REGIONS)];
    files.into_iter().flat_map(|(home, file)| of(home, file)).collect()
}

fn of(home: &'static str, file: &str) -> Vec<Definition> {
    let source = Source::new(SourceId(0), file, library::text(file).unwrap_or(""));
    let (program, _) = parse(&source, &Options::default());
    let mut comments = program.comments.iter().peekable();
    let mut all = Vec::new();
    for command in &program.commands {
        let mut doc: Vec<&str> = Vec::new();
        let mut kinds = String::new();
        while let Some(comment) = comments.next_if(|comment| comment.span.end < command.span.start)
        {
            // A blank line ends what stands above a file as a whole.
            if comment.spaced {
                doc.clear();
            }
            let text = comment.text.trim_start_matches('/').trim();
            if text.starts_with('(') && text.contains("->") {
                text.clone_into(&mut kinds);
            } else {
                doc.push(text);
            }
        }
        if let CommandKind::Let { name, .. } = command.kind {
            all.push(Definition {
                home,
                name: program.name(name.symbol).to_owned(),
                kinds,
                doc: doc.join(" "),
                text: source.slice(command.span).to_owned(),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definitions of both references: `VoxLogicA` 1 and 2 have one library, but for what the
    /// second adds.
    const NAMES: &str = "\\ mayReach touch T grow surrounded S B+ pdt distgeq distleq smoothen erode \
                         dilate imopen imclose ~ booleanToNumber norm ifB ifN maskCC minCC maxCC \
                         emptyB nemptyB xor eqB neqB leqB collect overlayB overlayColor divZ";
    const REGIONS: &str = "p pp pi ppi o po dr eq dc ec tpp ntpp tppi ntppi";

    #[test]
    fn every_definition_of_the_references_is_there_and_documented() {
        let all = definitions();
        let of = |home: &str| -> Vec<&str> {
            all.iter().filter(|d| d.home == home).map(|d| d.name.as_str()).collect()
        };
        assert_eq!(of("vox1"), NAMES.split_whitespace().collect::<Vec<_>>());
        assert_eq!(of("RegionCalculus"), REGIONS.split_whitespace().collect::<Vec<_>>());
        for definition in &all {
            let Definition { name, kinds, doc, text, .. } = definition;
            assert!(doc.len() > 10 && doc.ends_with(['.', '?']), "{name}: {doc}");
            let head = text.trim_start_matches("let ").split(')').next().unwrap_or("");
            let written: Vec<&str> = head
                .split_once('(')
                .map(|(_, names)| names.split(", ").collect())
                .unwrap_or_default();
            let told: Vec<&str> = kinds[1..kinds.find(") ->").unwrap_or(1)]
                .split(", ")
                .filter_map(|param| param.split(':').next())
                .collect();
            assert_eq!(written, told, "{name}");
        }
    }
}
