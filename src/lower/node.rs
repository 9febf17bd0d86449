//! Nodes: arguments, grids, and what waits.

use std::sync::Arc;

use crate::canon::Tree;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::item::Item;
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::lower::session::{GridOf, Later, origin};
use crate::plan::graph::{Arg, NodeIndex};
use crate::primitive::signature::Signature;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::kind::Kind;

impl Machine<'_> {
    /// Keeps what waits; while checking, only its kind.
    pub fn wait(&mut self, later: Later) -> Item {
        if self.checking > 0 {
            return Item::Unknown(later.kind);
        }
        self.session.later(later)
    }

    /// Makes a node of an operator that programs do not name.
    pub fn named(
        &mut self,
        name: &str,
        args: Vec<Arg>,
        params: Option<Tree>,
        kind: Kind,
        span: Span,
    ) -> Item {
        if self.checking > 0 {
            return Item::Unknown(kind);
        }
        let registry = Arc::clone(&self.session.registry);
        match registry.find(name) {
            Some(primitive) => self.node(primitive.signature(), args, params, kind, span),
            None => {
                let message = format!("`{name}` is not part of this build");
                self.fail(mistake::MISSING, span, message)
            }
        }
    }

    /// Makes a node, after the grids of its images were compared.
    pub fn node(
        &mut self,
        signature: &Signature,
        args: Vec<Arg>,
        params: Option<Tree>,
        kind: Kind,
        span: Span,
    ) -> Item {
        let Some(grid) = self.result_grid(signature, &args, kind, span) else {
            return Item::Poison;
        };
        let length = match signature.name {
            "default.sequence" => Some(args.len()),
            "simpleitk.MinimumMaximum" => Some(2),
            "simpleitk.Statistics" => Some(7),
            _ if signature.elementwise => args.iter().find_map(|arg| match arg {
                Arg::Node(node) => self.session.lengths.get(node).copied(),
                Arg::Literal(_) => None,
            }),
            _ => None,
        };
        let node = self.plan.node(signature, args, params, kind, origin(span));
        if let Some(length) = length {
            self.session.lengths.insert(node, length);
        }
        if grid > 0 {
            self.set_grid(node, grid);
        }
        Item::Node(node)
    }

    /// Notes the grid of a node.
    pub fn set_grid(&mut self, node: NodeIndex, grid: u32) {
        let at = node.0 as usize;
        if self.session.grids.len() <= at {
            self.session.grids.resize(at + 1, 0);
        }
        self.session.grids[at] = grid;
    }

    /// Notes a grid that a file has; returns its number.
    pub fn add_grid(&mut self, grid: Arc<Grid>, file: String) -> u32 {
        self.session.grid_list.push(GridOf { grid, file });
        self.session.grid_list.len() as u32
    }

    fn grid_of(&self, node: NodeIndex) -> u32 {
        self.session.grids.get(node.0 as usize).copied().unwrap_or(0)
    }

    /// Returns the number of the result's grid, 0 where it is not known, or tells that two differ.
    fn result_grid(
        &mut self,
        signature: &Signature,
        args: &[Arg],
        kind: Kind,
        span: Span,
    ) -> Option<u32> {
        let carries = kind.is_image() || kind == Kind::Grid || kind == Kind::Overlay;
        let is_plumbing =
            signature.name.starts_with("default.") && signature.name != "default.overlay";
        let mut first = None;
        for arg in args {
            let Arg::Node(node) = arg else { continue };
            let this = self.grid_of(*node);
            if first.is_none() && (this > 0 || self.plan.kind(*node).is_image()) {
                first = Some(this);
            }
            let first = first.unwrap_or(0);
            if this > 0
                && first > 0
                && this != first
                && !is_plumbing
                && signature.name != "simpleitk.Resample"
                && !self.meet(first, this)
            {
                self.tell_grids(signature, first, this, span);
                return None;
            }
        }
        let grid = match signature.name {
            "vox1.extract" | "simpleitk.Extract" => 0,
            "simpleitk.Resample" => match args.get(1) {
                Some(Arg::Node(node)) => self.grid_of(*node),
                _ => 0,
            },
            _ if carries => first.unwrap_or(0),
            _ => 0,
        };
        Some(grid)
    }

    fn meet(&mut self, a: u32, b: u32) -> bool {
        let pair = (a.min(b), a.max(b));
        if self.session.meeting.contains(&pair) {
            return true;
        }
        let grids = &self.session.grid_list;
        let meets = grids[a as usize - 1].grid.meets(&grids[b as usize - 1].grid);
        if meets {
            self.session.meeting.insert(pair);
        }
        meets
    }

    fn tell_grids(&mut self, signature: &Signature, a: u32, b: u32, span: Span) {
        let grids = &self.session.grid_list;
        let (a, b) = (&grids[a as usize - 1], &grids[b as usize - 1]);
        let mut detail = String::new();
        if a.grid.dims() == b.grid.dims() && a.grid.spacing() == b.grid.spacing() {
            detail = format!(
                "; origins {:?} and {:?}, directions {:?} and {:?}",
                a.grid.origin(),
                b.grid.origin(),
                a.grid.direction(),
                b.grid.direction()
            );
        }
        let message = format!(
            "`{}` meets images on two grids: `{}` has {}, `{}` has {}{detail}",
            signature.short(),
            a.file,
            a.grid,
            b.file,
            b.grid
        );
        self.report(
            Diagnostic::error(mistake::GRIDS, span, message).help(
                "bring one onto the grid of the other: `simpleitk.Resample(image, reference)`",
            ),
        );
    }

    /// Returns what stands in `args` for an item, or tells that nothing can.
    ///
    /// It recurses for nested sequences, which nest at most [`crate::lower::item::DEEPEST`] deep.
    pub fn arg(&mut self, item: &Item, span: Span) -> Option<Arg> {
        let node = match item {
            Item::Literal(value) if value.is_literal() => return Some(Arg::Literal(value.clone())),
            Item::Node(node) => return Some(Arg::Node(*node)),
            Item::List(list) => {
                let args = list.items.iter().map(|item| self.arg(item, span)).collect();
                let args: Option<Vec<Arg>> = args;
                self.named("default.sequence", args?, None, Kind::Sequence, span)
            }
            Item::Record(fields) => {
                let names = fields.fields.iter().map(|(name, _)| Tree::text(name)).collect();
                let params = Tree::map([("fields", Tree::Array(names))]);
                let args: Option<Vec<Arg>> =
                    fields.fields.iter().map(|(_, item)| self.arg(item, span)).collect();
                self.named("default.record", args?, Some(params), Kind::Record, span)
            }
            Item::Literal(Value::Null) => {
                self.fail(mistake::NULL, span, "null cannot be an argument")
            }
            Item::Literal(Value::Sequence(items)) => {
                let items: Vec<Item> = items.iter().cloned().map(Item::Literal).collect();
                let args: Option<Vec<Arg>> =
                    items.iter().map(|item| self.arg(item, span)).collect();
                self.named("default.sequence", args?, None, Kind::Sequence, span)
            }
            _ => return None,
        };
        match node {
            Item::Node(node) => Some(Arg::Node(node)),
            _ => None,
        }
    }
}
