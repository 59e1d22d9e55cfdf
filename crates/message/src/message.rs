// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message itself.
//!
//! ```text
//!  0       8       16      24      32      40      48      56   60 61 62 63
//!  | payload: inline bytes, or           |metadata| group |r.id| n| k| f| o|
//!  | data  | len   | block | (unused)    |
//!                                        n inline length  k kind  f flags  o owned
//! ```

use std::ffi::c_void;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::num::NonZeroU32;
use std::ptr::{self, NonNull};
use std::slice;

use crate::buffer::Buffer;
use crate::error::{GroupTooLong, OutOfMemory};
use crate::foreign::{ForeignMemory, FreeFn};
use crate::group::{Group, GroupError};
use crate::inline::{self, copy_small};
use crate::loom::{FlagByte, Ordering};
use crate::metadata::Metadata;
use crate::storage::{Heap, Owner, Refs, VecMemory, drop_owner, heap_copy, no_memory};

/// One message frame.
///
/// 64 bytes, 8-aligned, without pointers into itself: a message may be moved byte by byte, also by
/// code that does not know what it is. Up to [`INLINE_MAX`](Self::INLINE_MAX) bytes lie in the
/// message, more in a block that clones share.
///
/// ```
/// use ferromq_message::Message;
///
/// let hello = Message::from("hello");
/// assert_eq!(hello, b"hello");
/// let large = Message::from_vec(vec![7; 1 << 20]); // not copied
/// let again = large.clone(); // neither
/// assert!(again.is_shared() && again.as_ptr() == large.as_ptr());
/// ```
#[repr(C, align(8))]
pub struct Message {
    payload: Payload,
    metadata: ManuallyDrop<Option<Metadata>>,
    group: ManuallyDrop<Option<Group>>,
    routing_id: u32,
    inline_len: u8,
    kind: u8,
    flags: FlagByte,
    /// What Drop has to see to; zero for a plain inline message.
    owned: u8,
}

const _: () = assert!(size_of::<Message>() == 64, "zmq_msg_t has 64 bytes");
const _: () = assert!(
    align_of::<Message>() == 8,
    "zmq_msg_t is aligned like a pointer"
);
const _: () = assert!(
    mem::offset_of!(Message, kind) == 61,
    "the layout drawn above"
);

/// What lies behind the payload of a message that is made where it is to be.
#[repr(C)]
struct Rest {
    metadata: ManuallyDrop<Option<Metadata>>,
    group: ManuallyDrop<Option<Group>>,
    routing_id: u32,
    inline_len: u8,
    kind: u8,
    flags: FlagByte,
    owned: u8,
}

impl Rest {
    /// Of an empty message.
    #[inline(always)]
    const fn of_empty() -> Self {
        Self {
            metadata: ManuallyDrop::new(None),
            group: ManuallyDrop::new(None),
            routing_id: 0,
            inline_len: 0,
            kind: kind::INLINE,
            flags: FlagByte::new(0),
            owned: 0,
        }
    }
}

const _: () = assert!(
    mem::offset_of!(Message, metadata) + size_of::<Rest>() == size_of::<Message>()
        && mem::offset_of!(Message, kind) - mem::offset_of!(Message, metadata)
            == mem::offset_of!(Rest, kind)
        && mem::offset_of!(Message, owned) - mem::offset_of!(Message, metadata)
            == mem::offset_of!(Rest, owned),
    "the fields behind the payload"
);

#[derive(Clone, Copy)]
#[repr(C)]
union Payload {
    inline: [MaybeUninit<u8>; Message::INLINE_MAX],
    view: View,
}

/// Bytes that lie elsewhere, and the block that keeps them alive.
#[derive(Clone, Copy)]
#[repr(C)]
struct View {
    data: *mut u8,
    len: usize,
    /// Null when nothing has to be kept alive.
    block: *mut Refs,
}

