//! Files: `load`, `ReadImage` and `dir`, and the base image.

use std::path::Path;
use std::sync::Arc;

use crate::canon::Tree;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::code::{BaseCode, Form};
use crate::lower::files::{FileError, Found};
use crate::lower::item::Item;
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::plan::graph::{Arg, Files, NodeIndex};
use crate::primitive::signature::Signature;
use crate::value::data::Value;
use crate::value::kind::Kind;

impl Machine<'_> {
    /// Does `load(path)`; what is a sequence is returned as it is.
    pub fn load(&mut self, args: Vec<Item>, span: Span) -> Item {
        match self.kind(&args[0]) {
            Kind::Sequence => return args.into_iter().next().unwrap_or(Item::Poison),
            Kind::Text | Kind::Any => {}
            kind => {
                return self.fail(mistake::KIND, span, format!("a path is a text, not a {kind}"));
            }
        }
        match self.known(Form::Load, &args, 0..1, Kind::Any, span) {
            Ok(values) => match &values[0] {
                Value::Text(path) => self.read(path, span),
                Value::Sequence(_) => args.into_iter().next().unwrap_or(Item::Poison),
                other => {
                    let kind = other.kind();
                    self.fail(mistake::KIND, span, format!("a path is a text, not a {kind}"))
                }
            },
            Err(item) => item,
        }
    }

    /// Does `ReadImage(path[, type])`.
    pub fn read_image(&mut self, args: Vec<Item>, span: Span) -> Item {
        let kind = self.kind(&args[0]);
        if !matches!(kind, Kind::Text | Kind::Any) {
            return self.fail(mistake::KIND, span, format!("a path is a text, not a {kind}"));
        }
        let values = match self.known(Form::ReadImage, &args, 0..args.len(), Kind::Any, span) {
            Ok(values) => values,
            Err(item) => return item,
        };
        let Value::Text(path) = &values[0] else {
            let kind = values[0].kind();
            return self.fail(mistake::KIND, span, format!("a path is a text, not a {kind}"));
        };
        let item = self.read(path, span);
        let is_image = match &item {
            Item::List(list) => list.items.iter().all(|item| self.kind(item).is_image()),
            Item::Poison | Item::Unknown(_) => true,
            other => self.kind(other).is_image(),
        };
        if !is_image {
            self.report(
                Diagnostic::error(mistake::NO_IMAGE, span, format!("`{path}` is not an image"))
                    .help("write `load(path)`"),
            );
            return Item::Poison;
        }
        match values.get(1) {
            Some(Value::Number(number)) if *number != -1.0 => self.cast(item, *number, span),
            _ => item,
        }
    }

    fn cast(&mut self, item: Item, id: f64, span: Span) -> Item {
        let items = match &item {
            Item::List(list) => list.items.clone(),
            _ => vec![item.clone()],
        };
        let mut out = Vec::new();
        for item in items {
            let Item::Node(node) = item else { return item };
            let args = vec![Arg::Node(node), Arg::Literal(Value::Number(id))];
            out.push(self.named("simpleitk.Cast", args, None, Kind::Image, span));
        }
        match item {
            Item::List(_) => self.list(out, span),
            _ => out.pop().unwrap_or(Item::Poison),
        }
    }

    /// Returns what a path holds, as node or as sequence of frames.
    pub fn read(&mut self, path: &str, span: Span) -> Item {
        if self.is_outside()
            && let Some(paths) = &mut self.scan
        {
            paths.push(path.to_owned());
        }
        if let Some(item) = self.session.reads.get(path) {
            return item.clone();
        }
        if self.checking > 0 {
            return Item::Unknown(Kind::Any);
        }
        let files = Arc::clone(&self.session.files);
        let item = match files.probe(Path::new(path)) {
            Ok(found) => self.read_found(path, &found, span),
            Err(error) => self.no_file(&error, span),
        };
        self.session.reads.insert(path.to_owned(), item.clone());
        item
    }

    fn no_file(&mut self, error: &FileError, span: Span) -> Item {
        let code = match error {
            FileError::Missing(_) => mistake::ABSENT,
            FileError::Unreadable(..) => mistake::UNREADABLE,
        };
        self.report(
            Diagnostic::error(code, span, error.to_string()).help(
                "paths count from the working directory; `--in NAME=PATH` names another file",
            ),
        );
        Item::Poison
    }

    fn read_found(&mut self, path: &str, found: &Found, span: Span) -> Item {
        self.session.inputs.extend(found.paths.iter().cloned());
        let kind = match &found.header {
            Some(header) if header.colour => Kind::Colour,
            Some(_) => Kind::Image,
            None => match found.format.as_str() {
                "text" => Kind::Sequence,
                "bytes" => Kind::Bytes,
                _ => Kind::Any,
            },
        };
        let Some(header) = &found.header else { return self.read_node(found, None, kind, 0, span) };
        let grid = self.add_grid(Arc::clone(&header.grid), path.to_owned());
        if header.frames <= 1 {
            return self.read_node(found, None, kind, grid, span);
        }
        let frames = (0..header.frames)
            .map(|frame| self.read_node(found, Some(frame), kind, grid, span))
            .collect();
        self.list(frames, span)
    }

    fn read_node(
        &mut self,
        found: &Found,
        frame: Option<usize>,
        kind: Kind,
        grid: u32,
        span: Span,
    ) -> Item {
        let digests = found.digests.iter().map(|digest| Tree::bytes(&digest.0)).collect();
        let mut params = vec![
            ("format".to_owned(), Tree::text(&found.format)),
            ("files".to_owned(), Tree::Array(digests)),
        ];
        params.extend(frame.map(|frame| ("frame".to_owned(), Tree::Uint(frame as u64))));
        let item = self.named("vox1.read", Vec::new(), Some(Tree::Map(params)), kind, span);
        if let Item::Node(node) = item {
            let files = Files { paths: found.paths.clone(), digests: found.digests.clone() };
            if self.plan.files(node).is_none() {
                self.plan.set_files(node, files);
            }
            if grid > 0 {
                self.set_grid(node, grid);
            }
        }
        item
    }

    /// Does `dir(root, glob, recursive, full)`.
    pub fn dir(&mut self, args: Vec<Item>, span: Span) -> Item {
        let values = match self.known(Form::Dir, &args, 0..args.len(), Kind::Sequence, span) {
            Ok(values) => values,
            Err(item) => return item,
        };
        let text = |at: usize, default: &str| match values.get(at) {
            None => Some(default.to_owned()),
            Some(Value::Text(text)) => Some(text.to_string()),
            Some(_) => None,
        };
        let flag = |at: usize| match values.get(at) {
            None => Some(false),
            Some(Value::Bool(truth)) => Some(*truth),
            Some(_) => None,
        };
        let (Some(root), Some(glob), Some(recursive), Some(full)) =
            (text(0, ""), text(1, "*"), flag(2), flag(3))
        else {
            return self.fail(
                mistake::KIND,
                span,
                "`dir` takes a folder, a pattern, and bools for recursive and full",
            );
        };
        if self.checking > 0 {
            return Item::Unknown(Kind::Sequence);
        }
        let files = Arc::clone(&self.session.files);
        match files.list(Path::new(&root), &glob, recursive, full) {
            Ok(names) => self.list(names.iter().map(|name| Item::text(name)).collect(), span),
            Err(error) => self.no_file(&error, span),
        }
    }

    /// Returns the node of the base image's grid, or tells that there is none.
    pub fn base_grid(&mut self, signature: &Signature, span: Span) -> Item {
        if self.session.base.is_none() {
            let base = self.find_base(span);
            self.session.base = Some(base);
        }
        match self.session.base.clone() {
            Some(Item::Unknown(_)) | None => {
                let name = signature.short();
                self.report(
                    Diagnostic::error(
                        mistake::BASE,
                        span,
                        format!(
                            "`{name}` needs an image to take the size from, and none is loaded"
                        ),
                    )
                    .help("load one above: `load image = \"FILE\"`"),
                );
                Item::Poison
            }
            Some(item) => item,
        }
    }

    fn find_base(&mut self, span: Span) -> Item {
        let linked = Arc::clone(&self.session.linked);
        for base in &linked.bases {
            let image = match base {
                BaseCode::Load(decl) => {
                    let at = decl.0 as usize;
                    match self.session.globals[at].clone() {
                        Some(item) => Some(item),
                        None => {
                            let item = self.run(linked.decls[at].start, Vec::new());
                            self.session.reached[at] = true;
                            self.session.globals[at] = Some(item.clone());
                            Some(item)
                        }
                    }
                }
                BaseCode::Steps(start) => self.scan_steps(*start, span),
            };
            let image = match image {
                Some(Item::List(list)) => list.items.first().cloned(),
                other => other,
            };
            match image {
                Some(Item::Poison) => return Item::Poison,
                Some(Item::Node(node)) if self.plan.kind(node).is_image() => {
                    self.session.base_image = Some(node);
                    let span = crate::lower::session::span(self.plan.origin(node));
                    return self.named("vox1.grid", vec![Arg::Node(node)], None, Kind::Grid, span);
                }
                _ => {}
            }
        }
        Item::Unknown(Kind::Any)
    }

    /// Runs steps without making nodes, to see which image they read first.
    fn scan_steps(&mut self, start: u32, span: Span) -> Option<Item> {
        let (paths, known) = {
            let mut scout = Machine::new(self.session, self.plan);
            scout.checking = 1;
            scout.quiet = true;
            scout.scan = Some(Vec::new());
            let known = scout.session.reached.clone();
            scout.run(start, Vec::new());
            (scout.scan.unwrap_or_default(), known)
        };
        self.session.reached = known;
        self.session.checked.fill(None);
        self.session.calls.retain(|(_, checking, _), _| !checking);
        for path in paths {
            let item = self.read(&path, span);
            let first = match &item {
                Item::List(list) => list.items.first().cloned(),
                _ => Some(item),
            };
            match first {
                Some(Item::Poison) => return Some(Item::Poison),
                Some(Item::Node(node)) if self.is_image(node) => return Some(Item::Node(node)),
                _ => {}
            }
        }
        None
    }

    fn is_image(&self, node: NodeIndex) -> bool {
        self.plan.kind(node).is_image()
    }
}
