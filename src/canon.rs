//! Canonical CBOR: the bytes that are hashed.
//!
//! RFC 8949 section 4.2.1 with text keys only: shortest heads, definite lengths, keys sorted by their
//! encoded bytes, shortest float that keeps the value, one NaN, no tags, no trailing bytes. Reading
//! is strict: what is decoded is encoded again and compared.

use ciborium_ll::{Decoder, Encoder, Header, simple};
use thiserror::Error;

/// A tree of canonical CBOR: small things such as receipts, parameters and literals.
///
/// Equality is of meaning as bytes tell it: `Float` compares by bits after NaN became one NaN.
#[derive(Clone, Debug)]
pub enum Tree {
    /// The value null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An unsigned integer: lengths, versions, times. Never a number of the language.
    Uint(u64),
    /// A number of the language.
    Float(f64),
    /// A text.
    Text(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Tree>),
    /// A map; the writer puts the keys in order.
    Map(Vec<(String, Tree)>),
}

/// Why bytes are not a canonical tree.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not CBOR, or CBOR of a form that is never written.
    #[error("not canonical CBOR: {0}")]
    Malformed(&'static str),
}

/// No tree that vox writes is deeper; deeper bytes are hostile.
const DEPTH: usize = 512;

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        write(self) == write(other)
    }
}

impl Tree {
    /// Makes a map.
    pub fn map<const N: usize>(entries: [(&str, Tree); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, tree)| (key.to_owned(), tree)).collect())
    }

    /// Makes a text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Makes a byte string.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    /// Returns the entry of a map.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, tree)| tree)
            }
            _ => None,
        }
    }

    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the bytes, if it is a byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the unsigned integer, if it is one.
    pub fn as_uint(&self) -> Option<u64> {
        match self {
            Self::Uint(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the float, if it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Returns the elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Tree]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries, if it is a map.
    pub fn as_map(&self) -> Option<&[(String, Tree)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }
}

/// Writes heads and small items of canonical CBOR behind each other.
///
/// For what [`Tree`] is too big for: the caller keeps keys in order and counts right.
#[derive(Default)]
pub struct Writer {
    /// What was written.
    pub out: Vec<u8>,
}

impl Writer {
    /// Begins with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, header: Header) {
        Encoder::from(&mut self.out).push(header).expect("writing into memory cannot fail");
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.push(Header::Simple(simple::NULL));
    }

    /// Writes a boolean.
    pub fn bool(&mut self, truth: bool) {
        self.push(Header::Simple(if truth { simple::TRUE } else { simple::FALSE }));
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, number: u64) {
        self.push(Header::Positive(number));
    }

    /// Writes a number in the shortest form that keeps it, every NaN as the one NaN.
    pub fn float(&mut self, number: f64) {
        if number.is_nan() {
            self.out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
        } else {
            self.push(Header::Float(number));
        }
    }

    /// Writes a text.
    pub fn text(&mut self, text: &str) {
        self.push(Header::Text(Some(text.len())));
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes_head(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// Writes the head of a byte string whose bytes the caller puts behind it.
    pub fn bytes_head(&mut self, len: usize) {
        self.push(Header::Bytes(Some(len)));
    }

    /// Writes the head of an array.
    pub fn array(&mut self, len: usize) {
        self.push(Header::Array(Some(len)));
    }

    /// Writes the head of a map.
    pub fn map(&mut self, len: usize) {
        self.push(Header::Map(Some(len)));
    }

    /// Writes a tree, its maps in canonical order.
    pub fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Null => self.null(),
            Tree::Bool(truth) => self.bool(*truth),
            Tree::Uint(number) => self.uint(*number),
            Tree::Float(number) => self.float(*number),
            Tree::Text(text) => self.text(text),
            Tree::Bytes(bytes) => self.bytes(bytes),
            Tree::Array(items) => {
                self.array(items.len());
                for item in items {
                    self.tree(item);
                }
            }
            Tree::Map(entries) => {
                let mut order: Vec<&(String, Tree)> = entries.iter().collect();
                order.sort_by(|(a, _), (b, _)| key_order(a, b));
                self.map(order.len());
                for (key, item) in order {
                    self.text(key);
                    self.tree(item);
                }
            }
        }
    }
}

/// Compares two text keys by their encoded bytes: the head is shorter for shorter texts, so length
/// decides first.
pub fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

/// Returns the canonical bytes of a tree.
pub fn write(tree: &Tree) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tree(tree);
    writer.out
}

/// Reads a tree from canonical bytes; anything else is an error.
pub fn read(bytes: &[u8]) -> Result<Tree, Error> {
    let mut reader = Reader { bytes, at: 0 };
    let tree = reader.tree(0)?;
    if reader.at != bytes.len() {
        return Err(Error::Malformed("bytes after the end"));
    }
    Ok(tree)
}