/// The bytes of `kind`. Zero is what is left of a message that C closed; it is never live, but it
/// drops without harm, and so do 64 bytes of zero.
mod kind {
    /// Bytes in the message.
    pub(super) const INLINE: u8 = 0xA1;
    /// `block` is a `Heap` with the bytes in it.
    pub(super) const HEAP: u8 = 0xA2;
    /// `block` is an `Owner` of bytes that may be written.
    pub(super) const OWNED: u8 = 0xA3;
    /// `block` is an `Owner` of bytes that may only be read.
    pub(super) const LENT: u8 = 0xA4;
    /// There is no block and the bytes stay for ever.
    pub(super) const STATIC: u8 = 0xA5;
}

/// The bits of `flags`.
mod flag {
    pub(super) const MORE: u8 = 0x01;
    pub(super) const SHARED: u8 = 0x80;
}

/// The bits of `owned`.
mod owned {
    pub(super) const BLOCK: u8 = 0x01;
    pub(super) const METADATA: u8 = 0x02;
    pub(super) const GROUP: u8 = 0x04;
}

/// Making messages.
impl Message {
    /// How many bytes a message holds without a heap block.
    pub const INLINE_MAX: usize = inline::INLINE_MAX;

    /// An empty message.
    #[inline(always)]
    pub const fn new() -> Self {
        Self::inline(
            Payload {
                inline: [MaybeUninit::uninit(); Self::INLINE_MAX],
            },
            0,
        )
    }

    /// An empty message where it is to be. It is written field by field, and only the fields that count: what is made
    /// elsewhere and copied as a whole is read before it has reached the cache.
    #[inline(always)]
    pub fn init(place: &mut MaybeUninit<Self>) -> &mut Self {
        let rest = place.as_mut_ptr().cast::<Rest>();
        let rest = rest.wrapping_byte_add(mem::offset_of!(Self, metadata));
        // SAFETY: the fields behind the payload lie there, as asserted below.
        unsafe { rest.write(Rest::of_empty()) };
        // SAFETY: all of it is written, but for the payload, which may be anything.
        unsafe { place.assume_init_mut() }
    }

