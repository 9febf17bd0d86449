//! Names in force while a file is settled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::lang::ast::Symbol;
use crate::lang::names::Names;
use crate::lower::code::{Callable, Capture, Code, DeclId, Form, Linked, Prim, PrimId};
use crate::primitive::registry::{Dots, Registry, Spelling};

/// The namespaces that are always looked into first.
const ALWAYS: [&str; 2] = ["default", "vox1"];

/// Forms by namespace and name.
const FORMS: [(&str, &str, Meaning); 9] = [
    ("default", "map", Meaning::Map),
    ("default", "load", Meaning::Form(Form::Load)),
    ("default", "dir", Meaning::Form(Form::Dir)),
    ("default", "index", Meaning::Form(Form::Index)),
    ("default", "slice", Meaning::Form(Form::Slice)),
    ("default", "subsequence", Meaning::Form(Form::Subsequence)),
    ("default", "sequence", Meaning::Form(Form::Sequence)),
    ("simpleitk", "ReadImage", Meaning::Form(Form::ReadImage)),
    ("simpleitk", "WriteImage", Meaning::Form(Form::WriteImage)),
];

/// What a name means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Meaning {
    /// A parameter or local name: the step that pushes it.
    Local(Code),
    /// A declaration.
    Decl(DeclId),
    /// A spelling of an operator.
    Operator(Spelling),
    /// A form; `map` is none, because it takes a name.
    Form(Form),
    /// `map`.
    Map,
    /// A number by name.
    Number(f64),
}

/// A frame of locals: a declaration's, or a lambda's inside one.
#[derive(Default)]
struct Level {
    locals: u32,
    captures: Vec<Capture>,
    captured: HashMap<(u32, u32), u32>,
}

/// Names in force.
pub struct Scope {
    /// All names of all files, each once.
    pub names: Names,
    registry: Arc<dyn Registry>,
    constants: HashMap<(String, String), f64>,
    globals: Vec<Option<DeclId>>,
    library: HashMap<String, DeclId>,
    imported: Vec<String>,
    all: Vec<String>,
    /// All names without namespace: what is not among them is looked for nowhere.
    known: HashSet<String>,
    found: HashMap<Symbol, Option<Meaning>>,
    locals: HashMap<Symbol, Vec<(u32, u32)>>,
    levels: Vec<Level>,
    prims: HashMap<(&'static str, bool, u8), PrimId>,
    longest: usize,
}

impl Scope {
    /// Begins with the registry's names alone.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        let all: HashSet<String> = registry
            .namespaces()
            .into_iter()
            .map(str::to_owned)
            .chain(["default", "simpleitk", "vox1"].map(str::to_owned))
            .collect();
        let mut all: Vec<String> = all.into_iter().collect();
        all.sort_unstable();
        let names = registry.names();
        let known = names.iter().map(|(_, name)| (*name).to_owned());
        let known = known.chain(FORMS.iter().map(|(_, name, _)| (*name).to_owned()));
        let constants: HashMap<(String, String), f64> = registry
            .constants()
            .into_iter()
            .map(|(space, name, number)| ((space.to_owned(), name.to_owned()), number))
            .collect();
        let known = known.chain(constants.keys().map(|(_, name)| name.clone())).collect();
        let longest = registry
            .names()
            .iter()
            .filter(|(_, name)| !name.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(|(_, name)| name.len())
            .max();
        Self {
            names: Names::default(),
            registry,
            constants,
            globals: Vec::new(),
            known,
            library: HashMap::new(),
            imported: Vec::new(),
            all,
            found: HashMap::new(),
            locals: HashMap::new(),
            levels: vec![Level::default()],
            prims: HashMap::new(),
            longest: longest.unwrap_or(1).max(3),
        }
    }

    /// Returns the length in bytes of the longest operator.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Says whether there is such a namespace.
    pub fn is_namespace(&self, name: &str) -> bool {
        self.all.iter().any(|known| known == name)
    }

    /// Looks into a namespace before the others from here on.
    pub fn import(&mut self, namespace: &str) {
        if !self.imported.iter().any(|known| known == namespace) {
            self.imported.push(namespace.to_owned());
            self.found.clear();
        }
    }

    /// Makes the declarations so far members of `vox1`, no longer names of the program.
    pub fn into_members(&mut self) {
        for (at, decl) in self.globals.drain(..).enumerate() {
            let name = self.names.text(Symbol(at as u32)).to_owned();
            if let Some(decl) = decl {
                self.known.insert(name.clone());
                self.library.insert(name, decl);
            }
        }
        self.found.clear();
    }

    /// Declares a name; returns what it meant before, but for locals.
    pub fn declare(&mut self, name: Symbol, decl: DeclId) -> Option<Meaning> {
        let before = self.global(name);
        let at = name.0 as usize;
        if self.globals.len() <= at {
            self.globals.resize(at + 1, None);
        }
        self.globals[at] = Some(decl);
        self.longest = self.longest.max(self.names.text(name).len().min(64));
        before
    }

    /// Begins the frame of a declaration or lambda.
    pub fn open(&mut self) {
        self.levels.push(Level::default());
    }

    /// Ends it; returns what the lambda captures.
    pub fn close(&mut self) -> Vec<Capture> {
        self.levels.pop().map(|level| level.captures).unwrap_or_default()
    }

    /// Says whether a lambda is open.
    pub fn in_lambda(&self) -> bool {
        self.levels.len() > 2
    }

    /// Makes a name a local of the frame.
    pub fn bind(&mut self, name: Symbol) {
        let level = self.levels.len() - 1;
        let slot = self.levels[level].locals;
        self.levels[level].locals += 1;
        self.locals.entry(name).or_default().push((level as u32, slot));
    }

