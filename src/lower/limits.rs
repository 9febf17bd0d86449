//! Programs of a size that only machines write, from text to plan in a thread with little stack.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use crate::lower::toy::plan;

const LOAD: &str = "load f = \"flair.nii.gz\"\n";

/// Lowers, counts nodes and drops in a thread with 512 KiB of stack.
fn plans(text: String, nodes: usize) {
    let job = move || assert_eq!(plan(&text).len(), nodes, "{}", &text[..text.len().min(80)]);
    std::thread::Builder::new().stack_size(512 << 10).spawn(job).unwrap().join().unwrap();
}

/// Returns `count` declarations, each of the one before.
fn chain(first: &str, next: &str, count: usize) -> String {
    let mut text = format!("x0 = {first}\n");
    for i in 1..count {
        writeln!(text, "let x{i} = {}", next.replace('_', &format!("x{}", i - 1))).unwrap();
    }
    text
}

#[test]
fn nested_parentheses() {
    let n = 500_000;
    plans(format!("x = {}1{}\nprint \"x\" x", "(".repeat(n), ")".repeat(n)), 0);
}

#[test]
fn many_declarations() {
    plans(chain("1", "_ + 1", 100_000) + "print \"x\" x99999", 0);
    plans(format!("{LOAD}{}print \"x\" max(x99999)", chain("f", "_ + 1", 100_000)), 100_001);
}

#[test]
fn deep_expressions() {
    let n = 10_000;
    let deep = |open: &str, close: &str| format!("{}f{}", open.repeat(n), close.repeat(n));
    plans(format!("{LOAD}print \"x\" max({})", deep("(", " + 1)")), n + 2);
    plans(format!("{LOAD}print \"x\" volume({})", deep("near(", ")")), n + 2);
    plans(format!("{LOAD}print \"x\" volume({})", deep("!(", " & f)")), 2 * n + 2);
    let mut lets = String::from("let a0 = f in ");
    for i in 1..n {
        write!(lets, "let a{i} = a{} + 1 in ", i - 1).unwrap();
    }
    plans(format!("{LOAD}print \"x\" max({lets} a{})", n - 1), n + 1);
    // Functions that call functions are frames of the machine, not of the stack.
    let mut calls = String::from("g0(x) = near(x)\n");
    for i in 1..n {
        writeln!(calls, "g{i}(x) = g{}(x)", i - 1).unwrap();
    }
    plans(format!("{LOAD}{calls}print \"x\" volume(g{}(f))", n - 1), 3);
}

/// Each of 50 steps uses the two before: what is shared must be looked at once.
#[test]
fn steps_of_fibonacci() {
    let mut images = String::from("a0 = f\na1 = f + 1\n");
    let mut calls = String::from("g0(x) = x\ng1(x) = x + 1\n");
    let mut inner = String::from("let b0 = f in let b1 = f + 1 in ");
    for i in 2..=50 {
        let (p, q) = (i - 1, i - 2);
        writeln!(images, "a{i} = a{p} + a{q}").unwrap();
        writeln!(calls, "g{i}(x) = g{p}(x) + g{q}(x)").unwrap();
        write!(inner, "let b{i} = b{p} + b{q} in ").unwrap();
    }
    plans(format!("{LOAD}{images}print \"x\" max(a50)"), 52);
    plans(format!("{LOAD}{calls}print \"x\" max(g50(f))"), 52);
    plans(format!("{LOAD}print \"x\" max({inner} b50)"), 52);
}

#[test]
fn a_long_range() {
    plans(format!("{LOAD}print \"x\" for i in range(0, 10000) do volume(f > i)"), 20_002);
    plans(
        format!("{LOAD}print \"x\" fold + 0 (for i in range(0, 10000) do volume(f > i))"),
        30_001,
    );
}