    /// `len` bytes of zero, to be written through [`as_mut_slice`](Self::as_mut_slice).
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        if len <= Self::INLINE_MAX {
            let payload = Payload {
                inline: [MaybeUninit::new(0); Self::INLINE_MAX],
            };
            return Ok(Self::inline(payload, len));
        }
        Ok(Self::heap(Heap::allocate_zeroed(len)?, len))
    }

    /// A copy of `bytes`.
    #[inline]
    pub fn try_copy_from_slice(bytes: &[u8]) -> Result<Self, OutOfMemory> {
        if bytes.len() <= Self::INLINE_MAX {
            return Ok(Self::inline_copy(bytes));
        }
        Ok(Self::heap(heap_copy(bytes)?, bytes.len()))
    }

    /// A copy of `bytes`. When there is no memory the process ends, as with `Vec`.
    #[inline]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        if bytes.len() <= Self::INLINE_MAX {
            return Self::inline_copy(bytes);
        }
        match heap_copy(bytes) {
            Ok(block) => Self::heap(block, bytes.len()),
            Err(OutOfMemory) => no_memory(bytes.len()),
        }
    }

    /// Puts a copy of `bytes` in the place of this message, which is let go, with what is known of the connection they
    /// came from. It is written where it stays: one that is moved as soon as it is made is read in large pieces while its
    /// small ones are still on their way to the cache. Of what was there before, a block of a like size and the
    /// reference to the same connection are used again.
    #[inline]
    pub fn replace_with_copy(&mut self, bytes: &[u8], metadata: Option<&Metadata>) {
        if self.owned != 0 {
            self.keep_at_most(bytes.len(), metadata);
        }
        if bytes.len() <= Self::INLINE_MAX {
            let start = (&raw mut self.payload).cast::<u8>();
            // SAFETY: the payload has room for INLINE_MAX bytes and is no part of `bytes`.
            unsafe { copy_small(start, bytes.as_ptr(), bytes.len()) };
            self.inline_len = bytes.len() as u8;
            self.kind = kind::INLINE;
        } else {
            self.replace_block(bytes);
        }
        if self.owned & owned::METADATA == 0 {
            // It is not owned.
            self.metadata = ManuallyDrop::new(metadata.cloned());
            self.own(owned::METADATA, metadata.is_some());
        }
        // Nor is this.
        self.group = ManuallyDrop::new(None);
        self.routing_id = 0;
        self.flags = FlagByte::new(0);
    }

    /// Lets go of what is owned, but for the reference to a connection and a block of this message's own that has room
    /// for `len` bytes and not for many more.
    #[inline]
    fn keep_at_most(&mut self, len: usize, metadata: Option<&Metadata>) {
        if self.owned & owned::BLOCK != 0 && self.kind != kind::HEAP {
            // Its owner is called, who may look at this message, and may unwind.
            drop(mem::take(self));
            return;
        }
        let mut kept = 0;
        if self.owned & owned::METADATA != 0
            && let (Some(here), Some(metadata)) = (&*self.metadata, metadata)
            && here.is(metadata)
        {
            kept |= owned::METADATA;
        }
        if self.owned & owned::BLOCK != 0 && self.has_block_for(len) {
            kept |= owned::BLOCK;
        }
        if self.owned != kept {
            self.owned &= !kept;
            self.drop_slow();
            self.owned = kept;
        }
    }

    /// Whether the heap block is nobody else's, and suits `len` bytes.
    fn has_block_for(&self, len: usize) -> bool {
        if len <= Self::INLINE_MAX || !self.is_writable() {
            return false;
        }
        // SAFETY: a heap block, and owned: it is alive.
        let capacity = unsafe { self.view_of().block.cast::<Heap>().as_ref() }.map(Heap::capacity);
        capacity.is_some_and(|capacity| (len..=len.saturating_mul(2)).contains(&capacity))
    }

    /// Puts a copy of more bytes than find room in a message into its block, if it has kept one, or else a new one.
    #[inline]
    fn replace_block(&mut self, bytes: &[u8]) {
        if self.owned & owned::BLOCK == 0 {
            let Ok(block) = heap_copy(bytes) else {
                no_memory(bytes.len())
            };
            self.payload.view = View {
                data: Heap::data(block),
                len: bytes.len(),
                block: block.as_ptr().cast(),
            };
            self.inline_len = 0;
            self.kind = kind::HEAP;
            self.owned |= owned::BLOCK;
            return;
        }
        let Some(block) = NonNull::new(self.view_of().block.cast::<Heap>()) else {
            return;
        };
        let data = Heap::data(block);
        // SAFETY: the block is this message's alone, and has room; `bytes` are elsewhere, for they are borrowed.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        self.payload.view = View {
            data,
            len: bytes.len(),
            block: block.as_ptr().cast(),
        };
    }

    /// Static bytes, by reference.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self::constant(bytes.as_ptr().cast_mut(), bytes.len())
    }

    /// The bytes of a vector; large ones are not copied.
    pub fn from_vec(vec: Vec<u8>) -> Self {
        let len = vec.len();
        if len <= Self::INLINE_MAX {
            return Self::inline_copy(&vec);
        }
        let Ok(block) = Owner::allocate() else {
            no_memory(size_of::<Owner<VecMemory>>())
        };
        let (memory, data) = VecMemory::new(vec);
        // SAFETY: just allocated.
        let refs = unsafe { Owner::init(block, memory) };
        Self::view(
            View {
                data,
                len,
                block: refs.as_ptr(),
            },
            kind::OWNED,
            0,
        )
    }

    /// The bytes of a buffer; large ones are not copied.
    pub fn from_buffer(buffer: Buffer) -> Self {
        let mut message = Self::new();
        message.replace_with_buffer(buffer);
        message
    }

    /// The same in the place of this message, which is let go.
    #[inline]
    pub fn replace_with_buffer(&mut self, buffer: Buffer) {
        if buffer.len() <= Self::INLINE_MAX {
            self.replace_with_copy(buffer.as_slice(), None);
            return;
        }
        let (block, len) = buffer.into_block();
        self.put_block(block, len);
    }

    /// Puts `len` bytes that nobody has written in the place of this message, which is let go; on an error it stays.
    ///
    /// # Safety
    ///
    /// They are written before anybody reads them, or whoever reads them takes whatever the allocator has left there.
    #[inline]
    pub unsafe fn replace_with_unwritten(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if let Some(zeros) = [0; Self::INLINE_MAX].get(..len) {
            self.replace_with_copy(zeros, None);
            return Ok(());
        }
        let block = Heap::allocate(len)?;
        self.put_block(block, len);
        Ok(())
    }

    /// Foreign bytes, by reference. `free` is called with `data` and `hint` when the last reference
    /// goes; without it the bytes are constant. On an error `free` is not called.
    ///
    /// # Safety
    ///
    /// * `data` is null, or readable for `len` bytes until `free` is called (for ever without it);
    ///   with `free` also writable. `len` is at most `isize::MAX`.
    /// * Nobody else writes to the bytes in that time.
    /// * `free(data, hint)` may be called once, from any thread.
    pub unsafe fn from_foreign(
        data: *mut u8,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Result<Self, OutOfMemory> {
        let mut message = Self::new();
        // SAFETY: as the caller promises.
        unsafe { message.replace_with_foreign(data, len, free, hint) }?;
        Ok(message)
    }

    /// The same in the place of this message, which is let go; on an error it stays.
    ///
    /// # Safety
    ///
    /// As for [`from_foreign`](Self::from_foreign).
    #[inline]
    pub unsafe fn replace_with_foreign(
        &mut self,
        data: *mut u8,
        len: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Result<(), OutOfMemory> {
        let (start, len) = if data.is_null() {
            (ptr::dangling_mut(), 0)
        } else {
            (data, len)
        };
        let Some(free) = free else {
            *self = Self::constant(start, len);
            return Ok(());
        };
        let block = Owner::allocate()?;
        let memory = ForeignMemory {
            data: data.cast(),
            hint,
            free,
        };
        // SAFETY: just allocated.
        let refs = unsafe { Owner::init_foreign(block, memory) };
        let view = View {
            data: start,
            len,
            block: refs.as_ptr(),
        };
        self.put(view, kind::OWNED);
        Ok(())
    }

    #[inline(always)]
    fn put_block(&mut self, block: NonNull<Heap>, len: usize) {
        let view = View {
            data: Heap::data(block),
            len,
            block: block.as_ptr().cast(),
        };
        self.put(view, kind::HEAP);
    }

    /// Puts bytes that lie elsewhere, and their block, in the place of this message, which is let go.
    #[inline(always)]
    fn put(&mut self, view: View, kind: u8) {
        if self.owned != 0 {
            drop(mem::take(self));
        }
        self.payload.view = view;
        // Neither of them is owned.
        self.metadata = ManuallyDrop::new(None);
        self.group = ManuallyDrop::new(None);
        self.routing_id = 0;
        self.inline_len = 0;
        self.kind = kind;
        self.flags = FlagByte::new(0);
        self.owned = owned::BLOCK;
    }

    /// Bytes that something else holds, by reference; it is dropped with the last one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ferromq_message::Message;
    ///
    /// struct Page(Arc<[u8]>);
    /// impl AsRef<[u8]> for Page {
    ///     fn as_ref(&self) -> &[u8] { &self.0 }
    /// }
    /// let page: Arc<[u8]> = Arc::from(vec![1; 4096]);
    /// let message = Message::from_owner(Page(Arc::clone(&page)));
    /// assert_eq!(message.as_ptr(), page.as_ptr());
    /// ```
    pub fn from_owner<T: AsRef<[u8]> + Send + Sync + 'static>(owner: T) -> Self {
        let Ok(block) = Owner::allocate() else {
            no_memory(size_of::<Owner<T>>())
        };
        // SAFETY: just allocated.
        let refs = unsafe { Owner::init(block, owner) };
        // The message comes first: should `as_ref` unwind, it drops the owner.
        let nothing = View {
            data: ptr::dangling_mut(),
            len: 0,
            block: refs.as_ptr(),
        };
        let mut message = Self::view(nothing, kind::LENT, 0);
        // SAFETY: the block is alive as long as the message, and the owner in it stays in place.
        let bytes = unsafe { Owner::value(block) }.as_ref();
        let (data, len) = (bytes.as_ptr().cast_mut(), bytes.len());
        message.payload = Payload {
            view: View {
                data,
                len,
                block: refs.as_ptr(),
            },
        };
        message
    }

    #[inline(always)]
    const fn inline(payload: Payload, len: usize) -> Self {
        Self {
            payload,
            metadata: ManuallyDrop::new(None),
            group: ManuallyDrop::new(None),
            routing_id: 0,
            inline_len: len as u8,
            kind: kind::INLINE,
            flags: FlagByte::new(0),
            owned: 0,
        }
    }

    /// No more than `INLINE_MAX` bytes; callers have looked.
    #[inline(always)]
    fn inline_copy(bytes: &[u8]) -> Self {
        let mut message = Self::new();
        let len = bytes.len().min(Self::INLINE_MAX);
        let start = (&raw mut message.payload).cast::<u8>();
        // SAFETY: the payload has room for INLINE_MAX bytes and is no part of `bytes`.
        unsafe { copy_small(start, bytes.as_ptr(), len) };
        message.inline_len = len as u8;
        message
    }

    fn heap(block: NonNull<Heap>, len: usize) -> Self {
        let view = View {
            data: Heap::data(block),
            len,
            block: block.as_ptr().cast(),
        };
        Self::view(view, kind::HEAP, 0)
    }

    const fn constant(data: *mut u8, len: usize) -> Self {
        Self::view(
            View {
                data,
                len,
                block: ptr::null_mut(),
            },
            kind::STATIC,
            flag::SHARED,
        )
    }

    const fn view(view: View, kind: u8, flags: u8) -> Self {
        Self {
            payload: Payload { view },
            metadata: ManuallyDrop::new(None),
            group: ManuallyDrop::new(None),
            routing_id: 0,
            inline_len: 0,
            kind,
            flags: FlagByte::new(flags),
            owned: if view.block.is_null() {
                0
            } else {
                owned::BLOCK
            },
        }
    }
}

