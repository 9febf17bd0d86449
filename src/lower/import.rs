//! Imports: where they are looked up, and that each is read once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::lang::ast::Command;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::dialect::Dialect;
use crate::lang::source::{Source, Span};
use crate::lower::library;
use crate::lower::mistake;
use crate::lower::suggest;
use crate::lower::unit::Reader;

impl Reader<'_> {
    /// Reads an import: a namespace, or a file whose commands come next.
    pub(super) fn import(&mut self, what: &str, span: Span) {
        let is_plain = !what.contains(['.', '/']);
        if is_plain && self.settler.scope.is_namespace(what) {
            self.settler.scope.import(what);
            return;
        }
        let importer = self.open.last().expect("the importing file is being read");
        let folder = importer.folder.clone();
        let first_dialect = importer.program.dialect == Dialect::One;
        let mut names = vec![if is_plain { format!("{what}.imgql") } else { what.to_owned() }];
        if first_dialect && !names[0].ends_with(".imgql") {
            names.push(format!("{what}.imgql"));
        }
        for name in &names {
            let beside = folder.as_ref().map(|folder| folder.join(name));
            let mut places = vec![PathBuf::from(name)];
            match beside {
                Some(beside) if first_dialect && beside != places[0] => places.push(beside),
                Some(beside) if beside != places[0] => places.insert(0, beside),
                _ => {}
            }
            for path in places {
                match self.files.import_text(&path) {
                    Ok(Some(text)) => {
                        let identity = self.identity(&path);
                        self.open_import(
                            &path.to_string_lossy(),
                            &text,
                            identity,
                            Some(&path),
                            span,
                        );
                        return;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let error = Diagnostic::error(mistake::UNREADABLE, span, error.to_string());
                        self.settler.diagnostics.push(error);
                        return;
                    }
                }
            }
        }
        for name in &names {
            if let Some(text) = library::text(name) {
                self.open_import(name, text, format!("{}{name}", library::IDENTITY), None, span);
                return;
            }
        }
        let mut error =
            Diagnostic::error(mistake::IMPORT, span, format!("there is no `{what}` to import"));
        let known = ["default", "vox1", "simpleitk", "strings", "arrays", "geom", "RegionCalculus"];
        error = match suggest::nearest(what, known) {
            Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
            None => error.help(
                "files are looked up beside the importing file, in the working directory, and in \
                 the built-in library",
            ),
        };
        self.settler.diagnostics.push(error);
    }

    fn open_import(
        &mut self,
        name: &str,
        text: &str,
        identity: String,
        path: Option<&Path>,
        span: Span,
    ) {
        if let Some(at) = self.open.iter().position(|file| file.identity == identity) {
            let circle: Vec<&str> = self.open[at..]
                .iter()
                .filter_map(|file| self.sources.iter().find(|source| source.id() == file.source))
                .map(Source::name)
                .collect();
            let circle = circle.join("` imports `");
            self.settler.diagnostics.push(Diagnostic::error(
                mistake::CYCLE,
                span,
                format!("`{circle}` imports `{name}`: a circle"),
            ));
            return;
        }
        if self.seen.contains(&identity) {
            return;
        }
        let id = self.add_source(name, text);
        self.imports.extend(path.map(Path::to_path_buf));
        let folder = path.and_then(Path::parent).map(Path::to_path_buf);
        self.push(id, folder, identity, false);
    }
}

/// Returns the words outside of the commands that were understood.
pub(super) fn lost_words(text: &str, commands: &[Command]) -> HashSet<String> {
    let mut words = HashSet::new();
    let mut at = 0;
    let ends = commands.iter().map(|command| command.span.range());
    for range in ends.chain(std::iter::once(text.len()..text.len())) {
        let between = text.get(at..range.start).unwrap_or("");
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        words.extend(between.split(|c| !is_word(c)).map(str::to_owned));
        words.extend(between.split(|c: char| c.is_whitespace() || is_word(c)).map(str::to_owned));
        at = range.end.max(at);
    }
    words
}
