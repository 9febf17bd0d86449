//! Zstandard frames, and the table that finds them.
//!
//! An object is frames of 1 MiB of raw bytes each, level 1, with content size and checksum; when
//! there is more than one, the seek table of zstd's `contrib/seekable_format` follows in a skippable
//! frame. `zstd -d` reads all of it. The frames are made by many threads, and read by many.

use std::cell::RefCell;

use rayon::prelude::*;
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

/// Raw bytes of a frame of an object.
pub const RAW: usize = 1 << 20;
/// A block of 128 KiB takes at least four bytes, so no frame can hold more than this per byte.
const MOST: u64 = (128 << 10) / 4;
const FRAME: u32 = 0xFD2F_B528;
const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const FOOTER: usize = 9;

/// What is wrong with stored bytes.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("{0}")]
pub struct Damage(pub &'static str);

/// One frame: where it is among the stored bytes, and which raw bytes it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Offset of the frame among the stored bytes.
    pub at: usize,
    /// Stored bytes of the frame.
    pub stored: usize,
    /// Offset of its first raw byte.
    pub start: usize,
    /// How many raw bytes it holds.
    pub len: usize,
}

/// All frames of some stored bytes, in order.
#[derive(Debug, Clone)]
pub struct Frames {
    list: Vec<Frame>,
    len: usize,
}

thread_local! {
    // A fresh compression context costs 9 us, a used one 0.8.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Compresses raw bytes that come in pieces to frames of [`RAW`] bytes, in parallel, and the table.
pub fn compress(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let one = |at: usize| {
        let start = at * RAW;
        let end = (start + RAW).min(len);
        gathered(parts, start, end, compress_frame)
    };
    let count = len.div_ceil(RAW).max(1);
    if count == 1 {
        return vec![one(0)];
    }
    let mut frames: Vec<Vec<u8>> = (0..count).into_par_iter().map(one).collect();
    let sizes = (0..count).map(|at| (frames[at].len(), (len - at * RAW).min(RAW)));
    frames.push(table(&sizes.collect::<Vec<_>>()));
    frames
}

/// Compresses bytes to one frame.
pub fn compress_frame(raw: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = slot.get_or_insert_with(|| {
            let mut compressor = Compressor::new(1).expect("level 1 exists");
            compressor.set_parameter(CParameter::ChecksumFlag(true)).expect("zstd knows checksums");
            compressor
        });
        SCRATCH.with_borrow_mut(|(_, out)| {
            out.clear();
            out.reserve(zstd_safe::compress_bound(raw.len()));
            compressor.compress_to_buffer(raw, out).expect("the bound is big enough");
            out.clone()
        })
    })
}

/// Calls `with` on the raw bytes from `start` to `end`, copied only where they cross pieces.
fn gathered<T>(parts: &[&[u8]], start: usize, end: usize, with: impl Fn(&[u8]) -> T) -> T {
    let mut before = 0;
    let mut pieces = parts.iter().filter_map(|part| {
        let (from, to) = (before, before + part.len());
        before = to;
        let (from, to) = (start.max(from) - from, end.min(to).max(from) - from);
        (from < to).then(|| &part[from..to])
    });
    let first = pieces.next().unwrap_or_default();
    if first.len() == end - start {
        return with(first);
    }
    let mut whole = SCRATCH.with_borrow_mut(|(whole, _)| std::mem::take(whole));
    whole.clear();
    whole.extend_from_slice(first);
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    let result = with(&whole);
    SCRATCH.with_borrow_mut(|(slot, _)| *slot = whole);
    result
}

/// Writes the seek table of frames of these stored and raw sizes.
pub fn table(frames: &[(usize, usize)]) -> Vec<u8> {
    let word = |number: usize| {
        u32::try_from(number).expect("frames are small and few, see the callers").to_le_bytes()
    };
    let mut out = Vec::with_capacity(8 + frames.len() * 8 + FOOTER);
    out.extend_from_slice(&SKIPPABLE.to_le_bytes());
    out.extend_from_slice(&word(frames.len() * 8 + FOOTER));
    for (stored, raw) in frames {
        out.extend_from_slice(&word(*stored));
        out.extend_from_slice(&word(*raw));
    }
    out.extend_from_slice(&word(frames.len()));
    out.push(0);
    out.extend_from_slice(&SEEKABLE.to_le_bytes());
    out
}

impl Frames {
    /// Finds the frames: one that is everything, or those of the table at the end.
    ///
    /// Nothing is decoded, and memory is taken in proportion to the table that is really there.
    pub fn of(stored: &[u8]) -> Result<Self, Damage> {
        if stored.is_empty() {
            return Err(Damage("the file is empty"));
        }
        let len = announced(stored)?;
        let first = zstd_safe::find_frame_compressed_size(stored)
            .map_err(|_| Damage("a frame is cut short"))?;
        if first == stored.len() {
            let frame = Frame { at: 0, stored: first, start: 0, len };
            return Ok(Self { list: vec![frame], len });
        }
        Self::of_table(stored)
    }

