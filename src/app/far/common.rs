//! Nodes that all cases share, as what is made of an atlas: worth a group of their own when they are dear.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::cases::{Case, Cohort};
use crate::app::context::Context;
use crate::app::error::Error;
use crate::app::files::Disk;
use crate::app::run::{self, Spec};
use crate::exec::cone::Cone;
use crate::exec::keep;
use crate::exec::shelf::Looked;
use crate::id::NodeId;
use crate::lower::files::Files as _;
use crate::plan::graph::{NodeIndex, Operand, Plan};

/// What all cases share goes ahead when it is estimated above this.
const DEAR_PS: u64 = 1_000_000_000_000;

/// A plan, and the files that it was made of.
type Planned = (Plan, Arc<Disk>);

/// Returns the outermost nodes that two cases share and that are dear to compute, if there are such; two
/// cases stand for all.
pub(in crate::app::far) fn dear(
    context: &Context,
    spec: &Spec,
    cohort: &Cohort,
    cases: [usize; 2],
) -> Result<Vec<NodeId>, Error> {
    let [one, other] = cases.map(|at| planned(context, spec, &cohort.cases[at]));
    // A case that cannot be planned says so itself.
    let (Some((plan, disk)), Some((other, _))) = (one, other) else { return Ok(Vec::new()) };
    let mut cone = Cone::new();
    for goal in &plan.goals {
        if let Operand::Node(node) = goal.value {
            cone.add(&plan, node);
        }
    }
    let is_shared = |node: &NodeIndex| other.find(plan.id(*node)).is_some();
    let shared: HashSet<NodeIndex> = cone.nodes().iter().copied().filter(is_shared).collect();
    // Those that something uses which is a case's own, or that are goals.
    let mut outer: HashSet<NodeIndex> = HashSet::new();
    for goal in &plan.goals {
        outer.extend(match goal.value {
            Operand::Node(node) if shared.contains(&node) => Some(node),
            _ => None,
        });
    }
    for node in cone.nodes().iter().filter(|node| !shared.contains(node)) {
        outer.extend(plan.arg_nodes(*node).filter(|arg| shared.contains(arg)));
    }
    let mut dear = Vec::new();
    for node in outer {
        if cost_ps(context, &plan, &disk, node)? > DEAR_PS {
            dear.push(plan.id(node));
        }
    }
    dear.sort_unstable();
    Ok(dear)
}

fn planned(context: &Context, spec: &Spec, case: &Case) -> Option<Planned> {
    let disk = Disk::reading(context.store.clone(), &spec.world, spec.rehash);
    let disk = Arc::new(disk.importing(spec.imports.clone()));
    let request = run::request(spec, Some(case));
    let lowered = run::plan(spec, request, disk.clone(), context.registry.clone()).ok()?;
    Some((lowered.plan?, disk))
}

/// Returns about what a node costs with all below it that has no receipt.
fn cost_ps(context: &Context, plan: &Plan, disk: &Disk, node: NodeIndex) -> Result<u64, Error> {
    let mut voxels = 0;
    let mut cost = 0u64;
    let mut stack = vec![node];
    let mut seen = HashSet::new();
    while let Some(node) = stack.pop() {
        if !seen.insert(node) {
            continue;
        }
        match context.exec.shelf.look(plan.id(node))? {
            Looked::Answer(answer) if answer.here || answer.result.is_err() => continue,
            _ => {}
        }
        for path in plan.files(node).into_iter().flat_map(|files| &files.paths) {
            if let Ok(found) = disk.probe(path) {
                let here = found.header.map_or(0, |header| header.grid.voxels());
                voxels = voxels.max(here as u64);
            }
        }
        cost = cost.saturating_add(keep::own_ps(plan, node));
        stack.extend(plan.arg_nodes(node));
    }
    Ok(cost.saturating_mul(voxels))
}
