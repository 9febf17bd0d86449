//! What is believed of what comes: lengths before memory is taken, then names, chains and form.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ciborium_ll::Header;

use crate::canon::{self, Reader, key_order};
use crate::id::BlobId;
use crate::peer::error::Error;
use crate::peer::source::{Offer, Progress};
use crate::pool::Block;
use crate::store::log::segment::{MOST, Segment};
use crate::store::object::blob::Blob;
use crate::store::object::map::Stored;
use crate::store::object::objects::{Objects, Pending};
use crate::store::object::proof::Proof;

/// No file of a segment is larger: what it holds, were none of it compressed, and its table.
pub const SEGMENT: u64 = MOST as u64 + (8 << 20);
/// No object is fetched that is larger.
pub const OBJECT: u64 = 8 << 30;
/// No list or message is larger.
pub const MESSAGE: u64 = 64 << 20;
/// So many bytes are taken at most of what has no announced length.
const UNANNOUNCED: u64 = 64 << 20;
/// The form of larger values is left to whoever decodes them: their bytes are proved in pieces.
const FORMED: usize = 1 << 30;
/// Values are not nested deeper.
const DEPTH: usize = 512;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection, the head of an answer, and from one piece of bytes to the next.
    pub pause: Duration,
    /// For so long it may be slower than [`Patience::rate`].
    pub grace: Duration,
    /// Bytes a second that must come on average, after the grace.
    pub rate: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_secs(30), grace: Duration::from_secs(20), rate: 4 << 10 }
    }
}

/// Why bytes were not taken.
#[derive(Debug)]
pub enum Fault {
    /// They are not what was announced, or no such thing has as many.
    Lie(String),
    /// They come too slowly.
    Slow(String),
    /// They end in the middle.
    Cut(io::Error),
    /// Somebody asked to stop.
    Stopped,
}

impl Fault {
    /// Returns the error that says whose bytes they were, and of what.
    pub fn of(self, peer: &str, what: impl FnOnce() -> String) -> Error {
        let peer = peer.to_owned();
        match self {
            Self::Lie(reason) => Error::Lied { peer, what: what(), reason },
            Self::Slow(reason) => Error::Slow { peer, what: what(), reason },
            Self::Cut(error) => {
                Error::Unreachable { peer, what: what(), reason: error.to_string() }
            }
            Self::Stopped => Error::Stopped,
        }
    }
}

/// Reads bytes to their end: exactly as many as were announced, and never more than `most`.
pub fn take(
    from: &mut dyn Read,
    announced: Option<u64>,
    most: u64,
    patience: &Patience,
    progress: &dyn Progress,
) -> Result<Vec<u8>, Fault> {
    if let Some(len) = announced.filter(|len| *len > most) {
        return Err(Fault::Lie(format!("it announces {len} bytes, and none has more than {most}")));
    }
    let most = announced.unwrap_or(most.min(UNANNOUNCED));
    let began = Instant::now();
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        if progress.is_stopped() {
            return Err(Fault::Stopped);
        }
        let len = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => {
                let seconds = patience.pause.as_secs_f64();
                return Err(Fault::Slow(format!("nothing came for {seconds} s")));
            }
            Err(error) => return Err(Fault::Cut(error)),
        };
        if bytes.len() as u64 + len as u64 > most {
            return Err(Fault::Lie(match announced {
                Some(len) => format!("more came than the {len} bytes announced"),
                None => format!("it goes on behind {most} bytes, and announced no length"),
            }));
        }
        bytes.extend_from_slice(&piece[..len]);
        progress.came(len as u64);
        let spent = began.elapsed();
        if spent > patience.grace
            && (bytes.len() as f64) < spent.as_secs_f64() * patience.rate as f64
        {
            let reason = format!("{} bytes in {:.0} s", bytes.len(), spent.as_secs_f64());
            return Err(Fault::Slow(reason));
        }
    }
    match announced {
        Some(len) if len != bytes.len() as u64 => {
            Err(Fault::Lie(format!("{} bytes came, and {len} were announced", bytes.len())))
        }
        _ => Ok(bytes),
    }
}

/// Says whether an error of reading means that nothing came for too long.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// Verifies a segment's file by itself: frames, canonical form, name, chain, each record.
pub fn segment(peer: &str, offer: &Offer, stored: &[u8]) -> Result<Segment, Error> {
    let lied = |reason: String| Error::Lied { peer: peer.to_owned(), what: of(offer), reason };
    if let Some(size) = offer.size
        && size != stored.len() as u64
    {
        return Err(lied(format!("{} bytes came, and {size} were announced", stored.len())));
    }
    Segment::verified(stored, offer.writer, &offer.name).map_err(|error| lied(error.to_string()))
}

/// Returns what to call a segment.
pub fn of(offer: &Offer) -> String {
    format!("segment {}/{}", offer.writer, offer.name)
}

