//! What is known while a program is lowered, and later while its templates expand.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::{SourceId, Span};
use crate::lower::code::{Callable, DeclId, LambdaId, Linked, Start};
use crate::lower::files::Files;
use crate::lower::item::{Item, Key, LaterId};
use crate::lower::request::Request;
use crate::plan::graph::{NodeIndex, Origin};
use crate::plan::template::Fault;
use crate::primitive::registry::Registry;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::kind::Kind;

/// What is to be done when values are known.
#[derive(Clone, Debug)]
pub enum Op {
    /// A call.
    Call(Callable),
    /// A loop over the first argument; the others are what its body captures.
    For(LambdaId),
    /// The same, for `filter`.
    Filter(LambdaId),
    /// A call for each element of the first argument.
    Map(Callable),
    /// A fold over the last argument.
    Fold(Callable, Option<Start>),
}

/// Something that waits.
#[derive(Clone, Debug)]
pub struct Later {
    /// What is done then.
    pub op: Op,
    /// With what.
    pub args: Vec<Item>,
    /// Nodes whose values it needs, beside those that its arguments wait for.
    pub needs: Vec<NodeIndex>,
    /// The kind of what it will be, as far as it is known.
    pub kind: Kind,
    /// Where it was written.
    pub span: Span,
    /// What it has become.
    pub done: Option<Item>,
}

/// A grid, and the file that it comes from.
pub struct GridOf {
    /// The grid.
    pub grid: Arc<Grid>,
    /// The file.
    pub file: String,
}

/// Everything that lowering remembers.
pub struct Session {
    /// The program.
    pub linked: Arc<Linked>,
    /// The operators.
    pub registry: Arc<dyn Registry>,
    /// The world.
    pub files: Arc<dyn Files>,
    /// What is wanted.
    pub request: Request,
    /// What declarations without parameters have become.
    pub globals: Vec<Option<Item>>,
    /// The same, while checking.
    pub checked: Vec<Option<Item>>,
    /// Which declarations were expanded or checked.
    pub reached: Vec<bool>,
    /// What calls have become; those while checking are marked.
    pub calls: HashMap<(DeclId, bool, Vec<Key>), Item>,
    /// What waits.
    pub laters: Vec<Later>,
    /// Lengths of nodes that are sequences, where they are known.
    pub lengths: HashMap<NodeIndex, usize>,
    /// Grids of image nodes, as index into `grid_list` and one more.
    pub grids: Vec<u32>,
    /// All grids.
    pub grid_list: Vec<GridOf>,
    /// Pairs of grids that meet.
    pub meeting: HashSet<(u32, u32)>,
    /// What paths hold.
    pub reads: HashMap<String, Item>,
    /// The grid node of the base image, when it was asked for.
    pub base: Option<Item>,
    /// The base image's node.
    pub base_image: Option<NodeIndex>,
    /// Loops whose bodies were checked.
    pub looked: HashSet<LambdaId>,
    /// Paths of all files that were read.
    pub inputs: Vec<PathBuf>,
    /// Paths of all files that were imported.
    pub imports: Vec<PathBuf>,
    /// The last mistake in a template: others may hang on it silently.
    pub fault: Option<Fault>,
    /// What was found wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Mistakes that were told.
    pub told: HashSet<(&'static str, Span)>,
    /// Values that are known now.
    pub known: HashMap<NodeIndex, Value>,
}

impl Session {
    /// Begins.
    pub fn new(
        linked: Linked,
        registry: Arc<dyn Registry>,
        files: Arc<dyn Files>,
        request: Request,
    ) -> Self {
        let decls = linked.decls.len();
        Self {
            linked: Arc::new(linked),
            registry,
            files,
            request,
            globals: vec![None; decls],
            checked: vec![None; decls],
            reached: vec![false; decls],
            calls: HashMap::new(),
            laters: Vec::new(),
            lengths: HashMap::new(),
            grids: Vec::new(),
            grid_list: Vec::new(),
            meeting: HashSet::new(),
            reads: HashMap::new(),
            base: None,
            base_image: None,
            looked: HashSet::new(),
            inputs: Vec::new(),
            imports: Vec::new(),
            fault: None,
            diagnostics: Vec::new(),
            told: HashSet::new(),
            known: HashMap::new(),
        }
    }

    /// Returns an item with what waited replaced by what it has become.
    pub fn fresh(&self, item: Item) -> Item {
        if !item.is_late() {
            return item;
        }
        match item {
            Item::Later(mut id) => loop {
                match &self.laters[id.0 as usize].done {
                    Some(Item::Later(next)) => id = *next,
                    Some(done) => return self.fresh(done.clone()),
                    None => return Item::Later(id),
                }
            },
            Item::List(list) => {
                let items = list.items.iter().map(|item| self.fresh(item.clone())).collect();
                Item::sequence(items).unwrap_or(Item::Poison)
            }
            Item::Record(fields) => {
                let fields = fields
                    .fields
                    .iter()
                    .map(|(name, item)| (Arc::clone(name), self.fresh(item.clone())))
                    .collect();
                Item::record(fields).unwrap_or(Item::Poison)
            }
            other => other,
        }
    }

    /// Adds something that waits.
    pub fn later(&mut self, later: Later) -> Item {
        self.laters.push(later);
        Item::Later(LaterId(self.laters.len() as u32 - 1))
    }
}

/// Returns where a span is, for the plan.
pub fn origin(span: Span) -> Origin {
    Origin { source: span.source.0, start: span.start, end: span.end }
}

/// Returns where an origin is, for messages.
pub fn span(origin: Origin) -> Span {
    Span::new(SourceId(origin.source), origin.start, origin.end)
}
