//! Goals: what is printed and saved, and where it may go.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::canon::Tree;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::code::{Form, GoalCode, GoalKind};
use crate::lower::item::Item;
use crate::lower::machine::Machine;
use crate::lower::mistake;
use crate::lower::session::origin;
use crate::plan::goal::{Action, Goal};
use crate::plan::graph::Operand;
use crate::value::data::Value;
use crate::value::kind::Kind;

/// The words of formats, in the order of `Form::Encode`.
pub const FORMATS: [&str; 12] = [
    "nifti", "nifti.gz", "png", "tiff", "mha", "nrrd", "npy", "json", "csv", "tsv", "text", "bytes",
];

const SUFFIXES: [(&str, &str); 12] = [
    (".nii.gz", "nifti.gz"),
    (".nii", "nifti"),
    (".png", "png"),
    (".tif", "tiff"),
    (".tiff", "tiff"),
    (".mha", "mha"),
    (".nrrd", "nrrd"),
    (".npy", "npy"),
    (".json", "json"),
    (".csv", "csv"),
    (".tsv", "tsv"),
    (".txt", "text"),
];

impl Machine<'_> {
    /// Expands one goal and adds it to the plan.
    pub fn goal(&mut self, goal: &GoalCode) {
        self.effects.clear();
        let text = self.run(goal.text, Vec::new());
        let text = match text {
            Item::Literal(Value::Text(text)) => Some(text),
            Item::Poison => None,
            other => {
                let kind = self.kind(&other);
                let message = match kind {
                    Kind::Text => "this is known only while running".to_owned(),
                    kind => format!("this is {}, not a text", kind.article()),
                };
                self.fail(mistake::TEXT, goal.text_span, message);
                None
            }
        };
        let mut value = self.run(goal.value, Vec::new());
        value = self.session.fresh(value);
        let Some(text) = text else { return };
        if matches!(value, Item::Poison) {
            return;
        }
        let action = match goal.kind {
            GoalKind::Print => {
                if let Some(kind) = self.unprintable(&value) {
                    self.report(
                        Diagnostic::error(
                            mistake::PRINT,
                            goal.span,
                            format!("this is {}: it cannot be printed", kind.article()),
                        )
                        .help(if kind == Kind::Overlay {
                            "it is for viewers: save its images one by one".to_owned()
                        } else {
                            format!("write `save \"{text}.nii.gz\" ...`, or print a number of it")
                        }),
                    );
                    return;
                }
                Action::Print { label: text.to_string() }
            }
            GoalKind::Save => {
                let Some(format) = self.format(&text, &value, goal.text_span) else { return };
                value = self.encode(format, vec![value], goal.span);
                Action::Save { path: PathBuf::from(text.as_ref()) }
            }
        };
        if matches!(value, Item::Poison) {
            return;
        }
        if !self.effects.is_empty() {
            let mut args = vec![value];
            args.append(&mut self.effects);
            value = self.form(Form::After, args, goal.span);
        }
        if let Some(value) = self.operand(&value, goal.span) {
            self.plan.goals.push(Goal { action, value, origin: origin(goal.span) });
        }
    }

    /// Returns the kind of a part that cannot be printed. It recurses: items nest so deep only.
    fn unprintable(&self, item: &Item) -> Option<Kind> {
        match item {
            Item::List(list) => list.items.iter().find_map(|item| self.unprintable(item)),
            Item::Record(record) => {
                record.fields.iter().find_map(|(_, item)| self.unprintable(item))
            }
            other => {
                let kind = self.kind(other);
                (kind.is_image() || matches!(kind, Kind::Grid | Kind::Overlay)).then_some(kind)
            }
        }
    }

    /// Returns what a goal holds.
    pub fn operand(&mut self, item: &Item, span: Span) -> Option<Operand> {
        match item {
            Item::Literal(value) => Some(Operand::Literal(value.clone())),
            item if item.is_late() => Some(self.template(item.clone(), span)),
            item => match self.arg(item, span)? {
                crate::plan::graph::Arg::Node(node) => Some(Operand::Node(node)),
                crate::plan::graph::Arg::Literal(value) => Some(Operand::Literal(value)),
            },
        }
    }

    /// Returns the number of the format that a path asks for, or tells why there is none.
    fn format(&mut self, path: &str, value: &Item, span: Span) -> Option<u32> {
        let lower = path.to_ascii_lowercase();
        let word = SUFFIXES.iter().find(|(suffix, _)| lower.ends_with(suffix));
        let kind = self.kind(value);
        let word = match word {
            Some((_, word)) => word,
            None if matches!(kind, Kind::Bytes | Kind::Any) => "bytes",
            None => {
                let suffix = Path::new(path).extension().map(|s| s.to_string_lossy().into_owned());
                let (message, help) = match suffix.as_deref() {
                    Some("jpg" | "jpeg" | "bmp") => {
                        ("lossy and old formats are not written".to_owned(), "write `.png`")
                    }
                    Some("mhd" | "hdr" | "img") => (
                        "formats of two files are not written".to_owned(),
                        "write `.mha` or `.nii.gz`",
                    ),
                    Some(suffix) => (
                        format!("`.{suffix}` is no format that is written"),
                        "images: .nii.gz .nii .png .tif .mha .nrrd .npy; values: .json .csv .tsv .txt",
                    ),
                    None => (
                        "the path has no suffix that says the format".to_owned(),
                        "images: .nii.gz .nii .png .tif .mha .nrrd .npy; values: .json .csv .tsv .txt",
                    ),
                };
                self.report(Diagnostic::error(mistake::SUFFIX, span, message).help(help));
                return None;
            }
        };
        let is_image_format =
            matches!(word, "nifti" | "nifti.gz" | "png" | "tiff" | "mha" | "nrrd" | "npy");
        let fits = match kind {
            Kind::Any => true,
            Kind::Image | Kind::Mask | Kind::Colour => is_image_format,
            Kind::Overlay | Kind::Grid => false,
            Kind::Bytes => !is_image_format,
            Kind::Sequence | Kind::Record => !is_image_format && word != "bytes",
            Kind::Number | Kind::Bool | Kind::Text | Kind::Null => !is_image_format,
        };
        if !fits {
            let help = match kind {
                Kind::Overlay => "it is for viewers: save its images one by one",
                Kind::Grid => "save an image that lies on it",
                kind if kind.is_image() => "write `.nii.gz` or `.png`",
                _ => "write `.json`",
            };
            self.report(
                Diagnostic::error(
                    mistake::SAVED,
                    span,
                    format!("{} cannot be saved as `{word}`", kind.article()),
                )
                .help(help),
            );
            return None;
        }
        FORMATS.iter().position(|format| *format == word).map(|at| at as u32)
    }

    /// Makes the node that encodes a value.
    pub fn encode(&mut self, format: u32, args: Vec<Item>, span: Span) -> Item {
        let value = &args[0];
        if matches!(value, Item::Unknown(_)) {
            return Item::Unknown(Kind::Record);
        }
        if value.is_late() {
            return self.late(Form::Encode(format), args, Vec::new(), Kind::Record, span);
        }
        let Some(arg) = self.arg(value, span) else { return Item::Poison };
        let params = Tree::map([("format", Tree::text(FORMATS[format as usize]))]);
        self.named("vox1.encode", vec![arg], Some(params), Kind::Record, span)
    }

    /// Does `WriteImage(image, path, ...)`: a save goal; its value is null.
    pub fn write_image(&mut self, args: Vec<Item>, span: Span) -> Item {
        if self.unreached {
            self.report(Diagnostic::warning(
                mistake::UNREACHED,
                span,
                "this `WriteImage` is reached by no goal: it writes nothing",
            ));
        }
        let kind = self.kind(&args[0]);
        if kind != Kind::Any && !kind.is_image() {
            let message = format!("`WriteImage` takes an image, not a {kind}");
            return self.fail(mistake::KIND, span, message);
        }
        let values = match self.known(Form::WriteImage, &args, 1..2, Kind::Null, span) {
            Ok(values) => values,
            Err(item) => {
                if matches!(item, Item::Later(_)) {
                    self.effects.push(item.clone());
                }
                return item;
            }
        };
        let Value::Text(path) = &values[0] else {
            let kind = values[0].kind();
            return self.fail(mistake::KIND, span, format!("a path is a text, not a {kind}"));
        };
        let null = Item::Literal(Value::Null);
        if self.checking > 0 {
            return null;
        }
        let Some(format) = self.format(path, &args[0], span) else { return Item::Poison };
        let value = self.encode(format, vec![args[0].clone()], span);
        if let Some(value) = self.operand(&value, span) {
            let action = Action::Save { path: PathBuf::from(path.as_ref()) };
            self.plan.goals.push(Goal { action, value, origin: origin(span) });
        }
        null
    }

    /// Refuses saves that would write over something, beginning with the goal `first`.
    pub fn check_saves(&mut self, first: usize) {
        let files = Arc::clone(&self.session.files);
        let output = self.session.request.output.clone();
        let cwd = self.session.request.cwd.clone();
        let mut taken: HashMap<String, (&'static str, Option<Span>)> = HashMap::new();
        let mut names = Vec::new();
        names.extend(self.session.inputs.iter().map(|path| (path.clone(), "an input")));
        let program = self.session.request.program.iter();
        names.extend(program.map(|path| (path.clone(), "the program")));
        names.extend(self.session.imports.iter().map(|path| (path.clone(), "an import")));
        for (path, what) in names {
            taken.insert(lexical(&cwd.join(&path)), (what, None));
            if let Some(identity) = files.identity(&path) {
                taken.insert(identity, (what, None));
            }
        }
        let goals: Vec<(usize, PathBuf, Span)> = self
            .plan
            .goals
            .iter()
            .enumerate()
            .filter_map(|(at, goal)| match &goal.action {
                Action::Save { path } => {
                    Some((at, path.clone(), crate::lower::session::span(goal.origin)))
                }
                Action::Print { .. } => None,
            })
            .collect();
        for (at, path, span) in goals {
            let is_outside =
                path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
            if at >= first && self.session.request.confined && is_outside {
                let message = format!("`{}` leaves the folder of the case", path.display());
                self.report(
                    Diagnostic::error(mistake::OUTSIDE, span, message)
                        .help("write a relative path without `..`"),
                );
                continue;
            }
            let place = output.join(&path);
            let mut names = vec![lexical(&cwd.join(&place))];
            names.extend(files.identity(&place));
            let clash = names.iter().find_map(|name| taken.get(name).copied());
            match clash {
                Some((_, Some(other))) if at >= first => {
                    let message = format!("two goals write `{}`", path.display());
                    self.report(
                        Diagnostic::error(mistake::SAME, span, message)
                            .label(other, "the other one"),
                    );
                }
                Some((what, None)) if at >= first => {
                    let message = format!("`{}` is {what}: it would be lost", path.display());
                    self.report(
                        Diagnostic::error(mistake::OVER, span, message)
                            .help("save under another name, or below another folder with `-o`"),
                    );
                }
                _ => {
                    for name in names {
                        taken.insert(name, ("a goal", Some(span)));
                    }
                }
            }
        }
    }
}

/// Returns a path without `.` and with `..` taken back, by its text alone.
fn lexical(path: &Path) -> String {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.last(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.iter().collect::<PathBuf>().to_string_lossy().into_owned()
}
