//! Runs steps: expressions become nodes of the plan.
//!
//! Calls and loops are frames on a list, so that nothing here recurses with the program.

use std::sync::Arc;

use crate::lang::source::Span;
use crate::lower::code::{Callable, Capture, Code, DeclId, END, LambdaId, Linked};
use crate::lower::item::{Item, Key};
use crate::lower::session::{Op, Session};
use crate::plan::graph::Plan;
use crate::value::kind::Kind;

/// Why a frame was opened: what happens with its result.
pub enum Why {
    /// It ends the run.
    Stop,
    /// A call of a declaration, remembered under its key.
    Call(DeclId, Option<Vec<Key>>),
    /// A declaration without parameters.
    Global(DeclId),
    /// An element of a loop.
    Each(Each),
    /// An element of a fold.
    Fold {
        /// What is called.
        decl: DeclId,
        /// The elements.
        items: Arc<[Item]>,
        /// The next one.
        next: usize,
    },
    /// Only mistakes are wanted; the item is the result.
    Look(Item),
}

/// A loop that goes on.
pub struct Each {
    /// What is done with an element.
    pub body: Body,
    /// The elements.
    pub items: Arc<[Item]>,
    /// The next one.
    pub next: usize,
    /// The results so far.
    pub out: Vec<Item>,
}

/// What a loop does with an element.
#[derive(Clone)]
pub enum Body {
    /// `for`, with what it captures.
    For(LambdaId, Arc<[Item]>),
    /// `filter`, with what it captures.
    Filter(LambdaId, Arc<[Item]>),
    /// `map` of a declaration.
    Map(DeclId),
}

/// An open call or loop.
pub struct Frame {
    back: u32,
    base: usize,
    captures: Option<Arc<[Item]>>,
    /// Where it was called.
    pub site: Span,
    /// What happens with its result.
    pub why: Why,
}

/// A run of steps.
pub struct Machine<'m> {
    /// What is known.
    pub session: &'m mut Session,
    /// Where nodes go.
    pub plan: &'m mut Plan,
    /// Operands.
    pub values: Vec<Item>,
    /// Open frames.
    pub frames: Vec<Frame>,
    locals: Vec<Item>,
    base: usize,
    captures: Option<Arc<[Item]>>,
    pc: u32,
    /// While above 0 no node is made: only mistakes are looked for.
    pub checking: u32,
    /// Are mistakes kept silent?
    pub quiet: bool,
    /// Is what is checked reached by no goal?
    pub unreached: bool,
    /// The first paths that are read outside of calls and loops, when they are wanted.
    pub scan: Option<Vec<String>>,
    /// Effects that wait for values, since the goal began.
    pub effects: Vec<Item>,
    /// What templates go on with.
    pub shared: Option<crate::lower::later::Shared>,
}

impl<'m> Machine<'m> {
    /// Begins with empty lists.
    pub fn new(session: &'m mut Session, plan: &'m mut Plan) -> Self {
        Self {
            session,
            plan,
            values: Vec::new(),
            frames: Vec::new(),
            locals: Vec::new(),
            base: 0,
            captures: None,
            pc: 0,
            checking: 0,
            quiet: false,
            unreached: false,
            scan: None,
            effects: Vec::new(),
            shared: None,
        }
    }

    /// Runs the steps from `start` in a frame with these locals, and returns the result.
    pub fn run(&mut self, start: u32, arguments: Vec<Item>) -> Item {
        let linked = Arc::clone(&self.session.linked);
        self.open(start, Why::Stop, Span::default(), None);
        self.locals.extend(arguments);
        self.go(&linked);
        self.values.pop().unwrap_or(Item::Poison)
    }

    /// Does one operation and all that it begins, and returns the result.
    pub fn perform(&mut self, op: Op, args: Vec<Item>, span: Span) -> Item {
        let linked = Arc::clone(&self.session.linked);
        self.open(END, Why::Stop, span, None);
        self.begin(&linked, op, args, span);
        self.go(&linked);
        self.values.pop().unwrap_or(Item::Poison)
    }

    fn open(&mut self, start: u32, why: Why, site: Span, captures: Option<Arc<[Item]>>) {
        let captures = std::mem::replace(&mut self.captures, captures);
        self.frames.push(Frame { back: self.pc, base: self.base, captures, site, why });
        self.base = self.locals.len();
        self.pc = start;
    }

