//! Finds groups of nodes that have a kernel of their own.
//!
//! Pure: which nodes belong together is a question of the plan alone. What may fuse is decided by
//! constants of the program, never by the clock, so two machines fuse the same groups.

use std::collections::BTreeMap;

use crate::exec::keep::FUSED_PS;
use crate::plan::graph::{Arg, NodeIndex, Plan};
use crate::primitive::fused::{Pattern, Place, Step};
use crate::value::data::Value;
use crate::value::kind::Kind;

/// So many operators become one pass at most: each has tiles of its own in the cache.
const STEPS: usize = 16;

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

    /// Returns about what the group costs for each voxel, in picoseconds.
    pub fn own_ps(&self, plan: &Plan) -> u64 {
        let one = |node: &NodeIndex| plan.signature(*node).cost.picoseconds();
        match self.pattern {
            Pattern::Voxelwise(_) => one(&self.last) + self.inner.iter().map(one).sum::<u64>(),
            _ => FUSED_PS,
        }
    }
}

/// Returns the group that ends with `last`, if the nodes in between serve nobody else.
///
/// `consumers` says how often a node stands as an argument of what is wanted, goals included.
pub fn group(plan: &Plan, last: NodeIndex, consumers: &dyn Fn(NodeIndex) -> u32) -> Option<Group> {
    thresholded(plan, last, consumers).or_else(|| voxelwise(plan, last, consumers))
}

/// Returns the operators below `last` that look at one voxel at a time, when that spares an image.
fn voxelwise(plan: &Plan, last: NodeIndex, consumers: &dyn Fn(NodeIndex) -> u32) -> Option<Group> {
    if !is_step(plan, last) {
        return None;
    }
    let mut nodes = vec![last];
    let mut inputs = Vec::new();
    // Users come before what they use, since arguments have lower places: when a node is taken all
    // its uses in the group are counted.
    let mut open: BTreeMap<NodeIndex, u32> = BTreeMap::new();
    plan.arg_nodes(last).for_each(|dep| *open.entry(dep).or_default() += 1);
    while let Some((node, uses)) = open.pop_last() {
        let fits = nodes.len() < STEPS
            && uses == consumers(node)
            && is_step(plan, node)
            && thresholded(plan, node, consumers).is_none();
        if fits {
            plan.arg_nodes(node).for_each(|dep| *open.entry(dep).or_default() += 1);
            nodes.push(node);
        } else {
            inputs.push(node);
        }
    }
    if nodes[1..].iter().all(|node| plan.kind(*node) != Kind::Image) {
        return None;
    }
    nodes.reverse();
    let mut args: Vec<Arg> = inputs.iter().map(|node| Arg::Node(*node)).collect();
    let mut place = |arg: &Arg| match arg {
        Arg::Node(node) => match nodes.binary_search(node) {
            Ok(at) => Place::Step(at),
            Err(_) => {
                let at = inputs.iter().position(|input| input == node);
                Place::Arg(at.expect("what is no step is an input"))
            }
        },
        Arg::Literal(_) => {
            args.push(arg.clone());
            Place::Arg(args.len() - 1)
        }
    };
    let step = |node: &NodeIndex| Step {
        op: plan.signature(*node).name,
        args: plan.args(*node).iter().map(&mut place).collect(),
        is_mask: plan.kind(*node) == Kind::Mask,
    };
    let steps = nodes.iter().map(step).collect();
    nodes.pop();
    Some(Group { pattern: Pattern::Voxelwise(steps), last, inner: nodes, args })
}

/// Says whether a node can be a step: a voxelwise operator on images and numbers, as far as kinds tell.
fn is_step(plan: &Plan, node: NodeIndex) -> bool {
    matches!(plan.kind(node), Kind::Image | Kind::Mask)
        && plan.signature(node).voxelwise
        && plan.args(node).iter().all(|arg| match arg {
            Arg::Node(dep) => matches!(plan.kind(*dep), Kind::Image | Kind::Mask | Kind::Number),
            Arg::Literal(value) => matches!(value, Value::Number(_)),
        })
}