    fn of_table(stored: &[u8]) -> Result<Self, Damage> {
        let bad = Damage("the seek table is damaged, cut short, or followed by something");
        let word = |at: usize| {
            let bytes = stored.get(at..at + 4).ok_or(bad)?;
            Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
        };
        let footer = stored.len().checked_sub(FOOTER).ok_or(bad)?;
        let count = word(footer)? as usize;
        if stored[footer + 4] != 0 || word(footer + 5)? != SEEKABLE {
            return Err(bad);
        }
        let table = footer.checked_sub(count.checked_mul(8).ok_or(bad)?).ok_or(bad)?;
        let head = table.checked_sub(8).ok_or(bad)?;
        if word(head)? != SKIPPABLE || word(head + 4)? as usize != count * 8 + FOOTER {
            return Err(bad);
        }
        let mut list = Vec::with_capacity(count);
        let (mut at, mut start) = (0usize, 0usize);
        for index in 0..count {
            let stored = word(table + index * 8)? as usize;
            let len = word(table + index * 8 + 4)? as usize;
            list.push(Frame { at, stored, start, len });
            at = at.checked_add(stored).ok_or(bad)?;
            start = start.checked_add(len).ok_or(bad)?;
            if at > head || len as u64 > stored as u64 * MOST {
                return Err(bad);
            }
        }
        if at != head {
            return Err(bad);
        }
        Ok(Self { list, len: start })
    }

    /// Returns how many raw bytes all frames announce; each is checked when it is decoded.
    pub fn raw_len(&self) -> usize {
        self.len
    }

    /// Returns the frames.
    pub fn list(&self) -> &[Frame] {
        &self.list
    }

    /// Decodes all frames in parallel into a buffer of exactly [`Frames::raw_len`] bytes.
    pub fn decode(&self, stored: &[u8], out: &mut [u8]) -> Result<(), Damage> {
        self.decode_run(stored, &self.list, out)
    }

    /// Decodes neighbouring frames in parallel into a buffer of exactly their raw bytes.
    pub fn decode_run(
        &self,
        stored: &[u8],
        run: &[Frame],
        mut out: &mut [u8],
    ) -> Result<(), Damage> {
        let len: usize = run.iter().map(|frame| frame.len).sum();
        assert_eq!(out.len(), len, "the buffer has the size of what is decoded");
        if let [frame] = run {
            return decode_frame(stored, frame, out);
        }
        let mut pieces = Vec::with_capacity(run.len());
        for frame in run {
            let (piece, rest) = out.split_at_mut(frame.len);
            pieces.push((frame, piece));
            out = rest;
        }
        pieces.into_par_iter().try_for_each(|(frame, piece)| decode_frame(stored, frame, piece))
    }

    /// Decodes the frames that hold the first `len` raw bytes, and returns those, or all if fewer.
    pub fn prefix(&self, stored: &[u8], len: usize) -> Result<Vec<u8>, Damage> {
        let count = self.list.iter().take_while(|frame| frame.start < len).count();
        let run = &self.list[..count];
        let mut out = vec![0; run.iter().map(|frame| frame.len).sum()];
        self.decode_run(stored, run, &mut out)?;
        out.truncate(len);
        Ok(out)
    }
}

/// Decodes one frame into a buffer of exactly its raw bytes, and checks its checksum.
pub fn decode_frame(stored: &[u8], frame: &Frame, out: &mut [u8]) -> Result<(), Damage> {
    let bytes = &stored[frame.at..frame.at + frame.stored];
    if announced(bytes)? != frame.len {
        return Err(Damage("a frame and the seek table disagree"));
    }
    if zstd_safe::find_frame_compressed_size(bytes) != Ok(bytes.len()) {
        return Err(Damage("a frame and the seek table disagree"));
    }
    let decoded = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = slot.get_or_insert_with(|| {
            Decompressor::new().expect("an empty dictionary is always taken")
        });
        decompressor.decompress_to_buffer(bytes, out)
    });
    match decoded {
        Ok(len) if len == frame.len => Ok(()),
        _ => Err(Damage("a frame does not decode, or its checksum differs")),
    }
}

