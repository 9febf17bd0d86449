//! A text that spans point into: its name, its bytes, its lines.

use std::ops::Range;

/// Which source a span lies in; handed out by whoever reads the files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SourceId(pub u32);

/// Byte offsets `start..end` into the source `source`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// The source the offsets count in.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Returns the span `start..end` of `source`.
    pub fn new(source: SourceId, start: u32, end: u32) -> Self {
        Self { source, start, end }
    }

    /// Returns the span from the start of `self` to the end of `other`, of the same source.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { source: self.source, start: self.start, end: other.end.max(self.start) }
    }

    /// Returns the offsets as a range that slices the text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Line and column of a byte, both from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One program text and the name people know it by.
#[derive(Clone, Debug)]
pub struct Source {
    id: SourceId,
    name: String,
    text: String,
    lines: Vec<u32>,
}

impl Source {
    /// Takes a text; `name` is what diagnostics call it, usually its path.
    pub fn new(id: SourceId, name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines =
            std::iter::once(0).chain(newlines.map(|(offset, _)| offset as u32 + 1)).collect();
        Self { id, name: name.into(), text, lines }
    }

    /// Returns the id that its spans carry.
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Returns what diagnostics call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text under `span`, empty where the span is not of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// Returns line and column of a byte; offsets past the end give the end.
    pub fn place(&self, offset: u32) -> Place {
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.lines[line - 1] as usize;
        let end = (offset as usize).clamp(start, self.text.len().max(start));
        let column = self.text.as_bytes()[start..end]
            .iter()
            .filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000)
            .count();
        Place { line: line as u32, column: column as u32 + 1 }
    }

    /// Returns the text of a line (from 1) without its line end, `None` past the last.
    pub fn line(&self, line: u32) -> Option<&str> {
        let index = line.checked_sub(1)? as usize;
        let start = *self.lines.get(index)? as usize;
        let end = self.lines.get(index + 1).map_or(self.text.len(), |&next| next as usize);
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let source = Source::new(SourceId(0), "a.imgql", "ab\r\nçd\n\nx");
        let at = |offset| (source.place(offset).line, source.place(offset).column);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(1), (1, 2));
        assert_eq!(at(4), (2, 1));
        assert_eq!(at(6), (2, 2));
        assert_eq!(at(8), (3, 1));
        assert_eq!(at(9), (4, 1));
        assert_eq!(at(99), (4, 2));
        assert_eq!(source.line(1), Some("ab"));
        assert_eq!(source.line(2), Some("çd"));
        assert_eq!(source.line(3), Some(""));
        assert_eq!(source.line(4), Some("x"));
        assert_eq!(source.line(5), None);
        assert_eq!(source.line(0), None);
    }

    #[test]
    fn a_span_that_is_not_of_the_text_slices_to_nothing() {
        let source = Source::new(SourceId(0), "a.imgql", "çd");
        assert_eq!(source.slice(Span::new(SourceId(0), 0, 2)), "ç");
        assert_eq!(source.slice(Span::new(SourceId(0), 1, 2)), "");
        assert_eq!(source.slice(Span::new(SourceId(0), 0, 9)), "");
    }
}