/// Returns the comparison of a distance that ends with `last`.
fn thresholded(
    plan: &Plan,
    last: NodeIndex,
    consumers: &dyn Fn(NodeIndex) -> u32,
) -> Option<Group> {
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
            assert_eq!((found.pattern.clone(), found.inner.as_slice()), (pattern, &[dt][..]));
            assert_eq!(found.inputs().collect::<Vec<_>>(), [mask]);
            assert!(group(&plan, last, &|_| 2).is_none(), "another consumer of the distance");
        }
    }

    #[test]
    fn voxelwise_operators_become_one_pass_up_to_what_others_use() {
        let mut plan = Plan::new();
        let mut add = |name, args: &[Arg], kind| {
            let signature = op(name).voxelwise();
            Arg::Node(plan.node(&signature, args.to_vec(), None, kind, Origin::default()))
        };
        let a = add("toy.a", &[], Kind::Image);
        let shared = add("toy.neg", std::slice::from_ref(&a), Kind::Image);
        let twice = add("toy.twice", std::slice::from_ref(&shared), Kind::Image);
        let square = add("toy.mul", &[twice.clone(), twice], Kind::Image);
        let bright = add("toy.above", &[square, number(3.0)], Kind::Mask);
        let other = add("toy.user", &[shared], Kind::Image);
        let counts = counts(&plan);
        let node = |arg: &Arg| match arg {
            Arg::Node(node) => *node,
            Arg::Literal(_) => panic!("a node"),
        };
        let count = |node: NodeIndex| counts[node.0 as usize].max(1);
        let found = group(&plan, node(&bright), &count).unwrap();
        let step = |op, args: &[Place], is_mask| Step { op, args: args.to_vec(), is_mask };
        let steps = vec![
            step("toy.twice", &[Place::Arg(0)], false),
            step("toy.mul", &[Place::Step(0), Place::Step(0)], false),
            step("toy.above", &[Place::Step(1), Place::Arg(1)], true),
        ];
        assert_eq!(found.pattern, Pattern::Voxelwise(steps));
        assert_eq!(found.inner.len(), 2);
        assert_eq!(found.inputs().collect::<Vec<_>>(), [NodeIndex(1)], "what another user needs");
        assert!(group(&plan, node(&other), &count).is_none(), "nothing to spare");
    }

    #[test]
    fn a_long_chain_is_cut_and_a_thresholded_distance_stays_whole() {
        let mut plan = Plan::new();
        let mask = node(&mut plan, "toy.mask", vec![]);
        let dt = node(&mut plan, "vox1.dt", vec![Arg::Node(mask)]);
        let kind = Kind::Mask;
        let args = vec![Arg::Node(dt), number(2.0)];
        let near = plan.node(&op("vox1.lt").voxelwise(), args, None, kind, Origin::default());
        let mut last = near;
        for at in 0..40 {
            let args = vec![Arg::Node(last), number(f64::from(at))];
            let add = op("toy.add").voxelwise();
            last = plan.node(&add, args, None, Kind::Image, Origin::default());
        }
        let counts = counts(&plan);
        let count = |node: NodeIndex| counts[node.0 as usize].max(1);
        let mut lengths = Vec::new();
        while let Some(found) = group(&plan, last, &count) {
            lengths.push(found.inner.len() + 1);
            last = found.inputs().next().unwrap();
        }
        assert_eq!(lengths, [16, 16, 8, 2], "the last is the distance with its comparison");
        assert_eq!(last, mask);
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
            assert_eq!(found.as_ref().map(|group| group.pattern.clone()), pattern);
            if let Some(group) = found {
                assert_eq!(group.inner, [dt, positive, pdt]);
            }
        }
    }
}
