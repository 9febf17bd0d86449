//! Inflates gzip in one go, all members.
//!
//! libdeflate is the fastest there is, but its plain call stops behind the first member without a
//! word; this one goes on (RFC 1952 section 2.2: a file is a series of members).
#![expect(unsafe_code, reason = "calls libdeflate, which is C")]

use std::ptr::NonNull;

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE,
    libdeflate_result_LIBDEFLATE_SUCCESS,
};

/// Why bytes could not be inflated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Not gzip, cut short, or damaged.
    Bad,
    /// There is more than the output holds.
    More,
}

/// What a member begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Inflates the members of `input` behind each other into `out` and returns how many bytes came.
///
/// Checksums are checked. What follows the last member and does not begin like one is ignored, as
/// gzip(1) does; members behind a full output are not looked at.
pub fn gunzip(input: &[u8], out: &mut [u8]) -> Result<usize, Trouble> {
    let inflater = Inflater::new().ok_or(Trouble::Bad)?;
    let (mut read, mut written) = (0, 0);
    loop {
        let (used, came) = inflater.member(&input[read..], &mut out[written..])?;
        read += used;
        written += came;
        if !input[read..].starts_with(&MAGIC) || written == out.len() {
            return Ok(written);
        }
    }
}

struct Inflater(NonNull<libdeflate_decompressor>);

impl Inflater {
    fn new() -> Option<Self> {
        // SAFETY: takes no arguments; returns null when there is no memory.
        NonNull::new(unsafe { libdeflate_alloc_decompressor() }).map(Self)
    }

    /// Inflates one member; returns how many bytes it took and gave.
    fn member(&self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), Trouble> {
        let (mut used, mut came) = (0, 0);
        // SAFETY: the decompressor lives as long as `self` and is not shared between threads; both
        // pointers are valid for the lengths beside them, and libdeflate stays inside them.
        let result = unsafe {
            libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                &raw mut used,
                &raw mut came,
            )
        };
        #[expect(non_upper_case_globals, reason = "the names of the C library")]
        match result {
            libdeflate_result_LIBDEFLATE_SUCCESS => Ok((used, came)),
            libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Err(Trouble::More),
            _ => Err(Trouble::Bad),
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and freed here only.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::format::gzip::gzip;

    #[test]
    fn all_members_are_inflated() {
        let mut bytes = gzip(b"hello ");
        bytes.extend(gzip(b""));
        bytes.extend(gzip(b"world"));
        let mut out = [0; 20];
        assert_eq!(gunzip(&bytes, &mut out), Ok(11));
        assert_eq!(&out[..11], b"hello world");
        bytes.extend_from_slice(&[0; 30]);
        assert_eq!(gunzip(&bytes, &mut out), Ok(11));
    }

    #[test]
    fn damage_and_overflow_are_told_apart() {
        let mut bytes = gzip(b"hello world");
        let mut out = [0; 20];
        assert_eq!(gunzip(&bytes, &mut out[..5]), Err(Trouble::More));
        assert_eq!(gunzip(&bytes[..bytes.len() - 1], &mut out), Err(Trouble::Bad));
        assert_eq!(gunzip(b"", &mut out), Err(Trouble::Bad));
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        assert_eq!(gunzip(&bytes, &mut out), Err(Trouble::Bad));
    }
}
