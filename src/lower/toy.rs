//! Operators and files for tests of this room.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::id::Digest;
use crate::lang::source::{Source, SourceId};
use crate::lower::files::{FileError, Files, Found, Header};
use crate::lower::lowered::Lowered;
use crate::lower::program::lower;
use crate::lower::request::Request;
use crate::plan::goal::Action;
use crate::plan::graph::{Arg, Operand, Plan};
use crate::primitive::contract::{Call, Output, Plain};
use crate::primitive::refusal::{Code, Refusal};
use crate::primitive::registry::{Dots, Spelling, Table};
use crate::primitive::signature::{Cost, Default, Form, Signature, Slot};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::kind::Kind;

use Slot::{Any, Bool, Image, Mask, Number, Sequence, Text, Volume};

type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

fn no(_: &Call<'_>) -> Result<Output, Refusal> {
    Err(Refusal::new(Code::Kind))
}

fn kind() -> Refusal {
    Refusal::new(Code::Kind)
}

fn numbers(f: fn(f64, f64) -> Value, a: &Value, b: &Value) -> Result<Value, Refusal> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(f(*a, *b)),
        (Value::Sequence(a), Value::Sequence(b)) if a.len() == b.len() => {
            let items: Result<Vec<Value>, Refusal> =
                a.iter().zip(b.iter()).map(|(a, b)| numbers(f, a, b)).collect();
            Ok(Value::sequence(items?))
        }
        (Value::Sequence(_), Value::Sequence(_)) => Err(Refusal::new(Code::Length)),
        (Value::Sequence(a), b) => {
            let items: Result<Vec<Value>, Refusal> = a.iter().map(|a| numbers(f, a, b)).collect();
            Ok(Value::sequence(items?))
        }
        (a, Value::Sequence(b)) => {
            let items: Result<Vec<Value>, Refusal> = b.iter().map(|b| numbers(f, a, b)).collect();
            Ok(Value::sequence(items?))
        }
        _ => Err(kind()),
    }
}

macro_rules! two {
    ($f:expr) => {
        |call| Ok(numbers($f, &call.args[0], &call.args[1])?.into())
    };
}

fn truths(f: fn(bool, bool) -> bool, args: &[Value]) -> Result<Output, Refusal> {
    match args {
        [Value::Bool(a), Value::Bool(b)] => Ok(Value::Bool(f(*a, *b)).into()),
        _ => Err(kind()),
    }
}

const ARITH: &[Form] = &[
    Form::new(&[Number, Number], Kind::Number),
    Form::new(&[Volume, Volume], Kind::Image),
    Form::new(&[Volume, Number], Kind::Image),
    Form::new(&[Number, Volume], Kind::Image),
];
const COMPARE: &[Form] = &[
    Form::new(&[Number, Number], Kind::Bool),
    Form::new(&[Volume, Volume], Kind::Mask),
    Form::new(&[Volume, Number], Kind::Mask),
    Form::new(&[Number, Volume], Kind::Mask),
];
const LOGIC: &[Form] = &[
    Form::new(&[Bool, Bool], Kind::Bool),
    Form::new(&[Mask, Mask], Kind::Mask),
    Form::new(&[Mask, Bool], Kind::Mask),
    Form::new(&[Bool, Mask], Kind::Mask),
];
const NOT: &[Form] = &[Form::new(&[Bool], Kind::Bool), Form::new(&[Mask], Kind::Mask)];
const NEG: &[Form] = &[Form::new(&[Number], Kind::Number), Form::new(&[Volume], Kind::Image)];
const M_M: &[Form] = &[Form::new(&[Mask], Kind::Mask)];
const MM_M: &[Form] = &[Form::new(&[Mask, Mask], Kind::Mask)];
const M_V: &[Form] = &[Form::new(&[Mask], Kind::Image)];
const VM_V: &[Form] = &[Form::new(&[Volume, Mask], Kind::Image)];
const M_K: &[Form] = &[Form::new(&[Mask], Kind::Number)];
const MAX: &[Form] =
    &[Form::new(&[Volume], Kind::Number), Form::new(&[Number, Number], Kind::Number)];
