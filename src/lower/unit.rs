//! Commands of all files of a program, in the order in which they hold.
//!
//! An import is as if its text stood in its place, once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::lang::ast::{Command, CommandKind, List, Program, Symbol, TextId, Word};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::Options;
use crate::lang::parser::parse;
use crate::lang::source::{Source, SourceId, Span};
use crate::lower::code::{
    BaseCode, Callable, Code, Decl, DeclId, Form, GoalCode, GoalKind, Linked,
};
use crate::lower::files::Files;
use crate::lower::import::lost_words;
use crate::lower::library;
use crate::lower::lowered::{Input, Usage};
use crate::lower::mistake;
use crate::lower::request::{Request, Setting};
use crate::lower::scope::Scope;
use crate::lower::settle::{Settler, Unit};
use crate::lower::string::plain_text;
use crate::lower::suggest;
use crate::primitive::registry::Registry;
use crate::value::data::Value;

/// All files, settled.
pub struct Settled {
    /// The steps.
    pub linked: Linked,
    /// The texts.
    pub sources: Vec<Source>,
    /// What was found wrong, or is worth knowing.
    pub diagnostics: Vec<Diagnostic>,
    /// What was asked for in vain.
    pub usage: Vec<Usage>,
    /// The inputs that are loaded.
    pub inputs: Vec<Input>,
    /// The names that `--set` can set.
    pub settable: Vec<String>,
    /// The files that were imported.
    pub imports: Vec<PathBuf>,
}

/// A file that is being read.
pub(super) struct File {
    pub(super) source: SourceId,
    pub(super) program: Program,
    pub(super) folder: Option<PathBuf>,
    pub(super) identity: String,
    next: usize,
    is_main: bool,
    symbols: Vec<Symbol>,
}

pub(super) struct Reader<'r> {
    pub(super) settler: Settler,
    request: &'r Request,
    pub(super) files: &'r dyn Files,
    pub(super) sources: Vec<Source>,
    diagnostics: Vec<Diagnostic>,
    pub(super) open: Vec<File>,
    pub(super) seen: HashSet<String>,
    pub(super) imports: Vec<PathBuf>,
    inputs: Vec<Input>,
    settings: HashMap<String, Setting>,
    set: HashSet<String>,
    settable: Vec<String>,
    main_bases: Vec<BaseCode>,
    other_bases: Vec<BaseCode>,
    is_library: bool,
}

/// Settles the names of a program and of its imports.
pub fn settle(
    main: Source,
    request: &Request,
    files: &dyn Files,
    registry: Arc<dyn Registry>,
) -> Settled {
    let main_id = main.id();
    let settings: HashMap<String, Setting> = request.settings.iter().cloned().collect();
    let mut reader = Reader {
        settler: Settler {
            scope: Scope::new(registry),
            linked: Linked::default(),
            diagnostics: Vec::new(),
            dollars: request.predefined(),
            used: HashSet::new(),
            lost: HashSet::new(),
            broken: HashSet::new(),
            unknowns: Vec::new(),
            within: None,
            calls: false,
            reads: false,
        },
        request,
        files,
        sources: vec![main],
        diagnostics: Vec::new(),
        open: Vec::new(),
        seen: HashSet::new(),
        imports: Vec::new(),
        inputs: Vec::new(),
        settings,
        set: HashSet::new(),
        settable: Vec::new(),
        main_bases: Vec::new(),
        other_bases: Vec::new(),
        is_library: true,
    };
    reader.read_library();
    reader.is_library = false;
    let folder = request.program.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let identity = match &request.program {
        Some(path) => reader.identity(path),
        None => String::new(),
    };
    reader.push(main_id, folder, identity, true);
    reader.add_settings();
    reader.run();
    reader.finish()
}