/// The bytes.
impl Message {
    /// The bytes, to be changed in place; `None` when somebody else may see them: shared, static,
    /// constant or lent ones. See [`make_mut`](Self::make_mut).
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        if !self.is_writable() {
            return None;
        }
        // SAFETY: writable for `len` bytes, and nobody else has a reference.
        Some(unsafe { slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) })
    }

    /// The bytes, to be changed; they are copied first when somebody else may see them.
    /// When there is no memory the process ends, as with `Vec`.
    pub fn make_mut(&mut self) -> &mut [u8] {
        if !self.is_writable() {
            let mut copy = Self::copy_from_slice(self.as_slice());
            self.swap_payload(&mut copy);
        }
        // SAFETY: writable for `len` bytes, and nobody else has a reference.
        unsafe { slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }

    /// Where the bytes are, for C. It changes when a message with inline bytes moves. Writing is
    /// allowed where [`as_mut_slice`](Self::as_mut_slice) would allow it.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        if self.kind == kind::INLINE {
            (&raw mut self.payload).cast()
        } else {
            self.view_of().data
        }
    }

    /// Keeps the first `len` bytes; no effect when there are no more.
    pub fn truncate(&mut self, len: usize) {
        if self.kind == kind::INLINE {
            self.inline_len = usize::from(self.inline_len).min(len) as u8;
        } else {
            let view = self.view_of();
            self.payload = Payload {
                view: View {
                    len: view.len.min(len),
                    ..view
                },
            };
        }
    }

    /// Lets the first `n` bytes go, all if there are no more; the others stay where they are, if they lie outside
    /// the message.
    pub fn advance(&mut self, n: usize) {
        if self.kind == kind::INLINE {
            let rest = Self::inline_copy(self.as_slice().get(n..).unwrap_or(&[]));
            (self.payload, self.inline_len) = (rest.payload, rest.inline_len);
        } else {
            let view = self.view_of();
            let n = n.min(view.len);
            self.payload = Payload {
                view: View {
                    data: view.data.wrapping_add(n),
                    len: view.len - n,
                    ..view
                },
            };
        }
    }

    /// Lets the bytes go; what else the message carries stays.
    pub fn clear(&mut self) {
        self.swap_payload(&mut Self::new());
    }

    /// The bytes.
    #[inline(always)]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `len` bytes from there on are initialised and stay while we are borrowed.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// Where the bytes are. It changes when a message with inline bytes moves.
    #[inline(always)]
    pub fn as_ptr(&self) -> *const u8 {
        if self.kind == kind::INLINE {
            (&raw const self.payload).cast()
        } else {
            self.view_of().data
        }
    }

    /// How many bytes there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        if self.kind == kind::INLINE {
            usize::from(self.inline_len)
        } else {
            self.view_of().len
        }
    }

    /// There are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Somebody else's bytes: whoever lent them is called when they are let go.
    #[inline(always)]
    pub fn has_owner(&self) -> bool {
        matches!(self.kind, kind::OWNED | kind::LENT)
    }

    /// The bytes lie outside the message: in a heap block, with an owner, or in static memory.
    #[inline(always)]
    pub fn is_by_reference(&self) -> bool {
        self.kind != kind::INLINE
    }

    /// Whether somebody else may hold the same bytes: set on both when a message with bytes by
    /// reference is cloned, and always for static ones. It stays set when the others are gone.
    #[inline(always)]
    pub fn is_shared(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & flag::SHARED != 0
    }

    fn is_writable(&self) -> bool {
        match self.kind {
            kind::INLINE => true,
            kind::HEAP | kind::OWNED => {
                // SAFETY: these kinds have a live block.
                unsafe { &*self.view_of().block }.is_unique()
            }
            _ => false,
        }
    }

    /// Exchanges the bytes and what keeps them alive, nothing else.
    fn swap_payload(&mut self, other: &mut Self) {
        mem::swap(&mut self.payload, &mut other.payload);
        mem::swap(&mut self.inline_len, &mut other.inline_len);
        mem::swap(&mut self.kind, &mut other.kind);
        let (owned, other_owned) = (self.owned, other.owned);
        self.owned = owned & !owned::BLOCK | other_owned & owned::BLOCK;
        other.owned = other_owned & !owned::BLOCK | owned & owned::BLOCK;
        let (flags, other_flags) = (self.flags.get_mut(), other.flags.get_mut());
        let (bits, other_bits) = (*flags, *other_flags);
        *flags = bits & !flag::SHARED | other_bits & flag::SHARED;
        *other_flags = other_bits & !flag::SHARED | bits & flag::SHARED;
    }

    /// Only for kinds other than `INLINE`.
    #[inline(always)]
    fn view_of(&self) -> View {
        debug_assert!(self.kind != kind::INLINE, "callers look at the kind first");
        // SAFETY: every other kind, and 64 bytes of zero, have an initialised view.
        unsafe { self.payload.view }
    }
}

