//! Tables of text and tree, for both dialects; every sentence of the language's description that
//! speaks of syntax has its line.

use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::{Dialect, Options};
use crate::lang::dump::dump;
use crate::lang::parser::parse;
use crate::lang::print::print;
use crate::lang::same::same;
use crate::lang::source::{Source, SourceId};

fn source(text: &str) -> Source {
    Source::new(SourceId(0), "test.imgql", text)
}

/// Reads `text`; its dump, a command a line, then its diagnostics as `code at: what is under it`.
fn read(dialect: Dialect, text: &str) -> (String, Vec<String>) {
    let source = source(text);
    let (program, diagnostics) = parse(&source, &Options::of(dialect));
    let told = diagnostics
        .iter()
        .map(|d| format!("{} {}: {}", d.code, d.span().start, source.slice(d.span())))
        .collect();
    if !diagnostics.iter().any(Diagnostic::is_error) {
        let printed = print(&program);
        let again = self::source(&printed);
        let (reread, complaints) = parse(&again, &Options::of(dialect));
        assert!(same(&program, &reread), "{text}\nprinted as\n{printed}\n{}", dump(&reread));
        assert_eq!(print(&reread), printed, "printing {text} again");
        let odd: Vec<_> = complaints.iter().filter(|d| d.code != "E0151").collect();
        assert!(odd.is_empty(), "{printed}: {odd:?}");
        if dialect == Dialect::Two {
            assert!(complaints.is_empty(), "{printed}: {complaints:?}");
        }
    }
    (dump(&program).trim_end().to_owned(), told)
}

fn two(text: &str, expected: &str) {
    let (found, told) = read(Dialect::Two, text);
    assert_eq!(found, expected, "{text}: {told:?}");
    let told: Vec<_> = told.into_iter().filter(|d| !d.starts_with("E015")).collect();
    assert!(told.is_empty(), "{text}: {told:?}");
}

/// Checks one expression of dialect 2.
fn expr(text: &str, expected: &str) {
    two(&format!("it = {text}"), &format!("let it = {expected}"));
}

fn one(text: &str, expected: &str) {
    let (found, told) = read(Dialect::One, text);
    assert_eq!(found, expected, "{text}: {told:?}");
    let told: Vec<_> = told.into_iter().filter(|d| !d.starts_with("E015")).collect();
    assert!(told.is_empty(), "{text}: {told:?}");
}

/// Checks what is told of a text, and what is understood nevertheless.
fn tells(dialect: Dialect, text: &str, told: &[&str], understood: &str) {
    let (found, says) = read(dialect, text);
    assert_eq!(says, told, "{text}");
    assert_eq!(found, understood, "{text}");
}

fn tells_two(text: &str, told: &[&str], understood: &str) {
    tells(Dialect::Two, text, told, understood);
}

#[test]
fn commands() {
    two("let f(a,b) = a", "let f a b = a");
    two("x = 1", "let x = 1");
    two("let x = 1 y = 2\nz=3", "let x = 1\nlet y = 2\nlet z = 3");
    two("load x = \"file\"", "load x \"file\"");
    two("load x\nload y load z=\"f\"", "load x\nload y\nload z \"f\"");
    two(
        "import \"vox1\" print \"label\" a save \"file\" a",
        "import \"vox1\"\nprint \"label\" a\nsave \"file\" a",
    );
    two("x // comment\n = // = 3\n 1", "let x = 1");
    two("", "");
    two("f() = 1", "let f = 1");
    two("let f ( a , b ) = a", "let f a b = a");
}

