//! What an operator says of itself.

use crate::value::data::Value;
use crate::value::kind::Kind;

/// On what the bits of a result depend besides the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Determinism {
    /// The same bits on every machine.
    Everywhere,
    /// The same bits on one kind of machine; the platform enters `p`.
    OnOnePlatform,
}

/// What one argument may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// V: a number image or a mask (as 0.0 and 1.0).
    Volume,
    /// M: a mask or a number image (true where not 0).
    Mask,
    /// A: any image.
    Image,
    /// k: a number.
    Number,
    /// b: a boolean.
    Bool,
    /// s: a text.
    Text,
    /// A sequence.
    Sequence,
    /// A number or a sequence (of numbers).
    NumberOrSequence,
    /// A record.
    Record,
    /// A grid: the base image's, put in while lowering.
    Grid,
    /// Null.
    Null,
    /// Bytes.
    Bytes,
    /// Anything.
    Any,
}

impl Slot {
    /// Says whether a value of `kind` may stand here; what is not known yet may.
    pub fn takes(self, kind: Kind) -> bool {
        kind == Kind::Any
            || match self {
                Self::Volume | Self::Mask => matches!(kind, Kind::Image | Kind::Mask),
                Self::Image => kind.is_image(),
                Self::Number => kind == Kind::Number,
                Self::Bool => kind == Kind::Bool,
                Self::Text => kind == Kind::Text,
                Self::Sequence => kind == Kind::Sequence,
                Self::NumberOrSequence => matches!(kind, Kind::Number | Kind::Sequence),
                Self::Record => kind == Kind::Record,
                Self::Grid => kind == Kind::Grid,
                Self::Null => kind == Kind::Null,
                Self::Bytes => kind == Kind::Bytes,
                Self::Any => true,
            }
    }

    /// Returns the words for it in a message.
    pub fn words(self) -> &'static str {
        match self {
            Self::Volume => "image",
            Self::Mask => "mask",
            Self::Image => "any image",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Sequence => "sequence",
            Self::NumberOrSequence => "number or sequence",
            Self::Record => "record",
            Self::Grid => "grid",
            Self::Null => "null",
            Self::Bytes => "bytes",
            Self::Any => "anything",
        }
    }
}

/// A default that is written into `args` when the argument is left out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Default {
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
    /// The sequence of these numbers.
    Numbers(&'static [f64]),
}

impl Default {
    /// Returns the literal.
    pub fn value(self) -> Value {
        match self {
            Self::Number(number) => Value::Number(number),
            Self::Bool(truth) => Value::Bool(truth),
            Self::Numbers(numbers) => {
                Value::sequence(numbers.iter().map(|number| Value::Number(*number)).collect())
            }
        }
    }
}

/// One way to call an operator: the kinds it takes and the kind it gives.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Kinds of the arguments in the order of `args` (the base grid first, where there is one).
    pub takes: &'static [Slot],
    /// May the last slot be repeated any number of times (also none)?
    pub variadic: bool,
    /// What comes out.
    pub gives: Kind,
}

impl Form {
    /// Makes a form with a fixed count of arguments.
    pub const fn new(takes: &'static [Slot], gives: Kind) -> Self {
        Self { takes, variadic: false, gives }
    }

    /// Says whether arguments of these kinds are of this form.
    pub fn matches(&self, kinds: &[Kind]) -> bool {
        let fixed = if self.variadic { self.takes.len() - 1 } else { self.takes.len() };
        if kinds.len() < fixed || (!self.variadic && kinds.len() > fixed) {
            return false;
        }
        kinds
            .iter()
            .enumerate()
            .all(|(at, kind)| self.takes[at.min(self.takes.len() - 1)].takes(*kind))
    }
}

