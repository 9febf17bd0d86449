//! A program with its names settled, as steps of a machine with a stack.
//!
//! Settling names before anything is expanded finds mistakes in what no goal reaches, settles
//! static scoping once, and makes expanding a function a matter of running its steps again.

use std::sync::Arc;

use crate::lang::source::Span;
use crate::primitive::registry::Spelling;
use crate::primitive::signature::Signature;
use crate::value::data::Value;

/// A declaration, as index into [`Linked::decls`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DeclId(pub u32);

/// The body of a `for` or `filter`, as index into [`Linked::lambdas`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LambdaId(pub u32);

/// A spelling of an operator, as index into [`Linked::prims`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrimId(pub u32);

/// What leaves no node of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// `load(path)`.
    Load,
    /// `ReadImage(path[, type])`.
    ReadImage,
    /// `WriteImage(image, path, ...)`.
    WriteImage,
    /// `dir(root, glob, recursive, full)`.
    Dir,
    /// `index(xs, i)`.
    Index,
    /// `xs[a:b]`.
    Slice,
    /// `subsequence(xs, a, b)`.
    Subsequence,
    /// `[a, b]`.
    Sequence,
    /// A string with parts that are not known before lowering.
    Text,
    /// A record with the names of [`Linked::shapes`].
    Record(u32),
    /// A field, by its name in [`Linked::constants`].
    Field(u32),
    /// What of the first half of the arguments the second half keeps.
    Select,
    /// The bytes of a file, in the format named in [`Linked::constants`].
    Encode(u32),
    /// The first argument, when all others are done.
    After,
}

/// What can be called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Callable {
    /// A declaration.
    Decl(DeclId),
    /// An operator.
    Prim(PrimId),
    /// A form.
    Form(Form),
}

/// Where a fold without a start begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Start {
    /// With a number.
    Number(f64),
    /// With a truth value.
    Bool(bool),
    /// With the first element.
    First,
}

/// One step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Code {
    /// Pushes a number.
    Number(f64),
    /// Pushes one of [`Linked::constants`].
    Constant(u32),
    /// Pushes a parameter or local name of the frame.
    Local(u32),
    /// Pushes what the frame's lambda has captured.
    Captured(u32),
    /// Pushes what a declaration without parameters stands for.
    Global(DeclId),
    /// Pops arguments, pushes the result.
    Call(Callable, u32),
    /// Pops a value and makes it a local.
    Enter,
    /// Drops the last local.
    Leave,
    /// Goes on elsewhere.
    Skip(u32),
    /// Pops a sequence, pushes that of the results.
    For(LambdaId),
    /// Pops a sequence, pushes that of the elements that are kept.
    Filter(LambdaId),
    /// Pops a sequence, pushes that of the results.
    Map(Callable),
    /// Pops a sequence and, below it, perhaps a start; pushes the result.
    Fold(Callable, Option<Start>),
    /// Pops as many, pushes what stands for a mistake that was told.
    Poison(u32),
    /// Ends a body.
    Return,
}

/// A declaration.
#[derive(Clone, Debug)]
pub struct Decl {
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub span: Span,
    /// Its parameters.
    pub params: u32,
    /// Where its steps begin.
    pub start: u32,
    /// Does it call other things that may call more (then calls are remembered)?
    pub calls: bool,
    /// Is it of the standard library?
    pub library: bool,
}

/// Where a captured value comes from, seen from the frame around the lambda.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// A local of that frame.
    Local(u32),
    /// What that frame has captured itself.
    Captured(u32),
}

/// The body of a `for` or `filter`; its element is local 0.
#[derive(Clone, Debug, Default)]
pub struct Lambda {
    /// Where its steps begin.
    pub start: u32,
    /// What it uses from around.
    pub captures: Vec<Capture>,
}

/// A spelling with the signature of its operator.
#[derive(Clone, Copy, Debug)]
pub struct Prim {
    /// How it is written.
    pub spelling: Spelling,
    /// What it says of itself.
    pub signature: Signature,
}

/// What a goal does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GoalKind {
    /// `print`.
    Print,
    /// `save`.
    Save,
}

/// A `print` or `save`.
#[derive(Clone, Copy, Debug)]
pub struct GoalCode {
    /// What it does.
    pub kind: GoalKind,
    /// The command.
    pub span: Span,
    /// The label or path.
    pub text_span: Span,
    /// Steps of the label or path.
    pub text: u32,
    /// Steps of the value.
    pub value: u32,
}

/// What may give the base image, in the order of the text.
#[derive(Clone, Copy, Debug)]
pub enum BaseCode {
    /// A `load`.
    Load(DeclId),
    /// Steps that read an image somewhere.
    Steps(u32),
}

/// The first step of every program only returns.
pub const END: u32 = 0;

/// All files of a program, settled.
#[derive(Debug)]
pub struct Linked {
    /// The steps.
    pub steps: Vec<Code>,
    /// Where each step was written.
    pub spans: Vec<Span>,
    /// Texts, truths and settings.
    pub constants: Vec<Value>,
    /// The names of records.
    pub shapes: Vec<Arc<[Arc<str>]>>,
    /// The declarations.
    pub decls: Vec<Decl>,
    /// The bodies of loops.
    pub lambdas: Vec<Lambda>,
    /// The operators that are used.
    pub prims: Vec<Prim>,
    /// Goals in program order.
    pub goals: Vec<GoalCode>,
    /// Loads, in program order.
    pub loads: Vec<DeclId>,
    /// What may give the base image: the main file's, then the imports'.
    pub bases: Vec<BaseCode>,
}

impl Default for Linked {
    fn default() -> Self {
        Self {
            steps: vec![Code::Return],
            spans: vec![Span::default()],
            constants: Vec::new(),
            shapes: Vec::new(),
            decls: Vec::new(),
            lambdas: Vec::new(),
            prims: Vec::new(),
            goals: Vec::new(),
            loads: Vec::new(),
            bases: Vec::new(),
        }
    }
}