#[test]
fn expressions() {
    expr("1.5", "1.5");
    expr("true", "true");
    expr("false", "false");
    expr("\"s\"", "\"s\"");
    expr("a", "a");
    expr("default.addition(2,3)", "(call default.addition 2 3)");
    expr("let x = 1 in x", "(let x 1 x)");
    expr("for x in s do x + 1", "(for x s (+ x 1))");
    expr("filter x in s do x > 1", "(filter x s (> x 1))");
    expr("fold + s", "(fold + s)");
    expr("fold + 0 s", "(fold + 0 s)");
    expr("[]", "(array)");
    expr("[1,a,[2]]", "(array 1 a (array 2))");
    expr("{}", "(record)");
    expr("{a: 1, b: {c: 2}}", "(record a: 1 b: (record c: 2))");
    expr("xs[i]", "(at xs i)");
    expr("xs[0][1]", "(at (at xs 0) 1)");
    expr("xs[a:b]", "(slice xs a b)");
    expr("xs[:2]", "(slice xs _ 2)");
    expr("xs[3:]", "(slice xs 3 _)");
    expr("xs[:]", "(slice xs _ _)");
    expr("[0,1][1]", "(at (array 0 1) 1)");
    expr("r.name", "r.name");
    expr("((a))", "a");
    expr("let x = let y = 1 in y in let z = 2 in x", "(let x (let y 1 y) (let z 2 x))");
    expr("f(let x = 1 in x, for i in s do i)", "(call f (let x 1 x) (for i s i))");
    expr("+(i, 1)", "(call + i 1)");
    expr(
        "/(fold + 0 s, fold + 0 (for x in s do 1))",
        "(call / (fold + 0 s) (fold + 0 (for x s 1)))",
    );
}

#[test]
fn one_level_from_the_left_and_prefixes_bind_tighter() {
    expr("1 + 2 * 3", "(* (+ 1 2) 3)");
    expr("10 - 2 - 3", "(- (- 10 2) 3)");
    expr("1 + 2 == 3", "(== (+ 1 2) 3)");
    expr("!a & b", "(& (pre ! a) b)");
    expr("a & !b", "(& a (pre ! b))");
    expr("a \\ (b \\ c)", "(\\ a (\\ b c))");
    expr("-xs[0]", "(pre - (at xs 0))");
    expr("(-xs)[0]", "(at (pre - xs) 0)");
    expr("- -a", "(pre - (pre - a))");
    expr("-(a)[0]", "(at (call - a) 0)");
    expr("5 +? 8", "(+? 5 8)");
    expr("(a & b) | c", "(| (& a b) c)");
    expr("a & (b | c)", "(& a (| b c))");
}

#[test]
fn a_chain_of_different_operators_warns() {
    let warned = |dialect, text: &str, says: &str| {
        let (_, diagnostics) = parse(&source(text), &Options::of(dialect));
        assert_eq!(diagnostics.len(), 1, "{text}: {diagnostics:?}");
        assert_eq!(diagnostics[0].code, "E0151");
        assert_eq!(diagnostics[0].labels[0].message, says, "{text}");
    };
    let silent = |dialect, text: &str| {
        let (_, diagnostics) = parse(&source(text), &Options::of(dialect));
        assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    };
    warned(Dialect::Two, "x = 1 + 2 * 3", "read as `(1 + 2) * 3`");
    warned(Dialect::Two, "x = a & b & c | (d + e)", "read as `((a & b) & c) | (d + e)`");
    warned(Dialect::Two, "x = f(a + b * c) + 1", "read as `(a + b) * c`");
    warned(Dialect::Two, "x = 1+2+3+4+5*6", "read from the left, one operator after the other");
    silent(Dialect::Two, "x = 1 + 2 + 3");
    silent(Dialect::Two, "x = (1 + 2) * 3");
    silent(Dialect::Two, "x = !a & -b & c(d | e) & [f - g]");
    warned(Dialect::One, "let x = a & b | c", "read as `a & (b | c)`");
    warned(Dialect::One, "let x = !a & b", "read as `!(a & b)`");
    warned(Dialect::One, "let x = N a T b", "read as `N (a T b)`");
    silent(Dialect::One, "let x = a & (!b)");
    silent(Dialect::One, "let x = a & !b");
    silent(Dialect::One, "let x = a \\ b \\ c");
    warned(
        Dialect::One,
        "let x = a+b+c+d+e*f",
        "read from the right, each operator taking the rest",
    );
}

