//! What an expression is while it is lowered.

use std::sync::Arc;

use crate::plan::graph::NodeIndex;
use crate::value::data::Value;
use crate::value::kind::Kind;

/// Sequences and records nest at most so deep, so that whoever walks them may recurse.
pub const DEEPEST: u32 = 64;

/// Something that waits for values, as index into the session's list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LaterId(pub u32);

/// What an expression has become.
#[derive(Clone, Debug)]
pub enum Item {
    /// A mistake that was told: what hangs on it is not told again.
    Poison,
    /// While checking what no goal reaches: something of a kind.
    Unknown(Kind),
    /// A literal, or null.
    Literal(Value),
    /// A node.
    Node(NodeIndex),
    /// A sequence whose elements are known but are not all literals.
    List(Arc<List>),
    /// A record whose fields are known but are not all literals; in canonical order.
    Record(Arc<Fields>),
    /// Known when values are.
    Later(LaterId),
}

/// A sequence of known elements.
#[derive(Debug)]
pub struct List {
    /// The elements.
    pub items: Vec<Item>,
    /// Does one of them wait for values?
    pub late: bool,
    /// How deep it nests.
    pub depth: u32,
}

/// A record of known fields.
#[derive(Debug)]
pub struct Fields {
    /// Name and value.
    pub fields: Vec<(Arc<str>, Item)>,
    /// Does one of them wait for values?
    pub late: bool,
    /// How deep it nests.
    pub depth: u32,
}

impl Item {
    /// Makes a text.
    pub fn text(text: &str) -> Self {
        Self::Literal(Value::text(text))
    }

    /// Makes a sequence, a literal one where all elements are; `None` where it nests too deep.
    pub fn sequence(items: Vec<Item>) -> Option<Self> {
        if items.iter().any(|item| matches!(item, Self::Poison)) {
            return Some(Self::Poison);
        }
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        if depth > DEEPEST {
            return None;
        }
        if items.iter().all(|item| matches!(item, Self::Literal(_))) {
            let values = items.into_iter().filter_map(Self::into_literal).collect();
            return Some(Self::Literal(Value::sequence(values)));
        }
        let late = items.iter().any(Self::is_late);
        Some(Self::List(Arc::new(List { items, late, depth })))
    }

    /// Makes a record, a literal one where all fields are; `None` where it nests too deep.
    pub fn record(mut fields: Vec<(Arc<str>, Item)>) -> Option<Self> {
        if fields.iter().any(|(_, item)| matches!(item, Self::Poison)) {
            return Some(Self::Poison);
        }
        let depth = 1 + fields.iter().map(|(_, item)| item.depth()).max().unwrap_or(0);
        if depth > DEEPEST {
            return None;
        }
        if fields.iter().all(|(_, item)| matches!(item, Self::Literal(_))) {
            let values = fields
                .into_iter()
                .filter_map(|(name, item)| Some((name, item.into_literal()?)))
                .collect();
            return Some(Self::Literal(Value::record(values)));
        }
        fields.sort_by(|(a, _), (b, _)| crate::canon::key_order(a, b));
        let late = fields.iter().any(|(_, item)| item.is_late());
        Some(Self::Record(Arc::new(Fields { fields, late, depth })))
    }

    /// Returns the literal.
    pub fn into_literal(self) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Says whether it, or a part of it, waits for values.
    pub fn is_late(&self) -> bool {
        match self {
            Self::Later(_) => true,
            Self::List(list) => list.late,
            Self::Record(fields) => fields.late,
            _ => false,
        }
    }

    /// Returns how deep it nests.
    pub fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Record(fields) => fields.depth,
            Self::Literal(value) => depth(value),
            _ => 0,
        }
    }
}

/// Returns how deep a value nests. It recurses: values made here nest at most [`DEEPEST`] deep.
pub fn depth(value: &Value) -> u32 {
    match value {
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Record(fields) => {
            1 + fields.iter().map(|(_, value)| depth(value)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// What tells one argument of a call from another: the call is expanded once for equal ones.
#[derive(Clone, Debug)]
pub enum Key {
    /// A mistake.
    Poison,
    /// Something of a kind.
    Unknown(Kind),
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, by its bits.
    Number(u64),
    /// A text.
    Text(Arc<str>),
    /// Something large, which is one only with itself; held so that its address stays its own.
    Held(usize, Item),
    /// A node.
    Node(NodeIndex),
    /// What waits.
    Later(LaterId),
}

impl Key {
    /// Returns the key of an argument, or `None` for what has no lasting address.
    pub fn of(item: &Item) -> Option<Self> {
        let address = |pointer: *const u8| Self::Held(pointer as usize, item.clone());
        Some(match item {
            Item::Poison => Self::Poison,
            Item::Unknown(kind) => Self::Unknown(*kind),
            Item::Literal(Value::Null) => Self::Null,
            Item::Literal(Value::Bool(truth)) => Self::Bool(*truth),
            Item::Literal(Value::Number(number)) => Self::Number(number.to_bits()),
            Item::Literal(Value::Text(text)) => Self::Text(text.clone()),
            Item::Literal(Value::Sequence(items)) => address(items.as_ptr().cast()),
            Item::Literal(Value::Record(fields)) => address(fields.as_ptr().cast()),
            Item::Literal(_) => return None,
            Item::Node(node) => Self::Node(*node),
            Item::List(list) => address(Arc::as_ptr(list).cast()),
            Item::Record(fields) => address(Arc::as_ptr(fields).cast()),
            Item::Later(later) => Self::Later(*later),
        })
    }

    fn parts(&self) -> (u8, u64) {
        match self {
            Self::Poison => (0, 0),
            Self::Unknown(kind) => (1, *kind as u64),
            Self::Null => (2, 0),
            Self::Bool(truth) => (3, u64::from(*truth)),
            Self::Number(bits) => (4, *bits),
            Self::Text(_) => (5, 0),
            Self::Held(address, _) => (6, *address as u64),
            Self::Node(node) => (7, u64::from(node.0)),
            Self::Later(later) => (8, u64::from(later.0)),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => self.parts() == other.parts(),
        }
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
        if let Self::Text(text) = self {
            text.hash(state);
        }
    }
}
