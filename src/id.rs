//! Names of things: digests, and the two kinds of id that are made of them.
//!
//! A digest is SHA-256; people see 64 lower-case hex digits, CBOR holds a 32-byte byte string.

use std::fmt;

use sha2::Digest as _;
use thiserror::Error;

/// SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// What to compute: the digest of a node's canonical description.
///
/// Equal ids mean equal computations, so a result stored under an id may stand in for running the
/// node. What enters: the operator's qualified name and version, the ids of the arguments in order,
/// the constants, and of a file its content. What stays out: paths and times, spans, names, the host
/// and the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub Digest);

/// What came out: the digest of the canonical uncompressed CBOR of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlobId(pub Digest);

/// A text that is no id.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{text}` is no id: {}", self.reason())]
pub struct BadId {
    /// The text, or how it begins.
    text: String,
    /// How many characters it has.
    len: usize,
}

impl BadId {
    fn of(text: &str) -> Self {
        let len = text.chars().count();
        let mut shown: String = text.chars().take(70).collect();
        if len > 70 {
            shown.push('…');
        }
        Self { text: shown, len }
    }

    fn reason(&self) -> String {
        match self.len {
            64 => "not all of its characters are among 0-9 and a-f".to_owned(),
            len => format!("{len} characters, where 64 hex digits are wanted"),
        }
    }
}

impl TryFrom<&str> for BlobId {
    type Error = BadId;

    fn try_from(text: &str) -> Result<Self, BadId> {
        Digest::parse(text).map(Self).ok_or_else(|| BadId::of(text))
    }
}

impl TryFrom<&str> for NodeId {
    type Error = BadId;

    fn try_from(text: &str) -> Result<Self, BadId> {
        Digest::parse(text).map(Self).ok_or_else(|| BadId::of(text))
    }
}

/// Sums up bytes that arrive in pieces.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Begins a sum of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl Digest {
    /// Sums up `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 hex digits, or says `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Takes the bytes of a 32-byte byte string, or says `None`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns the first eight bytes as a number: the short key of narrow tables.
    pub fn prefix(&self) -> u64 {
        u64::from_be_bytes(self.0[..8].try_into().expect("a digest has more than eight bytes"))
    }

    /// Returns the 64 hex digits.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_digest_is_written_and_read_as_lower_case_hex() {
        let digest = Digest::of(b"hello\n");
        assert_eq!(
            digest.hex(),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(Digest::parse(&digest.hex()), Some(digest));
        assert_eq!(Digest::parse(&digest.hex().to_uppercase()), None);
        assert_eq!(Digest::parse("ab"), None);
    }

    #[test]
    fn pieces_sum_up_like_the_whole() {
        let mut hasher = Hasher::new();
        hasher.update(b"hel");
        hasher.update(b"lo\n");
        assert_eq!(hasher.finish(), Digest::of(b"hello\n"));
    }
}
