//! Tables as Apache Parquet: typed columns, sorted by case, with statistics by which readers leave row groups out.
//!
//! The same rows give the same bytes: no time, host or path stands in the file.

use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use parquet::schema::types::{Type, TypePtr};

use crate::app::table::cell::Cell;

/// The most rows of a row group. Readers leave out whole groups, and read those that they need one by one: a group of
/// some columns is about a megabyte, and ten million rows have some hundred and fifty of them.
pub const GROUP: usize = 65_536;

/// The rows of a table, by column.
pub struct Columns {
    cases: Vec<Box<str>>,
    labels: Vec<String>,
    cells: Vec<Vec<Cell>>,
}

/// The type of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Number,
    Truth,
    /// Texts as they are; also what is of several types, as `print` shows it.
    Text,
    /// Sequences and records only.
    Json,
}

impl Columns {
    /// Begins a table with a column for each label.
    pub fn new(labels: &[String]) -> Self {
        let mut names: Vec<String> = vec!["case".to_owned()];
        for label in labels {
            let mut name = label.clone();
            // Readers know columns by their names.
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name);
        }
        names.remove(0);
        let cells = names.iter().map(|_| Vec::new()).collect();
        Self { cases: Vec::new(), labels: names, cells }
    }

    /// Takes the row of a case, a cell for each label.
    pub fn add(&mut self, case: &str, cells: Vec<Cell>) {
        self.cases.push(case.into());
        for (column, cell) in self.cells.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    /// Returns the file.
    pub fn file(&self) -> io::Result<Vec<u8>> {
        self.write(GROUP).map_err(io::Error::other)
    }

    fn write(&self, group: usize) -> Result<Vec<u8>, ParquetError> {
        let mut order: Vec<usize> = (0..self.cases.len()).collect();
        order.sort_by_key(|at| self.cases[*at].as_bytes());
        let forms: Vec<Form> = self.cells.iter().map(|cells| Form::of(cells)).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_sorting_columns(Some(vec![SortingColumn {
                column_idx: 0,
                descending: false,
                nulls_first: false,
            }]))
            .build();
        let schema = Arc::new(self.schema(&forms)?);
        let mut out = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut out, schema, Arc::new(properties))?;
        for rows in order.chunks(group) {
            let mut group = writer.next_row_group()?;
            let cases: Vec<ByteArray> = rows.iter().map(|at| bytes(&self.cases[*at])).collect();
            let mut column = next(&mut group)?;
            column.typed::<ByteArrayType>().write_batch(&cases, None, None)?;
            column.close()?;
            for (cells, form) in self.cells.iter().zip(&forms) {
                form.write(rows.iter().map(|at| &cells[*at]), &mut group)?;
            }
            group.close()?;
        }
        writer.close()?;
        Ok(out)
    }

    fn schema(&self, forms: &[Form]) -> Result<Type, ParquetError> {
        let mut fields = vec![field("case", Form::Text, Repetition::REQUIRED)?];
        for (label, form) in self.labels.iter().zip(forms) {
            fields.push(field(label, *form, Repetition::OPTIONAL)?);
        }
        Type::group_type_builder("schema").with_fields(fields).build()
    }
}

impl Form {
    /// Returns the type that holds all cells; of none numbers, which is what programs print most.
    fn of(cells: &[Cell]) -> Self {
        let mut forms = cells.iter().filter_map(|cell| match cell {
            Cell::Missing | Cell::Null => None,
            Cell::Truth(_) => Some(Self::Truth),
            Cell::Number(_) => Some(Self::Number),
            Cell::Text(_) => Some(Self::Text),
            Cell::Nested(_) => Some(Self::Json),
        });
        let first = forms.next().unwrap_or(Self::Number);
        if forms.all(|form| form == first) { first } else { Self::Text }
    }

    fn write<'a>(
        self,
        cells: impl Iterator<Item = &'a Cell> + Clone,
        group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    ) -> Result<(), ParquetError> {
        let is_there = |cell: &&Cell| !matches!(cell, Cell::Missing | Cell::Null);
        let levels: Vec<i16> = cells.clone().map(|cell| i16::from(is_there(&cell))).collect();
        let cells = cells.filter(is_there);
        let mut column = next(group)?;
        match self {
            Self::Number => {
                let numbers = cells.filter_map(|cell| match cell {
                    Cell::Number(number) => Some(*number),
                    _ => None,
                });
                let numbers: Vec<f64> = numbers.collect();
                column.typed::<DoubleType>().write_batch(&numbers, Some(&levels), None)?;
            }
            Self::Truth => {
                let truths: Vec<bool> = cells.map(|cell| *cell == Cell::Truth(true)).collect();
                column.typed::<BoolType>().write_batch(&truths, Some(&levels), None)?;
            }
            Self::Text | Self::Json => {
                let texts = cells.map(|cell| match cell {
                    Cell::Nested(nested) if self == Self::Json => bytes(&nested.json),
                    cell => bytes(&cell.shown().unwrap_or_default()),
                });
                let texts: Vec<ByteArray> = texts.collect();
                column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
            }
        }
        column.close()
    }
}

