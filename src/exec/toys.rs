//! Toy operators, plans and listeners for the tests of this room.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::canon::Tree;
use crate::exec::budget::Budget;
use crate::exec::drive::{Context, Files, Options, run};
use crate::exec::engine::Engine;
use crate::exec::error::Error;
use crate::exec::event::{Event, Outcome, Sink};
use crate::exec::inputs::{Anything, Inputs};
use crate::exec::outputs::{NoOutputs, Outputs};
use crate::exec::report::Report;
use crate::exec::stored::Stored;
use crate::id::Digest;
use crate::plan::goal::{Action, Goal};
use crate::plan::graph::{Arg, NodeIndex, Operand, Origin, Plan};
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output, Plain};
use crate::primitive::fused::{Fusions, Pattern, Unfused};
use crate::primitive::refusal::{Code, Refusal};
use crate::primitive::registry::{Registry as _, Table};
use crate::primitive::signature::{Cost, Form, Signature};
use crate::store::open::Store;
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::kind::Kind;
use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// How often a kernel of an image was run, for laws about running once.
pub(in crate::exec) static RUNS: AtomicUsize = AtomicUsize::new(0);

const FORMS: &[Form] = &[];
const fn op(name: &'static str, cost: Cost) -> Signature {
    Signature::new(name, &[], FORMS, cost, "toy")
}

pub(in crate::exec) const ADD: Signature = op("toy.add", Cost::Scalar);
pub(in crate::exec) const SIGN: Signature = op("toy.sign", Cost::Scalar);
pub(in crate::exec) const REFUSE: Signature = op("toy.refuse", Cost::Scalar);
pub(in crate::exec) const PANIC: Signature = op("toy.panic", Cost::Pass);
pub(in crate::exec) const FILL: Signature = op("toy.fill", Cost::Pass);
pub(in crate::exec) const PLUS: Signature = op("toy.plus", Cost::Passes);
pub(in crate::exec) const CLAMP: Signature = op("toy.clamp", Cost::Pass);
pub(in crate::exec) const SUM: Signature = op("toy.sum", Cost::Pass);
pub(in crate::exec) const LIST: Signature = op("toy.list", Cost::Scalar);
pub(in crate::exec) const READ: Signature = op("vox1.read", Cost::File);
pub(in crate::exec) const ENCODE: Signature = op("vox1.encode", Cost::File);
pub(in crate::exec) const ABOVE: Signature = op("toy.above", Cost::Pass);
pub(in crate::exec) const DT: Signature = op("vox1.dt", Cost::Distance);
pub(in crate::exec) const LT: Signature = op("vox1.lt", Cost::Pass);

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        _ => f64::NAN,
    }
}

fn voxels(value: &Value) -> &[f32] {
    match value {
        Value::Volume(Volume { voxels: Voxels::F32(voxels), .. }) => voxels,
        _ => &[],
    }
}

fn volume(len: usize, make: impl Fn(usize) -> f32) -> Value {
    let mut buffer = Buffer::<f32>::take(len);
    for (at, voxel) in buffer.iter_mut().enumerate() {
        *voxel = make(at);
    }
    let grid = Arc::new(Grid::plain(&[len, 1]).unwrap());
    Value::Volume(Volume { grid, voxels: Voxels::F32(Arc::new(buffer)) })
}

