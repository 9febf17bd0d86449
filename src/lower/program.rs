//! The whole: a program to a plan.

use std::sync::{Arc, Mutex};

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::lower::files::Files;
use crate::lower::item::Item;
use crate::lower::later::Shared;
use crate::lower::lowered::Lowered;
use crate::lower::machine::Machine;
use crate::lower::request::Request;
use crate::lower::session::Session;
use crate::lower::unit::settle;
use crate::plan::graph::Plan;
use crate::primitive::registry::Registry;
use crate::value::kind::Kind;

/// Lowers a program: parses it and its imports, settles names, expands its goals, and checks what no
/// goal reaches.
///
/// `files` and `registry` are shared, because templates go on with them while the plan runs.
pub fn lower(
    main: Source,
    request: &Request,
    files: Arc<dyn Files>,
    registry: Arc<dyn Registry>,
) -> Lowered {
    let settled = settle(main, request, files.as_ref(), Arc::clone(&registry));
    let mut diagnostics = settled.diagnostics;
    let mut session = Session::new(settled.linked, registry, files, request.clone());
    session.imports.clone_from(&settled.imports);
    let mut plan = Plan::new();
    let shared: Shared = Arc::new(Mutex::new(None));
    let linked = Arc::clone(&session.linked);
    let mut machine = Machine::new(&mut session, &mut plan);
    machine.shared = Some(Arc::clone(&shared));
    // Loads are read used or not: a file that is not there is told before anything runs.
    for load in &linked.loads {
        machine.load_declared(*load);
    }
    for goal in &linked.goals {
        machine.goal(goal);
    }
    machine.check_rest();
    machine.check_saves(0);
    diagnostics.append(&mut session.diagnostics);
    diagnostics.sort_by_key(|found| {
        let span = found.span();
        (span.source, span.start, found.severity)
    });
    let base = session.base_image;
    let has_errors = diagnostics.iter().any(Diagnostic::is_error) || !settled.usage.is_empty();
    *shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(session);
    Lowered {
        plan: (!has_errors).then_some(plan),
        diagnostics,
        usage: settled.usage,
        sources: settled.sources,
        inputs: settled.inputs,
        settable: settled.settable,
        imports: settled.imports,
        base,
    }
}

