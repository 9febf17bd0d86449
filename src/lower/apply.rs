//! An operator and its arguments become a literal or a node.

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::code::{Callable, Prim, PrimId};
use crate::lower::item::Item;
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::lower::session::{Later, Op};
use crate::plan::graph::Arg;
use crate::primitive::contract::Call;
use crate::primitive::registry::Dots;
use crate::primitive::signature::{Form, Signature};
use crate::value::data::Value;
use crate::value::kind::Kind;

/// Constants of more elements are not folded.
const MOST_ELEMENTS: usize = 1_000_000;

impl Machine<'_> {
    /// Applies an operator.
    pub fn primitive(&mut self, id: PrimId, args: Vec<Item>, span: Span) -> Item {
        let linked = std::sync::Arc::clone(&self.session.linked);
        self.apply(id, &linked.prims[id.0 as usize], args, span)
    }

    fn apply(&mut self, id: PrimId, prim: &Prim, args: Vec<Item>, span: Span) -> Item {
        if args.iter().any(|item| matches!(item, Item::Poison)) {
            return Item::Poison;
        }
        if !self.dots_agree(prim, &args, span) {
            return Item::Poison;
        }
        let signature = &prim.signature;
        if signature.elementwise
            && let Some(length) = self.written_out(&args, span)
        {
            return match length {
                Some(length) => self.element_by_element(id, prim, &args, length, span),
                None => Item::Poison,
            };
        }
        let late = if args.iter().any(Item::is_late) { args.clone() } else { Vec::new() };
        let mut args = front_defaults(signature.name, args);
        if prim.spelling.swapped && args.len() == 2 {
            args.swap(0, 1);
        }
        let Some(kind) = self.fit(signature, &mut args, span) else { return Item::Poison };
        if self.checking > 0 && !args.iter().all(|item| matches!(item, Item::Literal(_))) {
            return Item::Unknown(kind);
        }
        if !late.is_empty() {
            let op = Op::Call(Callable::Prim(id));
            let args = late;
            return self.wait(Later { op, args, needs: Vec::new(), kind, span, done: None });
        }
        let on_base = signature.on_base_grid();
        if !on_base && let Some(item) = self.fold_constants(signature, &args, kind) {
            return item;
        }
        if self.checking > 0 {
            return Item::Unknown(kind);
        }
        let mut entries = Vec::with_capacity(args.len() + 1);
        if on_base {
            match self.base_grid(signature, span) {
                Item::Node(grid) => entries.push(Arg::Node(grid)),
                _ => return Item::Poison,
            }
        }
        for item in &args {
            match self.arg(item, span) {
                Some(arg) => entries.push(arg),
                None => return Item::Poison,
            }
        }
        self.node(signature, entries, None, kind, span)
    }

    /// Returns the kind of an item, as far as it is known.
    pub fn kind(&self, item: &Item) -> Kind {
        match item {
            Item::Poison => Kind::Any,
            Item::Unknown(kind) => *kind,
            Item::Literal(value) => value.kind(),
            Item::Node(node) => self.plan.kind(*node),
            Item::List(_) => Kind::Sequence,
            Item::Record(_) => Kind::Record,
            Item::Later(later) => self.session.laters[later.0 as usize].kind,
        }
    }

    /// Writes defaults in and returns the kind of the result, or tells what does not fit.
    fn fit(&mut self, signature: &Signature, args: &mut Vec<Item>, span: Span) -> Option<Kind> {
        let grid = usize::from(signature.on_base_grid());
        let mut kinds: Vec<Kind> = Vec::with_capacity(args.len() + grid);
        if grid == 1 {
            kinds.push(Kind::Grid);
        }
        kinds.extend(args.iter().map(|item| self.kind(item)));
        let given = kinds.len();
        for more in 0..=signature.defaults.len() {
            let defaults = &signature.defaults[signature.defaults.len() - more..];
            kinds.truncate(given);
            kinds.extend(defaults.iter().map(|default| default.value().kind()));
            if let Some(kind) = signature.result(&kinds)
                && signature.forms.iter().any(|form| holds(form, kinds.len()))
            {
                args.extend(defaults.iter().map(|default| Item::Literal(default.value())));
                return Some(kind);
            }
        }
        kinds.truncate(given);
        let counts =
            |form: &Form| (0..=signature.defaults.len()).any(|more| holds(form, given + more));
        let given = given - grid;
        if signature.forms.iter().any(counts) {
            self.wrong_kind(signature, &kinds[grid..], span);
        } else {
            self.wrong_count(signature, given, span);
        }
        None
    }

    fn wrong_count(&mut self, signature: &Signature, given: usize, span: Span) {
        let grid = usize::from(signature.on_base_grid());
        let most = signature.forms.iter().map(|form| form.takes.len() - grid).max().unwrap_or(0);
        let least = signature.forms.iter().map(|form| form.takes.len() - grid).min().unwrap_or(0);
        let least = least.saturating_sub(signature.defaults.len());
        let takes = match (least, most) {
            (0, 0) => "no arguments".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{most} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        let name = signature.short();
        let (code, message) = if given == 0 {
            (mistake::FUNCTION, format!("`{name}` is a function, not a value: it takes {takes}"))
        } else {
            (mistake::COUNT, format!("`{name}` takes {takes}, {given} given"))
        };
        let mut error = Diagnostic::error(code, span, message)
            .help(format!("write `{name}({})`", signature.parameters.join(", ")));
        if given < signature.parameters.len() && given > 0 {
            let missing = signature.parameters[given..].join("`, `");
            error = error.says(format!("`{missing}` not given"));
        }
        self.report(error);
    }

    fn wrong_kind(&mut self, signature: &Signature, kinds: &[Kind], span: Span) {
        let grid = usize::from(signature.on_base_grid());
        let takes: Vec<String> = signature
            .forms
            .iter()
            .map(|form| {
                let words: Vec<&str> = form.takes[grid..].iter().map(|slot| slot.words()).collect();
                format!("({})", words.join(", "))
            })
            .collect();
        let given: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let name = signature.short();
        let of_sequence = matches!(name, "max" | "min") && kinds == [Kind::Sequence];
        let help = if of_sequence {
            format!("write `fold {name} xs` for that of a sequence")
        } else {
            format!("it takes {}", takes.join(" or "))
        };
        self.report(
            Diagnostic::error(
                mistake::KIND,
                span,
                format!("`{name}` does not take ({})", given.join(", ")),
            )
            .help(help),
        );
    }

    fn dots_agree(&mut self, prim: &Prim, args: &[Item], span: Span) -> bool {
        let (left, right) = match prim.spelling.dots {
            Dots::None => return true,
            Dots::Left => (true, false),
            Dots::Right => (false, true),
            Dots::Both => (true, true),
        };
        let name = prim.spelling.spelling;
        // A prefix operator with a dot (`!.`) has its only argument at the dot.
        let sides: &[bool] = if args.len() == 1 { &[true] } else { &[left, right] };
        for (item, wants_scalar) in args.iter().zip(sides) {
            if let Some(kind) = self.off_side(item, *wants_scalar) {
                let wants = if *wants_scalar { "a number or bool" } else { "an image" };
                self.report(
                    Diagnostic::error(
                        mistake::DOTS,
                        span,
                        format!("`{name}` wants {wants} here, this is {}", kind.article()),
                    )
                    .help("the dot stands at the side of the scalar; without dots any operands go"),
                );
                return false;
            }
        }
        true
    }

    /// Returns the kind of a part that is not on its side of a dotted operator. It recurses: items
    /// nest at most [`crate::lower::item::DEEPEST`] deep.
    fn off_side(&self, item: &Item, wants_scalar: bool) -> Option<Kind> {
        match item {
            Item::List(list) => {
                list.items.iter().find_map(|item| self.off_side(item, wants_scalar))
            }
            Item::Literal(Value::Sequence(items)) => {
                items.iter().find_map(|value| off_side_value(value, wants_scalar))
            }
            other => {
                let kind = self.kind(other);
                let fits = match kind {
                    Kind::Any | Kind::Sequence => true,
                    Kind::Number | Kind::Bool => wants_scalar,
                    kind => !wants_scalar && kind.is_image(),
                };
                (!fits).then_some(kind)
            }
        }
    }

    /// Says whether an elementwise operator is applied to the elements one by one, and how many
    /// there are (`None` where lengths differ, which is told).
    fn written_out(&mut self, args: &[Item], span: Span) -> Option<Option<usize>> {
        let mut length = None;
        let mut has_list = false;
        let mut has_literal = false;
        let mut has_other = false;
        for item in args {
            let this = match item {
                Item::List(list) => {
                    has_list = true;
                    list.items.len()
                }
                Item::Literal(Value::Sequence(items)) => {
                    has_literal = true;
                    items.len()
                }
                Item::Literal(_) => continue,
                other => {
                    if matches!(self.kind(other), Kind::Any | Kind::Sequence) {
                        return None;
                    }
                    has_other = true;
                    continue;
                }
            };
            match length {
                None => length = Some(this),
                Some(before) if before != this => {
                    self.fail(
                        mistake::LENGTH,
                        span,
                        format!("sequences of {before} and of {this} elements do not go together"),
                    );
                    return Some(None);
                }
                Some(_) => {}
            }
        }
        (has_list || (has_literal && has_other)).then_some(length)
    }

    /// It recurses for nested sequences, which nest at most so deep.
    fn element_by_element(
        &mut self,
        id: PrimId,
        prim: &Prim,
        args: &[Item],
        length: usize,
        span: Span,
    ) -> Item {
        let mut out = Vec::with_capacity(length);
        for at in 0..length {
            let element = |item: &Item| match item {
                Item::List(list) => list.items[at].clone(),
                Item::Literal(Value::Sequence(items)) => Item::Literal(items[at].clone()),
                other => other.clone(),
            };
            let args = args.iter().map(element).collect();
            out.push(self.apply(id, prim, args, span));
        }
        self.list(out, span)
    }

    /// Evaluates an operator on literals, when its result may be one.
    pub fn fold_constants(
        &mut self,
        signature: &Signature,
        args: &[Item],
        kind: Kind,
    ) -> Option<Item> {
        if !matches!(
            kind,
            Kind::Number | Kind::Bool | Kind::Text | Kind::Sequence | Kind::Record | Kind::Any
        ) {
            return None;
        }
        let mut values = Vec::with_capacity(args.len());
        let mut elements = 0;
        for item in args {
            let Item::Literal(value) = item else { return None };
            if matches!(value, Value::Record(_)) || !value.is_literal() {
                return None;
            }
            elements += count(value);
            values.push(value.clone());
        }
        if elements > MOST_ELEMENTS {
            return None;
        }
        let registry = std::sync::Arc::clone(&self.session.registry);
        let primitive = registry.find(signature.name)?;
        let params = crate::canon::Tree::Map(Vec::new());
        let call = Call { args: &values, params: &params, files: &[] };
        let value = primitive.kernel(&call).ok()?.value;
        (value.is_literal() && crate::lower::item::depth(&value) <= crate::lower::item::DEEPEST)
            .then_some(Item::Literal(value))
    }
}

/// Says whether a form can have so many arguments.
fn holds(form: &Form, count: usize) -> bool {
    if form.variadic { count + 1 >= form.takes.len() } else { count == form.takes.len() }
}

/// Counts the elements of a value, at every depth.
fn count(value: &Value) -> usize {
    match value {
        Value::Sequence(items) => items.len() + items.iter().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn off_side_value(value: &Value, wants_scalar: bool) -> Option<Kind> {
    match value {
        Value::Sequence(items) => items.iter().find_map(|item| off_side_value(item, wants_scalar)),
        Value::Number(_) | Value::Bool(_) if wants_scalar => None,
        other => Some(other.kind()),
    }
}

/// Writes the defaults of first arguments in, which a signature cannot say: `range(n)` is
/// `range(0, n)`.
fn front_defaults(name: &str, mut args: Vec<Item>) -> Vec<Item> {
    let zero = || Item::Literal(Value::Number(0.0));
    match (name, args.len()) {
        ("default.range", 1) => args.insert(0, zero()),
        ("default.subsequence", 2) => args.insert(1, zero()),
        _ => {}
    }
    args
}