const G_M: &[Form] = &[Form::new(&[Slot::Grid], Kind::Mask)];
const G_V: &[Form] = &[Form::new(&[Slot::Grid], Kind::Image)];
const GK_V: &[Form] = &[Form::new(&[Slot::Grid, Number], Kind::Image)];
const A_G: &[Form] = &[Form::new(&[Image], Kind::Grid)];
const A_V: &[Form] = &[Form::new(&[Image], Kind::Image)];
const VVV_C: &[Form] = &[Form::new(&[Volume, Volume, Volume], Kind::Colour)];
const NONE: &[Form] = &[Form::new(&[], Kind::Any)];
const ANY_R: &[Form] = &[Form::new(&[Any], Kind::Record)];
const REC: &[Form] = &[Form::new(&[Any], Kind::Any)];
const MANY: &[Form] = &[Form { takes: &[Any], variadic: true, gives: Kind::Sequence }];
const TEXTS: &[Form] = &[Form { takes: &[Any, Any], variadic: true, gives: Kind::Text }];
const INDEX: &[Form] = &[Form::new(&[Sequence, Any], Kind::Any)];
const SLICE: &[Form] = &[Form::new(&[Sequence, Number, Number], Kind::Sequence)];
const RANGE: &[Form] = &[Form::new(&[Number, Number], Kind::Sequence)];
const S_K: &[Form] = &[Form::new(&[Sequence], Kind::Number)];
const A_S: &[Form] = &[Form::new(&[Image], Kind::Sequence)];
const CAST: &[Form] = &[Form::new(&[Image, Number], Kind::Image)];
const T_K: &[Form] = &[Form::new(&[Text], Kind::Number)];
const CROSS: &[Form] =
    &[Form::new(&[Number, Volume, Volume, Mask, Number, Number, Number], Kind::Image)];
const THRESHOLD: &[Form] = &[Form::new(&[Volume, Number, Number, Number, Number], Kind::Image)];

fn sig(name: &'static str, forms: &'static [Form]) -> Signature {
    Signature::new(name, &["a", "b", "c", "d", "e"], forms, Cost::Scalar, "for tests")
}

fn range(call: &Call<'_>) -> Result<Output, Refusal> {
    match call.args {
        [Value::Number(a), Value::Number(b)] if a.fract() == 0.0 && b.fract() == 0.0 => {
            let items = (*a as i64..*b as i64).map(|i| Value::Number(i as f64)).collect();
            Ok(Value::sequence(items).into())
        }
        _ => Err(Refusal::new(Code::Integer)),
    }
}

