// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link of a wire queue: a block of bytes, or one large frame by reference.
//!
//! A queue is a singly linked list of chunks. The producer writes into the last one, the consumer
//! reads the first one; a chunk's [`word`](Chunk::word) is the only thing both touch while bytes
//! flow. Everything about a chunk that a consumer may look at was written before the `Release`
//! store of a word that announces it.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use ferromq_message::{Message, frame};
use ferromq_os::memory;

use crate::loom::{AtomicPtr, AtomicU32, AtomicU64, Track};
use crate::pool::SLAB;

/// What a chunk's word says: how far it may be read, how many messages end in it, whether the
/// producer has left it for good, and whether it did so in the middle of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word(u64);

impl Word {
    const SEALED: u64 = 1 << 63;
    const CUT: u64 = 1 << 62;

    #[inline(always)]
    pub(crate) const fn open(messages: u32, end: usize) -> Self {
        Self((messages as u64) << 32 | end as u64)
    }

    /// `cut`: the chunk ends inside a message which goes on in the next one.
    pub(crate) const fn sealed(messages: u32, end: usize, cut: bool) -> Self {
        Self(Self::SEALED | if cut { Self::CUT } else { 0 } | Self::open(messages, end).0)
    }

    #[inline(always)]
    pub(crate) const fn end(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    #[inline(always)]
    pub(crate) const fn messages(self) -> u32 {
        (self.0 >> 32 & 0x3fff_ffff) as u32
    }

    #[inline(always)]
    pub(crate) const fn is_sealed(self) -> bool {
        self.0 & Self::SEALED != 0
    }

    /// Whether the end is the end of a message.
    pub(crate) const fn at_boundary(self) -> bool {
        self.0 & Self::CUT == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The empty chunk every queue begins with; it lives inside the queue.
    Sentinel,
    /// Frames in wire format.
    Bytes,
    /// One frame whose body travels by reference.
    Reference,
    /// A part of a chunk of bytes that several queues share.
    Range,
}

/// Large chunks begin with a cache line. Small ones need not, nor does the sentinel inside a queue, of which an idle
/// connection has two.
#[repr(C, align(16))]
pub(crate) struct Chunk {
    word: AtomicU64,
    next: AtomicPtr<Self>,
    /// Position of the first byte in the stream of this queue.
    pub(crate) base: u64,
    /// Which connection the bytes came from (a reconnect begins a new one).
    pub(crate) generation: u32,
    pub(crate) capacity: u32,
    pub(crate) kind: Kind,
    track: Track,
    /// Of a block that several queues share: how many refer to it.
    holders: AtomicU32,
    /// What follows begins with a cache line of its own: the word is the producer's.
    /// It does not come from the allocator.
    mapped: bool,
    _rest: [u8; 23],
}

/// Blocks up to this size, head included, are plain ones to the allocator.
const PLAIN: usize = 512;

#[cfg(not(loom))]
const _: () = assert!(
    size_of::<Chunk>() == 64,
    "one cache line, and the bytes begin with the next"
);

/// What follows the head of a [`Kind::Reference`] chunk.
#[repr(C)]
pub(crate) struct Reference {
    pub(crate) header: [u8; frame::MAX_HEADER],
    pub(crate) header_len: u8,
    /// Length on the wire, which stays when the body has been taken out.
    wire_len: usize,
    pub(crate) body: Message,
}

impl Reference {
    pub(crate) fn new(flags: u8, body: Message) -> Self {
        let (header, header_len) = frame::encode(flags, body.len());
        Self {
            header,
            header_len: header_len as u8,
            wire_len: header_len + body.len(),
            body,
        }
    }

    pub(crate) fn flags(&self) -> u8 {
        self.header[0] & (frame::MORE | frame::COMMAND)
    }

    /// Length on the wire.
    pub(crate) fn len(&self) -> usize {
        self.wire_len
    }
}

/// What follows the head of a [`Kind::Range`] chunk.
#[repr(C)]
pub(crate) struct Range {
    /// The block, which is kept as long as the range.
    pub(crate) block: Link,
    /// Where in it the range begins, and how many messages end before that.
    pub(crate) from: u32,
    pub(crate) messages: u32,
}

pub(crate) type Link = NonNull<Chunk>;

impl Chunk {
    pub(crate) fn sentinel() -> Self {
        Self {
            word: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            base: 0,
            generation: 0,
            capacity: 0,
            kind: Kind::Sentinel,
            track: Track::new(0),
            holders: AtomicU32::new(0),
            mapped: false,
            _rest: [0; 23],
        }
    }

    fn layout(data: usize) -> Layout {
        let size = size_of::<Self>() + data;
        // The allocator has small blocks at hand as long as they need not begin with a cache line, and wastes none
        // between them.
        let align = if size <= PLAIN { 16 } else { 64 };
        // SAFETY: powers of two, and sizes here are far below isize::MAX.
        unsafe { Layout::from_size_align_unchecked(size, align) }
    }

    fn allocate(data: usize, kind: Kind, capacity: u32, zeroed: bool) -> Link {
        let layout = Self::layout(data);
        let map = kind == Kind::Bytes && data == SLAB && many::another();
        let link = if map {
            memory::map(layout.size())
        } else {
            // SAFETY: the layout has a non-zero size.
            NonNull::new(unsafe {
                if zeroed {
                    alloc_zeroed(layout)
                } else {
                    alloc(layout)
                }
            })
        };
        let Some(link) = link.map(NonNull::cast::<Self>) else {
            handle_alloc_error(layout)
        };
        let track = Track::new(capacity as usize);
        let head = Self {
            capacity,
            kind,
            track,
            mapped: map,
            ..Self::sentinel()
        };
        // SAFETY: freshly allocated, large enough and aligned for the head.
        unsafe { link.write(head) };
        link
    }

    /// A block for `capacity` bytes; `zeroed` where they will be lent out as a slice to read into.
    pub(crate) fn bytes(capacity: usize, zeroed: bool) -> Link {
        debug_assert!(capacity <= u32::MAX as usize);
        Self::allocate(capacity, Kind::Bytes, capacity as u32, zeroed)
    }

    /// A frame by reference. Its word counts it as one unit: 0 is not published, 1 is.
    pub(crate) fn reference(frame: Reference) -> Link {
        let link = Self::allocate(size_of::<Reference>(), Kind::Reference, 1, false);
        // SAFETY: the data area was allocated for exactly this and is 16-aligned.
        unsafe { Self::data(link).cast::<Reference>().write(frame) };
        // SAFETY: alive.
        unsafe { Self::track(link) }.write(0, 1);
        link
    }

    /// What is in a block from its published end on, as long as it stays open: the block's word says
    /// how far.
    ///
    /// # Safety
    /// The block is alive and the caller is its producer.
    pub(crate) unsafe fn range(block: Link) -> Link {
        let link = Self::allocate(size_of::<Range>(), Kind::Range, 0, false);
        // SAFETY: alive by contract.
        let word = unsafe { Self::load(block) };
        // SAFETY: as above.
        unsafe { Self::hold(block) };
        let range = Range {
            block,
            from: word.end() as u32,
            messages: word.messages(),
        };
        // SAFETY: the data area was allocated for exactly this and is 16-aligned.
        unsafe { Self::data(link).cast::<Range>().write(range) };
        link
    }

    /// The range in this chunk, which must be of [`Kind::Range`].
    ///
    /// # Safety
    /// The chunk is alive.
    #[inline]
    pub(crate) unsafe fn range_of<'a>(link: Link) -> &'a Range {
        // SAFETY: written when the chunk was made, and never changed.
        unsafe { &*Self::data(link).cast::<Range>() }
    }

    /// Keeps a block for one more.
    ///
    /// # Safety
    /// The chunk is alive, and held already or the caller's alone.
    pub(crate) unsafe fn hold(block: Link) {
        // SAFETY: alive by contract; the count is atomic.
        unsafe { (*block.as_ptr()).holders.fetch_add(1, Relaxed) };
    }

    /// Whether the caller, who holds a block, is the only one to.
    ///
    /// # Safety
    /// The chunk is alive.
    pub(crate) unsafe fn is_held_once(block: Link) -> bool {
        // SAFETY: alive by contract; the count is atomic. Who let go had read what it wanted.
        unsafe { (*block.as_ptr()).holders.load(Acquire) == 1 }
    }

    /// Lets a block go; the last one frees it.
    ///
    /// # Safety
    /// The caller holds it, and does not use it afterwards.
    pub(crate) unsafe fn let_go(block: Link) {
        // SAFETY: alive by contract; the count is atomic.
        if unsafe { (*block.as_ptr()).holders.fetch_sub(1, AcqRel) } == 1 {
            // SAFETY: nobody else refers to it.
            unsafe { Self::free(block) };
        }
    }

    /// First byte behind the head.
    #[inline(always)]
    pub(crate) fn data(link: Link) -> *mut u8 {
        // SAFETY: the allocation extends beyond the head (the sentinel's zero-length data is one
        // past its end, which is allowed).
        unsafe { link.as_ptr().add(1).cast::<u8>() }
    }

    /// The large frame in this chunk, which must be of [`Kind::Reference`].
    #[inline]
    pub(crate) fn frame(link: Link) -> *mut Reference {
        Self::data(link).cast::<Reference>()
    }

    /// # Safety
    /// The chunk is alive.
    #[inline(always)]
    pub(crate) unsafe fn load(link: Link) -> Word {
        // SAFETY: alive by contract; the word is atomic.
        Word(unsafe { (*link.as_ptr()).word.load(Acquire) })
    }

    /// The word of a chunk of any kind. That of an open range is the block's.
    ///
    /// # Safety
    /// The chunk is alive.
    #[inline]
    pub(crate) unsafe fn word(link: Link) -> Word {
        // SAFETY: alive by contract.
        unsafe {
            if (*link.as_ptr()).kind != Kind::Range {
                return Self::load(link);
            }
            // The block first: a range is sealed before its block goes on without it.
            let range = Self::range_of(link);
            let block = Self::load(range.block);
            let own = Self::load(link);
            if own.is_sealed() {
                return own;
            }
            Word::open(
                block.messages() - range.messages,
                block.end() - range.from as usize,
            )
        }
    }

    /// The first byte of a chunk of bytes, or of a range, and whose bytes they are.
    ///
    /// # Safety
    /// The chunk is alive.
    #[inline]
    pub(crate) unsafe fn bytes_of(link: Link) -> (Link, usize) {
        // SAFETY: alive by contract.
        unsafe {
            if (*link.as_ptr()).kind == Kind::Range {
                let range = Self::range_of(link);
                return (range.block, range.from as usize);
            }
        }
        (link, 0)
    }

    /// # Safety
    /// The chunk is alive and the caller is its producer.
    #[inline(always)]
    pub(crate) unsafe fn store(link: Link, word: Word) {
        // SAFETY: alive by contract; the word is atomic.
        unsafe { (*link.as_ptr()).word.store(word.0, Release) };
    }

    /// # Safety
    /// The chunk is alive.
    pub(crate) unsafe fn next(link: Link) -> Option<Link> {
        // SAFETY: alive by contract; the link is atomic.
        NonNull::new(unsafe { (*link.as_ptr()).next.load(Acquire) })
    }

    /// # Safety
    /// The chunk is alive and the caller is its producer, or its consumer and the producer has left it without a
    /// successor. A consumer sees the link only after the word has been sealed with `Release`.
    pub(crate) unsafe fn set_next(link: Link, next: Option<Link>) {
        let next = next.map_or(ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: alive by contract; the link is atomic.
        unsafe { (*link.as_ptr()).next.store(next, Relaxed) };
    }

    /// Makes a chunk of bytes as good as new.
    ///
    /// # Safety
    /// The chunk is alive and nobody else refers to it.
    pub(crate) unsafe fn rewind(link: Link, base: u64, generation: u32) {
        // SAFETY: exclusive by contract.
        let chunk = unsafe { &mut *link.as_ptr() };
        chunk.track.own();
        chunk.word = AtomicU64::new(0);
        chunk.next = AtomicPtr::new(ptr::null_mut());
        chunk.base = base;
        chunk.generation = generation;
    }

    /// Where loom is told of accesses.
    ///
    /// # Safety
    /// The chunk is alive.
    #[inline(always)]
    pub(crate) unsafe fn track<'a>(link: Link) -> &'a Track {
        // SAFETY: alive by contract, and never changed.
        unsafe { &(*link.as_ptr()).track }
    }

    /// Makes the sentinel of a queue the empty last chunk again.
    ///
    /// # Safety
    /// Both ends of the queue are in the caller's hands, and at the sentinel.
    pub(crate) unsafe fn rewind_sentinel(link: Link) {
        // SAFETY: alive as long as the queue; the fields are atomic.
        unsafe {
            Self::store(link, Word(0));
            Self::set_next(link, None);
        }
    }

    /// # Safety
    /// Nobody refers to the chunk any more. A sentinel is left alone.
    pub(crate) unsafe fn free(link: Link) {
        // SAFETY: alive until the deallocation below.
        let (kind, capacity) = unsafe { ((*link.as_ptr()).kind, (*link.as_ptr()).capacity) };
        if kind != Kind::Sentinel {
            // SAFETY: as above.
            unsafe { Self::track(link) }.own();
        }
        let data = match kind {
            Kind::Sentinel => return,
            Kind::Bytes => capacity as usize,
            Kind::Range => {
                // SAFETY: alive until the deallocation below, and it holds the block.
                unsafe { Self::let_go(Self::range_of(link).block) };
                size_of::<Range>()
            }
            Kind::Reference => {
                // SAFETY: a reference chunk holds an initialised frame until it is freed.
                unsafe { ptr::drop_in_place(Self::frame(link)) };
                size_of::<Reference>()
            }
        };
        // SAFETY: allocated with this very layout, and referred to for the last time.
        unsafe {
            let mapped = (*link.as_ptr()).mapped;
            ptr::drop_in_place(link.as_ptr());
            if kind == Kind::Bytes && data == SLAB {
                many::one_less();
            }
            if mapped {
                memory::unmap(link.cast(), Self::layout(data).size());
            } else {
                dealloc(link.as_ptr().cast::<u8>(), Self::layout(data));
            }
        }
    }
}

/// How many slabs there are. Those of a few busy connections are better had from the allocator, which has them warm.
/// Those of a crowd, each of which has sent the beginning of a message and no end, are better mapped: what is not
/// touched costs nothing, and afterwards all of it is given back.
#[expect(
    clippy::disallowed_types,
    reason = "a count for the whole process, which models leave out"
)]
mod many {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    static SLABS: AtomicUsize = AtomicUsize::new(0);
    const FEW: usize = 16;

