//! How demand runs from a node to its arguments, and answers run back. Pure, and without recursion.

use crate::exec::schedule::{Item, Need, Schedule, State, User, made};
use crate::plan::graph::{Arg, NodeIndex, Plan};
use crate::primitive::signature::Cost;
use crate::value::kind::Kind;

/// Arguments of so many bytes are few, whatever is done with them.
const FEW: u64 = 4096;

/// What became of a demand.
pub(in crate::exec) enum Answer {
    Now,
    Later,
    Failed,
}

impl Schedule {
    pub(in crate::exec) fn item(&mut self, node: NodeIndex) -> &mut Item {
        &mut self.items[node.0 as usize]
    }

    pub(in crate::exec) fn need(&mut self, node: NodeIndex, user: User, need: Need) -> Answer {
        let item = &mut self.items[node.0 as usize];
        match item.state {
            State::Failed => return Answer::Failed,
            State::Done if item.has => return Answer::Now,
            State::Done | State::Known if need == Need::Name => return Answer::Now,
            State::Done | State::Known => {
                item.state = State::Loading;
                self.loads.push(node);
            }
            State::Unseen => {
                item.state = State::Asked;
                self.asks.push(node);
            }
            _ => {}
        }
        item.users.push((user, need));
        Answer::Later
    }

    /// Wants something of every argument; `None` when one of them failed, and so does the node.
    fn need_deps(&mut self, plan: &Plan, node: NodeIndex, need: Need) -> Option<u32> {
        let user = User::Node(node);
        let mut left = 0;
        let mut failed = None;
        let mut one = |schedule: &mut Self, dep| match schedule.need(dep, user, need) {
            Answer::Now => {}
            Answer::Later => left += 1,
            Answer::Failed => failed = Some(dep),
        };
        if let Some(inputs) = self.fused.get(&node).cloned() {
            for dep in inputs {
                one(self, dep);
            }
        } else {
            plan.arg_nodes(node).for_each(|dep| one(self, dep));
        }
        if let Some(dep) = failed {
            let root = self.items[dep.0 as usize].root;
            self.fail_for(plan, node, root);
            return None;
        }
        Some(left)
    }

    pub(in crate::exec) fn name_deps(&mut self, plan: &Plan, node: NodeIndex) {
        self.item(node).state = State::Naming;
        self.hold_deps(plan, node);
        let Some(left) = self.need_deps(plan, node, Need::Name) else { return };
        self.item(node).left = left;
        if left == 0 {
            self.named(plan, node);
        }
    }

    fn named(&mut self, plan: &Plan, node: NodeIndex) {
        let mut deps = plan.arg_nodes(node).peekable();
        // Without arguments that are nodes the cut-off key says no more than the id.
        let worth = deps.peek().is_some();
        if worth && deps.all(|dep| self.items[dep.0 as usize].name.is_some()) {
            self.item(node).state = State::Cutting;
            self.cuts.push(node);
        } else {
            self.gather(plan, node);
        }
    }

    pub(in crate::exec) fn gather(&mut self, plan: &Plan, node: NodeIndex) {
        self.item(node).state = State::Gathering;
        let Some(left) = self.need_deps(plan, node, Need::Value) else { return };
        self.item(node).left = left;
        if left == 0 {
            self.make_ready(plan, node);
        }
    }

    pub(in crate::exec) fn make_ready(&mut self, plan: &Plan, node: NodeIndex) {
        self.item(node).state = State::Ready;
        if self.is_tiny(plan, node) {
            self.tiny.push_back(node);
            return;
        }
        let mut freed = 0;
        let mut count = |dep: NodeIndex| {
            let item = &self.items[dep.0 as usize];
            if item.holds == 1 {
                freed += item.bytes as i64;
            }
        };
        match self.fused.get(&node) {
            Some(inputs) => inputs.iter().copied().for_each(&mut count),
            None => plan.arg_nodes(node).for_each(&mut count),
        }
        let made = made(plan.kind(node), self.voxels_below(plan, node)) as i64;
        self.ready.push((freed - made, std::cmp::Reverse(node)));
    }

    /// Says whether a node is done sooner than handed to a worker: numbers of few numbers.
    fn is_tiny(&self, plan: &Plan, node: NodeIndex) -> bool {
        if self.fused.contains_key(&node) || plan.files(node).is_some() {
            return false;
        }
        if plan.signature(node).cost == Cost::Scalar {
            return true;
        }
        let bytes = |arg: &Arg| match arg {
            Arg::Literal(value) => value.size() as u64,
            Arg::Node(dep) => self.items[dep.0 as usize].bytes,
        };
        matches!(plan.kind(node), Kind::Number | Kind::Bool)
            && self.voxels_below(plan, node) == 0
            && plan.args(node).iter().map(bytes).sum::<u64>() <= FEW
    }

    pub(in crate::exec) fn fail_for(&mut self, plan: &Plan, node: NodeIndex, root: NodeIndex) {
        let item = self.item(node);
        let held = matches!(
            item.state,
            State::Naming | State::Cutting | State::Gathering | State::Ready | State::Running
        );
        item.state = State::Failed;
        item.root = root;
        if held {
            self.release_deps(plan, node);
        }
        self.settle(node);
    }

    pub(in crate::exec) fn hold_deps(&mut self, plan: &Plan, node: NodeIndex) {
        if let Some(inputs) = self.fused.get(&node) {
            for dep in inputs {
                self.items[dep.0 as usize].holds += 1;
            }
        } else {
            for dep in plan.arg_nodes(node) {
                self.items[dep.0 as usize].holds += 1;
            }
        }
    }

    pub(in crate::exec) fn release_deps(&mut self, plan: &Plan, node: NodeIndex) {
        if let Some(inputs) = self.fused.get(&node).cloned() {
            for dep in inputs {
                self.release(dep);
            }
        } else {
            plan.arg_nodes(node).for_each(|dep| self.release(dep));
        }
    }

    /// Notes that those who wait for a node are to be told; [`Self::pump`] does, without recursion.
    pub(in crate::exec) fn settle(&mut self, node: NodeIndex) {
        self.todo.push(node);
    }

    pub(in crate::exec) fn pump(&mut self, plan: &Plan) {
        while let Some(node) = self.todo.pop() {
            self.tell(plan, node);
        }
    }

    fn tell(&mut self, plan: &Plan, node: NodeIndex) {
        let item = self.item(node);
        let (state, has, root) = (item.state, item.has, item.root);
        let users = std::mem::take(&mut item.users);
        for (user, need) in users {
            if state != State::Failed && need == Need::Value && !has {
                // Only its name came; the value is fetched for whoever wants it.
                let item = self.item(node);
                item.users.push((user, need));
                if item.state == State::Known {
                    item.state = State::Loading;
                    self.loads.push(node);
                }
                continue;
            }
            let User::Node(above) = user else {
                self.answered.push((user, node));
                continue;
            };
            let item = self.item(above);
            let waits = match need {
                Need::Name => item.state == State::Naming,
                Need::Value => item.state == State::Gathering,
            };
            if !waits {
                continue;
            }
            if state == State::Failed {
                self.fail_for(plan, above, root);
                continue;
            }
            item.left -= 1;
            if item.left == 0 {
                match need {
                    Need::Name => self.named(plan, above),
                    Need::Value => self.make_ready(plan, above),
                }
            }
        }
        let item = self.item(node);
        if item.has && item.holds == 0 {
            item.has = false;
            self.dropped.push(node);
        }
    }
}