/// Returns a table of a few operators.
pub fn table() -> Arc<Table> {
    let mut table = Table::new();
    let mut add = |signature: Signature, run: Run| table.add(Box::new(Plain { signature, run }));
    add(sig("vox1.add", ARITH).elementwise(), two!(|a, b| Value::Number(a + b)));
    add(sig("vox1.sub", ARITH).elementwise(), two!(|a, b| Value::Number(a - b)));
    add(sig("vox1.mul", ARITH).elementwise(), two!(|a, b| Value::Number(a * b)));
    add(sig("vox1.div", ARITH).elementwise(), two!(|a, b| Value::Number(a / b)));
    add(sig("vox1.lt", COMPARE).elementwise(), two!(|a, b| Value::Bool(a < b)));
    add(sig("vox1.le", COMPARE).elementwise(), two!(|a, b| Value::Bool(a <= b)));
    add(sig("vox1.eq", COMPARE).elementwise(), two!(|a, b| Value::Bool(a == b)));
    add(sig("vox1.ne", COMPARE).elementwise(), two!(|a, b| Value::Bool(a != b)));
    add(sig("vox1.and", LOGIC).elementwise(), |call| truths(|a, b| a && b, call.args));
    add(sig("vox1.or", LOGIC).elementwise(), |call| truths(|a, b| a || b, call.args));
    add(sig("vox1.not", NOT).elementwise(), |call| match call.args {
        [Value::Bool(truth)] => Ok(Value::Bool(!truth).into()),
        _ => Err(kind()),
    });
    add(sig("vox1.neg", NEG).elementwise(), |call| match call.args {
        [Value::Number(number)] => Ok(Value::Number(-number).into()),
        _ => Err(kind()),
    });
    add(sig("vox1.max", MAX), two!(|a, b| Value::Number(a.max(b))));
    add(sig("vox1.min", MAX), two!(|a, b| Value::Number(a.min(b))));
    for (name, forms) in [
        ("vox1.near", M_M),
        ("vox1.interior", M_M),
        ("vox1.maxvol", M_M),
        ("vox1.through", MM_M),
        ("vox1.lcc", M_V),
        ("vox1.dt", M_V),
        ("vox1.mask", VM_V),
        ("vox1.volume", M_K),
        ("vox1.tt", G_M),
        ("vox1.border", G_M),
        ("vox1.x", G_V),
        ("vox1.constant", GK_V),
        ("vox1.grid", A_G),
        ("vox1.intensity", A_V),
        ("vox1.red", A_V),
        ("vox1.green", A_V),
        ("vox1.blue", A_V),
        ("vox1.rgb", VVV_C),
        ("vox1.crossCorrelation", CROSS),
        ("simpleitk.MinimumMaximum", A_S),
        ("simpleitk.Cast", CAST),
        ("strings.length", T_K),
    ] {
        add(sig(name, forms), no);
    }
    let defaults =
        &[Default::Number(0.0), Default::Number(255.0), Default::Number(1.0), Default::Number(0.0)];
    add(sig("simpleitk.BinaryThreshold", THRESHOLD).defaults(defaults), no);
    add(sig("vox1.read", NONE).internal(), no);
    add(sig("vox1.encode", ANY_R).internal(), no);
    add(sig("default.record", REC).internal(), no);
    add(sig("default.field", REC).internal(), no);
    add(sig("default.sequence", MANY), no);
    add(sig("default.index", INDEX), no);
    add(sig("default.slice", SLICE), no);
    add(sig("default.subsequence", SLICE), no);
    add(sig("default.range", RANGE), range);
    add(sig("default.argmax", S_K), no);
    add(sig("strings.concat", TEXTS), |call| {
        let text: String = call.args.iter().map(crate::lower::form::shown).collect();
        Ok(Value::text(&text).into())
    });
    for (primitive, plain, left, right, both) in [
        ("vox1.add", "+", ".+", "+.", ".+."),
        ("vox1.mul", "*", ".*", "*.", ".*."),
        ("vox1.div", "/", "./", "/.", "./."),
        ("vox1.lt", "<", ".<", "<.", ".<."),
        ("vox1.le", "<=", ".<=", "<=.", ".<=."),
        ("vox1.eq", "==", ".=", "=.", ".=."),
        ("vox1.sub", "-", ".-", "-.", ".-."),
    ] {
        for (spelling, dots) in
            [(plain, Dots::None), (left, Dots::Left), (right, Dots::Right), (both, Dots::Both)]
        {
            table.spell(Spelling { spelling, primitive, swapped: false, dots, namespaces: &[] });
        }
    }
    for (spelling, primitive, swapped, dots) in [
        (">", "vox1.lt", true, Dots::None),
        (".>", "vox1.lt", true, Dots::Left),
        (">.", "vox1.lt", true, Dots::Right),
        (".>.", "vox1.lt", true, Dots::Both),
        (">=", "vox1.le", true, Dots::None),
        (".>=", "vox1.le", true, Dots::Left),
        ("!=", "vox1.ne", false, Dots::None),
        ("&", "vox1.and", false, Dots::None),
        ("&&", "vox1.and", false, Dots::None),
        (".&.", "vox1.and", false, Dots::Both),
        ("|", "vox1.or", false, Dots::None),
        ("||", "vox1.or", false, Dots::None),
        (".|.", "vox1.or", false, Dots::Both),
        ("!", "vox1.not", false, Dots::None),
        ("!.", "vox1.not", false, Dots::Right),
        ("N", "vox1.near", false, Dots::None),
        ("~>", "vox1.through", true, Dots::None),
        ("num_add", "vox1.add", false, Dots::None),
        ("multiplication", "vox1.mul", false, Dots::None),
        ("addition", "vox1.add", false, Dots::None),
    ] {
        let namespaces: &[&str] = if spelling == "num_add" || spelling.len() < 4 {
            &["vox1"]
        } else {
            &["vox1", "default"]
        };
        table.spell(Spelling { spelling, primitive, swapped, dots, namespaces });
    }
    Arc::new(table)
}

/// Files by path: images `WxHxD[xFRAMES]` and texts.
#[derive(Clone, std::default::Default)]
pub struct Toys(pub BTreeMap<String, String>);

impl Toys {
    /// Makes files of paths and contents.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for Toys {
    fn probe(&self, path: &Path) -> Result<Found, FileError> {
        let name = path.to_string_lossy().into_owned();
        if self.0.keys().any(|file| file.starts_with(&format!("{name}/"))) {
            return Err(FileError::Unreadable(path.to_path_buf(), "it is a folder".to_owned()));
        }
        let text = self.0.get(&name).ok_or_else(|| FileError::Missing(path.to_path_buf()))?;
        let sizes: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
        let header = sizes.filter(|sizes| sizes.len() > 1).map(|sizes| Header {
            grid: Arc::new(Grid::plain(&sizes[..sizes.len().min(3)]).expect("sizes are good")),
            frames: sizes.get(3).copied().unwrap_or(1),
            colour: name.contains("colour"),
        });
        let format = match (&header, name.rsplit('.').next()) {
            (Some(_), _) => "nifti",
            (None, Some("json")) => "json",
            (None, Some("txt")) => "text",
            _ => "bytes",
        };
        let digest = Digest::of(format!("{name}:{text}").as_bytes());
        Ok(Found {
            paths: vec![path.to_path_buf()],
            digests: vec![digest],
            format: format.to_owned(),
            header,
        })
    }