    /// Counts one more; whether they are many.
    pub(super) fn another() -> bool {
        SLABS.fetch_add(1, Relaxed) >= FEW && !cfg!(loom)
    }

    pub(super) fn one_less() {
        SLABS.fetch_sub(1, Relaxed);
    }
}

/// Copies `len` bytes; short copies, and the beginning of long ones, word by word.
///
/// What is sent has often just been written, a field at a time. A wide load over several such
/// stores has to wait until they, and every store before them, have left the store buffer: in a
/// stream of messages that costs more than the copy. Loads of a word find them there.
///
/// # Safety
/// As for `ptr::copy_nonoverlapping`.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: each arm's range matches its moves; the areas are valid for len bytes by contract.
    unsafe {
        match len {
            8..=16 => words::<1>(from, to, len),
            17..=32 => words::<2>(from, to, len),
            33..=64 => words::<4>(from, to, len),
            4..=7 => {
                let first = from.cast::<u32>().read_unaligned();
                let last = from.add(len - 4).cast::<u32>().read_unaligned();
                to.cast::<u32>().write_unaligned(first);
                to.add(len - 4).cast::<u32>().write_unaligned(last);
            }
            1..=3 => {
                let (first, middle, last) = (*from, *from.add(len / 2), *from.add(len - 1));
                *to = first;
                *to.add(len / 2) = middle;
                *to.add(len - 1) = last;
            }
            0 => {}
            _ => {
                words::<2>(from, to, 16);
                ptr::copy_nonoverlapping(from.add(16), to.add(16), len - 16);
            }
        }
    }
}

/// `N` words from the front and `N` from the back; they may overlap.
///
/// # Safety
/// The areas are valid for `len` bytes, `8 * N <= len`, and they do not overlap each other.
#[inline(always)]
unsafe fn words<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    let back = len - 8 * N;
    for index in 0..N {
        // SAFETY: within the areas by contract.
        unsafe {
            to.add(8 * index)
                .cast::<u64>()
                .write_unaligned(load(from.add(8 * index)));
        }
    }
    for index in 0..N {
        // SAFETY: as above.
        unsafe {
            let place = back + 8 * index;
            to.add(place)
                .cast::<u64>()
                .write_unaligned(load(from.add(place)));
        }
    }
}

/// Loads one word, and is not merged with its neighbours into something wider.
///
/// # Safety
/// Eight bytes are readable there.
#[inline(always)]
unsafe fn load(from: *const u8) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let word: u64;
        // SAFETY: a plain load of readable bytes; x86 needs no alignment.
        unsafe {
            std::arch::asm!(
                "mov {word}, qword ptr [{from}]",
                word = lateout(reg) word,
                from = in(reg) from,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        word
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: as the caller promises.
    unsafe {
        from.cast::<u64>().read_unaligned()
    }
}