/// Returns the raw bytes that the head of a frame announces, if it is a head that we write and the
/// number can be true of so few stored bytes.
fn announced(bytes: &[u8]) -> Result<usize, Damage> {
    let head = bytes.get(..5).ok_or(Damage("a frame is cut short"))?;
    if head[..4] != FRAME.to_le_bytes() {
        return Err(Damage("not a zstd frame"));
    }
    // Bits 0 and 1: a dictionary; 2: a checksum; 3 and 4: reserved, unused.
    if head[4] & 0b1_1111 != 0b0_0100 {
        return Err(Damage("a frame without a checksum, or of a form that is never written"));
    }
    match zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(len)) if len <= bytes.len() as u64 * MOST => {
            usize::try_from(len).map_err(|_| Damage("a frame is too big for this machine"))
        }
        _ => Err(Damage("a frame without a size, or with an impossible one")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// Bytes that compress a little, and differ everywhere.
    fn some(len: usize) -> Vec<u8> {
        (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 27) as u8).collect()
    }

    fn decoded(stored: &[u8]) -> Result<Vec<u8>, Damage> {
        let frames = Frames::of(stored)?;
        let mut out = vec![0; frames.raw_len()];
        frames.decode(stored, &mut out)?;
        Ok(out)
    }

    #[test]
    fn stock_zstd_decodes_what_we_write_and_so_do_we() {
        for len in [0, 1, 1000, RAW - 1, RAW, RAW + 1, 3 * RAW, 3 * RAW + 7] {
            let raw = some(len);
            let stored = compress(&[&raw[..len / 3], &[], &raw[len / 3..]]).concat();
            assert!(zstd::stream::decode_all(&*stored).unwrap() == raw, "{len}");
            assert!(decoded(&stored).unwrap() == raw, "{len}");
            let frames = Frames::of(&stored).unwrap();
            assert_eq!(frames.list().len(), len.div_ceil(RAW).max(1));
            let tabled = stored.ends_with(&SEEKABLE.to_le_bytes());
            assert_eq!(tabled, len > RAW, "a table with more than one frame only");
            for n in [0, 1, 300, RAW, RAW + 5, len, len + 1] {
                let prefix = frames.prefix(&stored, n).unwrap();
                assert!(prefix == raw[..n.min(len)], "{len} {n}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_gives_other_bytes() {
        for raw in [some(300), vec![0; 1000], some(20)] {
            let stored = compress(&[&raw]).concat();
            for at in 0..stored.len() * 8 {
                let mut flipped = stored.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                // Some bits do not matter: an entropy table has more than one spelling.
                assert!(decoded(&flipped).map_or(true, |out| out == raw), "bit {at}");
            }
            for len in 0..stored.len() {
                assert!(decoded(&stored[..len]).is_err());
            }
            assert!(decoded(&[&*stored, b"x"].concat()).is_err());
            assert!(decoded(&stored.repeat(2)).is_err());
        }
    }

    #[test]
    fn a_table_that_lies_is_refused() {
        let raw = vec![0; 2 * RAW + 5];
        let stored = compress(&[&raw]).concat();
        let table = 8 + 3 * 8 + FOOTER;
        for at in (stored.len() - table) * 8..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(decoded(&flipped).is_err(), "bit {at}");
        }
        for cut in 1..=table {
            assert!(decoded(&stored[..stored.len() - cut]).is_err());
        }
    }

    #[test]
    fn a_frame_without_checksum_or_size_is_refused() {
        let plain = zstd::bulk::compress(b"some bytes", 1).unwrap();
        assert!(Frames::of(&plain).is_err());
        let streamed = zstd::stream::encode_all(&b"some bytes"[..], 1).unwrap();
        assert!(Frames::of(&streamed).is_err());
    }

    #[test]
    fn a_frame_that_announces_the_impossible_is_refused() {
        // A head with checksum and a size of eight bytes, then one empty raw block.
        let mut stored = FRAME.to_le_bytes().to_vec();
        stored.extend_from_slice(&[0b1110_0100]);
        stored.extend_from_slice(&(1u64 << 40).to_le_bytes());
        stored.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0]);
        assert!(Frames::of(&stored).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_crash_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), table: bool) {
            let mut stored = compress_frame(b"begins well");
            stored.extend_from_slice(&bytes);
            if table {
                stored.extend_from_slice(&SEEKABLE.to_le_bytes());
            }
            if let Ok(raw) = decoded(&stored) {
                prop_assert_eq!(raw, b"begins well");
            }
            prop_assert!(decoded(&bytes).is_err());
        }

        #[test]
        fn pieces_make_the_same_frames_as_the_whole(cuts in proptest::collection::vec(0usize..2 * RAW + 100, 0..5)) {
            let raw = some(2 * RAW + 100);
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut parts: Vec<&[u8]> = Vec::new();
            let mut from = 0;
            for cut in cuts {
                parts.push(&raw[from..cut]);
                from = cut;
            }
            parts.push(&raw[from..]);
            prop_assert!(compress(&parts) == compress(&[&raw]));
        }
    }
}