    fn list(&self, root: &Path, glob: &str, _: bool, _: bool) -> Result<Vec<String>, FileError> {
        let prefix = format!("{}/", root.to_string_lossy());
        let suffix = glob.trim_start_matches('*');
        let names = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: Vec<String> =
            names.filter(|name| name.ends_with(suffix)).map(str::to_owned).collect();
        if names.is_empty() { Err(FileError::Missing(root.to_path_buf())) } else { Ok(names) }
    }

    fn import_text(&self, path: &Path) -> Result<Option<String>, FileError> {
        Ok(self.0.get(path.to_string_lossy().as_ref()).cloned())
    }

    fn identity(&self, path: &Path) -> Option<String> {
        let name = path.to_string_lossy();
        self.0.contains_key(name.as_ref()).then(|| format!("file {name}"))
    }
}

/// The files of most tests.
pub fn toys() -> Toys {
    Toys::of(&[
        ("flair.nii.gz", "4x5x6"),
        ("seg.nii.gz", "4x5x6"),
        ("small.nii", "2x2x2"),
        ("series.nii", "4x5x6x3"),
        ("colour.png", "4x5"),
        ("rows.json", "{}"),
        ("lines.txt", "a\nb"),
        ("blob.bin", "?"),
        ("cases/a.nii", "4x5x6"),
        ("cases/b.nii", "4x5x6"),
    ])
}

/// Lowers a text with a request.
pub fn lower_with(text: &str, request: &Request, files: Toys) -> Lowered {
    let source = Source::new(SourceId(0), "test.imgql", text);
    lower(source, request, Arc::new(files), table())
}

/// Lowers a text.
pub fn lowered(text: &str) -> Lowered {
    lower_with(text, &Request::default(), toys())
}

/// Lowers a text that has no mistake.
pub fn plan(text: &str) -> Plan {
    let lowered = lowered(text);
    let Some(plan) = lowered.plan else {
        panic!("{text}\n{:#?}\n{:?}", lowered.diagnostics, lowered.usage);
    };
    plan
}

/// Returns the codes of the errors, with the texts they are about.
pub fn mistakes(text: &str) -> Vec<String> {
    let lowered = lowered(text);
    lowered
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(|found| {
            let span = found.span();
            let source = lowered.sources.iter().find(|s| s.id() == span.source);
            format!("{} {}", found.code, source.map_or("", |s| s.slice(span)))
        })
        .collect()
}

/// Writes an operand out.
pub fn shown(plan: &Plan, operand: &Operand) -> String {
    match operand {
        Operand::Node(node) => {
            let args: Vec<String> = plan
                .args(*node)
                .iter()
                .map(|arg| match arg {
                    Arg::Node(node) => shown(plan, &Operand::Node(*node)),
                    Arg::Literal(value) => literal(value),
                })
                .collect();
            let name = plan.signature(*node).name;
            match plan.files(*node) {
                Some(files) => {
                    let frame =
                        plan.params(*node).get("frame").and_then(crate::canon::Tree::as_uint);
                    let frame = frame.map(|frame| format!("#{frame}")).unwrap_or_default();
                    format!("<{}{frame}>", files.paths[0].display())
                }
                None => {
                    let name = name.rsplit('.').next().unwrap_or(name);
                    let params = plan.params(*node);
                    let word = params.get("format").or_else(|| params.get("name"));
                    let word = word.and_then(|word| word.as_text());
                    let word = word.map(|word| format!("[{word}]")).unwrap_or_default();
                    format!("{name}{word}({})", args.join(", "))
                }
            }
        }
        Operand::Literal(value) => literal(value),
        Operand::Template(_) => "?".to_owned(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Sequence(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Value::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => crate::lower::form::shown(other),
    }
}

/// Writes all goals out, a line each.
pub fn goals(plan: &Plan) -> String {
    let lines: Vec<String> = plan
        .goals
        .iter()
        .map(|goal| {
            let value = shown(plan, &goal.value);
            match &goal.action {
                Action::Print { label } => format!("{label}={value}"),
                Action::Save { path } => format!("{} <- {value}", path.display()),
            }
        })
        .collect();
    lines.join("\n")
}

/// Returns a path.
pub fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}
