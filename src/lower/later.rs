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
            machine.check_saves(first_goal);
        }
        session.known.clear();
        if let Some(error) = session.diagnostics.iter().find(|found| found.is_error()) {
            let fault = as_fault(error);
            session.fault = Some(fault.clone());
            return Err(fault);
        }
        let hangs_on = session.fault.clone();
        operand.ok_or_else(|| hangs_on.unwrap_or_else(|| fault(mistake::KIND, "this has no value")))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::lower::toy::{lowered, mistakes, plan, shown};

    /// Expands the first goal's template until it is none, with values for what it waits for.
    fn expand(
        plan: &mut Plan,
        values: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<(String, usize), Fault> {
        let mut operand = plan.goals[0].value.clone();
        let mut rounds = 0;
        while let Operand::Template(index) = operand {
            rounds += 1;
            assert!(rounds < 10, "it goes on");
            let waits = plan.template_at(index).waits.clone();
            assert!(!waits.is_empty());
            let known: Vec<(Operand, Value)> = waits
                .into_iter()
                .map(|wait| {
                    let name = shown(plan, &wait);
                    let value = values(&name);
                    (wait, value.unwrap_or_else(|| panic!("a value for {name}")))
                })
                .collect();
            operand = plan.expand(index, &known)?;
        }
        Ok((shown(plan, &operand), rounds))
    }

    fn check(text: &str, values: &dyn Fn(&str) -> Option<Value>, expected: &str) {
        let mut plan = plan(text);
        let (found, _) = expand(&mut plan, values).unwrap();
        assert_eq!(found, expected, "{text}");
    }

    fn numbers(n: usize) -> Value {
        Value::sequence((0..n).map(|i| Value::Number(i as f64)).collect())
    }

    const LOAD: &str = "load f = \"flair.nii.gz\" n = max(lcc(f)) ";

    #[test]
    fn loops_over_what_is_not_known_are_those_written_out() {
        let text = format!(
            "{LOAD} print \"v\" fold + (for i in range(0, n) do volume(f > i)) print \"w\" \
             ((0 + volume(f > 0)) + volume(f > 1))"
        );
        let mut plan = plan(&text);
        let values = |name: &str| name.starts_with("range").then(|| numbers(2));
        let (found, rounds) = expand(&mut plan, &values).unwrap();
        assert_eq!(rounds, 1);
        let nodes = plan.len();
        assert_eq!(found, shown(&plan, &plan.goals[1].value.clone()));
        assert_eq!(plan.len(), nodes);
    }

    #[test]
    fn indices_and_paths_wait_for_their_values() {
        let n = |name: &str| name.starts_with("max").then_some(Value::Number(1.0));
        check(&format!("{LOAD} print \"v\" [volume(f), 5][n]"), &n, "5.0");
        let name = |name: &str| name.starts_with("concat").then(|| Value::text("small.nii"));
        check(
            &format!("{LOAD} g = ReadImage(concat(\"small\", n)) print \"v\" volume(near(g) | g)"),
            &name,
            "volume(or(near(<small.nii>), <small.nii>))",
        );
        check(
            "lines = load(\"lines.txt\") print \"v\" for l in lines do volume(load(l))",
            &|name| {
                let names = ["flair.nii.gz", "seg.nii.gz"].map(Value::text).to_vec();
                (name == "<lines.txt>").then(|| Value::sequence(names))
            },
            "sequence(volume(<flair.nii.gz>), volume(<seg.nii.gz>))",
        );
        check(
            "rows = load(\"rows.json\") print \"v\" (for r in rows do r)[1:3]",
            &|name| {
                let items = vec![Value::Number(1.0), Value::Null, Value::Bool(true)];
                (name == "<rows.json>").then(|| Value::sequence(items))
            },
            "sequence(index(<rows.json>, 1.0), true)",
        );
    }

    #[test]
    fn templates_nest() {
        let text = format!(
            "{LOAD} print \"v\" for i in range(0, n) do fold + (for j in range(0, volume(f > i)) do j)"
        );
        let values = |name: &str| match name {
            name if name.contains("volume") && name.contains("0.0)") && name.len() < 60 => {
                Some(numbers(3))
            }
            name if name.contains("volume") => Some(numbers(4)),
            _ => Some(numbers(2)),
        };
        let mut plan = plan(&text);
        let (found, rounds) = expand(&mut plan, &values).unwrap();
        assert_eq!(rounds, 2);
        assert!(found.starts_with('['), "{found}");
    }

    #[test]
    fn what_is_kept_may_depend_on_nodes() {
        let text = format!("{LOAD} print \"v\" filter k in [1, 2] do volume(f > k) > 0");
        check(&text, &|name| Some(Value::Bool(name.contains("2.0"))), "[2.0]");
    }

    #[test]
    fn effects_wait_for_their_paths() {
        let text =
            format!("{LOAD} print \"v\" let o = WriteImage(f, concat(\"o\", n)) in volume(f)");
        let mut plan = plan(&text);
        assert_eq!(plan.goals.len(), 1);
        let (found, _) = expand(&mut plan, &|_| Some(Value::text("o1.nii"))).unwrap();
        assert_eq!(found, "volume(<flair.nii.gz>)");
        assert_eq!(plan.goals.len(), 2);
        let mut plan = crate::lower::toy::plan(&text);
        let fault = expand(&mut plan, &|_| Some(Value::text("flair.nii.gz"))).unwrap_err();
        assert_eq!(fault.code, "E0222");
    }

    #[test]
    fn mistakes_in_templates_are_found_before_and_within() {
        let wrong = format!("{LOAD} print \"v\" for i in range(0, n) do near(f, i)");
        assert_eq!(mistakes(&wrong), ["E0202 near(f, i)"]);
        let text = format!("{LOAD} print \"v\" volume(load(concat(\"x\", n)))");
        let mut plan = plan(&text);
        let fault = expand(&mut plan, &|_| Some(Value::text("nowhere"))).unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Input, "E0240"));
        let text = format!("{LOAD} print \"v\" fold max (filter i in range(0, n) do i > 9)");
        let mut plan = crate::lower::toy::plan(&text);
        let fault = expand(&mut plan, &|_| Some(numbers(2))).unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Refusal, "empty"));
        assert!(!lowered(&text).has_errors());
    }

    #[test]
    fn a_long_chain_of_what_waits_needs_no_stack() {
        let mut text = format!("{LOAD} x0 = load(concat(\"p\", n)) ");
        for i in 0..20_000 {
            text += &format!("x{} = x{i} + x{i}\n", i + 1);
        }
        text += "print \"v\" max(x20000)";
        let run = move || {
            let mut plan = plan(&text);
            let operand = plan.goals[0].value.clone();
            let Operand::Template(index) = operand else { panic!("a template") };
            let waits = plan.template_at(index).waits.clone();
            let known = vec![(waits[0].clone(), Value::text("small.nii"))];
            let operand = plan.expand(index, &known).unwrap();
            assert!(matches!(operand, Operand::Node(_)));
            assert!(plan.len() > 20_000);
        };
        std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
    }
}
