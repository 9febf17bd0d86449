//! A table that grows while a cohort runs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::app::outputs;
use crate::app::table::cell::Cell;
#[cfg(feature = "parquet")]
use crate::app::table::parquet;
use crate::app::table::style::Style;
use crate::app::table::text::{Between, line};

/// Of the time of a run at most this part, one in so many, goes into writing its table meanwhile.
const SHARE: u32 = 20;

/// A table and its file.
///
/// The file is made whole each time, which costs more the more rows it has. So it is written with the first row, and
/// then whenever all writing so far has taken less than a twentieth of the run so far: slow cases
/// each find themselves in it at once, ten thousand fast ones are not rewritten ten thousand times. `finish` writes
/// what is left. A process that is killed leaves a whole table that may lack its last rows; the next run makes them
/// again.
pub struct Table {
    path: PathBuf,
    rows: Rows,
    begin: Instant,
    spent: Duration,
    /// Has the file no rows yet?
    is_new: bool,
    /// Are there rows that the file has not?
    is_behind: bool,
}

/// What is known so far, in the shape that is cheapest to write.
enum Rows {
    /// The file's text.
    Text { between: Between, text: String },
    /// By column, for these have types.
    #[cfg(feature = "parquet")]
    Columns(parquet::Columns),
}

impl Table {
    /// Begins a table with a column for each label, which has no row yet.
    pub fn new(path: &Path, style: Style, labels: &[String]) -> Self {
        let rows = match style {
            Style::Csv => Rows::text(Between::Comma, labels),
            Style::Tsv => Rows::text(Between::Tab, labels),
            #[cfg(feature = "parquet")]
            Style::Parquet => Rows::Columns(parquet::Columns::new(labels)),
            #[cfg(not(feature = "parquet"))]
            Style::Parquet => unreachable!("no path has this style without the feature"),
        };
        Self {
            path: path.to_owned(),
            rows,
            begin: Instant::now(),
            spent: Duration::ZERO,
            is_new: true,
            is_behind: true,
        }
    }

    /// Takes the row of a case, a cell for each label; writes the file where that is cheap by now.
    pub fn add(&mut self, case: &str, cells: Vec<Cell>) -> io::Result<()> {
        match &mut self.rows {
            Rows::Text { between, text } => {
                let shown: Vec<_> = cells.iter().map(Cell::shown).collect();
                let cells = shown.iter().map(|cell| cell.as_deref().unwrap_or("n/a"));
                line(*between, std::iter::once(case).chain(cells), text);
            }
            #[cfg(feature = "parquet")]
            Rows::Columns(columns) => columns.add(case, cells),
        }
        self.is_behind = true;
        if self.is_new || is_due(self.begin.elapsed(), self.spent) {
            self.write()?;
        }
        Ok(())
    }

    /// Writes the rows that the file has not.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.is_behind { self.write() } else { Ok(()) }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self) -> io::Result<()> {
        let begin = Instant::now();
        self.is_new = false;
        let done = match &self.rows {
            Rows::Text { text, .. } => outputs::replace(&self.path, text.as_bytes()),
            #[cfg(feature = "parquet")]
            Rows::Columns(columns) => {
                columns.file().and_then(|bytes| outputs::replace(&self.path, &bytes))
            }
        };
        self.spent += begin.elapsed();
        self.is_behind = done.is_err();
        done
    }
}

impl Rows {
    fn text(between: Between, labels: &[String]) -> Self {
        let mut text = String::new();
        let labels = labels.iter().map(String::as_str);
        line(between, std::iter::once("case").chain(labels), &mut text);
        Self::Text { between, text }
    }
}

/// Says whether writing once more is cheap: whether all of it has been, so far.
fn is_due(ran: Duration, spent: Duration) -> bool {
    spent * SHARE < ran
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn writing_costs_a_share_of_the_run_whatever_a_write_costs() {
        for (case_ms, row_us, fixed_ms) in [(1, 1, 5), (0, 20, 1), (1000, 1, 5), (5, 0, 3000)] {
            let (mut ran, mut spent, mut last) = (Duration::ZERO, Duration::ZERO, 0);
            let mut writes = 0;
            for row in 1..=10_000_u32 {
                ran += Duration::from_millis(case_ms) + Duration::from_micros(100);
                if row == 1 || is_due(ran, spent) {
                    let took =
                        Duration::from_millis(fixed_ms) + Duration::from_micros(row_us) * row;
                    spent += took;
                    ran += took;
                    last = row;
                    writes += 1;
                }
            }
            let most = Duration::from_millis(fixed_ms) + Duration::from_micros(row_us) * 10_000;
            assert!(spent < ran / SHARE + most, "{spent:?} of {ran:?}");
            assert!(writes >= 1 && last >= 1);
            // Slow cases are in the table when they are done.
            assert!(case_ms < 1000 || writes == 10_000, "{writes} writes");
        }
    }

    #[test]
    fn the_file_has_the_first_row_at_once_and_all_in_the_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/t.csv");
        let mut table = Table::new(&path, Style::Csv, &["a".to_owned(), "b,c".to_owned()]);
        table.add("one", vec![Cell::Number(3.0), Cell::Missing]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "case,a,\"b,c\"\r\none,3.0,n/a\r\n");
        for case in 2..500 {
            table.add(&case.to_string(), vec![Cell::Truth(true), Cell::Null]).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.ends_with("\r\n"), "{text}");
        }
        table.finish().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 500);
        assert!(text.ends_with("499,true,null\r\n"), "{text}");
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("t.tsv");
        Table::new(&path, Style::Tsv, &["a".to_owned()]).finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "case\ta\n");
    }

    #[test]
    fn what_could_not_be_written_is_tried_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("file");
        fs::write(&folder, "in the way").unwrap();
        let mut table = Table::new(&folder.join("t.csv"), Style::Csv, &[]);
        table.add("one", Vec::new()).unwrap_err();
        table.finish().unwrap_err();
        fs::remove_file(&folder).unwrap();
        table.finish().unwrap();
        assert_eq!(fs::read_to_string(table.path()).unwrap(), "case\r\none\r\n");
    }
}
