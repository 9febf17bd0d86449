//! How a table is written.

use std::path::Path;

/// How a table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// RFC 4180: commas, quotes where needed, lines end in CR LF.
    Csv,
    /// Tabs; tabs and line ends inside a value become blanks.
    Tsv,
    /// Apache Parquet: columns with types.
    Parquet,
}

impl Style {
    /// Returns the style that a file's suffix asks for, or what is wrong with it.
    pub fn of(path: &Path) -> Result<Self, String> {
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        match suffix.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "parquet" if cfg!(feature = "parquet") => Ok(Self::Parquet),
            "parquet" => Err(
                "this vox was built without Parquet: build it with `--features parquet`, or write .csv, or ask \
                 `vox.table` of the Python package, which gives the same"
                    .to_owned(),
            ),
            _ => Err("write .csv or .tsv, or .parquet where vox was built with it".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_suffix_asks_for_a_style() {
        assert_eq!(Style::of(Path::new("x.CSV")), Ok(Style::Csv));
        assert_eq!(Style::of(Path::new("a/x.tsv")), Ok(Style::Tsv));
        for path in ["x.txt", "csv", ""] {
            assert!(Style::of(Path::new(path)).unwrap_err().contains(".csv or .tsv"));
        }
        let parquet = Style::of(Path::new("x.Parquet"));
        if cfg!(feature = "parquet") {
            assert_eq!(parquet, Ok(Style::Parquet));
        } else {
            let why = parquet.unwrap_err();
            assert!(why.contains("--features parquet") && why.contains("vox.table"), "{why}");
        }
    }
}
