//! Programs of a size that only machines write, and texts that nobody meant.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::{Dialect, Options};
use crate::lang::dump::dump;
use crate::lang::parser::parse;
use crate::lang::print::print;
use crate::lang::same::same;
use crate::lang::source::{Source, SourceId};

/// Reads, prints, compares, dumps and drops in a thread with little stack.
fn survives(dialect: Dialect, text: String, errors: usize) {
    let job = move || {
        let source = Source::new(SourceId(0), "big.imgql", text);
        let (program, told) = parse(&source, &Options::of(dialect));
        assert_eq!(told.iter().filter(|d| d.is_error()).count(), errors, "{:?}", told.first());
        if errors == 0 {
            assert!(!program.commands.is_empty());
            let printed = Source::new(SourceId(0), "big.imgql", print(&program));
            let (again, _) = parse(&printed, &Options::of(dialect));
            assert!(same(&program, &again));
            assert_eq!(print(&again), printed.text());
            assert!(!dump(&program).is_empty());
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(job).unwrap().join().unwrap();
}

#[test]
fn a_million_parentheses() {
    let n = 1_000_000;
    survives(Dialect::Two, format!("x = {}1{}", "(".repeat(n), ")".repeat(n)), 0);
    survives(Dialect::One, format!("let x = {}1{}", "(".repeat(n), ")".repeat(n)), 0);
    survives(Dialect::Two, format!("x = {}", "(".repeat(n)), 1);
    survives(Dialect::Two, format!("x = {}", ")".repeat(n)), 1);
    survives(Dialect::Two, format!("x = {}", "-(".repeat(n)), 1);
    survives(Dialect::Two, format!("x = {}", "fold + ".repeat(n / 8)), 1);
}

#[test]
fn deep_expressions() {
    let deep = |open: &str, close: &str, n| format!("x = {}1{}", open.repeat(n), close.repeat(n));
    for (open, close) in [
        ("f(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("xs[", "]"),
        ("xs[1:", "]"),
        ("- ", ""),
        ("let a = 1 in ", ""),
        ("let a = ", " in a"),
        ("for a in s do ", ""),
        ("fold + ", ""),
        ("fold + 0 ", ""),
        ("1 + (", " * 2)"),
        ("", "[0]"),
        ("", "+1"),
        ("", "+1*2"),
    ] {
        survives(Dialect::Two, deep(open, close, 20_000), 0);
    }
    for (open, close) in [("f(", ")"), ("! ", ""), ("a & ", ""), ("a & !", ""), ("a ~[", "] b")] {
        survives(Dialect::One, format!("let {}", deep(open, close, 20_000)), 0);
    }
}

#[test]
fn many_commands() {
    let mut text = String::from("x0 = 1\n");
    for i in 1..100_000 {
        writeln!(text, "let x{i} = x{} + {i} // {i}", i - 1).unwrap();
    }
    survives(Dialect::Two, text.clone(), 0);
    survives(Dialect::One, text.replacen("x0", "let x0", 1), 0);
    survives(Dialect::Two, "x = )\n".repeat(50_000), 50_000);
    survives(Dialect::Two, "x = 1; ".repeat(50_000), 50_000);
    survives(Dialect::Two, format!("x = {}1", "-".repeat(1_000_000)), 0);
    survives(Dialect::Two, format!("x = a{}", " : b".repeat(100_000)), 0);
    survives(Dialect::Two, format!("x = a {}b", "B+ c ".repeat(100_000)), 1);
}

/// Pieces whose every sequence is a text; most are wrong, many are nearly right.
fn soup(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    let gap = prop::sample::select(&["", " ", "\n"][..]);
    prop::collection::vec((prop::sample::select(tokens), gap), 0..40)
        .prop_map(|parts| parts.iter().flat_map(|(token, gap)| [*token, *gap]).collect())
}

const TOKENS: &[&str] = &[
    "a", "b.c", "B", "B+", "1", ".5", "1.", "\"s\"", "\"$x\"", "$t", "$", "(", ")", "[", "]", "{",
    "}", ",", ":", "=", "==", "=.", "+", "-", "!", ".", ";", "#", "//c\n", "let", "in", "for",
    "filter", "fold", "do", "true", "load", "save", "print", "import", "x =", "f(a) =", "é", "_",
    "\\", "'", "\"", "~[", "N", "T", "nan", "\n",
];

/// Expressions of dialect 2 that are right, with parentheses where they must be.
fn right() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "a",
            "b.c",
            "B",
            "load",
            "1",
            "0.5",
            "1e30",
            "\"s$x\"",
            "\"\\\\$$\"",
            "$t",
            "true",
            "f()",
            "[]",
            "{}",
        ][..],
    );
    let op = || prop::sample::select(&["+", "-", "&!", ">.-", "==", "=", "B+", ":", ":-", "."][..]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 64, 4, move |inner| {
        let e = || inner.clone();
        prop_oneof![
            e().prop_map(|a| format!("({a})")),
            (e(), op(), e()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (e(), op(), e()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (op(), e()).prop_map(|(op, a)| format!("({op} {a})")),
            (op(), e(), e()).prop_map(|(op, a, b)| format!("{op}({a}, {b})")),
            (e(), e()).prop_map(|(a, b)| format!("g({a}, {b})")),
            (e(), e()).prop_map(|(a, b)| format!("let x = {a} in {b}")),
            (e(), e()).prop_map(|(a, b)| format!("(for x in {a} do {b})")),
            (e(), e()).prop_map(|(a, b)| format!("filter x in ({a}) do {b}")),
            (op(), e()).prop_map(|(op, a)| format!("(fold {op} {a})")),
            (op(), e(), e()).prop_map(|(op, a, b)| format!("fold {op} ({a}) ({b})")),
            (op(), e(), e()).prop_map(|(op, a, b)| format!("fold {op} {a} {b}")),
            (e(), e()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (e(), e()).prop_map(|(a, b)| format!("{{k: {a}, l: {b}}}")),
            (e(), e()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (e(), e(), e()).prop_map(|(a, b, c)| format!("({a})[({b}):({c})]")),
            e().prop_map(|a| format!("({a}).field")),
            e().prop_map(|a| format!("({a})[:-1]")),
        ]
    })
}

fn reads_back(dialect: Dialect, text: &str) -> bool {
    let source = Source::new(SourceId(0), "p.imgql", text);
    let options = Options::of(dialect);
    let (program, told) = parse(&source, &options);
    for diagnostic in &told {
        assert!(source.text().get(diagnostic.span().range()).is_some(), "{diagnostic:?}");
    }
    let printed = print(&program);
    let again = Source::new(SourceId(0), "p.imgql", printed);
    let (reread, complaints) = parse(&again, &options);
    let fine = !told.iter().any(Diagnostic::is_error);
    if fine {
        assert!(!complaints.iter().any(Diagnostic::is_error), "{}\n{complaints:?}", again.text());
        let (left, right) = (dump(&program), dump(&reread));
        assert!(same(&program, &reread), "{text}\n--\n{}\n--\n{left}\n{right}", again.text());
        assert_eq!(left, right);
        assert_eq!(print(&reread), again.text());
        assert_eq!(reread.comments.len(), program.comments.len());
    }
    fine
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics_and_what_is_right_reads_back(text in soup(TOKENS)) {
        reads_back(Dialect::Two, &text);
        reads_back(Dialect::One, &text);
    }

    #[test]
    fn no_characters_panic(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        reads_back(Dialect::Two, &text);
        reads_back(Dialect::One, &text);
        reads_back(Dialect::Two, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn right_programs_read_back(first in right(), second in right()) {
        reads_back(Dialect::Two, &format!("x = {first}\ny = {second}\nlet +?(p, q) = {first}"));
    }

    #[test]
    fn right_programs_of_dialect_one_read_back(
        parts in prop::collection::vec(prop::sample::select(
            &["a & ", "(b | c) T ", "! ", "N ", "a ~[1, -2 .+. x] ", "-3 .+. ", "f(a, ! b & c) ", "- "][..]), 0..8),
    ) {
        let text: String = parts.concat().replace(") -", ") & -").replace(") a", ") & a")
            .replace(") (", ") & (").replace(") f", ") & f");
        reads_back(Dialect::One, &format!("let x = {text}z\nprint \"p\" x"));
    }
}
