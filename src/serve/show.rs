//! Trees of canonical bytes as JSON: a page of the outermost, and no more inside than a page holds.

use serde_json::{Map, Value as Json, json};

use crate::canon::Tree;

/// Leaves that one item shows, at most; deeper ones are told by their kind.
const LEAVES: usize = 2000;
/// Nesting that is shown.
const DEPTH: usize = 32;
/// Texts that are longer are told by their length.
const TEXT: usize = 64 << 10;
/// Bytes that are more are told by their count.
const BYTES: usize = 256;

/// A page of a value.
pub enum Page {
    /// Of a sequence or an overlay.
    Items {
        /// Which of the two.
        kind: String,
        /// How many there are in all.
        length: u64,
        /// Those of the page.
        items: Vec<Json>,
    },
    /// Of a record.
    Fields {
        /// How many there are in all.
        length: u64,
        /// Those of the page.
        fields: Vec<(String, Json)>,
    },
    /// A value without parts.
    Single {
        /// Its kind.
        kind: String,
        /// It.
        value: Json,
        /// How long a text or bytes are.
        length: Option<u64>,
    },
}

/// Returns a page of a value.
pub fn page(tree: &Tree, offset: u64, limit: usize) -> Page {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let items = |kind: &str, all: &[Tree]| Page::Items {
        kind: kind.to_owned(),
        length: all.len() as u64,
        items: all.iter().skip(from).take(limit).map(whole).collect(),
    };
    match (tree, kind(tree)) {
        (Tree::Array(all), _) => items("sequence", all),
        (_, "overlay") => {
            items("overlay", tree.get("layers").and_then(Tree::as_array).unwrap_or_default())
        }
        (_, "record") => {
            let all = tree.get("fields").and_then(Tree::as_map).unwrap_or_default();
            let page = all.iter().skip(from).take(limit);
            let fields = page.map(|(name, tree)| (name.clone(), whole(tree))).collect();
            Page::Fields { length: all.len() as u64, fields }
        }
        (_, kind) => {
            let length = match tree {
                Tree::Text(text) => Some(text.len() as u64),
                Tree::Bytes(bytes) => Some(bytes.len() as u64),
                _ => None,
            };
            Page::Single { kind: kind.to_owned(), value: whole(tree), length }
        }
    }
}

/// Returns the names of the objects that a value mentions, each once, sorted.
pub fn refs(tree: &Tree) -> Vec<String> {
    fn walk(tree: &Tree, found: &mut Vec<String>) {
        match tree {
            Tree::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Tree::Map(_) if kind(tree) == "ref" => {
                found.extend(tree.get("blob").and_then(Tree::as_bytes).map(hex::encode));
            }
            Tree::Map(fields) => fields.iter().for_each(|(_, tree)| walk(tree, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(tree, &mut found);
    found.sort();
    found.dedup();
    found
}

fn whole(tree: &Tree) -> Json {
    show(tree, &mut { LEAVES }, 0)
}

fn show(tree: &Tree, leaves: &mut usize, depth: usize) -> Json {
    if *leaves == 0 || depth > DEPTH {
        return brief(tree);
    }
    *leaves -= 1;
    match tree {
        Tree::Null => Json::Null,
        Tree::Bool(truth) => json!(truth),
        Tree::Uint(number) => json!(number),
        Tree::Float(number) => json!(number),
        Tree::Text(text) if text.len() <= TEXT => json!(text),
        Tree::Bytes(bytes) if bytes.len() <= BYTES => json!(hex::encode(bytes)),
        Tree::Array(items) => items.iter().map(|item| show(item, leaves, depth + 1)).collect(),
        Tree::Map(_) => match kind(tree) {
            "record" => {
                let fields = tree.get("fields").and_then(Tree::as_map).unwrap_or_default();
                let shown = fields
                    .iter()
                    .map(|(name, tree)| (name.clone(), show(tree, leaves, depth + 1)))
                    .collect::<Map<_, _>>();
                Json::Object(shown)
            }
            _ => brief(tree),
        },
        _ => brief(tree),
    }
}

/// Tells what something is, and how much of it there is.
fn brief(tree: &Tree) -> Json {
    let kind = kind(tree);
    match tree {
        Tree::Array(items) => json!({ "kind": kind, "length": items.len() }),
        Tree::Text(text) => json!({ "kind": kind, "length": text.len() }),
        Tree::Bytes(bytes) => json!({ "kind": kind, "length": bytes.len() }),
        Tree::Map(_) => match kind {
            "ref" => {
                let blob = tree.get("blob").and_then(Tree::as_bytes).map(hex::encode);
                json!({ "kind": kind, "blob": blob })
            }
            "image" | "mask" | "colour image" | "grid" => {
                let dims = tree.get("dims").and_then(Tree::as_array).unwrap_or_default();
                let dims: Vec<Option<u64>> = dims.iter().map(Tree::as_uint).collect();
                json!({ "kind": kind, "dims": dims })
            }
            _ => json!({ "kind": kind }),
        },
        _ => json!({ "kind": kind }),
    }
}

/// Returns the kind of a value; what others store under names of their own is called by these.
fn kind(tree: &Tree) -> &str {
    match tree {
        Tree::Null => "null",
        Tree::Bool(_) => "bool",
        Tree::Uint(_) | Tree::Float(_) => "number",
        Tree::Text(_) => "string",
        Tree::Bytes(_) => "bytes",
        Tree::Array(_) => "sequence",
        Tree::Map(_) => {
            let image = |tree: &Tree| tree.get("kind").and_then(Tree::as_text) == Some("mask");
            match tree.get("t").and_then(Tree::as_text).unwrap_or("value") {
                "image" if image(tree) => "mask",
                "image" if tree.get("components").is_some() => "colour image",
                kind => kind,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode::encode;
    use crate::value::data::Value;

    #[expect(clippy::expect_used, reason = "a test")]
    fn tree(value: &Value) -> Tree {
        crate::canon::read(&encode(value).to_vec()).expect("what was just written is canonical")
    }

    #[test]
    fn a_page_holds_what_was_asked_for() {
        let numbers = (0..10).map(|x| Value::Number(f64::from(x))).collect();
        let Page::Items { length, items, .. } = page(&tree(&Value::sequence(numbers)), 8, 5) else {
            panic!("a sequence has items");
        };
        assert_eq!((length, items), (10, vec![json!(8.0), json!(9.0)]));
    }

    #[test]
    fn what_is_too_much_is_told_by_its_kind() {
        let many = Value::sequence(vec![Value::Bool(true); LEAVES * 2]);
        let Page::Items { items, .. } = page(&tree(&Value::sequence(vec![many])), 0, 1) else {
            panic!("a sequence has items");
        };
        let inner = items[0].as_array().map_or(0, Vec::len);
        assert_eq!(inner, LEAVES * 2);
        assert_eq!(items[0][LEAVES], json!({ "kind": "bool" }));
    }
}
