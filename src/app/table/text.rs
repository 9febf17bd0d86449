//! Tables as text, with commas or tabs between.

/// What stands between cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Between {
    /// Commas, as RFC 4180 has it.
    Comma,
    /// Tabs.
    Tab,
}

/// Puts a line behind what is there.
pub fn line<'a>(between: Between, cells: impl Iterator<Item = &'a str>, out: &mut String) {
    for (at, cell) in cells.enumerate() {
        match between {
            Between::Comma => {
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
            Between::Tab => {
                if at > 0 {
                    out.push('\t');
                }
                out.push_str(&cell.replace(['\t', '\n', '\r'], " "));
            }
        }
    }
    out.push_str(if between == Between::Comma { "\r\n" } else { "\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_the_style_needs_it() {
        let written = |between, cells: &[&str]| {
            let mut out = "before ".to_owned();
            line(between, cells.iter().copied(), &mut out);
            out
        };
        assert_eq!(written(Between::Comma, &["k\"1", "0.5"]), "before \"k\"\"1\",0.5\r\n");
        assert_eq!(
            written(Between::Comma, &["case", "a,b", "c\nd"]),
            "before case,\"a,b\",\"c\nd\"\r\n"
        );
        assert_eq!(written(Between::Tab, &["case", "a,b", "c\td"]), "before case\ta,b\tc d\n");
    }
}
