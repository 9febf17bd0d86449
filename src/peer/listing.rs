//! The pages on which plain web servers list a folder.
//!
//! nginx (`autoindex on`), Apache, Caddy and `python3 -m http.server` all write a link for each entry,
//! relative to the folder. Only links that have the form of a name of the log are looked at.

use crate::store::object::layout::{SegmentName, WriterId, segment_folder_name};

/// Returns the writers whose folders a page links to.
pub fn writers(page: &str) -> Vec<WriterId> {
    sorted(links(page).filter_map(WriterId::parse))
}

/// Returns the numbers of the folders of segments that a page links to.
pub fn folders(page: &str) -> Vec<u64> {
    sorted(links(page).filter_map(segment_folder_name))
}

/// Returns the segments that a page links to, if they lie in the folder that they should.
pub fn segments(page: &str, folder: u64) -> Vec<SegmentName> {
    let names = links(page).filter_map(SegmentName::parse);
    sorted(names.filter(|name| name.first / 65536 == folder))
}

/// Returns the names that a page links to, without the slash that folders carry.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let values = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(value, _)| value)
    });
    values.map(|value| value.strip_prefix("./").unwrap_or(value).trim_end_matches('/'))
}

fn sorted<T: Ord>(found: impl Iterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = found.collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn pages_of_several_servers_are_read() {
        let writer = "000102030405060708090a0b0c0d0e0f";
        let nginx =
            format!("<a href=\"../\">../</a>\n<a href=\"{writer}/\">0001020304..&gt;</a>  -");
        let caddy =
            format!("<a href='./{writer}/'><svg></svg></a> <a href=\"?sort=name\">Name</a>");
        for page in [nginx, caddy] {
            assert_eq!(writers(&page), [WriterId::parse(writer).unwrap()]);
        }
        assert_eq!(folders("<a href=\"00000000/\">x</a><a href=\"00000001/\">x</a>"), [0, 1]);
        let name = "000000000001-000000000001-c1a396b233c91db2.seg";
        let page = format!("<a href=\"{name}\">{name}</a><a href=\".tmp-x\">.tmp-x</a>");
        assert_eq!(segments(&page, 0)[0].to_string(), name);
        assert!(segments(&page, 1).is_empty());
    }

    #[test]
    fn links_that_lead_elsewhere_are_no_names() {
        for page in
            ["", "href=", "href=\"", "href=\"/a/b\"", "href=\"http://x/00000000/y\"", "href=é"]
        {
            assert!(writers(page).is_empty() && folders(page).is_empty(), "{page}");
        }
    }
}