#[test]
fn numbers() {
    expr("1.<=f", "(.<= 1 f)");
    expr("f <=. 1", "(<=. f 1)");
    expr(".5", "0.5");
    expr("a-3", "(- a 3)");
    expr("2-3", "(- 2 3)");
    expr("2 -3", "(- 2 3)");
    expr("-1", "(pre - 1)");
    expr("+1", "(pre + 1)");
    expr("[1,2]+10", "(+ (array 1 2) 10)");
    expr("1e3", "1000");
    expr("1e999", "1e999");
    expr("1e-7", "1e-7");
    expr("12345678901234567890", "1.2345678901234567e19");
    two("x=-1", "let x = (pre - 1)");
    two("x=.5", "let x = 0.5");
    tells_two("x = f>.5", &["E0152 5: >."], "let x = (>. f 5)");
    tells_two("x = -.5", &["E0152 4: -."], "let x = (pre -. 5)");
    tells_two("x = f >. 5", &[], "let x = (>. f 5)");
    tells_two("x = f > .5", &[], "let x = (> f 0.5)");
}

#[test]
fn operators() {
    expr("A+B", "(+ A B)");
    expr("A-B+C", "(+ (- A B) C)");
    expr("a B+ b", "(B+ a b)");
    expr("aB+b", "(+ aB b)");
    expr("B+(a)", "(call B+ a)");
    expr("B + (a)", "(+ B a)");
    expr("A - B+(c)", "(- A (call B+ c))");
    expr("a B+-b", "(B+- a b)");
    expr("a_+_b", "(+ a_ _b)");
    expr("f>$t", "(> f $t)");
    expr("f>.-1", "(>.- f 1)");
    expr("a&!b", "(&! a b)");
    expr("a--3", "(-- a 3)");
    expr("!-a", "(pre !- a)");
    expr("a ~> b", "(~> a b)");
    expr("~(a,b,3,20)", "(call ~ a b 3 20)");
    two(
        "P.+(a,b) = a x = c P.+ d y = c P.+d",
        "let P.+ a b = a\nlet x = (P.+ c d)\nlet y = (P.+ c d)",
    );
    two(
        "let M-N(a,b) = a x = c M-N d y = M-N(c, d)",
        "let M-N a b = a\nlet x = (M-N c d)\nlet y = (call M-N c d)",
    );
    two("x = M-N let M-N(a,b) = a", "let x = (- M N)\nlet M-N a b = a");
    two("let ;(a,b) = a x = c ; d", "let ; a b = a\nlet x = (; c d)");
    two(";(a,b) = a x = c;d", "let ; a b = a\nlet x = (; c d)");
    let mut options = Options::of(Dialect::Two);
    options.operators.push("Q?".to_owned());
    let (program, told) = parse(&source("x = a Q? b"), &options);
    assert_eq!((dump(&program).as_str(), told.len()), ("let x = (Q? a b)\n", 0));
}

#[test]
fn a_declaration_takes_the_first_character_of_its_run() {
    two("x=!y", "let x = (pre ! y)");
    two("let x=-y z=+w", "let x = (pre - y)\nlet z = (pre + w)");
    two("X=-Y", "let X = (pre - Y)");
    two("f(a)=-a", "let f a = (pre - a)");
    expr("let y=-1 in y", "(let y (pre - 1) y)");
    expr("xs[a:-1]", "(slice xs a (pre - 1))");
    expr("xs[:-1]", "(slice xs _ (pre - 1))");
    expr("xs[(a : b)]", "(at xs (: a b))");
    expr("xs[f(a:b):c]", "(slice xs (call f (: a b)) c)");
    expr("{a:-1}", "(record a: (pre - 1))");
    expr("{a:.5}", "(record a: 0.5)");
    expr("a : b", "(: a b)");
}

#[test]
fn fields() {
    expr("rows[0].dice", "(field (at rows 0) dice)");
    expr("rows[0] . dice", "(field (at rows 0) dice)");
    expr("f(x).a + 1", "(+ (field (call f x) a) 1)");
    expr("{a: 1}.a", "(field (record a: 1) a)");
    expr("(r).a", "(field r a)");
    expr("rows[0].a[1].b", "(field (at (field (at rows 0) a) 1) b)");
    expr("rows[0].a.b", "(field (field (at rows 0) a) b)");
    expr("(f)[0] .+ x", "(.+ (at f 0) x)");
}

