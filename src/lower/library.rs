//! Programs that come with vox.

/// The file that every program has without import; its names belong to `vox1`.
pub const STDLIB: &str = "stdlib.imgql";

/// The file of the region calculus, for whoever imports it.
pub const REGIONS: &str = "RegionCalculus.imgql";

/// What the identity of a built-in file begins with; that of a file on disk is made of numbers or a path.
pub const IDENTITY: &str = "library:";

/// Returns the text of a file of the built-in library.
pub fn text(file: &str) -> Option<&'static str> {
    match file {
        STDLIB => Some(include_str!("library/stdlib.imgql")),
        REGIONS => Some(include_str!("library/RegionCalculus.imgql")),
        _ => None,
    }
}
