//! Finds groups of nodes that have a kernel of their own.
//!
//! Pure: which nodes belong together is a question of the plan alone. What may fuse is decided by
//! constants of the program, never by the clock, so two machines fuse the same groups.

use crate::plan::graph::{Arg, NodeIndex, Plan};
use crate::primitive::fused::Pattern;
use crate::value::data::Value;
use crate::value::kind::Kind;

/// Nodes that run as one.
#[derive(Clone, Debug)]
pub struct Group {
    /// What the kernel computes.
    pub pattern: Pattern,
    /// The node whose value comes out.
    pub last: NodeIndex,
    /// The nodes in between, which get no value.
    pub inner: Vec<NodeIndex>,
    /// What the kernel is given.
    pub args: Vec<Arg>,
}

impl Group {
    /// Returns the nodes that must be there before the group can run, each as often as it stands.
    pub fn inputs(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Node(index) => Some(*index),
            Arg::Literal(_) => None,
        })
    }
}

/// Returns the group that ends with `last`, if the nodes in between serve nobody else.
///
/// `consumers` says how often a node stands as an argument of what is wanted, goals included.
pub fn group(plan: &Plan, last: NodeIndex, consumers: &dyn Fn(NodeIndex) -> u32) -> Option<Group> {
    let strict = match plan.signature(last).name {
        "vox1.lt" => true,
        "vox1.le" => false,
        _ => return None,
    };
    let [left, right] = plan.args(last) else { return None };
    for (image, number, flipped) in [(left, right, false), (right, left, true)] {
        let Arg::Node(image) = image else { continue };
        if !is_number(plan, number) {
            continue;
        }
        if let Some(mask) = distance(plan, *image)
            && consumers(*image) == 1
        {
            let pattern = match (strict, flipped) {
                (true, false) => Pattern::DistanceBelow,
                (false, false) => Pattern::DistanceAtMost,
                (true, true) => Pattern::DistanceAbove,
                (false, true) => Pattern::DistanceAtLeast,
            };
            let args = vec![mask.clone(), number.clone()];
            return Some(Group { pattern, last, inner: vec![*image], args });
        }
        if !strict && let Some((mask, inner)) = outside(plan, *image, consumers) {
            let pattern = if flipped { Pattern::OutsideAtLeast } else { Pattern::OutsideAtMost };
            return Some(Group { pattern, last, inner, args: vec![mask, number.clone()] });
        }
    }
    None
}

fn is_number(plan: &Plan, arg: &Arg) -> bool {
    match arg {
        Arg::Node(index) => plan.kind(*index) == Kind::Number,
        Arg::Literal(value) => matches!(value, Value::Number(_)),
    }
}

/// Returns `a` if the node is `dt(a)`.
fn distance(plan: &Plan, node: NodeIndex) -> Option<&Arg> {
    match (plan.signature(node).name, plan.args(node)) {
        ("vox1.dt", [mask @ Arg::Node(_)]) => Some(mask),
        _ => None,
    }
}

/// Returns `a` and the nodes in between if the node is `mask(dt(a), lt(0, dt(a)))`.
fn outside(
    plan: &Plan,
    node: NodeIndex,
    consumers: &dyn Fn(NodeIndex) -> u32,
) -> Option<(Arg, Vec<NodeIndex>)> {
    let ("vox1.mask", [Arg::Node(dt), Arg::Node(positive)]) =
        (plan.signature(node).name, plan.args(node))
    else {
        return None;
    };
    let mask = distance(plan, *dt)?;
    let ("vox1.lt", [Arg::Literal(Value::Number(zero)), Arg::Node(same)]) =
        (plan.signature(*positive).name, plan.args(*positive))
    else {
        return None;
    };
    let alone = consumers(node) == 1 && consumers(*positive) == 1 && consumers(*dt) == 2;
    (*zero == 0.0 && same == dt && alone).then(|| (mask.clone(), vec![*dt, *positive, node]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::plan::graph::Origin;
    use crate::primitive::signature::{Cost, Form, Signature};

    const fn op(name: &'static str) -> Signature {
        const FORMS: &[Form] = &[];
        Signature::new(name, &[], FORMS, Cost::Pass, "toy")
    }

    fn node(plan: &mut Plan, name: &'static str, args: Vec<Arg>) -> NodeIndex {
        plan.node(&op(name), args, None, Kind::Image, Origin::default())
    }

    fn counts(plan: &Plan) -> Vec<u32> {
        let mut counts = vec![0; plan.len()];
        for node in plan.indices() {
            for arg in plan.arg_nodes(node) {
                counts[arg.0 as usize] += 1;
            }
        }
        counts
    }

    fn number(x: f64) -> Arg {
        Arg::Literal(Value::Number(x))
    }

    #[test]
    fn comparisons_of_a_distance_fuse_on_either_side() {
        for (name, flipped, pattern) in [
            ("vox1.lt", false, Pattern::DistanceBelow),
            ("vox1.le", false, Pattern::DistanceAtMost),
            ("vox1.lt", true, Pattern::DistanceAbove),
            ("vox1.le", true, Pattern::DistanceAtLeast),
        ] {
            let mut plan = Plan::new();
            let mask = node(&mut plan, "toy.mask", vec![]);
            let dt = node(&mut plan, "vox1.dt", vec![Arg::Node(mask)]);
            let mut args = vec![Arg::Node(dt), number(2.0)];
            if flipped {
                args.reverse();
            }
            let last = node(&mut plan, name, args);
            let counts = counts(&plan);
            let found = group(&plan, last, &|node| counts[node.0 as usize]).unwrap();
            assert_eq!((found.pattern, found.inner.as_slice()), (pattern, &[dt][..]));
            assert_eq!(found.inputs().collect::<Vec<_>>(), [mask]);
            assert!(group(&plan, last, &|_| 2).is_none(), "another consumer of the distance");
        }
    }

    #[test]
    fn the_distance_outside_fuses_with_its_own_mask_only() {
        for (flipped, zero, pattern) in [
            (true, 0.0, Some(Pattern::OutsideAtLeast)),
            (false, 0.0, Some(Pattern::OutsideAtMost)),
            (false, 1.0, None),
        ] {
            let mut plan = Plan::new();
            let mask = node(&mut plan, "toy.mask", vec![]);
            let dt = node(&mut plan, "vox1.dt", vec![Arg::Node(mask)]);
            let positive = node(&mut plan, "vox1.lt", vec![number(zero), Arg::Node(dt)]);
            let pdt = node(&mut plan, "vox1.mask", vec![Arg::Node(dt), Arg::Node(positive)]);
            let mut args = vec![Arg::Node(pdt), number(2.0)];
            if flipped {
                args.reverse();
            }
            let last = node(&mut plan, "vox1.le", args);
            let counts = counts(&plan);
            let found = group(&plan, last, &|node| counts[node.0 as usize]);
            assert_eq!(found.as_ref().map(|group| group.pattern), pattern);
            if let Some(group) = found {
                assert_eq!(group.inner, [dt, positive, pdt]);
            }
        }
    }
}