#[test]
fn where_a_command_ends() {
    two("x = a\ny = b", "let x = a\nlet y = b");
    two("x = a\nlet y = b", "let x = a\nlet y = b");
    two("x = a\n-b", "let x = (- a b)");
    two("x = a\n(b)", "let x = (call a b)");
    two("x = a\n[b]", "let x = (at a b)");
    two(
        "x = a print \"p\" x save \"s\" x load y import \"z\"",
        "let x = a\nprint \"p\" x\nsave \"s\" x\nload y\nimport \"z\"",
    );
    two("print \"r\" max(f)\nprint \"v\" v", "print \"r\" (call max f)\nprint \"v\" v");
}

#[test]
fn operators_are_declared_without_let_where_the_whole_head_stands() {
    two("+?(a,b) = a * b", "let +? a b = (* a b)");
    two("x = a\n+?(p,q) = p", "let x = a\nlet +? p q = p");
    two("x = a -(b) == c", "let x = (== (- a b) c)");
    two("x = a -(b) =. c", "let x = (=. (- a b) c)");
    two("x = a -(b) = c", "let x = a\nlet - b = c");
    two("x = a - (b + c)", "let x = (- a (+ b c))");
    two("x = a -(b) + c", "let x = (+ (- a b) c)");
    two("x = a\nB+(q) = q", "let x = a\nlet B+ q = q");
    two("x = a\nK+(q) = q", "let x = a\nlet K+ q = q");
    two("==(a,b) = a", "let == a b = a");
    two("let -(a) = a let +(a,b)=!a", "let - a = a\nlet + a b = (pre ! a)");
    two("let B+(a) = near(a)", "let B+ a = (call near a)");
}

#[test]
fn fold_has_one_argument_where_no_second_can_begin() {
    expr("(fold + s)", "(fold + s)");
    expr("[fold + s, fold + t]", "(array (fold + s) (fold + t))");
    expr("{a: fold + s}", "(record a: (fold + s))");
    expr("xs[fold + a]", "(at xs (fold + a))");
    expr("xs[fold + a:3]", "(slice xs (fold + a) 3)");
    expr("let x = fold + s in x", "(let x (fold + s) x)");
    expr("for x in fold + s do x", "(for x (fold + s) x)");
    two("x = fold + s let y = 1", "let x = (fold + s)\nlet y = 1");
    two("x = fold + s\ny = 1", "let x = (fold + s)\nlet y = 1");
    two("x = fold + s\nf(a,b) = 1", "let x = (fold + s)\nlet f a b = 1");
    two("x = fold + s\nf() = 1", "let x = (fold + s)\nlet f = 1");
    two("x = fold + s\n+?(a,b) = 1", "let x = (fold + s)\nlet +? a b = 1");
    two("x = fold + s\nK+(a,b) = 1", "let x = (fold + s)\nlet K+ a b = 1");
    two("x = fold + s print \"p\" x", "let x = (fold + s)\nprint \"p\" x");
    two("x = fold + s save \"p\" x", "let x = (fold + s)\nsave \"p\" x");
    two("x = fold + s import \"p\"", "let x = (fold + s)\nimport \"p\"");
    two("x = fold + s load y", "let x = (fold + s)\nload y");
    two("x = fold + s print", "let x = (fold + s print)");
    two("x = fold + s load", "let x = (fold + s load)");
    expr("fold + a b == c", "(fold + a (== b c))");
    expr("fold + a f(b) == c", "(fold + a (== (call f b) c))");
    expr("fold + a b + c", "(fold + a (+ b c))");
    expr("fold + a + b c", "(fold + (+ a b) c)");
    expr("fold max s", "(fold max s)");
    expr("fold vox1.max 0 s", "(fold vox1.max 0 s)");
    expr("fold && xs", "(fold && xs)");
    expr("fold B+ xs", "(fold B+ xs)");
    expr("fold - [10,1]", "(fold - (array 10 1))");
    expr("fold + 0 (for x in s do 1)", "(fold + 0 (for x s 1))");
    expr("fold + 0 for x in s do 1", "(fold + 0 (for x s 1))");
    expr("fold + (a) ([1,2])", "(fold + a (array 1 2))");
    expr("fold + (a) (b)", "(fold + a b)");
    expr("fold + 10 ([1,2])", "(fold + 10 (array 1 2))");
    expr("fold + 10[1]", "(fold + (at 10 1))");
    expr("fold + fold * a b c", "(fold + (fold * a b) c)");
    expr("fold + (a) (-b)", "(fold + a (pre - b))");
    expr("fold + (print) (\"s\")", "(fold + print \"s\")");
    expr("fold + (a) (load)", "(fold + a load)");
}