/// What a message carries besides its bytes.
impl Message {
    /// Says whether more frames of the same message follow.
    #[inline(always)]
    pub fn set_more(&mut self, more: bool) {
        let flags = self.flags.get_mut();
        *flags = *flags & !flag::MORE | if more { flag::MORE } else { 0 };
    }

    /// Names the peer, for SERVER and PEER sockets.
    pub fn set_routing_id(&mut self, id: Option<NonZeroU32>) {
        self.routing_id = id.map_or(0, NonZeroU32::get);
    }

    /// Puts the message into a group, for RADIO and DISH; the empty name takes it out.
    /// When there is no memory the process ends, as with `Vec`.
    pub fn set_group(&mut self, name: &[u8]) -> Result<(), GroupTooLong> {
        let group = match Group::new(name) {
            Ok(group) => group,
            Err(GroupError::TooLong(error)) => return Err(error),
            Err(GroupError::Memory(OutOfMemory)) => no_memory(name.len()),
        };
        self.own(owned::GROUP, group.is_some());
        drop(mem::replace(&mut *self.group, group));
        Ok(())
    }

    /// Says what is known about the connection the message came from.
    #[inline]
    pub fn set_metadata(&mut self, metadata: Option<Metadata>) {
        self.own(owned::METADATA, metadata.is_some());
        drop(mem::replace(&mut *self.metadata, metadata));
    }

