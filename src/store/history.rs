//! Everything that the log says, from its first record on.

use crate::store::error::Error;
use crate::store::log::list;
use crate::store::log::reader::SegmentReader;
use crate::store::log::record::Record;
use crate::store::object::layout::WriterId;
use crate::store::open::Store;

impl Store {
    /// Visits the records of all segments that are whole, writer by writer; bad ones are left out, as
    /// everywhere. A record of which there are copies comes as often.
    pub fn history(&self, visit: &mut dyn FnMut(WriterId, Record)) -> Result<(), Error> {
        if self.layout.root().as_os_str().is_empty() {
            return Ok(());
        }
        for found in list::all(&self.layout)? {
            let segment = SegmentReader::open(&found.path, false).and_then(|reader| {
                reader.map(|reader| reader.verified(found.writer, &found.name)).transpose()
            });
            let segment = match segment {
                Ok(Some(segment)) => segment,
                Ok(None) => continue,
                Err(error) if error.is_damage() => continue,
                Err(error) => return Err(error.into()),
            };
            for (_, bytes) in segment.records() {
                visit(found.writer, Record::read(bytes)?);
            }
        }
        Ok(())
    }
}