    fn go(&mut self, linked: &Linked) {
        loop {
            let at = self.pc as usize;
            self.pc += 1;
            match linked.steps[at] {
                Code::Number(number) => {
                    self.push(Item::Literal(crate::value::data::Value::Number(number)));
                }
                Code::Constant(constant) => {
                    self.push(Item::Literal(linked.constants[constant as usize].clone()));
                }
                Code::Local(slot) => {
                    let item = self.locals[self.base + slot as usize].clone();
                    self.push(item);
                }
                Code::Captured(at) => {
                    let captures = self.captures.as_ref().expect("a lambda's frame has captures");
                    let item = captures[at as usize].clone();
                    self.push(item);
                }
                Code::Global(decl) => self.global(linked, decl, linked.spans[at]),
                Code::Call(Callable::Decl(decl), count) => {
                    let args = self.pop(count);
                    self.call(linked, decl, args, linked.spans[at]);
                }
                Code::Call(callable, count) => {
                    let args = self.pop(count);
                    self.begin(linked, Op::Call(callable), args, linked.spans[at]);
                }
                Code::Enter => {
                    let item = self.values.pop().expect("a value is entered");
                    self.locals.push(item);
                }
                Code::Leave => {
                    self.locals.pop();
                }
                Code::Skip(to) => self.pc = to,
                Code::For(lambda) => self.lambda(linked, lambda, Op::For(lambda), at),
                Code::Filter(lambda) => self.lambda(linked, lambda, Op::Filter(lambda), at),
                Code::Map(callable) => {
                    let args = self.pop(1);
                    self.begin(linked, Op::Map(callable), args, linked.spans[at]);
                }
                Code::Fold(callable, start) => {
                    let args = self.pop(1 + u32::from(start.is_none()));
                    self.begin(linked, Op::Fold(callable, start), args, linked.spans[at]);
                }
                Code::Poison(count) => {
                    self.pop(count);
                    self.push(Item::Poison);
                }
                Code::Return => {
                    if self.give_back(linked) {
                        return;
                    }
                }
            }
        }
    }

    /// Pushes a result.
    pub fn push(&mut self, item: Item) {
        self.values.push(item);
    }

    fn pop(&mut self, count: u32) -> Vec<Item> {
        let at = self.values.len() - count as usize;
        self.values.split_off(at)
    }

    fn lambda(&mut self, linked: &Linked, lambda: LambdaId, op: Op, at: usize) {
        let seq = self.values.pop().expect("a loop has a sequence");
        let mut args = vec![seq];
        for capture in &linked.lambdas[lambda.0 as usize].captures {
            args.push(match capture {
                Capture::Local(slot) => self.locals[self.base + *slot as usize].clone(),
                Capture::Captured(at) => {
                    self.captures.as_ref().expect("a lambda's frame has captures")[*at as usize]
                        .clone()
                }
            });
        }
        self.begin(linked, op, args, linked.spans[at]);
    }

    /// Begins an operation: its result is pushed now, or when the frames that it opens are done.
    pub fn begin(&mut self, linked: &Linked, op: Op, args: Vec<Item>, span: Span) {
        let args: Vec<Item> = args.into_iter().map(|item| self.session.fresh(item)).collect();
        match op {
            Op::Call(Callable::Decl(decl)) => self.call(linked, decl, args, span),
            Op::Call(Callable::Prim(prim)) => {
                let item = self.primitive(prim, args, span);
                self.push(item);
            }
            Op::Call(Callable::Form(form)) => {
                let item = self.form(form, args, span);
                self.push(item);
            }
            Op::For(_) | Op::Filter(_) | Op::Map(_) => self.each(linked, op, args, span),
            Op::Fold(callable, start) => self.fold(linked, callable, start, args, span),
        }
    }

    /// Begins a call of a declaration.
    pub fn call(&mut self, linked: &Linked, decl: DeclId, args: Vec<Item>, span: Span) {
        if args.iter().any(|item| matches!(item, Item::Poison)) {
            self.push(Item::Poison);
            return;
        }
        let declared = &linked.decls[decl.0 as usize];
        self.session.reached[decl.0 as usize] = true;
        let mut remembered = None;
        if declared.calls
            && let Some(keys) = args.iter().map(Key::of).collect()
        {
            let key = (decl, self.checking > 0, keys);
            if let Some(item) = self.session.calls.get(&key) {
                let item = item.clone();
                self.push(item);
                return;
            }
            remembered = Some(key.2);
        }
        self.open(declared.start, Why::Call(decl, remembered), span, None);
        self.locals.extend(args);
    }

    fn global(&mut self, linked: &Linked, decl: DeclId, span: Span) {
        let at = decl.0 as usize;
        let known = match (&self.session.globals[at], self.checking) {
            (Some(item), _) => Some(item.clone()),
            (None, 0) => None,
            (None, _) => self.session.checked[at].clone(),
        };
        if let Some(item) = known {
            self.push(item);
            return;
        }
        self.session.reached[at] = true;
        self.open(linked.decls[at].start, Why::Global(decl), span, None);
    }

    /// Begins the next element of a loop.
    pub fn next_element(&mut self, linked: &Linked, mut each: Each, span: Span) {
        let item = each.items[each.next].clone();
        each.next += 1;
        match each.body.clone() {
            Body::For(lambda, captures) | Body::Filter(lambda, captures) => {
                let start = linked.lambdas[lambda.0 as usize].start;
                self.open(start, Why::Each(each), span, Some(captures));
                self.locals.push(item);
            }
            Body::Map(decl) => {
                // The call is a frame of its own above the loop's, which only passes its result on.
                self.open(END, Why::Each(each), span, None);
                self.call(linked, decl, vec![item], span);
            }
        }
    }