    /// Ends it.
    pub fn unbind(&mut self, name: Symbol) {
        if let Some(bindings) = self.locals.get_mut(&name) {
            bindings.pop();
        }
        if let Some(level) = self.levels.last_mut() {
            level.locals = level.locals.saturating_sub(1);
        }
    }

    /// Returns what a name means here.
    pub fn meaning(&mut self, name: Symbol) -> Option<Meaning> {
        if let Some((level, slot)) =
            self.locals.get(&name).and_then(|bindings| bindings.last()).copied()
        {
            return Some(Meaning::Local(self.capture(level, slot)));
        }
        self.global(name)
    }

    fn capture(&mut self, level: u32, slot: u32) -> Code {
        let mut from = Capture::Local(slot);
        for inner in &mut self.levels[level as usize + 1..] {
            let next = inner.captures.len() as u32;
            let at = *inner.captured.entry((level, slot)).or_insert(next);
            if at == next {
                inner.captures.push(from);
            }
            from = Capture::Captured(at);
        }
        match from {
            Capture::Local(slot) => Code::Local(slot),
            Capture::Captured(at) => Code::Captured(at),
        }
    }

    fn global(&mut self, name: Symbol) -> Option<Meaning> {
        if let Some(decl) = self.declared(name) {
            return Some(Meaning::Decl(decl));
        }
        if let Some(found) = self.found.get(&name) {
            return *found;
        }
        let text = self.names.text(name).to_owned();
        let found = match text.split_once('.') {
            Some((namespace, member))
                if text.starts_with(|c: char| c.is_alphabetic() || c == '_') =>
            {
                self.member(namespace, member)
            }
            _ => self.anywhere(&text),
        };
        self.found.insert(name, found);
        found
    }

    fn anywhere(&self, name: &str) -> Option<Meaning> {
        if !self.known.contains(name) {
            return None;
        }
        let imported = self.imported.iter().map(String::as_str);
        let rest = self.all.iter().map(String::as_str);
        imported.chain(ALWAYS).chain(rest).find_map(|namespace| self.member(namespace, name))
    }

    fn member(&self, namespace: &str, name: &str) -> Option<Meaning> {
        if namespace == "vox1"
            && let Some(decl) = self.library.get(name)
        {
            return Some(Meaning::Decl(*decl));
        }
        let form = FORMS.iter().find(|(space, form, _)| (*space, *form) == (namespace, name));
        if let Some((_, _, meaning)) = form {
            return Some(*meaning);
        }
        let operator = self.registry.resolve(namespace, name).map(Meaning::Operator);
        operator.or_else(|| {
            let key = (namespace.to_owned(), name.to_owned());
            self.constants.get(&key).copied().map(Meaning::Number)
        })
    }

    /// Finds the operator that a spelling with so many arguments is; `-` of one is `neg`.
    pub fn prim(
        &mut self,
        linked: &mut Linked,
        mut spelling: Spelling,
        count: usize,
    ) -> Option<PrimId> {
        if spelling.spelling == "-" {
            let primitive = if count == 1 { "vox1.neg" } else { "vox1.sub" };
            spelling = Spelling { primitive, swapped: false, dots: Dots::None, ..spelling };
        }
        let key = (spelling.primitive, spelling.swapped, spelling.dots as u8);
        if let Some(id) = self.prims.get(&key) {
            return Some(*id);
        }
        let signature = *self.registry.find(spelling.primitive)?.signature();
        let id = PrimId(linked.prims.len() as u32);
        linked.prims.push(Prim { spelling, signature });
        self.prims.insert(key, id);
        Some(id)
    }

    /// Returns every name that could have been meant.
    pub fn candidates(&self) -> Vec<String> {
        let globals = (0..self.globals.len() as u32)
            .map(Symbol)
            .filter(|name| self.declared(*name).is_some())
            .map(|name| self.names.text(name).to_owned());
        let locals = self
            .locals
            .iter()
            .filter(|(_, bindings)| !bindings.is_empty())
            .map(|(name, _)| self.names.text(*name).to_owned());
        let members = self.library.keys().cloned();
        let forms = FORMS.iter().map(|(_, name, _)| (*name).to_owned());
        let registered = self.registry.names();
        let plain = registered.iter().map(|(_, name)| (*name).to_owned());
        let qualified = registered.iter().map(|(space, name)| format!("{space}.{name}"));
        let constants = self.constants.keys().map(|(_, name)| name.clone());
        let all = globals.chain(locals).chain(members).chain(forms).chain(constants);
        all.chain(plain).chain(qualified).collect()
    }

    /// Returns the parameterless or other declaration of a name of the program.
    pub fn declared(&self, name: Symbol) -> Option<DeclId> {
        self.globals.get(name.0 as usize).copied().flatten()
    }

    /// Says whether a name is a local.
    pub fn is_local(&self, name: Symbol) -> bool {
        self.locals.get(&name).is_some_and(|bindings| !bindings.is_empty())
    }
}

/// Returns what can be called, if the meaning is such.
pub fn callable(
    meaning: Meaning,
    scope: &mut Scope,
    linked: &mut Linked,
    count: usize,
) -> Option<Callable> {
    match meaning {
        Meaning::Decl(decl) => Some(Callable::Decl(decl)),
        Meaning::Form(form) => Some(Callable::Form(form)),
        Meaning::Operator(spelling) => scope.prim(linked, spelling, count).map(Callable::Prim),
        Meaning::Local(_) | Meaning::Map | Meaning::Number(_) => None,
    }
}