/// About what a run of the kernel costs; constants of the program, never the clock of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// S: nothing that grows with an image.
    Scalar,
    /// B: bits, 0.05 ns a voxel.
    Bits,
    /// E: one pass, 0.3 ns a voxel.
    Pass,
    /// C: components, 0.4 ns a voxel.
    Components,
    /// R: ranks and histograms, 2 ns a voxel.
    Ranks,
    /// D: distance, 4 ns a voxel.
    Distance,
    /// X: local correlation, 6 ns a voxel.
    Correlation,
    /// K: many passes, 40 ns a voxel.
    Passes,
    /// F: reading or writing a file, 3 ns a voxel.
    File,
}

impl Cost {
    /// Returns picoseconds a voxel.
    pub fn picoseconds(self) -> u64 {
        match self {
            Self::Scalar => 0,
            Self::Bits => 50,
            Self::Pass => 300,
            Self::Components => 400,
            Self::Ranks => 2_000,
            Self::Distance => 4_000,
            Self::Correlation => 6_000,
            Self::Passes => 40_000,
            Self::File => 3_000,
        }
    }
}

/// An operator's name, version, forms and promises.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// `namespace.name`: node ids are made of it.
    pub name: &'static str,
    /// From 1; raised whenever the bits it returns change, and when a refusal becomes a value.
    pub version: u32,
    /// Names of the arguments a user writes, in order, for messages and documentation.
    pub parameters: &'static [&'static str],
    /// The ways to call it, the first that fits counts.
    pub forms: &'static [Form],
    /// Literals for the last arguments, when they are left out.
    pub defaults: &'static [Default],
    /// Is it applied element by element when an argument is a sequence?
    pub elementwise: bool,
    /// Is each voxel of an image that it gives a function of that voxel of the images it takes?
    pub voxelwise: bool,
    /// Does a program name it, or is it made by lowering only?
    pub callable: bool,
    /// On what its bits depend.
    pub determinism: Determinism,
    /// What it costs.
    pub cost: Cost,
    /// One line of documentation with shapes, units and edges.
    pub doc: &'static str,
}

impl Signature {
    /// Begins a signature of version 1 that is callable, not elementwise and the same everywhere.
    pub const fn new(
        name: &'static str,
        parameters: &'static [&'static str],
        forms: &'static [Form],
        cost: Cost,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            version: 1,
            parameters,
            forms,
            defaults: &[],
            elementwise: false,
            voxelwise: false,
            callable: true,
            determinism: Determinism::Everywhere,
            cost,
            doc,
        }
    }

    /// Sets the literals for arguments that are left out.
    pub const fn defaults(mut self, defaults: &'static [Default]) -> Self {
        self.defaults = defaults;
        self
    }

    /// Makes it apply element by element to sequences.
    pub const fn elementwise(mut self) -> Self {
        self.elementwise = true;
        self
    }

    /// Says that it looks at one voxel of each image at a time.
    pub const fn voxelwise(mut self) -> Self {
        self.voxelwise = true;
        self
    }

    /// Hides it from programs.
    pub const fn internal(mut self) -> Self {
        self.callable = false;
        self
    }

    /// Says whether its first argument is the base image's grid, put in while lowering.
    pub fn on_base_grid(&self) -> bool {
        self.callable
            && self.forms.first().is_some_and(|form| form.takes.first() == Some(&Slot::Grid))
    }

    /// Returns the part of the name before the dot.
    pub fn namespace(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(namespace, _)| namespace)
    }

    /// Returns the part of the name behind the dot.
    pub fn short(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Returns the kind of the result, or `None` when no form takes arguments of these kinds.
    ///
    /// Where an argument is not known yet and forms disagree, the result is [`Kind::Any`].
    pub fn result(&self, kinds: &[Kind]) -> Option<Kind> {
        if self.elementwise && kinds.contains(&Kind::Sequence) {
            return Some(Kind::Sequence);
        }
        let mut result = None;
        for form in self.forms.iter().filter(|form| form.matches(kinds)) {
            match result {
                None => result = Some(form.gives),
                Some(kind) if kind != form.gives && kinds.contains(&Kind::Any) => {
                    return Some(Kind::Any);
                }
                Some(_) => {}
            }
        }
        if self.elementwise && kinds.contains(&Kind::Any) {
            return Some(Kind::Any);
        }
        result
    }
}
