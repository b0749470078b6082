//! Memory for the two kinds of process that daeda is: who looks at hundreds of thousands of actions takes many small pieces from many
//! threads, which mimalloc does quicker; a worker takes large ones and keeps to a budget, so what it frees has to go back at once, which
//! the system's allocator does. It would do so with middling ones too, such as pages of files, of which a worker needs the next one at once:
//! these it is told to keep.
//!
//! Invariant: the choice is made before the first piece is given out, and holds for the life of the process.

use mimalloc::MiMalloc;
use rustix::fs::{Mode, OFlags, open};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU8, Ordering};

pub struct ByProcess;

/// Not chosen yet, or one of the two.
static CHOSEN: AtomicU8 = AtomicU8::new(0);
const MANY: u8 = 1;
const PLAIN: u8 = 2;

impl ByProcess {
    fn is_plain() -> bool {
        match CHOSEN.load(Ordering::Relaxed) {
            0 => choose(),
            chosen => chosen == PLAIN,
        }
    }
}

/// There is one thread yet, and nothing here may take memory.
#[cold]
fn choose() -> bool {
    let chosen = if is_worker() { PLAIN } else { MANY };
    if chosen == PLAIN {
        keep_middling();
    }
    CHOSEN.store(chosen, Ordering::Relaxed);
    chosen == PLAIN
}

/// Pieces of this size, in bytes, go back to the system when they are freed, and smaller ones when so many bytes of them are free at the end.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 8 << 20;
#[cfg(target_env = "gnu")]
const MOST_KEPT: libc::c_int = 64 << 20;

#[cfg(target_env = "gnu")]
fn keep_middling() {
    // SAFETY: there is one thread. What is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, MOST_KEPT);
    }
}

#[cfg(not(target_env = "gnu"))]
fn keep_middling() {}

/// Whether the first argument is `worker`, as it is of those that a build starts.
fn is_worker() -> bool {
    let Ok(file) = open(c"/proc/self/cmdline", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { return false };
    // A longer name of the program hides the argument: then it is the other allocator, which is as right.
    let mut bytes = [0; 4096];
    let Ok(length) = rustix::io::read(&file, &mut bytes) else { return false };
    bytes[..length].split(|byte| *byte == 0).nth(1) == Some(b"worker")
}

// SAFETY: each method hands its arguments on as they are, and always to the same one of two sound allocators.
unsafe impl GlobalAlloc for ByProcess {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { if Self::is_plain() { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { if Self::is_plain() { System.dealloc(pointer, layout) } else { MiMalloc.dealloc(pointer, layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { if Self::is_plain() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { if Self::is_plain() { System.realloc(pointer, layout, size) } else { MiMalloc.realloc(pointer, layout, size) } }
    }
}