/// Returns how many bytes the shortest head with this argument has.
fn head_len(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Reads canonical items one behind the other and remembers where it is.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns how many bytes were read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads the next head, which must be the shortest form of itself.
    pub fn header(&mut self) -> Result<Header, Error> {
        let rest = &self.bytes[self.at..];
        let mut decoder = Decoder::from(rest);
        let header = decoder.pull().map_err(|_| Error::Malformed("cut short, or not a head"))?;
        let used = decoder.offset();
        let is_shortest = match header {
            Header::Positive(number) => used == head_len(number),
            Header::Bytes(Some(len))
            | Header::Text(Some(len))
            | Header::Array(Some(len))
            | Header::Map(Some(len)) => used == head_len(len as u64),
            _ => {
                let mut again = Writer::new();
                match header {
                    Header::Float(number) => again.float(number),
                    header => again.push(header),
                }
                again.out == rest[..used]
            }
        };
        if !is_shortest {
            return Err(Error::Malformed("a head that is not the shortest"));
        }
        self.at += used;
        Ok(header)
    }

    /// Takes the next `len` bytes as they are.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Error::Malformed("cut short"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Reads a text.
    pub fn text(&mut self) -> Result<&'a str, Error> {
        match self.header()? {
            Header::Text(Some(len)) => std::str::from_utf8(self.take(len)?)
                .map_err(|_| Error::Malformed("text that is not UTF-8")),
            _ => Err(Error::Malformed("a text was expected")),
        }
    }

    /// Reads one whole item.
    pub fn tree(&mut self, depth: usize) -> Result<Tree, Error> {
        if depth > DEPTH {
            return Err(Error::Malformed("nested too deeply"));
        }
        Ok(match self.header()? {
            Header::Positive(number) => Tree::Uint(number),
            Header::Float(number) => Tree::Float(number),
            Header::Simple(simple::NULL) => Tree::Null,
            Header::Simple(simple::TRUE) => Tree::Bool(true),
            Header::Simple(simple::FALSE) => Tree::Bool(false),
            Header::Bytes(Some(len)) => Tree::Bytes(self.take(len)?.to_vec()),
            Header::Text(Some(len)) => Tree::Text(
                std::str::from_utf8(self.take(len)?)
                    .map_err(|_| Error::Malformed("text that is not UTF-8"))?
                    .to_owned(),
            ),
            Header::Array(Some(len)) => {
                let mut items = Vec::with_capacity(len.min(self.bytes.len() - self.at));
                for _ in 0..len {
                    items.push(self.tree(depth + 1)?);
                }
                Tree::Array(items)
            }
            Header::Map(Some(len)) => {
                let mut entries: Vec<(String, Tree)> =
                    Vec::with_capacity(len.min(self.bytes.len() - self.at));
                for _ in 0..len {
                    let key = self.text()?.to_owned();
                    if entries.last().is_some_and(|(last, _)| key_order(last, &key).is_ge()) {
                        return Err(Error::Malformed("keys out of order"));
                    }
                    let item = self.tree(depth + 1)?;
                    entries.push((key, item));
                }
                Tree::Map(entries)
            }
            _ => return Err(Error::Malformed("a form that is never written")),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn check(tree: &Tree, hex: &str) {
        let bytes = write(tree);
        assert_eq!(hex::encode(&bytes), hex);
        assert_eq!(read(&bytes).unwrap(), *tree);
    }

    #[test]
    fn numbers_are_the_shortest_floats_that_keep_them() {
        check(&Tree::Float(3.0), "f94200");
        check(&Tree::Float(0.1), "fb3fb999999999999a");
        check(&Tree::Float(f64::NAN), "f97e00");
        check(&Tree::Float(f64::from_bits(0xfff8_0000_0000_1234)), "f97e00");
        check(&Tree::Float(-0.0), "f98000");
        check(&Tree::Float(f64::INFINITY), "f97c00");
        check(&Tree::Float(100_000.0), "fa47c35000");
        check(&Tree::Float(5.960_464_477_539_063e-8), "f90001");
        check(&Tree::Float(f64::from(f32::from_bits(1))), "fa00000001");
    }

    #[test]
    fn keys_are_ordered_by_their_encoded_bytes() {
        check(
            &Tree::map([("b", Tree::Uint(1)), ("aa", Tree::Uint(24)), ("a", Tree::Null)]),
            "a36161f66162016261611818",
        );
    }

    #[test]
    fn anything_but_the_canonical_form_is_refused() {
        for hex in [
            "1801",           // an integer in two bytes that fits one
            "fa40400000",     // 3.0 as f32
            "f97e01",         // another NaN
            "9fff",           // indefinite length
            "a2616201616100", // keys out of order
            "a2616100616100", // a key twice
            "c101",           // a tag
            "f94200f9",       // bytes behind the end
            "62c328",         // not UTF-8
            "f7",             // undefined
            "20",             // a negative integer
            "",
            "9b7fffffffffffffff",
            "5b7fffffffffffffff00",
        ] {
            assert!(read(&hex::decode(hex).unwrap()).is_err(), "{hex}");
        }
        assert!(read(&vec![0x81; 100_000]).is_err());
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Tree::Null),
            any::<bool>().prop_map(Tree::Bool),
            any::<u64>().prop_map(Tree::Uint),
            any::<f64>().prop_map(Tree::Float),
            any::<f32>().prop_map(|x| Tree::Float(f64::from(x))),
            ".{0,30}".prop_map(Tree::Text),
            proptest::collection::vec(any::<u8>(), 0..30).prop_map(Tree::Bytes),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
                proptest::collection::btree_map(".{0,5}", inner, 0..6)
                    .prop_map(|map| Tree::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(tree in trees()) {
            let bytes = write(&tree);
            let again = read(&bytes).unwrap();
            prop_assert_eq!(write(&again), bytes);
        }

        #[test]
        fn no_bytes_crash_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(tree) = read(&bytes) {
                prop_assert_eq!(write(&tree), bytes);
            }
        }
    }
}