impl Reader<'_> {
    fn read_library(&mut self) {
        let id = self.add_source(library::STDLIB, library::text(library::STDLIB).unwrap_or(""));
        self.push(id, None, format!("{}{}", library::IDENTITY, library::STDLIB), false);
        self.run();
        self.settler.scope.into_members();
    }

    pub(super) fn add_source(&mut self, name: &str, text: &str) -> SourceId {
        let id = SourceId(self.sources.iter().map(|source| source.id().0 + 1).max().unwrap_or(0));
        self.sources.push(Source::new(id, name, text));
        id
    }

    pub(super) fn identity(&self, path: &Path) -> String {
        self.files.identity(path).unwrap_or_else(|| path.to_string_lossy().into_owned())
    }

    /// Parses a source and puts it on the stack of files that are being read.
    pub(super) fn push(
        &mut self,
        id: SourceId,
        folder: Option<PathBuf>,
        identity: String,
        is_main: bool,
    ) {
        let source = self.sources.iter().find(|source| source.id() == id).expect("it was added");
        let dialect = if is_main { self.request.dialect } else { None };
        let options = Options { dialect, ..Options::default() };
        let (program, found) = parse(source, &options);
        if found.iter().any(Diagnostic::is_error) {
            self.settler.lost.extend(lost_words(source.text(), &program.commands));
            for error in found.iter().filter(|error| error.is_error()) {
                let before = source.text().get(..error.span().start as usize).unwrap_or("");
                self.settler.broken.insert((id, before.trim_end().len() as u32));
            }
        }
        self.diagnostics.extend(found);
        let names = &program.names;
        let symbols: Vec<Symbol> = (0..names.len() as u32)
            .map(|at| self.settler.scope.names.intern(names.text(Symbol(at))))
            .collect();
        self.seen.insert(identity.clone());
        self.open.push(File { source: id, program, folder, identity, next: 0, is_main, symbols });
    }

    /// Settings of names that the main file does not declare are `$NAME`s.
    fn add_settings(&mut self) {
        let mut known = HashSet::new();
        let file = self.open.last().expect("the main file was pushed");
        for command in &file.program.commands {
            if let CommandKind::Let { name, params, .. } = command.kind
                && params.is_empty()
            {
                let name = file.program.name(name.symbol);
                if known.insert(name) {
                    self.settable.push(name.to_owned());
                }
            }
        }
        for (name, setting) in &self.settings {
            if !known.contains(name.as_str()) {
                self.settler.dollars.insert(name.clone(), setting.clone());
            }
        }
    }

    fn run(&mut self) {
        while let Some(file) = self.open.last_mut() {
            let Some(command) = file.program.commands.get(file.next).copied() else {
                let file = self.open.pop().expect("it is the last");
                self.look_below(&file);
                continue;
            };
            file.next += 1;
            let file = self.open.pop().expect("it is the last");
            let import = self.command(&file, &command);
            self.open.push(file);
            if let Some((what, span)) = import {
                self.import(&what, span);
            }
        }
    }

    /// Says of names that are not there whether they are declared further down.
    fn look_below(&mut self, file: &File) {
        let settler = &mut self.settler;
        if settler.unknowns.is_empty() {
            return;
        }
        let mut declared = HashMap::new();
        for command in file.program.commands.iter().rev() {
            if let CommandKind::Let { name, .. } | CommandKind::Load { name, .. } = command.kind {
                declared.insert(file.symbols[name.symbol.0 as usize], name.span);
            }
        }
        for (at, name) in settler.unknowns.drain(..) {
            let unknown = &mut settler.diagnostics[at];
            if let Some(place) = declared.get(&name)
                && unknown.span().source == place.source
                && unknown.span().start < place.start
            {
                *unknown = unknown
                    .clone()
                    .label(*place, "declared here, further down")
                    .help("a name is declared above its use: move the declaration up");
            }
        }
    }

    fn command(&mut self, file: &File, command: &Command) -> Option<(String, Span)> {
        let program = &file.program;
        let unit = Unit { program, symbols: &file.symbols };
        match command.kind {
            CommandKind::Let { name, is_operator: _, params, body } => {
                let set = if file.is_main && params.is_empty() {
                    self.settings.get(program.name(name.symbol)).cloned()
                } else {
                    None
                };
                self.declare(&unit, file, name, params, |settler, unit| match set {
                    Some(setting) => {
                        let constant = settler.constant(setting.value);
                        settler.emit(Code::Constant(constant), name.span);
                    }
                    None => settler.expression(unit, body),
                });
                if file.is_main && params.is_empty() {
                    let text = program.name(name.symbol);
                    if self.settings.contains_key(text) {
                        self.set.insert(text.to_owned());
                    }
                }
            }
            CommandKind::Load { name, path } => {
                let text = program.name(name.symbol).to_owned();
                let given = self.request.inputs.get(&text).cloned();
                let default = path.and_then(|path| plain_text(program, path));
                if !self.inputs.iter().any(|input| input.name == text) {
                    self.inputs.push(Input {
                        name: text.clone(),
                        default,
                        given: given.is_some(),
                        span: command.span,
                    });
                }
                let span = command.span;
                let decl = self.declare(&unit, file, name, List::default(), |settler, unit| {
                    match (given, path) {
                        (Some(given), _) => {
                            let given = Value::text(&given.to_string_lossy());
                            let constant = settler.constant(given);
                            settler.emit(Code::Constant(constant), span);
                        }
                        (None, Some(path)) => settler.string(unit, path),
                        (None, None) => {
                            settler.diagnostics.push(
                                Diagnostic::error(
                                    mistake::NOT_GIVEN,
                                    span,
                                    format!("the input `{text}` is not given"),
                                )
                                .help(format!("give it with `--in {text}=PATH`")),
                            );
                            settler.emit(Code::Poison(0), span);
                        }
                    }
                    settler.emit(Code::Call(Callable::Form(Form::Load), 1), span);
                });
                self.settler.linked.loads.push(decl);
                self.add_base(file.is_main, BaseCode::Load(decl));
            }
            CommandKind::Import { what } => {
                let span = program.text(what).span;
                let text = plain_text(program, what);
                if text.is_none() {
                    self.settler.diagnostics.push(Diagnostic::error(
                        mistake::TEXT,
                        span,
                        "an import is a plain text, without `$`",
                    ));
                }
                return text.map(|text| (text, span));
            }
            CommandKind::Print { label, value } => {
                self.goal(&unit, file.is_main, GoalKind::Print, command.span, label, value);
            }
            CommandKind::Save { path, value } => {
                self.goal(&unit, file.is_main, GoalKind::Save, command.span, path, value);
            }
        }
        None
    }

    fn add_base(&mut self, is_main: bool, base: BaseCode) {
        if is_main { &mut self.main_bases } else { &mut self.other_bases }.push(base);
    }

    fn goal(
        &mut self,
        unit: &Unit<'_>,
        is_main: bool,
        kind: GoalKind,
        span: Span,
        text: TextId,
        value: crate::lang::ast::ExprId,
    ) {
        let settler = &mut self.settler;
        settler.reads = false;
        let text_span = unit.program.text(text).span;
        let text_start = settler.here();
        settler.scope.open();
        settler.string(unit, text);
        settler.emit(Code::Return, span);
        let value_start = settler.here();
        settler.expression(unit, value);
        settler.emit(Code::Return, span);
        settler.scope.close();
        settler.linked.goals.push(GoalCode {
            kind,
            span,
            text_span,
            text: text_start,
            value: value_start,
        });
        if std::mem::take(&mut settler.reads) {
            self.add_base(is_main, BaseCode::Steps(value_start));
        }
    }

    fn declare(
        &mut self,
        unit: &Unit<'_>,
        file: &File,
        name: Word,
        params: List,
        body: impl FnOnce(&mut Settler, &Unit<'_>),
    ) -> DeclId {
        let program = unit.program;
        let symbol = unit.symbols[name.symbol.0 as usize];
        let settler = &mut self.settler;
        settler.calls = false;
        settler.reads = false;
        settler.within = Some(symbol);
        settler.scope.open();
        let params = program.params(params);
        let mut seen = HashSet::new();
        for param in params {
            if !seen.insert(param.symbol) {
                let text = program.name(param.symbol);
                settler.diagnostics.push(Diagnostic::error(
                    mistake::TWICE,
                    param.span,
                    format!("two parameters are called `{text}`"),
                ));
            }
            settler.scope.bind(unit.symbols[param.symbol.0 as usize]);
        }
        let start = settler.here();
        body(settler, unit);
        settler.emit(Code::Return, name.span);
        for param in params.iter().rev() {
            settler.scope.unbind(unit.symbols[param.symbol.0 as usize]);
        }
        settler.scope.close();
        settler.within = None;
        let id = DeclId(settler.linked.decls.len() as u32);
        let text: Arc<str> = Arc::from(program.name(name.symbol));
        settler.linked.decls.push(Decl {
            name: Arc::clone(&text),
            span: name.span,
            params: params.len() as u32,
            start,
            calls: settler.calls,
            library: self.is_library || file.identity.starts_with(library::IDENTITY),
        });
        let before = settler.scope.declare(symbol, id);
        if !self.is_library {
            self.settler.shadow_note(&text, name.span, before);
        }
        if params.is_empty() && self.settler.reads {
            self.add_base(file.is_main, BaseCode::Steps(start));
        }
        id
    }

    fn finish(mut self) -> Settled {
        let mut usage = Vec::new();
        for name in self.request.inputs.keys() {
            if !self.inputs.iter().any(|input| &input.name == name) {
                let known = self.inputs.iter().map(|input| input.name.as_str());
                let nearest = suggest::nearest(name, known);
                usage.push(Usage::UnknownInput { name: name.clone(), nearest });
            }
        }
        let mut told = HashSet::new();
        for (name, _) in &self.request.settings {
            let is_used = self.set.contains(name) || self.settler.used.contains(name);
            if !is_used && told.insert(name.clone()) {
                let nearest = suggest::nearest(name, self.settable.iter().map(String::as_str));
                usage.push(Usage::UnusedSetting { name: name.clone(), nearest });
            }
        }
        let mut linked = self.settler.linked;
        linked.bases = self.main_bases;
        linked.bases.extend(self.other_bases);
        self.diagnostics.extend(self.settler.diagnostics);
        Settled {
            linked,
            sources: self.sources,
            diagnostics: self.diagnostics,
            usage,
            inputs: self.inputs,
            settable: self.settable,
            imports: self.imports,
        }
    }
}
