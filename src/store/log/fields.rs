//! Taking maps apart.

use crate::canon::Tree;
use crate::id::{BlobId, Digest};

/// Reads an array of ids.
pub(super) fn ids(tree: &Tree) -> Option<Vec<BlobId>> {
    let id = |item: &Tree| item.as_bytes().and_then(Digest::from_slice).map(BlobId);
    tree.as_array()?.iter().map(id).collect()
}

/// The entries of a map, taken one by one; what is not taken was not known.
pub(super) struct Fields(Vec<(String, Tree)>);

impl Fields {
    /// Takes the entries of a tree that is a map.
    pub(super) fn of(tree: Tree) -> Option<Self> {
        match tree {
            Tree::Map(entries) => Some(Self(entries)),
            _ => None,
        }
    }

    /// Says how many entries are left.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes an entry.
    pub(super) fn take(&mut self, key: &str) -> Option<Tree> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes an entry that is an unsigned integer.
    pub(super) fn uint(&mut self, key: &str) -> Option<u64> {
        self.take(key)?.as_uint()
    }

    /// Takes an entry that is a text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes an entry that is a byte string.
    pub(super) fn bytes(&mut self, key: &str) -> Option<Vec<u8>> {
        match self.take(key)? {
            Tree::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Takes an entry that is an array.
    pub(super) fn array(&mut self, key: &str) -> Option<Vec<Tree>> {
        match self.take(key)? {
            Tree::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Takes an entry that is a digest.
    pub(super) fn digest(&mut self, key: &str) -> Option<Digest> {
        Digest::from_slice(self.take(key)?.as_bytes()?)
    }
}