impl Machine<'_> {
    fn load_declared(&mut self, load: crate::lower::code::DeclId) {
        let at = load.0 as usize;
        if self.session.globals[at].is_none() {
            let start = self.session.linked.decls[at].start;
            let item = self.run(start, Vec::new());
            self.session.reached[at] = true;
            self.session.globals[at] = Some(item);
        }
    }

    /// Looks for mistakes in declarations that no goal reached; no node is made.
    fn check_rest(&mut self) {
        let linked = Arc::clone(&self.session.linked);
        self.checking = 1;
        self.unreached = true;
        // Later declarations use earlier ones: from the end, those only used are looked at in use.
        for (at, decl) in linked.decls.iter().enumerate().rev() {
            if self.session.reached[at] || decl.library {
                continue;
            }
            self.session.reached[at] = true;
            let arguments = vec![Item::Unknown(Kind::Any); decl.params as usize];
            let item = self.run(decl.start, arguments);
            if decl.params == 0 {
                self.session.checked[at] = Some(item);
            }
        }
        self.checking = 0;
        self.unreached = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::sample::Index;

    use crate::lower::request::{Request, Setting};
    use crate::lower::toy::{Toys, goals, lower_with, lowered, mistakes, path, plan, toys};
    use crate::plan::graph::Operand;

    fn check(text: &str, expected: &str) {
        assert_eq!(goals(&plan(text)), expected, "{text}");
    }

    /// Checks the value of one expression.
    fn value(expression: &str, expected: &str) {
        check(&format!("print \"v\" {expression}"), &format!("v={expected}"));
    }

    #[test]
    fn scoping_is_static_and_lets_do_not_leak() {
        check("r = let x = 1 in let x = x + 10 in x + 5 print \"r\" r", "r=16.0");
        check("outer = 5 r = let x = outer + 1 in x + 2 print \"r\" outer + r", "r=13.0");
        check("let x=1 let f(y)=x+y let x=10 print \"r\" f(1)", "r=2.0");
        check("SUM(a,b) = a + b print \"r\" SUM(4,5)", "r=9.0");
        check("+?(a,b) = a*b+1 print \"r\" 5 +? 8", "r=41.0");
    }

    #[test]
    fn names_are_found_in_namespaces() {
        value("default.addition(2,3)", "5.0");
        value("vox1.num_add(2,3)", "5.0");
        check("import \"vox1\" print \"v\" 2 .+. 3", "v=5.0");
        value("addition(1,2)", "3.0");
        value("3 > 2", "true");
        value("3 < 2", "false");
        value("3 != 4", "true");
        value("true && false", "false");
        value("-3", "-3.0");
        value("2-3", "-1.0");
        value("2--3", "5.0");
        value("+(1,2)", "3.0");
        value("-(1,2)", "-1.0");
        value("+3", "3.0");
    }

    #[test]
    fn sequences_that_are_known_are_expanded() {
        check("inc(x) = x + 1 print \"r\" for x in range(0,3) do inc(x)", "r=[1.0, 2.0, 3.0]");
        value("for i in range(0,3) do +(i, 1)", "[1.0, 2.0, 3.0]");
        value("for i in range(0,5) do multiplication(i,i)", "[0.0, 1.0, 4.0, 9.0, 16.0]");
        value("[0,1,2,3,4][1:4]", "[1.0, 2.0, 3.0]");
        value("[0,1,2,3,4][:2]", "[0.0, 1.0]");
        value("[0,1,2,3,4][3:]", "[3.0, 4.0]");
        value("[0,1,2,3,4][:]", "[0.0, 1.0, 2.0, 3.0, 4.0]");
        value("[0,1,2,3,4][-2:]", "[3.0, 4.0]");
        value("subsequence([0,1,2,3],-2,2)", "[0.0, 1.0]");
        value("subsequence(range(0,10),2,7)", "[2.0, 3.0, 4.0, 5.0, 6.0]");
        value("subsequence(range(10),2)", "[0.0, 1.0]");
        value("[[1,2],[3]][0][1]", "2.0");
        value("[1,2][\"1\"]", "2.0");
        value("filter x in range(0,10) do x > 5", "[6.0, 7.0, 8.0, 9.0]");
        value("fold + range(0,5)", "10.0");
        value("fold * [2,3,4]", "24.0");
        value("fold max [0,1,2,7,3]", "7.0");
        value("fold - [10,1]", "-11.0");
        value("fold && [true,false]", "false");
        value("fold || []", "false");
        check("xs = [1,2] print \"v\" fold + 10 xs", "v=13.0");
        check("s = [1,2,3] print \"v\" /(fold + 0 s, fold + 0 (for x in s do 1))", "v=2.0");
        value("map(neg, [1,2])", "[-1.0, -2.0]");
        check("f(x) = x * 2 print \"r\" map(f, [1,2])", "r=[2.0, 4.0]");
        check("f(a, b) = a * 10 + b s = [1,2,3] print \"r\" fold f 0 s", "r=123.0");
        value("[1,2]+[10,20]", "[11.0, 22.0]");
        value("[]+1", "[]");
        value("for x in [1,2] do for y in [10,20] do x + y", "[[11.0, 21.0], [12.0, 22.0]]");
        value("let k = 3 in for x in [1] do for y in [2] do x + y + k", "[[6.0]]");
    }

    #[test]
    fn records_have_fields() {
        value("{b: 1, a: 2}", "{a: 2.0, b: 1.0}");
        check("r = {a: 1, b: [1,2]} print \"x\" r.b", "x=[1.0, 2.0]");
        check("rows = [{a: 1}, {a: 2}] print \"x\" rows[1].a", "x=2.0");
        check(
            "load f = \"flair.nii.gz\" r = {v: volume(f), k: 1} print \"x\" r.v print \"y\" r",
            "x=volume(<flair.nii.gz>)\ny=record(1.0, volume(<flair.nii.gz>))",
        );
    }

    #[test]
    fn operators_make_nodes() {
        for (text, expected) in [
            ("volume(f >. 0.95)", "volume(lt(0.95, F))"),
            ("volume(f>.-1)", "volume(lt(-1.0, F))"),
            ("volume(border & !(f < 1))", "volume(and(border(grid(F)), not(lt(F, 1.0))))"),
            ("volume(f&!g)", "volume(and(F, not(G)))"),
            ("volume(touch(f, g))", "volume(through(near(G), F))"),
            ("volume(vox1.touch(f, g))", "volume(through(near(G), F))"),
            ("volume(f ~> g)", "volume(through(G, F))"),
            ("volume(N(f))", "volume(near(F))"),
            ("fold + [volume(f), 2]", "add(add(0.0, volume(F)), 2.0)"),
            ("[volume(f), 2] + [1, 3]", "sequence(add(volume(F), 1.0), 5.0)"),
            ("max(-f)", "max(neg(F))"),
            ("max(BinaryThreshold(f, 93))", "max(BinaryThreshold(F, 93.0, 255.0, 1.0, 0.0))"),
            ("MinimumMaximum(f)[0]", "index(MinimumMaximum(F), 0.0)"),
            (
                "for k in MinimumMaximum(f) do k + 1",
                "sequence(add(index(MinimumMaximum(F), 0.0), 1.0), \
                 add(index(MinimumMaximum(F), 1.0), 1.0))",
            ),
        ] {
            let loads = "load f = \"flair.nii.gz\" load g = \"seg.nii.gz\"";
            let found = goals(&plan(&format!("{loads} print \"v\" {text}")));
            let found = found.replace("<flair.nii.gz>", "F").replace("<seg.nii.gz>", "G");
            assert_eq!(found, format!("v={expected}"), "{text}");
        }
    }

    #[test]
    fn files_are_read_by_content_and_name() {
        check("print \"v\" volume(ReadImage(\"series.nii\")[1])", "v=volume(<series.nii#1>)");
        check("print \"v\" load(\"rows.json\").a", "v=field[a](<rows.json>)");
        check("print \"v\" load(\"lines.txt\")", "v=<lines.txt>");
        check(
            "print \"v\" for n in dir(\"cases\", \"*.nii\") do volume(load(\"cases/$n\"))",
            "v=sequence(volume(<cases/a.nii>), volume(<cases/b.nii>))",
        );
        check("save \"x.bin\" load(\"blob.bin\")", "x.bin <- encode[bytes](<blob.bin>)");
        check("print \"v\" max(ReadImage(\"small.nii\", 8))", "v=max(Cast(<small.nii>, 8.0))");
    }

    #[test]
    fn the_base_image_is_the_first_in_the_text() {
        for (text, expected) in [
            (
                "print \"v\" volume(tt) load s = \"small.nii\" load f = \"flair.nii.gz\"",
                "<small.nii>",
            ),
            (
                "f(p) = ReadImage(p) g(q) = ReadImage(\"flair.nii.gz\") \
                 unused = max(ReadImage(\"small.nii\")) load h = \"flair.nii.gz\" \
                 print \"v\" volume(tt)",
                "<small.nii>",
            ),
            ("load s = \"series.nii\" print \"v\" volume(tt)", "<series.nii#0>"),
            (
                "xs = for p in [\"small.nii\"] do ReadImage(p) p = let d = \"flair\" in \
                 ReadImage(concat(d, \".nii.gz\")) print \"v\" volume(tt)",
                "<flair.nii.gz>",
            ),
        ] {
            check(text, &format!("v=volume(tt(grid({expected})))"));
        }
        assert_eq!(mistakes("print \"v\" volume(tt)"), ["E0212 tt"]);
    }

    #[test]
    fn strings_expand_names() {
        let mut request = Request {
            cwd: path("/w"),
            program: Some(path("dir/prog.imgql")),
            case: Some("c1".to_owned()),
            ..Request::default()
        };
        request.settings.push(("who".to_owned(), Setting::parse("7")));
        request.settings.push(("hot".to_owned(), Setting::parse("0.5")));
        let text = "hot = 0.9 print \"$stem $case ${who}x $$ $cwd $filename $dir $hot\" hot + $who";
        let lowered = lower_with(text, &request, toys());
        let expected = "prog c1 7x $ /w prog.imgql dir 0.5=7.5";
        assert_eq!(goals(&lowered.plan.unwrap()), expected);
        request.settings.push(("hit".to_owned(), Setting::parse("1")));
        request.inputs.insert("flar".to_owned(), path("x"));
        let text = format!("load flair = \"flair.nii.gz\" {text}");
        let lowered = lower_with(&text, &request, toys());
        assert!(lowered.plan.is_none());
        assert_eq!(
            format!("{:?}", lowered.usage),
            "[UnknownInput { name: \"flar\", nearest: Some(\"flair\") }, \
             UnusedSetting { name: \"hit\", nearest: Some(\"hot\") }]"
        );
        assert_eq!(mistakes("print \"$stam\" 1"), ["E0206 $stam"]);
    }

    #[test]
    fn inputs_are_given_by_name() {
        let mut request = Request::default();
        request.inputs.insert("f".to_owned(), path("small.nii"));
        let lowered = lower_with("load f print \"v\" max(f)", &request, toys());
        assert_eq!(goals(&lowered.plan.unwrap()), "v=max(<small.nii>)");
        assert!(lowered.inputs[0].given);
        assert_eq!(mistakes("load f print \"v\" max(f)"), ["E0241 load f"]);
    }

    #[test]
    fn imports_are_read_once_and_circles_are_mistakes() {
        let files = Toys::of(&[
            ("a.imgql", "import \"b\" f(x) = g(x) + 1"),
            ("b.imgql", "g(x) = x * 2"),
            ("c.imgql", "import \"d.imgql\""),
            ("d.imgql", "import \"c.imgql\""),
        ]);
        let lower = |text: &str| lower_with(text, &Request::default(), files.clone());
        let text = "import \"b\" import \"a\" import \"stdlib\" print \"v\" f(3)";
        assert_eq!(goals(&lower(text).plan.unwrap()), "v=7.0");
        let codes = |text: &str| -> Vec<&str> {
            lower(text).diagnostics.iter().filter(|d| d.is_error()).map(|d| d.code).collect()
        };
        assert_eq!(codes("import \"c\""), ["E0225"]);
        assert_eq!(codes("import \"RegionCalculs\""), ["E0224"]);
        assert_eq!(codes("import \"RegionCalculus\" r(a,b) = po(a,b)"), Vec::<&str>::new());
    }

    #[test]
    fn dialect_one_has_operators_with_letters() {
        let head = "//! imgql 1\nload f = \"flair.nii.gz\"\n";
        check(
            &format!("{head}let g = f T N f\nprint \"v\" volume(g)"),
            "v=volume(through(near(near(<flair.nii.gz>)), <flair.nii.gz>))",
        );
        let found = goals(&plan(&format!("{head}print \"v\" max(f ~[3,20] f)")));
        assert_eq!(
            found.replace("<flair.nii.gz>", "F"),
            "v=max(crossCorrelation(3.0, F, F, tt(grid(F)), min(F), max(F), 20.0))"
        );
    }

    #[test]
    fn write_image_is_a_goal() {
        check(
            "load f = \"flair.nii.gz\" print \"v\" let o = WriteImage(f, \"o.nii\") in 3",
            "o.nii <- encode[nifti](<flair.nii.gz>)\nv=3.0",
        );
        let text = "load f = \"flair.nii.gz\" o = WriteImage(f, \"o.nii\") print \"v\" 1";
        let lowered = lowered(text);
        assert!(lowered.diagnostics.iter().any(|found| found.code == "E0261"));
        assert_eq!(goals(&lowered.plan.unwrap()), "v=1.0");
    }

    #[test]
    fn names_layout_and_inlining_change_no_node() {
        let ids = |text: &str| -> Vec<_> {
            let plan = plan(text);
            plan.goals
                .iter()
                .map(|goal| match goal.value {
                    Operand::Node(node) => plan.id(node),
                    _ => panic!("a node"),
                })
                .collect()
        };
        let first = ids("load f = \"flair.nii.gz\" hot = 0.9 m = f >. hot g(a) = near(a) | a\n\
             print \"a\" volume(g(m)) save \"m.nii\" m");
        let renamed =
            ids("k(q) = near(q) | q // a comment\nload image = \"flair.nii.gz\"\nunused = 3\n\
             warm = 0.9\nprint \"b\" volume(k(image >. warm))\nsave \"o.nii\" image >. warm");
        let inlined = ids(
            "load q = \"flair.nii.gz\" // here\nprint \"z\" volume(near(q > 0.9) | (0.9 < q)) \
             save \"n.nii\" q >. 0.9",
        );
        assert_eq!(first, renamed);
        assert_eq!(first, inlined);
        let load = "load f = \"flair.nii.gz\" print \"s\"";
        let looped = ids(&format!("{load} for k in range(2) do volume(f > k)"));
        let written = ids(&format!("{load} [volume(f > 0), volume(f > 1)]"));
        assert_eq!(looped, written);
    }

    proptest! {
        /// Slices are those of the plain definition.
        #[test]
        fn slices_are_clamped(n in 0_usize..6, from in -8_i64..8, to in -8_i64..8) {
            let at = |bound: i64| {
                let bound = if bound < 0 { bound + n as i64 } else { bound };
                bound.clamp(0, n as i64) as usize
            };
            let kept: Vec<String> =
                (at(from)..at(to).max(at(from))).map(|i| format!("{i}.0")).collect();
            value(&format!("range({n})[{from}:{to}]"), &format!("[{}]", kept.join(", ")));
        }

        /// Names and the places of declarations change no node.
        #[test]
        fn written_out_and_named_programs_are_one(
            steps in vec((0_usize..5, any::<Index>(), any::<Index>()), 1..12),
            salt in 0_u32..1000,
        ) {
            let mut whole = vec!["f".to_owned(), "g".to_owned()];
            let mut named = vec!["f".to_owned(), "g".to_owned()];
            let mut lets = String::new();
            for (at, (op, left, right)) in steps.iter().enumerate() {
                let apply = |known: &[String], called: bool| {
                    let (a, b) = (left.get(known), right.get(known));
                    match op {
                        0 => format!("near({a})"),
                        1 if called => format!("both({a}, {b})"),
                        1 => format!("({a} & {b})"),
                        2 => format!("({a} | !{b})"),
                        3 => format!("touch({a}, {b})"),
                        _ => format!("({a} >. {at})"),
                    }
                };
                if whole.last().is_some_and(|text| text.len() > 2000) {
                    break;
                }
                whole.push(apply(&whole, false));
                lets += &format!("let v{salt}{at} = {}\n", apply(&named, true));
                named.push(format!("v{salt}{at}"));
            }
            let load = "load f = \"flair.nii.gz\" load g = \"seg.nii.gz\" both(a, b) = a & b\n";
            let id = |text: &str| {
                let plan = plan(text);
                match plan.goals[0].value {
                    Operand::Node(node) => plan.id(node),
                    _ => panic!("a node"),
                }
            };
            let whole = format!("{load} print \"v\" volume({})", whole[whole.len() - 1]);
            let named = format!("{load} {lets} print \"v\" volume({})", named[named.len() - 1]);
            prop_assert_eq!(id(&whole), id(&named));
        }
    }
}
