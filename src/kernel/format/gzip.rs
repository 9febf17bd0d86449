//! Writes gzip, and inflates the first bytes or a known count of them.

use std::io::{Read as _, Write as _};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use crate::kernel::format::inflate::{self, Trouble};

/// Deflate cannot do better than 1032 to 1, so a file cannot hold more than this many times itself.
const BEST_RATIO: usize = 1032;

/// Returns one member with these bytes: the same for the same bytes, for it tells no time, no name
/// and no system.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let out = Vec::with_capacity(bytes.len() / 8 + 64);
    let mut encoder =
        GzBuilder::new().mtime(0).operating_system(255).write(out, Compression::new(3));
    encoder.write_all(bytes).expect("writing into memory cannot fail");
    encoder.finish().expect("writing into memory cannot fail")
}

/// Says whether bytes begin like gzip.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&inflate::MAGIC)
}

/// Says whether `file`, deflated, can hold `len` bytes at all.
pub fn can_hold(file: &[u8], len: usize) -> bool {
    len / BEST_RATIO <= file.len()
}

/// Returns at most the first `n` bytes that `file` inflates to, as far as it can be read.
pub fn first(file: &[u8], n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    // What came before an error is in `out`; what is missing is noticed by who needs it.
    MultiGzDecoder::new(file).take(n as u64).read_to_end(&mut out).ok();
    out
}

/// Fills `out` with the first bytes that `file` inflates to; more behind them is ignored.
pub fn fill(file: &[u8], out: &mut [u8]) -> Result<(), Trouble> {
    match inflate::gunzip(file, out) {
        Ok(came) if came == out.len() => Ok(()),
        Ok(_) | Err(Trouble::Bad) => Err(Trouble::Bad),
        // The one-shot call has nowhere to put the surplus; the slower stream may stop before it.
        Err(Trouble::More) => MultiGzDecoder::new(file).read_exact(out).map_err(|_| Trouble::Bad),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn surplus_is_ignored_and_want_is_bad() {
        let mut bytes = gzip(b"hello ");
        bytes.extend(gzip(b"world"));
        for (len, want) in
            [(3, Ok(())), (6, Ok(())), (8, Ok(())), (11, Ok(())), (12, Err(Trouble::Bad))]
        {
            let mut out = vec![0; len];
            assert_eq!(fill(&bytes, &mut out), want);
            assert!(want.is_err() || out == b"hello world"[..len]);
        }
        assert_eq!(first(&bytes, 8), b"hello wo");
        assert_eq!(first(&bytes[..5], 8), b"");
    }

    #[test]
    fn the_header_tells_nothing() {
        assert_eq!(gzip(b"x")[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }
}
