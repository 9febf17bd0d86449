//! Tables: CSV and TSV, quoted as RFC 4180 says, lines ended by `\n`.

use std::collections::BTreeSet;

use crate::kernel::format::text;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;

/// What stands between two cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Between {
    /// CSV.
    Comma,
    /// TSV.
    Tab,
}

/// Returns the table of a value.
///
/// A sequence of records has a header, the names of all of them by their bytes, and a row each; what
/// a record lacks, and null, is `n/a`. A record alone is one row of such a table. A sequence of
/// sequences is rows without header, any other sequence a cell a row. Sequences and records in cells
/// are as `print` shows them.
pub fn write(value: &Value, between: Between) -> Result<Vec<u8>, Refusal> {
    let mut out = String::new();
    match value {
        Value::Record(_) => records(std::slice::from_ref(value), between, &mut out)?,
        Value::Sequence(items) if matches!(items.first(), Some(Value::Record(_))) => {
            records(items, between, &mut out)?;
        }
        Value::Sequence(items) => {
            for item in items.iter() {
                match item {
                    Value::Sequence(cells) => {
                        let cells = cells.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
                        line(&cells, between, &mut out);
                    }
                    Value::Record(_) => return Err(Refusal::new(Code::Kind)),
                    other => line(&[cell(other)?], between, &mut out),
                }
            }
        }
        other => line(&[cell(other)?], between, &mut out),
    }
    Ok(out.into_bytes())
}

fn records(rows: &[Value], between: Between, out: &mut String) -> Result<(), Refusal> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let Value::Record(fields) = row else { return Err(Refusal::new(Code::Kind)) };
        names.extend(fields.iter().map(|(name, _)| &**name));
        records.push(fields);
    }
    line(&names.iter().map(ToString::to_string).collect::<Vec<_>>(), between, out);
    for fields in records {
        let mut cells = Vec::with_capacity(names.len());
        for name in &names {
            let found = fields.iter().find(|(other, _)| **other == **name);
            cells.push(found.map_or_else(|| Ok("n/a".to_owned()), |(_, value)| cell(value))?);
        }
        line(&cells, between, out);
    }
    Ok(())
}

fn cell(value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok("n/a".to_owned()),
        other => text::shown(other),
    }
}

fn line(cells: &[String], between: Between, out: &mut String) {
    let separator = if between == Between::Comma { ',' } else { '\t' };
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(separator);
        }
        if cell.contains([separator, '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn row(fields: &[(&str, Value)]) -> Value {
        Value::record(fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
    }

    #[test]
    fn columns_are_ordered_by_bytes_and_gaps_filled() {
        let rows = Value::sequence(vec![
            row(&[("b", Value::Number(1.0)), ("aa", Value::text("x,\"y"))]),
            row(&[("b", Value::Null), ("Z", Value::Number(f64::NAN))]),
        ]);
        let csv = String::from_utf8(write(&rows, Between::Comma).unwrap()).unwrap();
        assert_eq!(csv, "Z,aa,b\nn/a,\"x,\"\"y\",1.0\nnan,n/a,n/a\n");
        let tsv = String::from_utf8(write(&rows, Between::Tab).unwrap()).unwrap();
        assert_eq!(tsv, "Z\taa\tb\nn/a\t\"x,\"\"y\"\t1.0\nnan\tn/a\tn/a\n");
    }

    #[test]
    fn other_sequences_are_rows_without_header() {
        let rows = Value::sequence(vec![
            Value::sequence(vec![Value::Number(1.0), Value::Bool(false)]),
            Value::text("a"),
        ]);
        assert_eq!(write(&rows, Between::Comma).unwrap(), b"1.0,false\na\n");
        let mixed = Value::sequence(vec![row(&[]), Value::Null]);
        assert_eq!(write(&mixed, Between::Comma).unwrap_err().code, Code::Kind);
    }
}
