//! Which segments there are.

use std::path::PathBuf;

use crate::store::log::error::Error;
use crate::store::object::disk;
use crate::store::object::layout::{Layout, SegmentName, WriterId, segment_folder_name};

/// A file that has the name of a segment, in the place that the name asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Whose log it is of.
    pub writer: WriterId,
    /// Its name.
    pub name: SegmentName,
    /// Where it is.
    pub path: PathBuf,
}

/// Returns the writers whose logs are here.
pub fn writers(layout: &Layout) -> Result<Vec<WriterId>, Error> {
    let entries = disk::entries(&layout.log())?;
    let names = entries.iter().map(std::fs::DirEntry::file_name);
    Ok(names.filter_map(|name| WriterId::parse(name.to_str()?)).collect())
}

/// Returns the folders of a writer's log, by number.
pub fn folders(layout: &Layout, writer: WriterId) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = disk::entries(&layout.writer_log(writer))?;
    let named = |entry: &std::fs::DirEntry| {
        Some((segment_folder_name(entry.file_name().to_str()?)?, entry.path()))
    };
    Ok(entries.iter().filter_map(named).collect())
}

/// Returns the segments in one folder of a writer's log, in order.
pub fn segments(layout: &Layout, writer: WriterId, folder: u64) -> Result<Vec<Found>, Error> {
    let path = layout.writer_log(writer).join(format!("{folder:08}"));
    let entries = disk::entries(&path)?;
    let names = entries.iter().filter_map(|entry| {
        let name = SegmentName::parse(entry.file_name().to_str()?)?;
        // A file in a folder of other numbers was put there by hand.
        (name.folder() == folder).then(|| Found { writer, name, path: entry.path() })
    });
    Ok(names.collect())
}

/// Returns all segments that are here.
pub fn all(layout: &Layout) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for writer in writers(layout)? {
        found.extend(of_writer(layout, writer)?);
    }
    Ok(found)
}

/// Returns all segments of one writer that are here.
pub fn of_writer(layout: &Layout, writer: WriterId) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for (folder, _) in folders(layout, writer)? {
        found.extend(segments(layout, writer, folder)?);
    }
    Ok(found)
}
