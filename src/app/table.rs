//! The table of a cohort: one row a case, one column a printed label.

use std::path::Path;

/// How a table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// RFC 4180: commas, quotes where needed, lines end in CR LF.
    Csv,
    /// Tabs; tabs and line ends inside a value become blanks.
    Tsv,
}

impl Style {
    /// Returns the style that a file's suffix asks for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            _ => None,
        }
    }
}

/// Returns the table as text: a header, then the rows; what failed (`None`) is `n/a`.
pub fn write(style: Style, labels: &[String], rows: &[(String, Vec<Option<String>>)]) -> String {
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (at, cell) in cells.enumerate() {
            match style {
                Style::Csv => {
                    if at > 0 {
                        out.push(',');
                    }
                    if cell.contains(['"', ',', '\n', '\r']) {
                        out.push('"');
                        out.push_str(&cell.replace('"', "\"\""));
                        out.push('"');
                    } else {
                        out.push_str(cell);
                    }
                }
                Style::Tsv => {
                    if at > 0 {
                        out.push('\t');
                    }
                    out.push_str(&cell.replace(['\t', '\n', '\r'], " "));
                }
            }
        }
        out.push_str(if style == Style::Csv { "\r\n" } else { "\n" });
    };
    line(&mut std::iter::once("case").chain(labels.iter().map(String::as_str)));
    for (case, cells) in rows {
        line(
            &mut std::iter::once(case.as_str())
                .chain(cells.iter().map(|cell| cell.as_deref().unwrap_or("n/a"))),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_the_style_needs_it() {
        let labels = ["dice".to_owned(), "a,b".to_owned()];
        let rows = [("k\"1".to_owned(), vec![Some("0.5".to_owned()), None])];
        assert_eq!(
            write(Style::Csv, &labels, &rows),
            "case,dice,\"a,b\"\r\n\"k\"\"1\",0.5,n/a\r\n"
        );
        assert_eq!(write(Style::Tsv, &labels, &rows), "case\tdice\ta,b\nk\"1\t0.5\tn/a\n");
        assert_eq!(Style::of(Path::new("x.CSV")), Some(Style::Csv));
        assert_eq!(Style::of(Path::new("x.txt")), None);
    }
}
