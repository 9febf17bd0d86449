//! The law of sequences: a program with loops has the goals of the one that is written out.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use crate::id::NodeId;
use crate::lower::toy::plan;
use crate::plan::graph::{Operand, Plan};

const HEAD: &str = "load f = \"flair.nii.gz\"\nload g = \"seg.nii.gz\"\n\
                    both(a, b) = a & b\nabove(i) = f > i\nsmall(m) = volume(m) < 9\n";

/// A body over the loop's variable, in a shape that any number can be put into.
#[derive(Clone, Debug)]
enum Body {
    Variable,
    Outer,
    Sum(Box<Body>, Box<Body>),
    Volume(Box<Shape>),
    Let(Box<Body>),
    Pick(Box<Body>, Box<Body>),
    Most(Box<Body>, Box<Body>),
}

#[derive(Clone, Debug)]
enum Shape {
    Above(Box<Body>),
    Grown(Box<Shape>),
    Both(Box<Shape>, Box<Shape>),
}

/// Returns the text of a body; `at` is what stands for the variable, `out` for the outer one, and
/// `loops` says whether loops inside are written as loops.
fn body(it: &Body, at: &str, out: &str, loops: bool) -> String {
    let part = |inner: &Body| body(inner, at, out, loops);
    match it {
        Body::Variable => at.to_owned(),
        Body::Outer => out.to_owned(),
        Body::Sum(a, b) => format!("({} + {})", part(a), part(b)),
        Body::Volume(mask) => format!("volume({})", shape(mask, at, out, loops)),
        Body::Let(a) => format!("(let l = {} in (l * l))", part(a)),
        Body::Pick(a, b) if loops => format!("([{}, {}])[1]", part(a), part(b)),
        Body::Pick(_, b) => part(b),
        Body::Most(a, b) if loops => format!("(fold + [{}, {}])", part(a), part(b)),
        Body::Most(a, b) => format!("((0 + {}) + {})", part(a), part(b)),
    }
}

fn shape(it: &Shape, at: &str, out: &str, loops: bool) -> String {
    let part = |inner: &Shape| shape(inner, at, out, loops);
    match it {
        Shape::Above(a) if loops => format!("above({})", body(a, at, out, loops)),
        Shape::Above(a) => format!("(f > {})", body(a, at, out, loops)),
        Shape::Grown(a) => format!("near({})", part(a)),
        Shape::Both(a, b) if loops => format!("both({}, {})", part(a), part(b)),
        Shape::Both(a, b) => format!("({} & {})", part(a), part(b)),
    }
}

fn bodies() -> impl Strategy<Value = Body> {
    let leaf = prop_oneof![Just(Body::Variable), Just(Body::Outer)];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let e = || inner.clone().prop_map(Box::new);
        let mask =
            inner.clone().prop_map(|a| Shape::Above(Box::new(a))).prop_recursive(2, 6, 2, |mask| {
                let m = || mask.clone().prop_map(Box::new);
                prop_oneof![
                    m().prop_map(Shape::Grown),
                    (m(), m()).prop_map(|(a, b)| Shape::Both(a, b)),
                ]
            });
        prop_oneof![
            (e(), e()).prop_map(|(a, b)| Body::Sum(a, b)),
            mask.prop_map(|mask| Body::Volume(Box::new(mask))),
            e().prop_map(Body::Let),
            (e(), e()).prop_map(|(a, b)| Body::Pick(a, b)),
            (e(), e()).prop_map(|(a, b)| Body::Most(a, b)),
        ]
    })
}

/// Returns the ids of the goals; literals by their text.
fn goals(plan: &Plan) -> Vec<Result<NodeId, String>> {
    plan.goals
        .iter()
        .map(|goal| match &goal.value {
            Operand::Node(node) => Ok(plan.id(*node)),
            other => Err(crate::lower::toy::shown(plan, other)),
        })
        .collect()
}

/// Returns `[a, b]` of the texts that `each` gives for numbers.
fn written(numbers: impl Iterator<Item = usize>, each: impl Fn(usize) -> String) -> String {
    format!("[{}]", numbers.map(each).collect::<Vec<_>>().join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn loops_are_what_they_stand_for(it in bodies(), from in 0_usize..3, count in 0_usize..4, outer in 0_usize..3) {
        let range = format!("range({from}, {})", from + count);
        let inner = |o: &str, loops| body(&it, "i", o, loops);
        let looped = [
            format!("for i in {range} do {}", inner("7", true)),
            format!("for o in range({outer}) do for i in {range} do {}", inner("o", true)),
            format!("map(each, {range})"),
            format!("fold max 3 (for i in {range} do {})", inner("7", true)),
            format!("(for i in range(9) do {})[{from}:{}]", inner("7", true), from + count),
            format!("for i in filter k in range(9) do (k >= {from}) && (k < {}) do {}", from + count, inner("7", true)),
        ];
        let at = |o: usize| written(from..from + count, |i| body(&it, &i.to_string(), &o.to_string(), false));
        let mut most = "3".to_owned();
        for i in from..from + count {
            most = format!("max({most}, {})", body(&it, &i.to_string(), "7", false));
        }
        let out = [at(7), written(0..outer, at), at(7), most, at(7), at(7)];
        let program = |values: &[String]| {
            let goals: Vec<String> = values.iter().map(|value| format!("print \"v\" {value}")).collect();
            format!("{HEAD}each(i) = {}\n{}", inner("7", true), goals.join("\n"))
        };
        let (looped, out) = (program(&looped), program(&out));
        prop_assert_eq!(goals(&plan(&looped)), goals(&plan(&out)), "{}\n{}", looped, out);
    }

    /// A wider range has the nodes of the narrower one, and those of the new elements.
    #[test]
    fn a_wider_range_adds_its_new_elements_only(it in bodies(), count in 0_usize..4, more in 0_usize..3) {
        let program = |count: usize| {
            plan(&format!("{HEAD}print \"v\" for i in range({count}) do {}", body(&it, "i", "7", true)))
        };
        let (narrow, wide) = (program(count), program(count + more));
        let sequence = |plan: &Plan| -> Vec<NodeId> {
            plan.goals.iter().filter_map(|goal| match goal.value {
                Operand::Node(node) => Some(plan.id(node)),
                _ => None,
            }).collect()
        };
        let own = sequence(&narrow);
        for node in narrow.indices().map(|node| narrow.id(node)) {
            // The sequence itself is another one; all that it is made of is the same.
            prop_assert!(own.contains(&node) || wide.find(node).is_some());
        }
    }
}