/// Verifies an object's file, digest and form, and only then writes it beside its place.
pub fn object(
    peer: &str,
    objects: &dyn Objects,
    id: BlobId,
    stored: &[u8],
) -> Result<Pending, Error> {
    let lied = |reason: String| {
        let what = format!("object {id}");
        Error::Lied { peer: peer.to_owned(), what, reason }
    };
    let none = Proof { inode: 0, size: stored.len() as u64, mtime_ns: 0, ctime_ns: 0 };
    // Memory for the bytes is bounded by what they are when decoded, so their digest comes first.
    let pending = match objects.receive(id, stored) {
        Ok(pending) => pending,
        Err(error) if error.is_damage() => return Err(lied(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let len = usize::try_from(pending.len()).unwrap_or(usize::MAX);
    if len <= FORMED {
        let blob = Blob::new(id, Stored::Held(stored.into()), none)?;
        let mut block = Block::take(len);
        let raw = &mut block.bytes_mut()[..len];
        blob.fill(raw)?;
        form(raw).map_err(|error| lied(format!("the value is not canonical: {error}")))?;
    }
    Ok(pending)
}

/// Checks that bytes are one canonical value, without making a tree of them.
pub fn form(bytes: &[u8]) -> Result<(), canon::Error> {
    let mut reader = Reader::new(bytes);
    item(&mut reader, 0)?;
    if reader.offset() != bytes.len() {
        return Err(canon::Error::Malformed("bytes after the end"));
    }
    Ok(())
}

fn item(reader: &mut Reader<'_>, depth: usize) -> Result<(), canon::Error> {
    if depth > DEPTH {
        return Err(canon::Error::Malformed("nested too deeply"));
    }
    let before = reader.offset();
    match reader.header()? {
        Header::Bytes(Some(len)) => reader.take(len).map(drop),
        Header::Array(Some(len)) => (0..len).try_for_each(|_| item(reader, depth + 1)),
        Header::Map(Some(len)) => {
            let mut last: Option<&str> = None;
            for _ in 0..len {
                let key = reader.text()?;
                if last.is_some_and(|last| key_order(last, key).is_ge()) {
                    return Err(canon::Error::Malformed("keys out of order"));
                }
                last = Some(key);
                item(reader, depth + 1)?;
            }
            Ok(())
        }
        Header::Text(Some(len)) => match std::str::from_utf8(reader.take(len)?) {
            Ok(_) => Ok(()),
            Err(_) => Err(canon::Error::Malformed("text that is not UTF-8")),
        },
        Header::Positive(_) | Header::Float(_) => Ok(()),
        // One byte each: null, false, true.
        Header::Simple(20..=22) if reader.offset() == before + 1 => Ok(()),
        _ => Err(canon::Error::Malformed("a form that is never written")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::canon::Tree;
    use crate::peer::source::Silent;

    fn taken(bytes: &[u8], announced: Option<u64>, most: u64) -> Result<Vec<u8>, Fault> {
        take(&mut &*bytes, announced, most, &Patience::default(), &Silent)
    }

    #[test]
    fn as_many_bytes_as_were_announced_are_taken() {
        let bytes = vec![7; 3 * PIECE + 5];
        let len = bytes.len() as u64;
        assert_eq!(taken(&bytes, Some(len), 1 << 30).unwrap(), bytes);
        assert_eq!(taken(&bytes, None, 1 << 30).unwrap(), bytes);
        for (announced, most) in
            [(Some(len + 1), 1 << 30), (Some(len - 1), 1 << 30), (Some(len), len - 1), (None, 9)]
        {
            assert!(matches!(taken(&bytes, announced, most), Err(Fault::Lie(_))), "{announced:?}");
        }
    }

    #[test]
    fn no_memory_is_taken_for_an_announcement() {
        let announced = Some(1 << 62);
        assert!(matches!(taken(b"x", announced, u64::MAX), Err(Fault::Lie(_))));
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        let endless = take(&mut io::repeat(1), None, u64::MAX, &Patience::default(), &Silent);
        assert!(matches!(endless, Err(Fault::Lie(_))));
    }

    #[test]
    fn who_sends_too_little_is_not_waited_for() {
        /// Sends a byte for each question.
        struct Drop;
        impl Read for Drop {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                out[0] = 1;
                Ok(1)
            }
        }
        let patience =
            Patience { grace: Duration::ZERO, rate: u64::MAX / 4, ..Patience::default() };
        let slow = take(&mut Drop, Some(1 << 40), u64::MAX, &patience, &Silent);
        assert!(matches!(slow, Err(Fault::Slow(_))));
    }

    #[test]
    fn the_form_is_that_of_the_one_reader() {
        for hex in ["f6", "f4", "f5", "f7", "e0", "20", "c0f6", "1817", "a0", "9f", "f94200"] {
            let bytes = hex::decode(hex).unwrap();
            assert_eq!(form(&bytes).is_ok(), canon::read(&bytes).is_ok(), "{hex}");
        }
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(Tree::Uint),
            any::<f64>().prop_map(Tree::Float),
            any::<bool>().prop_map(Tree::Bool),
            ".{0,5}".prop_map(|text| Tree::text(&text)),
            proptest::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| Tree::bytes(&bytes)),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::Array),
                (inner.clone(), inner).prop_map(|(a, b)| Tree::map([("b", a), ("aa", b)])),
            ]
        })
    }

    proptest! {
        /// Against the reader that makes trees, on bytes with one bit changed.
        #[test]
        fn form_agrees_with_the_reader_of_trees(tree in trees(), at: usize, flip: bool) {
            let mut bytes = canon::write(&tree);
            if flip {
                let at = at % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            prop_assert_eq!(form(&bytes).is_ok(), canon::read(&bytes).is_ok());
        }
    }
}
