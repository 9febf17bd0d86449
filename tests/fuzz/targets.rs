//! What is fuzzed: any text, any value's bytes, any segment, any image file. Each target takes bytes,
//! must not panic, and checks what can be checked of what it understood.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use vox::canon::{self, Tree};
use vox::codec::decode::decode_slice;
use vox::codec::encode::encode;
use vox::id::Digest;
use vox::kernel::format::probe::{self, Format, PREFIX};
use vox::kernel::format::read::read;
use vox::kernel::install::table;
use vox::lang::dialect::{Dialect, Options};
use vox::lang::parser::parse as parse_text;
use vox::lang::print::print;
use vox::lang::same::same;
use vox::lang::source::{Source, SourceId};
use vox::lower::files::{FileError, Files, Found, Header};
use vox::lower::program::lower as lower_text;
use vox::lower::request::Request;
use vox::primitive::contract::Call;
use vox::store::log::segment::Segment;
use vox::store::object::frame::Frames;
use vox::store::object::layout::{SegmentName, WriterId};
use vox::value::grid::Grid;

/// A world in which every path is an image by its suffix, and every folder holds two.
struct Anywhere;

impl Files for Anywhere {
    fn probe(&self, path: &Path) -> Result<Found, FileError> {
        let name = path.to_string_lossy();
        let (format, header) = match name.rsplit('.').next() {
            Some("nii" | "gz" | "png") => {
                let dims = if name.contains('w') { [9, 5, 4] } else { [4, 5, 6] };
                let grid = Arc::new(Grid::plain(&dims).unwrap());
                let frames = 1 + 2 * usize::from(name.contains('4'));
                ("nifti", Some(Header { grid, frames, colour: name.ends_with("png") }))
            }
            Some("json") => ("json", None),
            Some("txt") => ("text", None),
            _ => return Err(FileError::Missing(path.to_owned())),
        };
        let digests = vec![Digest::of(name.as_bytes())];
        let paths = vec![path.to_owned()];
        Ok(Found { paths, digests, format: format.to_owned(), header })
    }

    fn list(&self, _: &Path, _: &str, _: bool, _: bool) -> Result<Vec<String>, FileError> {
        Ok(vec!["a.nii".to_owned(), "b.nii".to_owned()])
    }

    fn import_text(&self, path: &Path) -> Result<Option<String>, FileError> {
        let is_part = path.to_string_lossy().contains("part");
        Ok(is_part.then(|| "import \"part\" part(m) = near(m)".to_owned()))
    }

    fn identity(&self, path: &Path) -> Option<String> {
        Some(path.to_string_lossy().into_owned())
    }
}

/// A text is read in both dialects, printed and read again.
pub(crate) fn parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for dialect in [Dialect::One, Dialect::Two] {
        let options = Options { dialect: Some(dialect), ..Options::default() };
        let source = Source::new(SourceId(0), "fuzz.imgql", text.clone());
        let (program, diagnostics) = parse_text(&source, &options);
        if diagnostics.is_empty() {
            let printed = print(&program);
            let again = Source::new(SourceId(0), "printed.imgql", printed.clone());
            let (reread, complaints) = parse_text(&again, &options);
            assert!(complaints.is_empty(), "{text:?} prints as {printed:?}: {complaints:?}");
            assert!(same(&program, &reread), "{text:?} prints as {printed:?}");
        }
    }
}

/// A text is lowered in both dialects; what has no plan says why, at places that are there.
pub(crate) fn lower(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for dialect in [Dialect::One, Dialect::Two] {
        let request = Request { dialect: Some(dialect), ..Request::default() };
        let source = Source::new(SourceId(0), "fuzz.imgql", text.clone());
        let lowered = lower_text(source, &request, Arc::new(Anywhere), Arc::new(table()));
        assert_eq!(lowered.plan.is_none(), lowered.has_errors(), "{text:?}");
        for label in lowered.diagnostics.iter().flat_map(|found| &found.labels) {
            let source = lowered.sources.iter().find(|source| source.id() == label.span.source);
            let source = source.expect("a place is in a text");
            assert!(source.text().get(label.span.range()).is_some(), "{text:?}: {label:?}");
        }
    }
}

/// Bytes that are understood as a value, or as canonical CBOR, are the bytes of what was understood.
pub(crate) fn decode(bytes: &[u8]) {
    if let Ok(tree) = canon::read(bytes) {
        assert_eq!(canon::write(&tree), bytes, "read what is not canonical");
    }
    let resolve = |_| Ok::<_, Infallible>(None);
    if let Ok(value) = decode_slice(bytes, &resolve) {
        // The NaNs of images are left to their digest, so only the length is held here.
        assert_eq!(encode(&value).len(), bytes.len(), "decoded what encodes otherwise");
    }
}

/// Stored bytes of an object or a segment.
pub(crate) fn open(bytes: &[u8]) {
    let mut raw = Vec::new();
    if let Ok(frames) = Frames::of(bytes)
        && frames.raw_len() <= 1 << 24
    {
        raw.resize(frames.raw_len(), 0);
        let _damage = frames.decode(bytes, &mut raw);
    }
    // The seeds' own, so that all of a segment is looked at.
    let raw = Digest::of(&raw).prefix().to_be_bytes();
    let name = SegmentName { first: 1, last: 1, digest: raw };
    drop(Segment::verified(bytes, WriterId([5; 16]), &name));
}

/// The file of an input, under each name that decides its format; images may be read in pieces.
pub(crate) fn image(bytes: &[u8]) {
    let first = &bytes[..bytes.len().min(PREFIX)];
    const NAMES: [&str; 11] = [
        "a.nii", "a.nii.gz", "a.hdr", "a.png", "a.jpg", "a.tif", "a.mha", "a.nrrd", "a.npy",
        "a.json", "a.txt",
    ];
    for name in NAMES {
        let format = probe::probe(name, first);
        drop(probe::files(format, name, first));
        let header = probe::header(format, first);
        let params = Tree::map([("format", Tree::text(format.word()))]);
        let got = read(&Call { args: &[], params: &params, files: &[bytes] });
        if let (Ok(output), Ok(Some(header)), true) = (&got, &header, format == Format::Nifti)
            && let Some(grid) = output.value.grid()
        {
            assert_eq!(grid.as_ref(), header.grid.as_ref(), "header and image differ");
        }
    }
}
