//! `for`, `filter`, `map` and `fold` over what is known, and over what is not yet.

use std::sync::Arc;

use crate::lang::source::Span;
use crate::lower::code::{Callable, Form, Linked, Start};
use crate::lower::item::Item;
use crate::lower::machine::{Body, Each, Machine};
use crate::lower::mistake;
use crate::lower::session::{Later, Op};
use crate::plan::graph::{Arg, NodeIndex};
use crate::value::data::Value;
use crate::value::kind::Kind;

/// What is known of a sequence.
pub enum Elements {
    /// All elements.
    Known(Vec<Item>),
    /// They are known with this node's value.
    Wait(NodeIndex),
    /// They are known when something else is.
    Late,
    /// While checking: nothing.
    Unknown,
    /// It is none, and that was told.
    Bad,
}

impl Machine<'_> {
    /// Returns the elements of a sequence.
    pub fn elements(&mut self, item: &Item, span: Span) -> Elements {
        match item {
            Item::Poison => Elements::Bad,
            Item::Unknown(Kind::Any | Kind::Sequence) => Elements::Unknown,
            Item::Literal(Value::Sequence(items)) => {
                Elements::Known(items.iter().cloned().map(Item::Literal).collect())
            }
            Item::List(list) => Elements::Known(list.items.clone()),
            Item::Later(_) => match self.kind(item) {
                Kind::Any | Kind::Sequence => Elements::Late,
                kind => self.no_sequence(kind, span),
            },
            Item::Node(node) => match self.plan.kind(*node) {
                Kind::Any | Kind::Sequence => self.elements_of_node(*node, span),
                kind => self.no_sequence(kind, span),
            },
            other => {
                let kind = self.kind(other);
                self.no_sequence(kind, span)
            }
        }
    }

    fn no_sequence(&mut self, kind: Kind, span: Span) -> Elements {
        self.fail(
            mistake::KIND,
            span,
            format!("a sequence is needed here, this is {}", kind.article()),
        );
        Elements::Bad
    }

    fn elements_of_node(&mut self, node: NodeIndex, span: Span) -> Elements {
        if let Some(length) = self.session.lengths.get(&node).copied() {
            let items = (0..length).map(|at| self.index_node(node, at, Kind::Any, span)).collect();
            return Elements::Known(items);
        }
        match self.session.known.get(&node).cloned() {
            None if self.checking > 0 => Elements::Unknown,
            None => Elements::Wait(node),
            Some(Value::Sequence(items)) => {
                let element = |(at, value): (usize, &Value)| {
                    if value.is_literal() && crate::lower::item::depth(value) < 32 {
                        Item::Literal(value.clone())
                    } else {
                        self.index_node(node, at, value.kind(), span)
                    }
                };
                Elements::Known(items.iter().enumerate().map(element).collect())
            }
            Some(value) => self.no_sequence(value.kind(), span),
        }
    }

    /// Returns the node of an element.
    pub fn index_node(&mut self, node: NodeIndex, at: usize, kind: Kind, span: Span) -> Item {
        let name = self.plan.signature(node).name;
        let is_number = matches!(name, "simpleitk.MinimumMaximum" | "simpleitk.Statistics");
        let kind = if is_number { Kind::Number } else { kind };
        let at = Arg::Literal(Value::Number(at as f64));
        self.named("default.index", vec![Arg::Node(node), at], None, kind, span)
    }

    /// Begins `for`, `filter` or `map`; the first argument is the sequence.
    pub fn each(&mut self, linked: &Linked, op: Op, mut args: Vec<Item>, span: Span) {
        let seq = args[0].clone();
        let elements = self.elements(&seq, span);
        let waits = match elements {
            Elements::Bad => {
                self.push(Item::Poison);
                return;
            }
            Elements::Known(items) => {
                self.each_known(linked, &op, items, args, span);
                return;
            }
            Elements::Wait(node) => vec![node],
            Elements::Late => Vec::new(),
            Elements::Unknown => {
                let body = self.body(&op, args.split_off(1));
                self.look_or_push(linked, body, Item::Unknown(Kind::Sequence), &op, span);
                return;
            }
        };
        let captures = args[1..].to_vec();
        let kind = Kind::Sequence;
        let later = self.wait(Later { op: op.clone(), args, needs: waits, kind, span, done: None });
        let is_new = match &op {
            Op::For(lambda) | Op::Filter(lambda) => self.session.looked.insert(*lambda),
            _ => true,
        };
        if is_new {
            let body = self.body(&op, captures);
            self.look_or_push(linked, body, later, &op, span);
        } else {
            self.push(later);
        }
    }

    fn body(&self, op: &Op, captures: Vec<Item>) -> Option<Body> {
        match op {
            Op::For(lambda) => Some(Body::For(*lambda, captures.into())),
            Op::Filter(lambda) => Some(Body::Filter(*lambda, captures.into())),
            Op::Map(Callable::Decl(decl)) => Some(Body::Map(*decl)),
            _ => None,
        }
    }

    fn look_or_push(
        &mut self,
        linked: &Linked,
        body: Option<Body>,
        item: Item,
        op: &Op,
        span: Span,
    ) {
        match (body, op) {
            (Some(body), _) => self.look(linked, body, item, span),
            (None, Op::Map(callable)) => {
                self.checking += 1;
                self.apply_now(*callable, vec![Item::Unknown(Kind::Any)], span);
                self.checking -= 1;
                self.push(item);
            }
            (None, _) => self.push(item),
        }
    }

    fn apply_now(&mut self, callable: Callable, args: Vec<Item>, span: Span) -> Item {
        match callable {
            Callable::Prim(prim) => self.primitive(prim, args, span),
            Callable::Form(form) => self.form(form, args, span),
            Callable::Decl(_) => Item::Poison,
        }
    }

    fn each_known(
        &mut self,
        linked: &Linked,
        op: &Op,
        items: Vec<Item>,
        mut args: Vec<Item>,
        span: Span,
    ) {
        let captures = args.split_off(1);
        match (self.body(op, captures), op) {
            (Some(body), _) => {
                let out = Vec::with_capacity(items.len());
                let each = Each { body, items: items.into(), next: 0, out };
                if each.items.is_empty() {
                    self.end_each(each, span);
                } else {
                    self.next_element(linked, each, span);
                }
            }
            (None, Op::Map(callable)) => {
                let out = items
                    .into_iter()
                    .map(|item| self.apply_now(*callable, vec![item], span))
                    .collect();
                let item = self.list(out, span);
                self.push(item);
            }
            (None, _) => self.push(Item::Poison),
        }
    }

    /// Ends a loop: its results are the sequence, or say what is kept.
    pub fn end_each(&mut self, each: Each, span: Span) {
        let item = if matches!(each.body, Body::Filter(..)) {
            let mut args = each.items.to_vec();
            args.extend(each.out);
            self.form(Form::Select, args, span)
        } else {
            self.list(each.out, span)
        };
        self.push(item);
    }

    /// Keeps those of the first half of the arguments that the second half says.
    pub fn select(&mut self, args: Vec<Item>, span: Span) -> Item {
        let half = args.len() / 2;
        let mut needs = Vec::new();
        let mut kept = Vec::new();
        let mut is_late = false;
        let mut is_unknown = false;
        for (item, keep) in args[..half].iter().zip(&args[half..]) {
            let keep = match keep {
                Item::Node(node) => match self.session.known.get(node) {
                    Some(value) => Item::Literal(value.clone()),
                    None if matches!(
                        self.plan.kind(*node),
                        Kind::Bool | Kind::Number | Kind::Any
                    ) =>
                    {
                        needs.push(*node);
                        continue;
                    }
                    None => keep.clone(),
                },
                other => other.clone(),
            };
            match keep {
                Item::Poison => return Item::Poison,
                Item::Literal(Value::Bool(truth)) => kept.extend(truth.then(|| item.clone())),
                Item::Literal(Value::Number(number)) => {
                    kept.extend((number != 0.0).then(|| item.clone()));
                }
                Item::Later(_) => is_late = true,
                Item::Unknown(Kind::Any | Kind::Bool | Kind::Number) => is_unknown = true,
                other => {
                    let kind = self.kind(&other);
                    return self.fail(
                        mistake::KEEP,
                        span,
                        format!("a filter keeps by a bool or a number, this is {}", kind.article()),
                    );
                }
            }
        }
        if is_unknown || (self.checking > 0 && (is_late || !needs.is_empty())) {
            return Item::Unknown(Kind::Sequence);
        }
        if is_late || !needs.is_empty() {
            let op = Op::Call(Callable::Form(Form::Select));
            let kind = Kind::Sequence;
            return self.wait(Later { op, args, needs, kind, span, done: None });
        }
        self.list(kept, span)
    }

    /// Begins a fold; the last argument is the sequence, the one before it perhaps the start.
    pub fn fold(
        &mut self,
        linked: &Linked,
        callable: Callable,
        start: Option<Start>,
        args: Vec<Item>,
        span: Span,
    ) {
        let seq = args.last().expect("a fold has a sequence").clone();
        if args.iter().any(|item| matches!(item, Item::Poison)) {
            self.push(Item::Poison);
            return;
        }
        let needs = match self.elements(&seq, span) {
            Elements::Known(items) => {
                self.fold_known(linked, callable, start, args, items, span);
                return;
            }
            Elements::Bad => {
                self.push(Item::Poison);
                return;
            }
            Elements::Unknown => {
                self.push(Item::Unknown(Kind::Any));
                return;
            }
            Elements::Wait(node) => vec![node],
            Elements::Late => Vec::new(),
        };
        let op = Op::Fold(callable, start);
        let later = self.wait(Later { op, args, needs, kind: Kind::Any, span, done: None });
        self.push(later);
    }

    fn fold_known(
        &mut self,
        linked: &Linked,
        callable: Callable,
        start: Option<Start>,
        mut args: Vec<Item>,
        mut items: Vec<Item>,
        span: Span,
    ) {
        args.pop();
        let first = match (args.pop(), start) {
            (Some(init), _) => init,
            (None, Some(Start::Number(number))) => Item::Literal(Value::Number(number)),
            (None, Some(Start::Bool(truth))) => Item::Literal(Value::Bool(truth)),
            (None, _) if items.is_empty() => {
                let message = "a fold of an empty sequence needs a start";
                let item = self.fail(mistake::EMPTY, span, message);
                self.push(item);
                return;
            }
            (None, _) => items.remove(0),
        };
        let Callable::Decl(decl) = callable else {
            let mut value = first;
            for item in items {
                value = self.apply_now(callable, vec![value, item], span);
            }
            self.push(value);
            return;
        };
        if items.is_empty() {
            self.push(first);
        } else {
            self.next_fold(linked, decl, Arc::from(items), 0, first, span);
        }
    }
}
