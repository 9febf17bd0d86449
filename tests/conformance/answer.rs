//! From a program's text to the value of `result`, all in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vox::app::files::Disk;
use vox::app::fusions::Kernels;
use vox::app::world::World;
use vox::exec::budget::Budget;
use vox::exec::drive::{self, Options};
use vox::exec::event::{Outcome, Silent};
use vox::exec::inputs::Inputs;
use vox::exec::local::Local;
use vox::exec::outputs::NoOutputs;
use vox::exec::stored::Stored;
use vox::kernel::install;
use vox::lang::source::{Source, SourceId};
use vox::lower::lowered::Lowered;
use vox::lower::program::lower;
use vox::lower::request::Request;
use vox::plan::goal::{Action, Goal};
use vox::plan::graph::Operand;
use vox::primitive::registry::Registry;
use vox::store::open::Store;
use vox::value::data::Value;

/// What runs the programs of one thread.
pub(crate) struct Runner {
    folder: PathBuf,
    registry: Arc<dyn Registry>,
    store: Arc<Store>,
    exec: drive::Context,
}

impl Runner {
    /// Begins with an empty store in memory. Programs find their files below the folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let registry: Arc<dyn Registry> = Arc::new(install::table());
        let store = Store::memory().unwrap();
        let exec = drive::Context {
            registry: registry.clone(),
            fusions: Arc::new(Kernels),
            engine: Arc::new(Local::new(1).unwrap()),
            shelf: Stored::new(store.clone()),
            budget: Budget::new(1 << 30),
        };
        Self { folder: folder.to_owned(), registry, store, exec }
    }

    /// Returns the value of `result`, or why there is none.
    pub(crate) fn answer(&self, program: &str) -> Result<Value, String> {
        let inputs = Arc::new(Inputs::new(Arc::new(World::All(self.folder.clone()))));
        // An image cannot be printed; the value is then that which an encoder would be given.
        let mut printed = self.lower(&format!("{program}print \"r\" result\n"), &inputs);
        if printed.diagnostics.iter().any(|told| told.message.contains("cannot be printed")) {
            printed = self.lower(&format!("{program}save \"r.nii.gz\" result\n"), &inputs);
        }
        let errors: Vec<&str> = printed
            .diagnostics
            .iter()
            .filter(|told| told.is_error())
            .map(|told| told.message.as_str())
            .collect();
        let Some(mut plan) = printed.plan else { return Err(errors.join("; ")) };
        let goal = plan.goals.pop().unwrap();
        let value = match (&goal.action, &goal.value) {
            (Action::Save { .. }, Operand::Node(node)) => {
                Operand::Node(plan.arg_nodes(*node).next().unwrap())
            }
            (_, value) => value.clone(),
        };
        let action = Action::Print { label: "r".to_owned() };
        plan.goals = vec![Goal { action, value, origin: goal.origin }];
        let files = drive::Files { inputs, outputs: Arc::new(NoOutputs) };
        let options = Options::default();
        let report = drive::run(&mut plan, &files, &self.exec, &options, &mut Silent)
            .map_err(|error| error.to_string())?;
        match report.goals.into_iter().next() {
            Some(Outcome::Value(value)) => Ok(value),
            Some(Outcome::Failed(failure)) => Err(failure.to_string()),
            other => panic!("a goal that is printed became {other:?}"),
        }
    }

    fn lower(&self, text: &str, inputs: &Arc<Inputs>) -> Lowered {
        let disk =
            Disk::new(self.store.clone(), inputs.clone(), &World::All(self.folder.clone()), false);
        let request = Request { cwd: self.folder.clone(), ..Request::default() };
        let source = Source::new(SourceId(0), "case.imgql".to_owned(), text);
        lower(source, &request, Arc::new(disk), self.registry.clone())
    }
}