type Run = fn(&Call<'_>) -> Result<Output, Refusal>;

/// The operators: numbers, images of one row, files.
pub(in crate::exec) fn table() -> Table {
    let mut table = Table::new();
    let mut add = |signature: Signature, run: Run| table.add(Box::new(Plain { signature, run }));
    add(ADD, |call| Ok(Value::Number(call.args.iter().map(number).sum()).into()));
    add(SIGN, |call| Ok(Value::Number(number(&call.args[0]).signum()).into()));
    add(REFUSE, |_| Err(Refusal::with(Code::Range, &[1.0])));
    add(PANIC, |_| panic!("toys break"));
    add(FILL, |call| {
        let of = number(&call.args[1]) as f32;
        Ok(volume(number(&call.args[0]) as usize, |at| of + at as f32).into())
    });
    add(PLUS, |call| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        let (a, b) = (voxels(&call.args[0]), voxels(&call.args[1]));
        Ok(volume(a.len(), |at| a[at] + b[at]).into())
    });
    add(CLAMP, |call| {
        let a = voxels(&call.args[0]);
        let most = number(&call.args[1]) as f32;
        Ok(volume(a.len(), |at| a[at].min(most)).into())
    });
    add(SUM, |call| {
        Ok(Value::Number(voxels(&call.args[0]).iter().map(|x| f64::from(*x)).sum()).into())
    });
    add(LIST, |call| Ok(Value::sequence(call.args.to_vec()).into()));
    add(READ, |call| {
        let bytes: Vec<u8> = call.files.concat();
        Ok(volume(bytes.len(), |at| f32::from(bytes[at])).into())
    });
    add(ENCODE, |call| {
        let file: Vec<u8> = voxels(&call.args[0]).iter().map(|x| *x as u8).collect();
        let digest = Value::Bytes(Digest::of(&file).0.to_vec().into());
        let bytes = Value::Number(file.len() as f64);
        let value = Value::record(vec![("bytes".into(), bytes), ("digest".into(), digest)]);
        Ok(Output { file: Some(file), ..value.into() })
    });
    add(ABOVE, |call| {
        let Some(grid) = call.args[0].grid() else { return Err(Refusal::new(Code::Kind)) };
        let (a, least) = (voxels(&call.args[0]), number(&call.args[1]) as f32);
        Ok(Value::Mask(Mask::from_fn(grid.clone(), |x, _, _| a[x] > least)).into())
    });
    add(DT, |call| distance(&call.args[0]).map(Output::from));
    add(LT, |call| below(&call.args[0], number(&call.args[1])).map(Output::from));
    table
}

/// The distance along a row to the nearest true voxel.
fn distance(mask: &Value) -> Result<Value, Refusal> {
    let Value::Mask(mask) = mask else { return Err(Refusal::new(Code::Kind)) };
    if mask.count() == 0 {
        return Err(Refusal::new(Code::Empty));
    }
    let len = mask.grid.dims()[0];
    let near = |at: usize| (0..len).filter(|x| mask.get(*x, 0, 0)).map(|x| x.abs_diff(at)).min();
    Ok(volume(len, |at| near(at).unwrap_or(0) as f32))
}

fn below(image: &Value, most: f64) -> Result<Value, Refusal> {
    let Some(grid) = image.grid() else { return Err(Refusal::new(Code::Kind)) };
    let a = voxels(image);
    Ok(Value::Mask(Mask::from_fn(grid.clone(), |x, _, _| f64::from(a[x]) < most)))
}

/// Fused kernels, counted.
#[derive(Default)]
pub(in crate::exec) struct Fusing(pub(in crate::exec) AtomicUsize);

impl Fusions for Fusing {
    fn has(&self, pattern: &Pattern) -> bool {
        *pattern == Pattern::DistanceBelow
    }

    fn run(&self, _: &Pattern, args: &[Value]) -> Result<Output, Refusal> {
        self.0.fetch_add(1, Ordering::Relaxed);
        below(&distance(&args[0])?, number(&args[1])).map(Output::from)
    }
}

/// A plan that is written in one line a node.
#[derive(Default)]
pub(in crate::exec) struct Program {
    pub(in crate::exec) plan: Plan,
}

pub(in crate::exec) fn n(x: f64) -> Arg {
    Arg::Literal(Value::Number(x))
}

impl Program {
    pub(in crate::exec) fn new() -> Self {
        Self { plan: Plan::new() }
    }

    pub(in crate::exec) fn node(&mut self, signature: Signature, args: &[Arg]) -> Arg {
        let kind = match signature.name {
            "toy.add" | "toy.sign" | "toy.sum" | "toy.refuse" => Kind::Number,
            "toy.above" | "vox1.lt" => Kind::Mask,
            "toy.list" => Kind::Sequence,
            "vox1.encode" => Kind::Record,
            _ => Kind::Image,
        };
        Arg::Node(self.plan.node(&signature, args.to_vec(), None, kind, Origin::default()))
    }

    pub(in crate::exec) fn read(&mut self, path: &Path, content: &[u8]) -> Arg {
        let digest = Digest::of(content);
        let params = Tree::map([
            ("format", Tree::text("nifti")),
            ("files", Tree::Array(vec![Tree::bytes(&digest.0)])),
        ]);
        let node = self.plan.node(&READ, vec![], Some(params), Kind::Image, Origin::default());
        let files =
            crate::plan::graph::Files { paths: vec![path.to_owned()], digests: vec![digest] };
        self.plan.set_files(node, files);
        Arg::Node(node)
    }

