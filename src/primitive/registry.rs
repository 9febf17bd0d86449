//! From names to operators.

use std::collections::{BTreeMap, HashMap};

use crate::primitive::contract::Primitive;

/// Where a dot demands the scalar: the dotted side must be a number or boolean (or a sequence of
/// them), the other side an image (or a sequence of them).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dots {
    /// No dot: dispatches on its operands.
    None,
    /// `.+`: the left is a scalar, the right an image.
    Left,
    /// `+.`: the right is a scalar, the left an image.
    Right,
    /// `.+.`: both are scalars.
    Both,
}

/// A name that lowers to an operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spelling {
    /// What is written, without namespace.
    pub spelling: &'static str,
    /// The qualified primitive.
    pub primitive: &'static str,
    /// Are the two arguments swapped (`a > b` is `lt(b, a)`)?
    pub swapped: bool,
    /// Where its dots demand scalars.
    pub dots: Dots,
    /// The namespaces it belongs to.
    pub namespaces: &'static [&'static str],
}

/// Finds operators by name.
///
/// A trait so that lowering can be tested with toy operators.
pub trait Registry: Send + Sync {
    /// Returns the operator with this qualified name.
    fn find(&self, qualified: &str) -> Option<&dyn Primitive>;

    /// Returns what `name` means in `namespace`: a spelling, or a callable operator's own name.
    fn resolve(&self, namespace: &str, name: &str) -> Option<Spelling>;

    /// Returns all namespaces, bytewise.
    fn namespaces(&self) -> Vec<&str>;

    /// Returns every name in every namespace, for suggestions and listings.
    fn names(&self) -> Vec<(&str, &str)>;

    /// Returns the numbers that have names: namespace, name, number.
    fn constants(&self) -> Vec<(&str, &str, f64)> {
        Vec::new()
    }
}

/// The operators that were put in.
#[derive(Default)]
pub struct Table {
    primitives: BTreeMap<&'static str, Box<dyn Primitive>>,
    spellings: HashMap<(&'static str, &'static str), Spelling>,
    constants: BTreeMap<(&'static str, &'static str), f64>,
}

impl Table {
    /// Begins without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in an operator under its own name.
    pub fn add(&mut self, primitive: Box<dyn Primitive>) {
        let signature = *primitive.signature();
        if signature.callable {
            self.spell(Spelling {
                spelling: signature.short(),
                primitive: signature.name,
                swapped: false,
                dots: Dots::None,
                namespaces: &[],
            });
        }
        let before = self.primitives.insert(signature.name, primitive);
        debug_assert!(before.is_none(), "{} is put in once", signature.name);
    }

    /// Puts in another spelling of an operator; without namespaces it belongs to the operator's own.
    pub fn spell(&mut self, spelling: Spelling) {
        let own = [spelling.primitive.split_once('.').map_or("", |(namespace, _)| namespace)];
        let namespaces: &[&'static str] =
            if spelling.namespaces.is_empty() { &own } else { spelling.namespaces };
        for namespace in namespaces {
            self.spellings.insert((namespace, spelling.spelling), spelling);
        }
    }

    /// Gives a number a name.
    pub fn name(&mut self, namespace: &'static str, name: &'static str, number: f64) {
        self.constants.insert((namespace, name), number);
    }

    /// Visits all operators by name.
    pub fn primitives(&self) -> impl Iterator<Item = &dyn Primitive> {
        self.primitives.values().map(AsRef::as_ref)
    }
}

impl Registry for Table {
    fn find(&self, qualified: &str) -> Option<&dyn Primitive> {
        self.primitives.get(qualified).map(AsRef::as_ref)
    }

    fn resolve(&self, namespace: &str, name: &str) -> Option<Spelling> {
        // The key's lifetime is `'static` only in the map's type; looking up does not need it.
        self.spellings.get(&(namespace, name) as &(&str, &str)).copied()
    }

    fn namespaces(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.spellings.keys().map(|(namespace, _)| *namespace).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn names(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = self.spellings.keys().copied().collect();
        all.sort_unstable();
        all
    }

    fn constants(&self) -> Vec<(&str, &str, f64)> {
        self.constants.iter().map(|((space, name), number)| (*space, *name, *number)).collect()
    }
}