fn field(name: &str, form: Form, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match form {
        Form::Number => (Physical::DOUBLE, None),
        Form::Truth => (Physical::BOOLEAN, None),
        Form::Text | Form::Json => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = Type::primitive_type_builder(name, physical);
    Ok(Arc::new(field.with_repetition(repetition).with_logical_type(logical).build()?))
}

fn next<'a>(
    group: &'a mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
) -> Result<SerializedColumnWriter<'a>, ParquetError> {
    Ok(group.next_column()?.expect("a column is written for each field of the schema"))
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::file::statistics::Statistics;
    use parquet::record::Field;

    use super::*;
    use crate::app::table::cell::Nested;

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    fn table(labels: &[&str], rows: &[(&str, Vec<Cell>)]) -> Columns {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let mut columns = Columns::new(&labels);
        for (case, cells) in rows {
            columns.add(case, cells.clone());
        }
        columns
    }

    fn reader(file: Vec<u8>) -> SerializedFileReader<bytes::Bytes> {
        SerializedFileReader::new(bytes::Bytes::from(file)).unwrap()
    }

    fn rows(file: Vec<u8>) -> Vec<Vec<(String, Field)>> {
        let reader = reader(file);
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        rows.map(|row| row.get_column_iter().map(|(n, f)| (n.clone(), f.clone())).collect())
            .collect()
    }

    fn types(file: Vec<u8>) -> Vec<(String, Physical)> {
        let reader = reader(file);
        let schema = reader.metadata().file_metadata().schema_descr();
        let columns = schema.columns().iter();
        columns.map(|column| (column.name().to_owned(), column.physical_type())).collect()
    }

    #[test]
    fn columns_have_the_types_of_what_is_printed_and_rows_the_order_of_cases() {
        let nested = Nested { shown: "[1.0, {a: nan}]".into(), json: r#"[1.0,{"a":null}]"#.into() };
        let nested = Cell::Nested(Box::new(nested));
        let table = table(
            &["dice", "ok", "who", "list", "mixed", "never", "nulls"],
            &[
                (
                    "case-2",
                    vec![
                        Cell::Number(-0.0),
                        Cell::Truth(true),
                        text("é, \"x\""),
                        nested.clone(),
                        Cell::Number(3.0),
                        Cell::Missing,
                        Cell::Null,
                    ],
                ),
                (
                    "case-10",
                    vec![
                        Cell::Number(f64::NAN),
                        Cell::Missing,
                        Cell::Null,
                        Cell::Missing,
                        nested,
                        Cell::Missing,
                        Cell::Null,
                    ],
                ),
                (
                    "Z",
                    vec![
                        Cell::Missing,
                        Cell::Truth(false),
                        text(""),
                        Cell::Missing,
                        Cell::Truth(true),
                        Cell::Missing,
                        Cell::Null,
                    ],
                ),
            ],
        );
        let file = table.file().unwrap();
        let types = types(file.clone());
        let of: Vec<Physical> = types.iter().map(|(_, physical)| *physical).collect();
        use Physical::{BOOLEAN, BYTE_ARRAY, DOUBLE};
        assert_eq!(
            of,
            [BYTE_ARRAY, DOUBLE, BOOLEAN, BYTE_ARRAY, BYTE_ARRAY, BYTE_ARRAY, DOUBLE, DOUBLE]
        );
        let rows = rows(file);
        let of = |row: usize, name: &str| {
            rows[row].iter().find(|(other, _)| other == name).unwrap().1.clone()
        };
        let str = |text: &str| Field::Str(text.to_owned());
        assert_eq!([0, 1, 2].map(|row| of(row, "case")), ["Z", "case-10", "case-2"].map(str));
        assert_eq!(of(0, "dice"), Field::Null);
        assert!(matches!(of(1, "dice"), Field::Double(number) if number.is_nan()));
        assert!(
            matches!(of(2, "dice"), Field::Double(number) if number == 0.0 && number.is_sign_negative())
        );
        assert_eq!(
            [0, 1, 2].map(|row| of(row, "ok")),
            [Field::Bool(false), Field::Null, Field::Bool(true)]
        );
        assert_eq!([0, 1, 2].map(|row| of(row, "who")), [str(""), Field::Null, str("é, \"x\"")]);
        assert_eq!([0, 2].map(|row| of(row, "list")), [Field::Null, str(r#"[1.0,{"a":null}]"#)]);
        let mixed = [0, 1, 2].map(|row| of(row, "mixed"));
        assert_eq!(mixed, [str("true"), str("[1.0, {a: nan}]"), str("3.0")], "as in the CSV");
        assert_eq!([0, 1].map(|row| of(row, "never")), [Field::Null, Field::Null]);
        assert_eq!(of(2, "nulls"), Field::Null);
    }

    #[test]
    fn no_case_gives_a_file_of_columns() {
        let file = table(&["dice"], &[]).file().unwrap();
        let names: Vec<String> = types(file.clone()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["case", "dice"]);
        assert_eq!(rows(file).len(), 0);
    }

    #[test]
    fn odd_labels_are_columns_of_their_own() {
        let labels = ["case", "", "a.b", "a,\"b\"\n", "case_", "ü"];
        let cells = vec![Cell::Number(1.0); labels.len()];
        let file = table(&labels, &[("x", cells)]).file().unwrap();
        let rows = rows(file);
        let names: Vec<&str> = rows[0].iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["case", "case_", "", "a.b", "a,\"b\"\n", "case__", "ü"]);
        assert!(rows[0][1..].iter().all(|(_, field)| *field == Field::Double(1.0)));
    }

    #[test]
    fn row_groups_are_bounded_and_say_what_they_hold() {
        let name = |at: usize| format!("case-{at:05}");
        let mut columns = Columns::new(&["v".to_owned(), "flag".to_owned(), "t".to_owned()]);
        // Not in their order: 37 and 1000 have no common divisor.
        for at in (0..1000).map(|at| at * 37 % 1000) {
            let number = if at % 10 == 0 { f64::NAN } else { at as f64 };
            let flag = if at % 3 == 0 { Cell::Missing } else { Cell::Truth(at > 500) };
            columns.add(&name(at), vec![Cell::Number(number), flag, text(&name(at))]);
        }
        let reader = reader(columns.write(300).unwrap());
        let metadata = reader.metadata();
        let sizes: Vec<i64> =
            metadata.row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(sizes, [300, 300, 300, 100]);
        for (at, group) in metadata.row_groups().iter().enumerate() {
            assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0);
            let (first, last) = (at * 300, (at * 300 + 299).min(999));
            for column in [0, 3] {
                let Some(Statistics::ByteArray(known)) = group.column(column).statistics() else {
                    panic!("no statistics of column {column}")
                };
                assert_eq!(known.min_opt().unwrap().as_utf8().unwrap(), name(first));
                assert_eq!(known.max_opt().unwrap().as_utf8().unwrap(), name(last));
            }
            // NaN is no bound.
            let Some(Statistics::Double(known)) = group.column(1).statistics() else { panic!() };
            assert_eq!(known.min_opt(), Some(&(first as f64 + 1.0)));
            assert_eq!(known.max_opt(), Some(&(last as f64)));
            let nulls = (first..=last).filter(|at| at % 3 == 0).count() as u64;
            assert_eq!(group.column(2).statistics().unwrap().null_count_opt(), Some(nulls));
        }
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1000);
        for (at, row) in rows.iter().enumerate() {
            let fields: Vec<_> = row.get_column_iter().map(|(_, field)| field.clone()).collect();
            assert_eq!(fields[0], Field::Str(name(at)));
            assert_eq!(fields[3], Field::Str(name(at)));
            match &fields[1] {
                Field::Double(number) if at % 10 == 0 => assert!(number.is_nan()),
                field => assert_eq!(*field, Field::Double(at as f64)),
            }
        }
    }

    #[test]
    fn the_same_rows_give_the_same_bytes_in_whatever_order_they_come() {
        let row = |at: usize| {
            let cells = vec![Cell::Number((at * at) as f64), text(["a", "b"][at % 2])];
            (format!("{}", at * 7919 % 5000), cells)
        };
        let file = |order: &mut dyn Iterator<Item = usize>| {
            let mut columns = Columns::new(&["n".to_owned(), "t".to_owned()]);
            for (case, cells) in order.map(row) {
                columns.add(&case, cells);
            }
            columns.file().unwrap()
        };
        let once = file(&mut (0..5000));
        assert_eq!(once, file(&mut (0..5000)));
        assert_eq!(once, file(&mut (0..5000).rev()));
        assert_ne!(once, file(&mut (0..4999)));
    }
}
