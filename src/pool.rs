//! The buffer pool: memory for voxels that was touched before.
//!
//! A fresh 36 MB allocation costs 11.5 ms in page faults, a recycled one 0.9 ms. So blocks come in
//! size classes, are mapped with huge pages where the system has them, and go back to the pool when
//! their last owner drops them. Memory of a block is always initialised: zeros, or what its previous
//! owner left.
#![expect(unsafe_code, reason = "maps memory and lends it as slices")]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytemuck::Pod;

/// Blocks below this size come from the allocator.
const MAPPED: usize = 1 << 18;
/// Fresh blocks from this size on are touched by all threads.
const TOUCHED: usize = 8 << 20;
/// How much of a block a thread touches at once.
#[cfg(target_os = "linux")]
const PIECE: usize = 4 << 20;
/// What the pool keeps at most while nobody uses it.
const KEPT: usize = 1 << 29;
/// How the words begin with which a computation ends for which there is no memory.
pub const NO_MEMORY: &str = "there is no memory for";
/// Alignment of every block: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

static FREE: Mutex<Vec<Raw>> = Mutex::new(Vec::new());
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Memory, not yet handed out or given back.
struct Raw {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: a `Raw` is the only owner of its memory.
unsafe impl Send for Raw {}

impl Raw {
    fn layout(size: usize) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(size, ALIGN).expect("a block fits the address space")
    }

    fn fresh(size: usize) -> Self {
        if size >= MAPPED {
            // SAFETY: an anonymous private mapping at no fixed address touches no memory of ours.
            let mapped = unsafe {
                rustix::mm::mmap_anonymous(
                    std::ptr::null_mut(),
                    size,
                    rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
                    rustix::mm::MapFlags::PRIVATE,
                )
            };
            if let Some(start) = mapped.ok().and_then(|start| NonNull::new(start.cast::<u8>())) {
                #[cfg(target_os = "linux")]
                // SAFETY: the range was mapped above; advice changes no content.
                unsafe {
                    // Advice that the system cannot follow is no error of ours.
                    rustix::mm::madvise(
                        start.as_ptr().cast(),
                        size,
                        rustix::mm::Advice::LinuxHugepage,
                    )
                    .ok();
                }
                let raw = Self { start, size };
                raw.touch();
                return raw;
            }
            none_left(size);
        }
        let layout = Self::layout(size);
        // SAFETY: the layout has a size greater than zero, see `class`.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { none_left(size) };
        Self { start, size }
    }

    /// Makes the system clear the pages of a large block on all threads: done page by page by whoever
    /// writes first, it takes as long as inflating a file into them.
    fn touch(&self) {
        if self.size < TOUCHED || rayon::current_thread_index().is_none() {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            use rayon::prelude::*;
            let first = self.start.as_ptr() as usize;
            let last = first + self.size;
            // Pieces end where huge pages do.
            let pieces = (first / PIECE..last.div_ceil(PIECE)).into_par_iter();
            pieces.for_each(|piece| {
                let (start, end) = (first.max(piece * PIECE), last.min((piece + 1) * PIECE));
                // SAFETY: inside the mapping of this block, which stays until `release`; populating
                // changes no content. Where the system cannot, the first writer does it.
                unsafe {
                    rustix::mm::madvise(
                        start as *mut _,
                        end - start,
                        rustix::mm::Advice::LinuxPopulateWrite,
                    )
                    .ok();
                }
            });
        }
    }

    fn release(self) {
        if self.size >= MAPPED {
            // SAFETY: mapped by `fresh` with this size, and nobody else owns it.
            unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.size) }.ok();
        } else {
            // SAFETY: allocated by `fresh` with this layout, and nobody else owns it.
            unsafe { std::alloc::dealloc(self.start.as_ptr(), Self::layout(self.size)) };
        }
    }
}

/// Gives up a computation for which there is no memory, by unwinding: who runs kernels catches it, and
/// the other computations go on. Nothing is kept of it, for with more memory it has a result.
fn none_left(size: usize) -> ! {
    HELD.fetch_sub(size, Ordering::Relaxed);
    std::panic::resume_unwind(Box::new(format!("{NO_MEMORY} {size} bytes")));
}

/// Rounds a length up to its size class: at most an eighth is wasted.
fn class(len: usize) -> usize {
    let len = len.max(ALIGN);
    let step = (len.next_power_of_two() / 16).max(ALIGN);
    let size = len.div_ceil(step) * step;
    if size >= MAPPED { size.div_ceil(4096) * 4096 } else { size }
}

/// A run of bytes from the pool, 64-byte aligned; dropped, it goes back.
pub struct Block {
    raw: Option<Raw>,
    zero: bool,
}

