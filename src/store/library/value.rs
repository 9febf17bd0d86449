//! Bytes that were read, and how plain bytes are written.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::canon::Writer;
use crate::pool::Block;
use crate::store::entry::Parts;

/// Bytes of the store, shared: a clone costs nothing, and what was read is never copied.
#[derive(Clone)]
pub struct Value {
    block: Arc<Block>,
    range: Range<usize>,
}

impl Value {
    /// Takes the first bytes of a block: canonical ones.
    pub(in crate::store::library) fn of(block: Block, len: usize) -> Self {
        Self { block: Arc::new(block), range: 0..len }
    }

    /// Copies bytes.
    pub(in crate::store::library) fn copied(parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum();
        let mut block = Block::take(len);
        let mut rest = &mut block.bytes_mut()[..len];
        for part in parts {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
        Self::of(block, len)
    }

    /// Returns what is inside canonical bytes that are a byte string.
    pub(in crate::store::library) fn content(&self) -> Option<Self> {
        let head = head_len(self)?;
        let range = self.range.start + head..self.range.end;
        Some(Self { block: self.block.clone(), range })
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.block.bytes()[self.range.clone()]
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

impl Parts for Value {
    fn parts(&self) -> Vec<&[u8]> {
        vec![self]
    }
}

/// Returns what stands before the bytes of a byte string in canonical form.
pub fn head(len: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.bytes_head(len);
    writer.out
}

/// Returns how many bytes stand before those of a byte string, if these canonical bytes are one.
fn head_len(canonical: &[u8]) -> Option<usize> {
    const BYTES: u8 = 2;
    let first = *canonical.first()?;
    let head_len = match first & 0x1f {
        0..24 => 1,
        24 => 2,
        25 => 3,
        26 => 5,
        27 => 9,
        _ => return None,
    };
    let is_whole = |content: usize| head(content).len() == head_len;
    let content = canonical.len().checked_sub(head_len)?;
    (first >> 5 == BYTES && is_whole(content) && canonical.starts_with(&head(content)))
        .then_some(head_len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::canon::{self, Tree};

    proptest! {
        #[test]
        fn plain_bytes_are_a_canonical_byte_string(len in 0usize..70_000) {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let value = Value::copied(&[&head(len), &bytes]);
            prop_assert_eq!(&*value, &canon::write(&Tree::Bytes(bytes.clone()))[..]);
            prop_assert_eq!(&*value.content().unwrap(), &bytes[..]);
        }

        #[test]
        fn only_canonical_byte_strings_have_content(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let is_one = matches!(canon::read(&bytes), Ok(Tree::Bytes(_)));
            prop_assert_eq!(Value::copied(&[&bytes]).content().is_some(), is_one);
        }
    }
}