    /// More frames of the same message follow.
    #[inline(always)]
    pub fn more(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & flag::MORE != 0
    }

    /// The peer a SERVER or PEER socket got the message from, or is to send it to.
    pub fn routing_id(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.routing_id)
    }

    /// The group, empty without one.
    pub fn group(&self) -> &[u8] {
        self.group_with_nul()
            .strip_suffix(b"\0")
            .unwrap_or_default()
    }

    /// The group as C wants it: with a NUL byte behind it.
    pub fn group_with_nul(&self) -> &[u8] {
        self.group.as_ref().map_or(b"\0", Group::with_nul)
    }

    /// What is known about the connection the message came from.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    fn own(&mut self, bit: u8, set: bool) {
        self.owned = self.owned & !bit | if set { bit } else { 0 };
    }
}

/// For the C boundary, where a message is 64 bytes that somebody else may have closed.
impl Message {
    /// Whether these 64 bytes look like a live message. All zero do not, so that is what to leave
    /// behind when a message is closed; zeros also drop without effect.
    ///
    /// # Safety
    ///
    /// `message` is readable for 64 initialised bytes and 8-aligned.
    #[inline(always)]
    pub unsafe fn is_live(message: *const Self) -> bool {
        let kind = message
            .cast::<u8>()
            .wrapping_add(mem::offset_of!(Self, kind));
        // SAFETY: as the caller promises.
        let kind = unsafe { kind.read() };
        (kind::INLINE..=kind::STATIC).contains(&kind)
    }