// SAFETY: shared references to a block give shared access to its bytes only.
unsafe impl Sync for Block {}

impl Block {
    /// Takes a block of at least `len` bytes, of zeros or of what was there before.
    pub fn take(len: usize) -> Self {
        let size = class(len);
        let held = HELD.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(held, Ordering::Relaxed);
        if size >= MAPPED {
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(at) = free.iter().rposition(|raw| raw.size == size) {
                return Self { raw: Some(free.swap_remove(at)), zero: false };
            }
        }
        Self { raw: Some(Raw::fresh(size)), zero: true }
    }

    /// Says whether the bytes are known to be zeros.
    pub fn is_zero(&self) -> bool {
        self.zero
    }

    fn raw(&self) -> &Raw {
        self.raw.as_ref().expect("only drop takes it")
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        let raw = self.raw();
        // SAFETY: the block owns `size` initialised bytes at `start`.
        unsafe { std::slice::from_raw_parts(raw.start.as_ptr(), raw.size) }
    }

    /// Returns the bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.zero = false;
        let raw = self.raw();
        // SAFETY: the block owns `size` initialised bytes at `start`, and is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr(), raw.size) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(raw) = self.raw.take() else { return };
        HELD.fetch_sub(raw.size, Ordering::Relaxed);
        if raw.size >= MAPPED {
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let kept: usize = free.iter().map(|raw| raw.size).sum();
            if kept + raw.size <= KEPT {
                free.push(raw);
                return;
            }
        }
        raw.release();
    }
}

/// A typed run inside a block: voxels, or the words of a mask.
pub struct Buffer<T> {
    block: Block,
    start: usize,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Takes a buffer of `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::take(len);
        if !buffer.block.is_zero() {
            buffer.fill(T::zeroed());
        }
        buffer
    }

    /// Takes a buffer whose content is whatever was there: for callers that write all of it.
    pub fn take(len: usize) -> Self {
        let bytes = len.checked_mul(size_of::<T>()).expect("shapes are checked on reading");
        Self { block: Block::take(bytes), start: 0, len, kind: PhantomData }
    }

    /// Takes a buffer with the content of `slice`.
    pub fn copied(slice: &[T]) -> Self {
        let mut buffer = Self::take(slice.len());
        buffer.copy_from_slice(slice);
        buffer
    }

    /// Lends `len` values of a block from byte `start`, which the alignment of `T` divides.
    ///
    /// A decoder puts canonical bytes so into a block that the voxels inside them are aligned.
    pub fn inside(block: Block, start: usize, len: usize) -> Self {
        let end = len.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(start));
        assert!(end.is_some_and(|end| end <= block.bytes().len()), "the run lies inside its block");
        assert!(start.is_multiple_of(align_of::<T>()), "the run is aligned");
        Self { block, start, len, kind: PhantomData }
    }

    /// Returns the values as bytes, little-endian as all machines that vox runs on.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let bytes = &self.block.bytes()[self.start..];
        // SAFETY: aligned and inside by `inside`; every bit pattern is a `T`, for it is `Pod`.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), self.len) }
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let start = self.start;
        let bytes = &mut self.block.bytes_mut()[start..];
        // SAFETY: as in `deref`, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), self.len) }
    }
}

impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self::copied(self)
    }
}

impl<T: Pod + std::fmt::Debug> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().take(16)).finish()
    }
}

/// Returns the bytes that are lent now, and the most that were at once.
pub fn usage() -> (usize, usize) {
    (HELD.load(Ordering::Relaxed), PEAK.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_buffer_of_zeros_is_zero_also_after_reuse() {
        for len in [0, 1, 1000, 1 << 20] {
            for _ in 0..3 {
                let mut buffer = Buffer::<f32>::zeroed(len);
                assert_eq!(buffer.len(), len);
                assert!(buffer.iter().all(|x| *x == 0.0));
                buffer.fill(7.0);
            }
        }
    }

    #[test]
    fn blocks_are_aligned_and_waste_little() {
        for len in [1, 63, 64, 65, 4097, 35_712_000] {
            let block = Block::take(len);
            assert_eq!(block.bytes().as_ptr() as usize % ALIGN, 0);
            assert!(block.bytes().len() >= len);
            assert!(block.bytes().len() <= len + len / 7 + 4096);
        }
    }

    #[test]
    fn a_run_inside_a_block_sees_its_bytes() {
        let mut block = Block::take(64);
        block.bytes_mut()[8..16].copy_from_slice(&7u64.to_le_bytes());
        assert_eq!(*Buffer::<u64>::inside(block, 8, 1), [7]);
    }
}