    /// Begins the next element of a fold whose accumulated value is `value`.
    pub fn next_fold(
        &mut self,
        linked: &Linked,
        decl: DeclId,
        items: Arc<[Item]>,
        next: usize,
        value: Item,
        span: Span,
    ) {
        let args = vec![value, items[next].clone()];
        self.open(END, Why::Fold { decl, items, next: next + 1 }, span, None);
        self.call(linked, decl, args, span);
    }

    /// Begins a look at a body with an element that nobody knows; `item` is the result.
    pub fn look(&mut self, linked: &Linked, body: Body, item: Item, span: Span) {
        self.checking += 1;
        let unknown = Item::Unknown(Kind::Any);
        match body {
            Body::For(lambda, captures) | Body::Filter(lambda, captures) => {
                let start = linked.lambdas[lambda.0 as usize].start;
                self.open(start, Why::Look(item), span, Some(captures));
                self.locals.push(unknown);
            }
            Body::Map(decl) => {
                self.open(END, Why::Look(item), span, None);
                self.call(linked, decl, vec![unknown], span);
            }
        }
    }

    fn give_back(&mut self, linked: &Linked) -> bool {
        let frame = self.frames.pop().expect("a body runs in a frame");
        self.locals.truncate(self.base);
        self.base = frame.base;
        self.captures = frame.captures;
        self.pc = frame.back;
        match frame.why {
            Why::Stop => return true,
            Why::Call(decl, keys) => {
                if let Some(keys) = keys {
                    let item = self.values.last().expect("a body has a result").clone();
                    self.session.calls.insert((decl, self.checking > 0, keys), item);
                }
            }
            Why::Global(decl) => {
                let item = self.values.last().expect("a body has a result").clone();
                let known = if self.checking > 0 {
                    &mut self.session.checked
                } else {
                    &mut self.session.globals
                };
                known[decl.0 as usize] = Some(item);
            }
            Why::Each(mut each) => {
                let item = self.values.pop().expect("a body has a result");
                each.out.push(item);
                if each.next < each.items.len() {
                    self.next_element(linked, each, frame.site);
                } else {
                    self.end_each(each, frame.site);
                }
            }
            Why::Fold { decl, items, next } => {
                if next < items.len() {
                    let value = self.values.pop().expect("a body has a result");
                    self.next_fold(linked, decl, items, next, value, frame.site);
                }
            }
            Why::Look(item) => {
                self.values.pop();
                self.checking -= 1;
                self.push(item);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use crate::lower::toy::{goals, plan};

    /// Lowers in a thread with a small stack; returns the goals where they are short.
    fn small_stack(text: String) -> usize {
        let run = move || plan(&text).len();
        std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap()
    }

    #[test]
    fn deep_programs_need_no_stack() {
        let f = "load f = \"flair.nii.gz\" ";
        let n = 10_000;
        let calls = format!("{f}print \"v\" max({}f{})", "near(".repeat(n), ")".repeat(n));
        assert_eq!(small_stack(calls), n + 2);
        let prefixes = format!("{f}print \"v\" max({}f)", "!".repeat(n));
        assert_eq!(small_stack(prefixes), n + 2);
        let chain = format!("{f}print \"v\" max(f{})", " + f".repeat(n));
        assert_eq!(small_stack(chain), n + 2);
        let inner = "let x = x + f in ".repeat(n);
        assert_eq!(small_stack(format!("{f}print \"v\" let x = f in max({inner} x)")), n + 2);
        let mut functions = format!("{f}f0(x) = near(x)\n");
        for i in 0..n {
            functions += &format!("f{}(x) = near(f{i}(x))\n", i + 1);
        }
        assert_eq!(small_stack(format!("{functions}print \"v\" max(f{n}(f))")), n + 3);
        let loops = "for a in [1] do ".repeat(50);
        assert_eq!(small_stack(format!("{f}print \"v\" {loops} volume(f)")), 52);
    }

    #[test]
    fn chains_of_declarations_are_linear() {
        let mut text = "load f = \"flair.nii.gz\" x0 = volume(f)\n".to_owned();
        for i in 0..100_000 {
            text += &format!("x{} = x{i} + x{i}\n", i + 1);
        }
        text += "print \"v\" x100000";
        assert_eq!(small_stack(text), 100_002);
    }

    #[test]
    fn equal_calls_are_expanded_once() {
        let mut text = "load f = \"flair.nii.gz\" f0(x) = x + 1 f1(x) = f0(x) + x\n".to_owned();
        for i in 2..60 {
            text += &format!("f{i}(x) = f{}(x) + f{}(x)\n", i - 1, i - 2);
        }
        text += "print \"v\" f59(volume(f))";
        assert!(plan(&text).len() < 200);
        assert_eq!(goals(&plan("f(x) = x print \"v\" f(f(f(2)))")), "v=2.0");
    }
}
