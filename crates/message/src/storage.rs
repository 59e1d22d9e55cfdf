// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reference-counted payloads.
//!
//! Every block starts with its [`Refs`], so a message holds one thin pointer whatever is behind it:
//!
//! ```text
//! heap:   refs 8 | capacity 8 | data ...      one allocation, data 16-aligned
//! owner:  refs 8 | drop 8 | T                 data lies wherever T keeps it
//! ```

use std::alloc::{self, Layout};
use std::mem::ManuallyDrop;
use std::process;
use std::ptr::{self, NonNull};

use crate::error::OutOfMemory;
use crate::foreign::ForeignMemory;
use crate::loom::{AtomicUsize, Ordering, fence};

/// A reference count.
pub(crate) struct Refs(AtomicUsize);

impl Refs {
    fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// Counts one more holder.
    pub(crate) fn retain(&self) {
        // Relaxed: the new holder is made from one that already sees the data.
        if self.0.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            process::abort(); // 2^63 leaked clones: going on would free memory in use
        }
    }

    /// Counts one holder less; true when it was the last, which then owns the block.
    pub(crate) fn release(&self) -> bool {
        // A count of one cannot grow behind our back: cloning needs a holder, and we are it.
        if self.is_unique() {
            return true;
        }
        if self.0.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }

    /// Whether the caller is the only holder. Sees all that former holders did.
    pub(crate) fn is_unique(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }
}

/// The start of a heap block; its data follow at [`Heap::DATA`].
#[repr(C, align(16))]
pub(crate) struct Heap {
    refs: Refs,
    capacity: usize,
}

impl Heap {
    /// Where the data start.
    const DATA: usize = size_of::<Self>();

    /// A block with one reference and room for `capacity` bytes, of unknown content.
    pub(crate) fn allocate(capacity: usize) -> Result<NonNull<Self>, OutOfMemory> {
        let layout = Self::layout(capacity)?;
        // SAFETY: the layout is at least as large as the header, so not empty.
        let block = unsafe { alloc::alloc(layout) };
        Self::init(block, capacity)
    }

    /// A block with one reference and `capacity` bytes of zero.
    pub(crate) fn allocate_zeroed(capacity: usize) -> Result<NonNull<Self>, OutOfMemory> {
        let layout = Self::layout(capacity)?;
        // SAFETY: the layout is at least as large as the header, so not empty.
        let block = unsafe { alloc::alloc_zeroed(layout) };
        Self::init(block, capacity)
    }

    /// Grows a block, perhaps moving it; what is added has unknown content. On an error the block
    /// stays as it was.
    ///
    /// # Safety
    ///
    /// `block` is a live heap block with one reference, and `capacity` not below its own. After
    /// success only the returned pointer is valid.
    pub(crate) unsafe fn grow(
        block: NonNull<Self>,
        capacity: usize,
    ) -> Result<NonNull<Self>, OutOfMemory> {
        // SAFETY: live, as the caller promises.
        let old = unsafe { block.as_ref() }.capacity;
        let old_layout = Self::layout(old)?;
        let size = Self::layout(capacity)?.size();
        // SAFETY: allocated with this very layout; the new size fits an isize and is not zero.
        let grown = unsafe { alloc::realloc(block.as_ptr().cast(), old_layout, size) };
        Self::init(grown, capacity)
    }

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// `block` is a live heap block that nobody else uses, now or later.
    pub(crate) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: live, as the caller promises.
        let capacity = unsafe { block.as_ref() }.capacity;
        // SAFETY: as above, and read for the last time.
        unsafe { block.drop_in_place() };
        if let Ok(layout) = Self::layout(capacity) {
            // SAFETY: allocated with this very layout.
            unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
        }
    }

    /// Where the data of a block are.
    pub(crate) fn data(block: NonNull<Self>) -> *mut u8 {
        block.as_ptr().cast::<u8>().wrapping_add(Self::DATA)
    }

    /// Bytes of room behind the header.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn refs(&self) -> &Refs {
        &self.refs
    }

    fn init(block: *mut u8, capacity: usize) -> Result<NonNull<Self>, OutOfMemory> {
        let block = NonNull::new(block.cast::<Self>()).ok_or(OutOfMemory)?;
        // SAFETY: just allocated with the size and alignment of a header at least.
        unsafe {
            block.write(Self {
                refs: Refs::one(),
                capacity,
            });
        };
        Ok(block)
    }

    fn layout(capacity: usize) -> Result<Layout, OutOfMemory> {
        let size = capacity.checked_add(Self::DATA).ok_or(OutOfMemory)?;
        Layout::from_size_align(size, align_of::<Self>()).map_err(|_too_large| OutOfMemory)
    }
}

/// Something else that keeps the bytes alive, dropped with the last reference.
#[repr(C)]
pub(crate) struct Owner<T> {
    head: OwnerHead,
    value: T,
}

/// What every [`Owner`] starts with, whatever its type.
#[repr(C)]
pub(crate) struct OwnerHead {
    refs: Refs,
    drop: unsafe fn(NonNull<Refs>),
}

