//! Forms: what leaves no node of its own when it is known while lowering.

use std::sync::Arc;

use crate::canon::Tree;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::code::{Callable, Form};
use crate::lower::item::Item;
use crate::lower::loops::Elements;
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::lower::session::{Later, Op};
use crate::lower::suggest;
use crate::plan::graph::NodeIndex;
use crate::value::data::Value;
use crate::value::kind::Kind;

impl Machine<'_> {
    /// Does a form.
    pub fn form(&mut self, form: Form, args: Vec<Item>, span: Span) -> Item {
        if args.iter().any(|item| matches!(item, Item::Poison)) {
            return Item::Poison;
        }
        match form {
            Form::Load if self.counts("load", 1, 1, &args, span) => self.load(args, span),
            Form::ReadImage if self.counts("ReadImage", 1, 2, &args, span) => {
                self.read_image(args, span)
            }
            Form::WriteImage if self.counts("WriteImage", 2, 4, &args, span) => {
                self.write_image(args, span)
            }
            Form::Dir if self.counts("dir", 1, 4, &args, span) => self.dir(args, span),
            Form::Index if self.counts("index", 2, 2, &args, span) => self.index(args, span),
            Form::Slice if self.counts("slice", 3, 3, &args, span) => {
                self.slice("default.slice", args, span)
            }
            Form::Subsequence if self.counts("subsequence", 2, 3, &args, span) => {
                let mut args = args;
                if args.len() == 2 {
                    args.insert(1, Item::Literal(Value::Number(0.0)));
                }
                self.slice("default.subsequence", args, span)
            }
            Form::Sequence => self.list(args, span),
            Form::Text => self.text(args, span),
            Form::Record(shape) => {
                let names = Arc::clone(&self.session.linked.shapes[shape as usize]);
                let fields = names.iter().cloned().zip(args).collect();
                Item::record(fields).unwrap_or_else(|| {
                    self.fail(mistake::DEEP, span, "sequences and records nest at most 64 deep")
                })
            }
            Form::Field(name) => self.field(name, args, span),
            Form::Select => self.select(args, span),
            Form::Encode(format) => self.encode(format, args, span),
            Form::After => {
                if args.iter().skip(1).any(Item::is_late) {
                    return self.late(form, args, Vec::new(), Kind::Any, span);
                }
                args.into_iter().next().unwrap_or(Item::Poison)
            }
            _ => Item::Poison,
        }
    }

    fn counts(&mut self, name: &str, least: usize, most: usize, args: &[Item], span: Span) -> bool {
        let given = args.len();
        if (least..=most).contains(&given) {
            return true;
        }
        let takes = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        let plural = if most == 1 { "argument" } else { "arguments" };
        let message = format!("`{name}` takes {takes} {plural}, {given} given");
        self.fail(mistake::COUNT, span, message);
        false
    }

    /// Keeps a form for later.
    pub fn late(
        &mut self,
        form: Form,
        args: Vec<Item>,
        needs: Vec<NodeIndex>,
        kind: Kind,
        span: Span,
    ) -> Item {
        let op = Op::Call(Callable::Form(form));
        self.wait(Later { op, args, needs, kind, span, done: None })
    }

    /// Returns the values of arguments that must be known now, or what the form is until then.
    pub fn known(
        &mut self,
        form: Form,
        args: &[Item],
        which: std::ops::Range<usize>,
        kind: Kind,
        span: Span,
    ) -> Result<Vec<Value>, Item> {
        let mut values = Vec::new();
        let mut needs = Vec::new();
        let mut is_late = false;
        for item in &args[which] {
            match item {
                Item::Literal(value) => values.push(value.clone()),
                Item::Node(node) => match self.session.known.get(node) {
                    Some(value) => values.push(value.clone()),
                    None => needs.push(*node),
                },
                Item::Later(_) => is_late = true,
                Item::Unknown(_) => return Err(Item::Unknown(kind)),
                other => {
                    if other.is_late() {
                        is_late = true;
                    } else {
                        let kind = self.kind(other);
                        let message = format!("a {kind} cannot stand here");
                        return Err(self.fail(mistake::KIND, span, message));
                    }
                }
            }
        }
        if is_late || !needs.is_empty() {
            return Err(self.late(form, args.to_vec(), needs, kind, span));
        }
        Ok(values)
    }

    fn index(&mut self, args: Vec<Item>, span: Span) -> Item {
        let elements = match &args[0] {
            // An index that is a node needs its value, whatever the sequence is.
            Item::Unknown(Kind::Any | Kind::Sequence) => return Item::Unknown(Kind::Any),
            item => {
                let item = item.clone();
                self.elements(&item, span)
            }
        };
        let kind = self.kind(&args[1]);
        if !matches!(kind, Kind::Number | Kind::Text | Kind::Any) {
            let message = format!("an index is a number, this is {}", kind.article());
            return self.fail(mistake::KIND, span, message);
        }
        match elements {
            Elements::Bad => Item::Poison,
            Elements::Unknown => Item::Unknown(Kind::Any),
            Elements::Wait(node) => self.late(Form::Index, args, vec![node], Kind::Any, span),
            Elements::Late => self.late(Form::Index, args, Vec::new(), Kind::Any, span),
            Elements::Known(items) => {
                let at = match self.known(Form::Index, &args, 1..2, Kind::Any, span) {
                    Ok(values) => values.into_iter().next(),
                    Err(item) => return item,
                };
                match at.as_ref().and_then(integer) {
                    Some(at) if at < items.len() => items[at].clone(),
                    _ => self.refused("default.index", &args, at, span),
                }
            }
        }
    }

    /// Makes the node whose kernel refuses: only its goals fail.
    fn refused(&mut self, name: &str, args: &[Item], at: Option<Value>, span: Span) -> Item {
        let Some(base) = self.arg(&args[0], span) else { return Item::Poison };
        let mut entries = vec![base];
        entries.extend(at.map(crate::plan::graph::Arg::Literal));
        self.named(name, entries, None, Kind::Any, span)
    }

    fn slice(&mut self, name: &str, args: Vec<Item>, span: Span) -> Item {
        let form = if name == "default.slice" { Form::Slice } else { Form::Subsequence };
        for bound in &args[1..] {
            let kind = self.kind(bound);
            if !matches!(kind, Kind::Number | Kind::Any) {
                let message = format!("a bound is a number, this is {}", kind.article());
                return self.fail(mistake::KIND, span, message);
            }
        }
        let seq = args[0].clone();
        let items = match self.elements(&seq, span) {
            Elements::Bad => return Item::Poison,
            Elements::Unknown => return Item::Unknown(Kind::Sequence),
            Elements::Wait(node) => {
                return self.late(form, args, vec![node], Kind::Sequence, span);
            }
            Elements::Late => return self.late(form, args, Vec::new(), Kind::Sequence, span),
            Elements::Known(items) => items,
        };
        let bounds = match self.known(form, &args, 1..3, Kind::Sequence, span) {
            Ok(bounds) => bounds,
            Err(item) => return item,
        };
        let from_end = form == Form::Slice;
        let ends: Vec<Option<usize>> =
            bounds.iter().map(|value| bound(value, items.len(), from_end)).collect();
        let [Some(from), Some(to)] = ends[..] else {
            let Some(base) = self.arg(&args[0], span) else { return Item::Poison };
            let mut entries = vec![base];
            entries.extend(bounds.into_iter().map(crate::plan::graph::Arg::Literal));
            return self.named(name, entries, None, Kind::Sequence, span);
        };
        self.list(items[from..to.max(from)].to_vec(), span)
    }

    fn field(&mut self, name: u32, args: Vec<Item>, span: Span) -> Item {
        let Value::Text(name_text) = self.session.linked.constants[name as usize].clone() else {
            return Item::Poison;
        };
        let form = Form::Field(name);
        match &args[0] {
            Item::Unknown(Kind::Any | Kind::Record) => Item::Unknown(Kind::Any),
            Item::Later(_) if matches!(self.kind(&args[0]), Kind::Any | Kind::Record) => {
                self.late(form, args, Vec::new(), Kind::Any, span)
            }
            Item::Record(record) => {
                let found = record.fields.iter().find(|(field, _)| *field == name_text);
                match found {
                    Some((_, item)) => item.clone(),
                    None => {
                        let names: Vec<&str> =
                            record.fields.iter().map(|(field, _)| field.as_ref()).collect();
                        self.no_field(&name_text, &names, span)
                    }
                }
            }
            Item::Literal(Value::Record(fields)) => {
                match fields.iter().find(|(field, _)| *field == name_text) {
                    Some((_, value)) => Item::Literal(value.clone()),
                    None => {
                        let names: Vec<&str> =
                            fields.iter().map(|(field, _)| field.as_ref()).collect();
                        self.no_field(&name_text, &names, span)
                    }
                }
            }
            Item::Node(node) if matches!(self.plan.kind(*node), Kind::Any | Kind::Record) => {
                let params = Tree::map([("name", Tree::text(&name_text))]);
                let args = vec![crate::plan::graph::Arg::Node(*node)];
                self.named("default.field", args, Some(params), Kind::Any, span)
            }
            other => {
                let kind = self.kind(other);
                let message =
                    format!("`.{name_text}` is a field of a record, this is {}", kind.article());
                self.fail(mistake::KIND, span, message)
            }
        }
    }

    fn no_field(&mut self, name: &str, names: &[&str], span: Span) -> Item {
        let message = format!("the record has no field `{name}`");
        let mut error = Diagnostic::error(mistake::FIELD, span, message);
        error = match suggest::nearest(name, names.iter().copied()) {
            Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
            None => error.help(format!("it has `{}`", names.join("`, `"))),
        };
        self.report(error);
        Item::Poison
    }

    fn text(&mut self, args: Vec<Item>, span: Span) -> Item {
        for item in &args {
            let kind = self.kind(item);
            if !matches!(kind, Kind::Text | Kind::Number | Kind::Bool | Kind::Any) {
                let message = format!("a {kind} cannot be written into a string");
                return self.fail(mistake::KIND, span, message);
            }
        }
        let mut text = String::new();
        for item in &args {
            match item {
                Item::Literal(value) => text.push_str(&shown(value)),
                Item::Unknown(_) => return Item::Unknown(Kind::Text),
                item if item.is_late() => {
                    return self.late(Form::Text, args, Vec::new(), Kind::Text, span);
                }
                _ => {
                    let args: Option<Vec<_>> =
                        args.iter().map(|item| self.arg(item, span)).collect();
                    return match args {
                        Some(args) => self.named("strings.concat", args, None, Kind::Text, span),
                        None => Item::Poison,
                    };
                }
            }
        }
        Item::text(&text)
    }
}

/// Returns a literal as `print` shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.is_nan() => "nan".to_owned(),
        Value::Number(number) => format!("{number:?}"),
        other => other.kind().to_string(),
    }
}

/// Returns an index: an integral number from 0, or text of digits.
fn integer(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 1e15 => {
            Some(*number as usize)
        }
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Returns a bound of a slice, clamped; negative ones count from the end or are 0.
fn bound(value: &Value, length: usize, from_end: bool) -> Option<usize> {
    let Value::Number(number) = value else { return None };
    if number.is_nan() || (number.is_finite() && number.fract() != 0.0) {
        return None;
    }
    let number = if *number < 0.0 && from_end { number + length as f64 } else { *number };
    Some(number.clamp(0.0, length as f64) as usize)
}
