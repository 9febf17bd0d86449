//! The whole: a program to a plan.

use std::sync::{Arc, Mutex};

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::lower::files::Files;
use crate::lower::item::Item;
use crate::lower::later::Shared;
use crate::lower::lowered::Lowered;
use crate::lower::machine::Machine;
use crate::lower::request::Request;
use crate::lower::session::Session;
use crate::lower::unit::settle;
use crate::plan::graph::Plan;
use crate::primitive::registry::Registry;
use crate::value::kind::Kind;

/// Lowers a program: parses it and its imports, settles names, expands its goals, and checks what no
/// goal reaches.
///
/// `files` and `registry` are shared, because templates go on with them while the plan runs.
pub fn lower(
    main: Source,
    request: &Request,
    files: Arc<dyn Files>,
    registry: Arc<dyn Registry>,
) -> Lowered {
    let settled = settle(main, request, files.as_ref(), Arc::clone(&registry));
    let mut diagnostics = settled.diagnostics;
    let mut session = Session::new(settled.linked, registry, files, request.clone());
    let mut plan = Plan::new();
    let shared: Shared = Arc::new(Mutex::new(None));
    let linked = Arc::clone(&session.linked);
    let mut machine = Machine::new(&mut session, &mut plan);
    machine.shared = Some(Arc::clone(&shared));
    // Loads are read used or not: a file that is not there is told before anything runs.
    for load in &linked.loads {
        machine.load_declared(*load);
    }
    for goal in &linked.goals {
        machine.goal(goal);
    }
    machine.check_rest();
    machine.check_saves(0, request.program.as_deref(), &settled.imports);
    diagnostics.append(&mut session.diagnostics);
    diagnostics.sort_by_key(|found| {
        let span = found.span();
        (span.source, span.start, found.severity)
    });
    let base = session.base_image;
    let has_errors = diagnostics.iter().any(Diagnostic::is_error) || !settled.usage.is_empty();
    *shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(session);
    Lowered {
        plan: (!has_errors).then_some(plan),
        diagnostics,
        usage: settled.usage,
        sources: settled.sources,
        inputs: settled.inputs,
        settable: settled.settable,
        imports: settled.imports,
        base,
    }
}

impl Machine<'_> {
    fn load_declared(&mut self, load: crate::lower::code::DeclId) {
        let at = load.0 as usize;
        if self.session.globals[at].is_none() {
            let start = self.session.linked.decls[at].start;
            let item = self.run(start, Vec::new());
            self.session.reached[at] = true;
            self.session.globals[at] = Some(item);
        }
    }

    /// Looks for mistakes in declarations that no goal reached; no node is made.
    fn check_rest(&mut self) {
        let linked = Arc::clone(&self.session.linked);
        self.checking = 1;
        self.unreached = true;
        // Later declarations use earlier ones: from the end, those only used are looked at in use.
        for (at, decl) in linked.decls.iter().enumerate().rev() {
            if self.session.reached[at] || decl.library {
                continue;
            }
            self.session.reached[at] = true;
            let arguments = vec![Item::Unknown(Kind::Any); decl.params as usize];
            let item = self.run(decl.start, arguments);
            if decl.params == 0 {
                self.session.checked[at] = Some(item);
            }
        }
        self.checking = 0;
        self.unreached = false;
    }
}