impl<T> Owner<T> {
    /// Room for an owner, to be filled by [`Owner::init`].
    pub(crate) fn allocate() -> Result<NonNull<Self>, OutOfMemory> {
        // SAFETY: an owner has a count at least, so its layout is not empty.
        let block = unsafe { alloc::alloc(Layout::new::<Self>()) };
        NonNull::new(block.cast()).ok_or(OutOfMemory)
    }

    /// Moves the value in, with one reference.
    ///
    /// # Safety
    ///
    /// `block` comes from [`Owner::allocate`] and is not initialised yet.
    pub(crate) unsafe fn init(block: NonNull<Self>, value: T) -> NonNull<Refs> {
        let head = OwnerHead {
            refs: Refs::one(),
            drop: Self::drop_block,
        };
        // SAFETY: allocated with the layout of Self.
        unsafe { block.write(Self { head, value }) };
        block.cast()
    }

    /// The value inside a live block.
    ///
    /// # Safety
    ///
    /// `block` is initialised and stays alive for `'a`.
    pub(crate) unsafe fn value<'a>(block: NonNull<Self>) -> &'a T {
        // SAFETY: as the caller promises.
        let owner = unsafe { block.as_ref() };
        &owner.value
    }

    /// # Safety
    ///
    /// `block` is a live `Owner<T>` of this very `T` that nobody else uses, now or later.
    unsafe fn drop_block(block: NonNull<Refs>) {
        // The memory goes back even when the value's drop unwinds.
        let _memory = OwnerMemory(block.cast::<Self>());
        // SAFETY: live and ours, as the caller promises.
        unsafe { block.cast::<Self>().drop_in_place() };
    }
}

impl Owner<ForeignMemory> {
    /// As [`init`](Self::init). The data is given back last: nothing is left to be done should that unwind.
    ///
    /// # Safety
    ///
    /// As for `init`.
    pub(crate) unsafe fn init_foreign(block: NonNull<Self>, value: ForeignMemory) -> NonNull<Refs> {
        let head = OwnerHead {
            refs: Refs::one(),
            drop: Self::give_back,
        };
        // SAFETY: allocated with the layout of Self.
        unsafe { block.write(Self { head, value }) };
        block.cast()
    }

    /// # Safety
    ///
    /// `block` is a live `Self` that nobody else uses, now or later.
    unsafe fn give_back(block: NonNull<Refs>) {
        let block = block.cast::<Self>();
        // SAFETY: live and ours, as the caller promises.
        let memory = unsafe { block.as_ref() }.value;
        drop(OwnerMemory(block));
        // SAFETY: once, with the last reference.
        unsafe { memory.give_back() };
    }
}

/// Gives the memory of an owner back, without touching the value.
struct OwnerMemory<T>(NonNull<Owner<T>>);

impl<T> Drop for OwnerMemory<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with this very layout in Owner::allocate; made only in drop_block.
        unsafe { alloc::dealloc(self.0.as_ptr().cast(), Layout::new::<Owner<T>>()) };
    }
}

/// Drops the value of an owner block and gives its memory back.
///
/// # Safety
///
/// `block` is a live [`Owner`] that nobody else uses, now or later.
pub(crate) unsafe fn drop_owner(block: NonNull<Refs>) {
    // SAFETY: repr(C), so every owner starts with its head.
    let drop = unsafe { block.cast::<OwnerHead>().as_ref() }.drop;
    // SAFETY: as the caller promises; the function was made for this block's type.
    unsafe { drop(block) };
}

/// The memory of a `Vec`, taken apart so that its bytes may be reached through another pointer.
pub(crate) struct VecMemory {
    data: *mut u8,
    capacity: usize,
}

impl VecMemory {
    /// Takes the memory out of `vec`; gives the data pointer as well.
    pub(crate) fn new(vec: Vec<u8>) -> (Self, *mut u8) {
        let mut vec = ManuallyDrop::new(vec);
        let data = vec.as_mut_ptr();
        (
            Self {
                data,
                capacity: vec.capacity(),
            },
            data,
        )
    }
}

impl Drop for VecMemory {
    fn drop(&mut self) {
        // SAFETY: pointer and capacity come from a Vec<u8> that was not dropped.
        drop(unsafe { Vec::from_raw_parts(self.data, 0, self.capacity) });
    }
}

/// Copies `bytes` into a fresh heap block.
pub(crate) fn heap_copy(bytes: &[u8]) -> Result<NonNull<Heap>, OutOfMemory> {
    let block = Heap::allocate(bytes.len())?;
    // SAFETY: the block is fresh and has room for exactly these bytes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), Heap::data(block), bytes.len()) };
    Ok(block)
}

/// Ends the process the way `Vec` does when there is no memory for `len` bytes.
#[cold]
pub(crate) fn no_memory(len: usize) -> ! {
    let layout = Layout::array::<u8>(len).unwrap_or(Layout::new::<u8>());
    alloc::handle_alloc_error(layout)
}