#[test]
fn some_words_are_names_elsewhere() {
    two(
        "print = 3 load = print + save(import)",
        "let print = 3\nlet load = (+ print (call save import))",
    );
    two("load load = \"f\"", "load load \"f\"");
    two("x = f() y = f", "let x = (call f)\nlet y = f");
    two("lets = inn + fort", "let lets = (+ inn fort)");
}

#[test]
fn strings() {
    expr(r#""a\"b\\c\d""#, r#""a\"b\\c\\d""#);
    expr(r#""$case/${stem}x$$y $5 $""#, r#""$case/${stem}x$$y $5 $""#);
    expr(r#""${no $$$a ${a.b}""#, r#""$${no $$$a $${a.b}""#);
    expr(r#""$a$b${c}d""#, r#""$a$b${c}d""#);
    expr("$case", "$case");
    expr("-$case", "(pre - $case)");
    expr("\"é $né\"", "\"é $né\"");
    two("save \"$case.nii.gz\" x", "save \"$case.nii.gz\" x");
}

#[test]
fn mistakes_are_told_once_and_reading_goes_on() {
    tells_two(
        "x = )\ny = 1\nz = (2\nw = 3",
        &["E0101 4: )", "E0107 19: w"],
        "let y = 1\nlet w = 3",
    );
    tells_two("x = 1;\ny = 2;", &["E0104 5: ;", "E0104 12: ;"], "let x = 1\nlet y = 2");
    tells_two("x = 1; y = 2", &["E0104 5: ;"], "let x = 1\nlet y = 2");
    tells_two(
        "# hello (\nx = 1 # and ) there\ny = 2",
        &["E0105 0: #", "E0105 16: #"],
        "let x = 1\nlet y = 2",
    );
    tells_two("x = \"abc\ny = 1", &["E0103 4: \"abc"], "let y = 1");
    tells_two("x = €\ny = 1", &["E0102 4: €"], "let y = 1");
    tells_two(
        "let for = 1\nin = 2\nlet do(x) = 1\nf(true) = 3",
        &["E0106 4: for", "E0106 12: in", "E0106 23: do"],
        "",
    );
    tells_two("x = a + let z = 1 in z\ny = 2", &["E0108 8: let"], "let y = 2");
    tells_two("let $stem = 3", &["E0110 4: $stem"], "");
    tells_two("f(true) = 3", &["E0101 0: f"], "");
    tells_two(
        "x = )\n$stem = 3\nprint x",
        &["E0101 4: )", "E0110 6: $stem", "E0101 16: print"],
        "",
    );
    tells_two("$stem = 3", &["E0110 0: $stem"], "");
    tells_two("a.b = 3", &["E0111 0: a.b"], "");
    tells_two("x = 10 (3)", &["E0101 7: ("], "let x = 10");
    tells_two("x = fold + 10 [1,2]", &["E0101 16: ,"], "");
    tells_two("x = 4 SUM 9", &["E0101 6: SUM"], "let x = 4");
    tells_two("let x = 1 in x", &["E0101 10: in"], "let x = 1");
    tells_two("x = {a = 1,\n  b = 2}\ny = 3", &["E0101 7: ="], "let y = 3");
    tells_two("x =\n  let a = ) in\n  let b = 1 in\n  b\ny = 3", &["E0101 14: )"], "let y = 3");
    tells_two("print x\ny = 1", &["E0101 0: print"], "let y = 1");
    tells_two("x = xs[1:2:3]", &["E0101 10: :"], "");
    tells_two("x = f(a,)", &["E0101 8: )"], "");
    tells_two("x =", &["E0101 3: "], "");
    tells_two("x = 1 +\nprint \"p\" x", &["E0101 8: print"], "print \"p\" x");
    tells_two("x =\nsave \"p\" x\ny = 2", &["E0101 4: save"], "save \"p\" x\nlet y = 2");
    tells_two("let = 3", &["E0101 4: ="], "");
    tells_two("let x 3", &["E0101 6: 3"], "");
    tells_two("let f(1) = 3", &["E0101 6: 1"], "");
    tells(Dialect::One, "let x = (a\nlet y = a", &["E0107 11: let"], "let y = a");
    tells(Dialect::One, "x = a\nlet y = T(a,b)", &["E0101 0: x", "E0101 17: ,"], "");
    tells(Dialect::One, "let y = \"abc\nlet z = 1", &["E0103 8: \"abc\nlet z = 1"], "");
    tells(
        Dialect::One,
        "let y = [1]\nlet z = {a: 1}\nlet w = 1",
        &["E0101 8: [", "E0101 20: {"],
        "let w = 1",
    );
}

#[test]
fn dialect_one() {
    one(
        "load f = \"a.nii\" let x = f save \"o\" x print\"p\"x import \"i\"",
        "load f \"a.nii\"\nlet x = f\nsave \"o\" x\nprint \"p\" x\nimport \"i\"",
    );
    one("let x = !a & b", "let x = (pre ! (& a b))");
    one("let x = a & b | c", "let x = (& a (| b c))");
    one("let x = a \\ b \\ c", "let x = (\\ a (\\ b c))");
    one("let x = 2 .*. y ./. z", "let x = (.*. 2 (./. y z))");
    one("let x = a ~[3,20] b", "let x = (~ a b 3 20)");
    one("let x = (a ~[3,20] b) & c", "let x = (& (~ a b 3 20) c)");
    one("let x = N a", "let x = (pre N a)");
    one("let x = N(a) & b", "let x = (pre N (& a b))");
    one("let x = (N a) & b", "let x = (& (pre N a) b)");
    one("let x = a T b", "let x = (T a b)");
    one("let x = a T N b", "let x = (T a (pre N b))");
    one("let x = B+ a", "let x = (pre B+ a)");
    one("let x = f (a, b)", "let x = (call f a b)");
    one(
        "let N(a) = near(a) let T(a,b)=touch(a,b)",
        "let N a = (call near a)\nlet T a b = (call touch a b)",
    );
    one("let x=-1", "let x = -1");
    one("let x = -3 .+. y", "let x = (.+. -3 y)");
    one("let x = - 3", "let x = (pre - 3)");
    one("let x = a -3", "let x = (- a 3)");
    one("let x = a .+.-3", "let x = (.+.- a 3)");
    one("let x = 1.<=y", "let x = (<= 1 y)");
    one("let x = 0x1F.8p1", "let x = 63");
    one("let x = NaN let y = -inf let z = Infinity", "let x = nan\nlet y = -1e999\nlet z = 1e999");
    one("let x = N infinite", "let x = (pre N infinite)");
    one("let x = my_var", "let x = (_ my var)");
    one("let x = trueMask", "let x = trueMask");
    one("let x = \"a\\n$b\"", "let x = \"a\\n$b\"");
    one("let éa = É éa", "let éa = (pre É éa)");
    one("let x = a & (b & c)", "let x = (& a (& b c))");
    one("let x = (a & b) & c", "let x = (& (& a b) c)");
    one("let x = ! ! a", "let x = (pre ! (pre ! a))");
}