    /// Leaves 64 bytes of zero in the place of a message, and lets go of what it had. Whoever owns its bytes, and is
    /// called, finds it closed.
    ///
    /// # Safety
    ///
    /// `message` leads to a live message that nobody else uses.
    #[inline]
    pub unsafe fn close(message: *mut Self) {
        // SAFETY: as the caller promises; zeros are no live message, and drop without harm.
        unsafe { Self::let_go(message, |place| *place = MaybeUninit::zeroed()) };
    }

    /// Leaves an empty message in the place of another, and lets go of what that had. Whoever owns its bytes, and is
    /// called, finds it empty.
    ///
    /// # Safety
    ///
    /// As for [`close`](Self::close).
    #[inline]
    pub unsafe fn make_empty(message: *mut Self) {
        let leave = |place: &mut MaybeUninit<Self>| {
            Self::init(place);
        };
        // SAFETY: as the caller promises.
        unsafe { Self::let_go(message, leave) };
    }

    /// Field by field: they may have been written just now, and a copy of them all would wait until they are in the
    /// cache.
    ///
    /// # Safety
    ///
    /// As for [`close`](Self::close). What is left in the place is a message, or zeros.
    #[inline(always)]
    unsafe fn let_go(message: *mut Self, leave: impl FnOnce(&mut MaybeUninit<Self>)) {
        // SAFETY: live, as the caller promises.
        let open = unsafe { &*message };
        if open.owned & !owned::METADATA == 0 {
            // SAFETY: not dropped; it is this one's now, if it is owned at all.
            let metadata = unsafe { ptr::read(&raw const open.metadata) };
            let is_owned = open.owned != 0;
            // SAFETY: live, and read for the last time.
            leave(unsafe { &mut *message.cast() });
            if is_owned {
                drop(ManuallyDrop::into_inner(metadata));
            }
            return;
        }
        // SAFETY: not dropped; what it owned is `gone`'s now.
        let gone = unsafe { open.released() };
        // SAFETY: live, and read for the last time.
        leave(unsafe { &mut *message.cast() });
        drop(gone);
    }

