//! Telling mistakes while steps run.

use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;
use crate::lower::item::Item;
use crate::lower::machine::{Machine, Why};
use crate::lower::mistake;

/// Stands for any code, of mistakes that show inside a call of the library.
const IN_LIBRARY: &str = "library";

impl Machine<'_> {
    /// Keeps a mistake, once for each place, with the calls that led to it.
    pub fn report(&mut self, mut diagnostic: Diagnostic) {
        let key = (diagnostic.code, diagnostic.span());
        if self.quiet || !self.session.told.insert(key) {
            return;
        }
        // What a call of the library is given wrong is used at many places there: the first tells.
        let decls = &self.session.linked.decls;
        let library = self.frames.iter().find_map(|frame| match &frame.why {
            Why::Call(decl, _) if decls[decl.0 as usize].library => Some(frame.site),
            _ => None,
        });
        if let Some(site) = library
            && !self.session.told.insert((IN_LIBRARY, site))
        {
            return;
        }
        let calls = self.frames.iter().rev().filter_map(|frame| match &frame.why {
            Why::Call(decl, _) => Some((*decl, frame.site)),
            _ => None,
        });
        for (decl, site) in calls.take(6) {
            let name = &self.session.linked.decls[decl.0 as usize].name;
            diagnostic = diagnostic.label(site, format!("in this call of `{name}`"));
        }
        self.session.diagnostics.push(diagnostic);
    }

    /// Keeps a mistake and returns what stands for it.
    pub fn fail(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Item {
        self.report(Diagnostic::error(code, span, message));
        Item::Poison
    }

    /// Returns a sequence, or tells that it nests too deep.
    pub fn list(&mut self, items: Vec<Item>, span: Span) -> Item {
        Item::sequence(items).unwrap_or_else(|| {
            self.fail(mistake::DEEP, span, "sequences and records nest at most 64 deep")
        })
    }

    /// Says whether steps run outside of calls and loops.
    pub fn is_outside(&self) -> bool {
        !self.frames.iter().any(|frame| !matches!(frame.why, Why::Stop))
    }
}