    pub(in crate::exec) fn print(&mut self, arg: &Arg) {
        let action = Action::Print { label: format!("g{}", self.plan.goals.len()) };
        let value = operand(arg);
        self.plan.goals.push(Goal { action, value, origin: Origin::default() });
    }

    pub(in crate::exec) fn save(&mut self, path: &str, arg: &Arg) {
        let value = operand(&self.node(ENCODE, std::slice::from_ref(arg)));
        let action = Action::Save { path: path.into() };
        self.plan.goals.push(Goal { action, value, origin: Origin::default() });
    }
}

pub(in crate::exec) fn operand(arg: &Arg) -> Operand {
    match arg {
        Arg::Node(node) => Operand::Node(*node),
        Arg::Literal(value) => Operand::Literal(value.clone()),
    }
}

pub(in crate::exec) fn index(arg: &Arg) -> NodeIndex {
    match arg {
        Arg::Node(node) => *node,
        Arg::Literal(_) => panic!("a literal is no node"),
    }
}

/// A place to run plans in.
pub(in crate::exec) struct Bench {
    pub(in crate::exec) context: Context,
    pub(in crate::exec) files: Files,
    pub(in crate::exec) options: Options,
}

impl Bench {
    pub(in crate::exec) fn new(store: Arc<Store>, engine: Arc<dyn Engine>) -> Self {
        let context = Context {
            registry: Arc::new(table()),
            fusions: Arc::new(Unfused),
            engine,
            shelf: Stored::new(store),
            budget: Budget::new(1 << 30),
        };
        let files = Files {
            inputs: Arc::new(Inputs::new(Arc::new(Anything))),
            outputs: Arc::new(NoOutputs),
        };
        Self { context, files, options: Options::default() }
    }

    pub(in crate::exec) fn run(&self, program: &mut Program) -> Report {
        self.try_run(program).unwrap()
    }

    pub(in crate::exec) fn try_run(&self, program: &mut Program) -> Result<Report, Error> {
        let mut order = InOrder(0);
        run(&mut program.plan, &self.files, &self.context, &self.options, &mut order)
    }
}

/// Checks that goals are told once, in program order.
struct InOrder(usize);

impl Sink for InOrder {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Goal { index, .. } = event {
            assert_eq!(index, self.0);
            self.0 += 1;
        }
    }
}

/// Outputs in memory.
#[derive(Default)]
pub(in crate::exec) struct Shown(pub(in crate::exec) Mutex<BTreeMap<PathBuf, Vec<u8>>>);

impl Outputs for Shown {
    fn lies(&self, path: &Path, digest: Digest) -> io::Result<bool> {
        Ok(self.0.lock().unwrap().get(path).is_some_and(|bytes| Digest::of(bytes) == digest))
    }

    fn publish(&self, path: &Path, bytes: &[u8], _: Digest) -> io::Result<()> {
        self.0.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// Returns goals in words, for comparing.
pub(in crate::exec) fn words(report: &Report) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Value(value) => shown(value),
        Outcome::Saved { path, written } => format!("{} {written}", path.display()),
        Outcome::Failed(failure) => failure.to_string(),
    };
    report.goals.iter().map(word).collect()
}

pub(in crate::exec) fn shown(value: &Value) -> String {
    crate::codec::encode::encode(value).digest().to_string()
}

/// Evaluates a node by the definition of its operator, without anything of this room.
pub(in crate::exec) fn plainly(plan: &Plan, node: NodeIndex) -> Result<Value, Refusal> {
    let table = table();
    let mut values: Vec<Result<Value, Refusal>> = Vec::new();
    for at in plan.indices().take(node.0 as usize + 1) {
        let args: Result<Vec<Value>, Refusal> = plan
            .args(at)
            .iter()
            .map(|arg| match arg {
                Arg::Literal(value) => Ok(value.clone()),
                Arg::Node(below) => values[below.0 as usize].clone(),
            })
            .collect();
        values.push(args.and_then(|args| {
            let call = Call { args: &args, params: plan.params(at), files: &[] };
            let primitive = table.find(plan.signature(at).name).unwrap();
            primitive.kernel(&call).map(|output| output.value)
        }));
    }
    values.pop().unwrap()
}