    /// What a message owns, and no more of it.
    ///
    /// # Safety
    ///
    /// The message is not dropped.
    unsafe fn released(&self) -> Self {
        let mut released = Self::new();
        if self.owned == 0 {
            return released;
        }
        let block = if self.owned & owned::BLOCK == 0 {
            ptr::null_mut()
        } else {
            self.view_of().block
        };
        released.payload.view = View {
            data: ptr::null_mut(),
            len: 0,
            block,
        };
        // SAFETY: the caller lets this one own it.
        released.metadata = unsafe { ptr::read(&raw const self.metadata) };
        // SAFETY: as above.
        released.group = unsafe { ptr::read(&raw const self.group) };
        released.kind = self.kind;
        released.owned = self.owned;
        released
    }
}

// SAFETY: bytes by reference are only written through the one message that holds them, and those
// who lend them promised (from_foreign, from_owner) that threads do not matter.
unsafe impl Send for Message {}
// SAFETY: a shared reference only reads; the flag byte and the count are atomic.
unsafe impl Sync for Message {}

impl Clone for Message {
    /// Bytes by reference are shared, inline ones copied; flags, group and metadata come along.
    fn clone(&self) -> Self {
        let mut flags = self.flags.load(Ordering::Relaxed);
        if self.kind != kind::INLINE {
            if self.owned & owned::BLOCK != 0 {
                // SAFETY: owned::BLOCK says that there is a block, which lives as long as we do.
                unsafe { &*self.view_of().block }.retain();
            }
            flags |= flag::SHARED;
            // Through a shared reference nobody sets another bit, so this loses none.
            self.flags.store(flags, Ordering::Relaxed);
        }
        Self {
            payload: self.payload,
            metadata: self.metadata.clone(),
            group: self.group.clone(),
            routing_id: self.routing_id,
            inline_len: self.inline_len,
            kind: self.kind,
            flags: FlagByte::new(flags),
            owned: self.owned,
        }
    }
}

impl Drop for Message {
    #[inline(always)]
    fn drop(&mut self) {
        if self.owned != 0 {
            self.drop_slow();
        }
    }
}

impl Message {
    #[cold]
    #[inline(never)]
    fn drop_slow(&mut self) {
        let owned = mem::take(&mut self.owned);
        if owned & owned::METADATA != 0 {
            // SAFETY: dropped here only, and `owned` no longer asks for it.
            unsafe { ManuallyDrop::drop(&mut self.metadata) };
        }
        if owned & owned::GROUP != 0 {
            // SAFETY: dropped here only, and `owned` no longer asks for it.
            unsafe { ManuallyDrop::drop(&mut self.group) };
        }
        if owned & owned::BLOCK == 0 {
            return;
        }
        let Some(block) = NonNull::new(self.view_of().block) else {
            return;
        };
        // SAFETY: owned::BLOCK says that we hold one reference to a live block.
        if !unsafe { block.as_ref() }.release() {
            return;
        }
        if self.kind == kind::HEAP {
            // SAFETY: a heap block, and we were the last.
            unsafe { Heap::free(block.cast()) };
        } else {
            // SAFETY: the other kinds with a block have an owner; we were the last.
            unsafe { drop_owner(block) };
        }
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
