//! The messages of a server, as it writes them.

use serde::{Deserialize, Serialize};

use crate::peer::source::Offer;
use crate::store::object::layout::{SegmentName, WriterId};

/// What `/v1/heads` answers.
#[derive(Serialize, Deserialize, Debug)]
pub struct Heads {
    /// The id of the store.
    pub store: String,
    /// The version of its format.
    pub format: u64,
    /// Its logs.
    pub writers: Vec<Log>,
}

/// The log of one writer.
#[derive(Serialize, Deserialize, Debug)]
pub struct Log {
    /// Whose.
    pub writer: String,
    /// Its segments.
    pub segments: Vec<Entry>,
}

/// One segment.
#[derive(Serialize, Deserialize, Debug)]
pub struct Entry {
    /// The name of its file.
    pub name: String,
    /// Number of its first record.
    pub first: u64,
    /// Number of its last record.
    pub last: u64,
    /// Bytes of its file.
    pub size: u64,
}

/// What `/ac/{node}` answers, as far as it is asked for.
#[derive(Serialize, Deserialize, Debug)]
pub struct Receipt {
    /// The node.
    pub node: String,
    /// The segment that holds its receipt: writer and file; none when it is going just now.
    pub segment: Option<String>,
}

impl Heads {
    /// Returns what is offered; says what is wrong with it otherwise.
    pub fn offers(&self) -> Result<Vec<Offer>, String> {
        if self.format != 1 {
            return Err(format!("a store of format {}, and this program reads 1", self.format));
        }
        let mut offers = Vec::new();
        for log in &self.writers {
            let writer = WriterId::parse(&log.writer);
            let writer = writer.ok_or_else(|| format!("`{}` is no writer", log.writer))?;
            for entry in &log.segments {
                let name = SegmentName::parse(&entry.name)
                    .filter(|name| (name.first, name.last) == (entry.first, entry.last));
                let name = name.ok_or_else(|| format!("`{}` is no segment", entry.name))?;
                offers.push(Offer { writer, name, size: Some(entry.size) });
            }
        }
        Ok(offers)
    }
}

impl Receipt {
    /// Returns the segment, if it is told.
    pub fn offer(&self) -> Result<Option<Offer>, String> {
        let Some(segment) = &self.segment else { return Ok(None) };
        let parsed = segment
            .split_once('/')
            .and_then(|(writer, name)| Some((WriterId::parse(writer)?, SegmentName::parse(name)?)));
        let (writer, name) =
            parsed.ok_or_else(|| format!("`{segment}` is no writer and segment"))?;
        Ok(Some(Offer { writer, name, size: None }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const WRITER: &str = "000102030405060708090a0b0c0d0e0f";
    const NAME: &str = "000000000001-000000000001-c1a396b233c91db2.seg";

    fn heads(writer: &str, name: &str, last: u64, format: u64) -> Result<Vec<Offer>, String> {
        let text = format!(
            r#"{{"store":"s","format":{format},"more":1,"writers":[{{"writer":"{writer}","segments":
               [{{"name":"{name}","first":1,"last":{last},"size":9}}]}}]}}"#
        );
        serde_json::from_str::<Heads>(&text).unwrap().offers()
    }

    #[test]
    fn heads_are_read_and_what_contradicts_itself_is_refused() {
        let offers = heads(WRITER, NAME, 1, 1).unwrap();
        assert_eq!(offers[0].size, Some(9));
        assert_eq!(offers[0].name.to_string(), NAME);
        assert!(heads(WRITER, NAME, 2, 1).unwrap_err().contains(NAME));
        assert!(heads("../x", NAME, 1, 1).unwrap_err().contains("../x"));
        assert!(heads(WRITER, "../../etc/passwd", 1, 1).is_err());
        assert!(heads(WRITER, NAME, 1, 2).unwrap_err().contains("format 2"));
    }

    #[test]
    fn the_segment_of_a_receipt_is_a_name_and_no_path() {
        let offer = |segment: &str| {
            Receipt { node: String::new(), segment: Some(segment.to_owned()) }.offer()
        };
        assert!(offer(&format!("{WRITER}/{NAME}")).unwrap().is_some());
        for segment in ["", "/", WRITER, "../x/y", &format!("{WRITER}/../{NAME}")] {
            assert!(offer(segment).is_err(), "{segment}");
        }
    }
}
