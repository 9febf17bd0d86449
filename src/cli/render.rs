//! Diagnostics with the lines they talk about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::lang::source::Source;

/// Returns a diagnostic as a person reads it, without a line end behind it.
///
/// Lines and columns count from 1; the source is looked up by the span's own id.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &[Source], colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut body: Vec<Group<'_>> = Vec::new();
    let mut drawn = Vec::new();
    let mut elements = Vec::new();
    for (at, label) in diagnostic.labels.iter().enumerate() {
        let id = label.span.source;
        if drawn.contains(&id) {
            continue;
        }
        drawn.push(id);
        let Some(source) = sources.iter().find(|source| source.id() == id) else { continue };
        let mut snippet = Snippet::source(source.text()).path(source.name()).line_start(1);
        for (other, label) in diagnostic.labels.iter().enumerate().skip(at) {
            if label.span.source != id {
                continue;
            }
            let kind = if other == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let len = source.text().len();
            let start = (label.span.start as usize).min(len);
            let end = (label.span.end as usize).clamp(start, len);
            let mut annotation = kind.span(start..end);
            if !label.message.is_empty() {
                annotation = annotation.label(label.message.as_str());
            }
            snippet = snippet.annotation(annotation);
        }
        elements.push(snippet);
    }
    let mut first = None;
    for snippet in elements {
        first = Some(match first {
            None => std::mem::replace(&mut group, Level::NOTE.primary_title("")).element(snippet),
            Some(group) => Group::element(group, snippet),
        });
    }
    let head = first.unwrap_or_else(|| Group::with_title(group));
    body.push(head);
    if let Some(help) = &diagnostic.help {
        body.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::source::{SourceId, Span};

    #[test]
    fn the_line_the_mark_and_the_help_are_shown() {
        let source = Source::new(SourceId(0), "t.imgql", "x = 1\ny = flr >. 2\n");
        let span = Span::new(SourceId(0), 10, 13);
        let shown = diagnostic(
            &Diagnostic::error("E0204", span, "`flr` is not defined")
                .says("did you mean `flair`?")
                .help("`vox ops` lists all operators"),
            &[source],
            false,
        );
        assert_eq!(
            shown,
            "\
error[E0204]: `flr` is not defined
 --> t.imgql:2:5
  |
2 | y = flr >. 2
  |     ^^^ did you mean `flair`?
  |
help: `vox ops` lists all operators"
        );
    }

    #[test]
    fn a_span_of_no_source_is_no_panic() {
        let span = Span::new(SourceId(7), 10, 13);
        let shown = diagnostic(&Diagnostic::error("E0101", span, "strange"), &[], false);
        assert_eq!(shown, "error[E0101]: strange");
    }
}
