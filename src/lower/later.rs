//! Templates: what waits goes on when values arrive.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::item::{Item, LaterId};
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::lower::session::{Session, origin};
use crate::plan::graph::{NodeIndex, Operand, Plan};
use crate::plan::template::{Expand, Fault, FaultClass, Template};
use crate::value::data::Value;

/// The session of a plan, shared by its templates; filled in when lowering is done.
pub type Shared = Arc<Mutex<Option<Session>>>;

/// A goal's value that waits.
struct Waiting {
    item: Item,
    span: Span,
    shared: Shared,
}

impl Expand for Waiting {
    fn expand(&self, values: &[(Operand, Value)], plan: &mut Plan) -> Result<Operand, Fault> {
        let mut guard = self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fault = |code: &str, message: &str| Fault {
            class: FaultClass::Program,
            code: code.to_owned(),
            message: message.to_owned(),
            origin: origin(self.span),
        };
        let Some(session) = guard.as_mut() else {
            return Err(fault(mistake::MISSING, "the plan was not finished"));
        };
        session.known = values
            .iter()
            .filter_map(|(operand, value)| match operand {
                Operand::Node(node) => Some((*node, value.clone())),
                _ => None,
            })
            .collect();
        session.diagnostics.clear();
        session.told.clear();
        let first_goal = plan.goals.len();
        let mut machine = Machine::new(session, plan);
        machine.shared = Some(Arc::clone(&self.shared));
        machine.settle_laters(&self.item);
        let item = machine.session.fresh(self.item.clone());
        let operand = machine.operand(&item, self.span);
        if machine.plan.goals.len() > first_goal {
            machine.check_saves(first_goal, None, &[]);
        }
        session.known.clear();
        if let Some(error) = session.diagnostics.iter().find(|found| found.is_error()) {
            return Err(as_fault(error));
        }
        operand.ok_or_else(|| fault(mistake::KIND, "this has no value"))
    }
}

fn as_fault(error: &Diagnostic) -> Fault {
    let is_empty = error.code == mistake::EMPTY;
    Fault {
        class: if is_empty { FaultClass::Refusal } else { mistake::class(error.code) },
        code: if is_empty { "empty".to_owned() } else { error.code.to_owned() },
        message: error.message.clone(),
        origin: origin(error.span()),
    }
}

impl Machine<'_> {
    /// Adds the template of an item that waits.
    pub fn template(&mut self, item: Item, span: Span) -> Operand {
        let waits = self.waits(&item).into_iter().map(Operand::Node).collect();
        let shared = self.shared.clone().unwrap_or_default();
        let expand = Box::new(Waiting { item, span, shared });
        Operand::Template(self.plan.template(Template { waits, expand, origin: origin(span) }))
    }

    /// Returns the nodes whose values an item waits for, each once.
    fn waits(&self, item: &Item) -> Vec<NodeIndex> {
        let mut seen = HashSet::new();
        let mut nodes = Vec::new();
        let mut known = HashSet::new();
        let mut todo = Vec::new();
        laters_in(item, &mut todo);
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let later = &self.session.laters[id.0 as usize];
            if let Some(done) = &later.done {
                laters_in(done, &mut todo);
                continue;
            }
            nodes.extend(later.needs.iter().copied().filter(|node| known.insert(*node)));
            for arg in &later.args {
                laters_in(arg, &mut todo);
            }
        }
        nodes
    }

    /// Goes on with everything that an item waits for, arguments first.
    fn settle_laters(&mut self, item: &Item) {
        let mut entered = HashSet::new();
        let mut todo: Vec<(LaterId, bool)> = Vec::new();
        let mut found = Vec::new();
        laters_in(item, &mut found);
        todo.extend(found.drain(..).map(|id| (id, false)));
        while let Some((id, is_ready)) = todo.pop() {
            let later = &self.session.laters[id.0 as usize];
            if let Some(done) = &later.done {
                if !is_ready && entered.insert(id) {
                    laters_in(done, &mut found);
                    todo.extend(found.drain(..).map(|id| (id, false)));
                }
                continue;
            }
            if !is_ready {
                if entered.insert(id) {
                    todo.push((id, true));
                    for arg in &later.args {
                        laters_in(arg, &mut found);
                    }
                    todo.extend(found.drain(..).map(|id| (id, false)));
                }
                continue;
            }
            let later = later.clone();
            let is_known = later.needs.iter().all(|node| self.session.known.contains_key(node));
            if !is_known {
                continue;
            }
            let args: Vec<Item> =
                later.args.into_iter().map(|item| self.session.fresh(item)).collect();
            let done = self.perform(later.op, args, later.span);
            self.session.laters[id.0 as usize].done = Some(done);
        }
    }
}

/// Adds what waits in an item. It recurses: items nest so deep only.
fn laters_in(item: &Item, out: &mut Vec<LaterId>) {
    match item {
        Item::Later(id) => out.push(*id),
        Item::List(list) if list.late => {
            for item in &list.items {
                laters_in(item, out);
            }
        }
        Item::Record(record) if record.late => {
            for (_, item) in &record.fields {
                laters_in(item, out);
            }
        }
        _ => {}
    }
}
