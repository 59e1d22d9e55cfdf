// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the `void *` of the interface stand for.
//!
//! A handle is the address of a slot plus a small generation in its low bits. Slots lie in pages
//! that are never unmapped nor used for something else, and a pointer is looked up among the pages
//! before anything is read through it: a stale, foreign or null pointer is found out, whatever it
//! points to. Slots are used again in the order in which they became free, so that a stale handle
//! stays stale for long.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferromq_vocabulary::Code;

/// Slots are aligned to this; generations stay below it.
const STRIDE: usize = 64;
/// Slots in the first page; each further one has twice as many.
const FIRST: usize = 256;
/// More than any address space holds.
const PAGES: usize = 32;
/// Free slots wait in line until there are so many of them, to keep stale handles stale.
const REST: usize = 32;

/// Something a handle can stand for.
pub(crate) trait Handled: Send + 'static {
    /// The table of this kind.
    fn table() -> &'static Table<Self>
    where
        Self: Sized;
    /// How a wrong handle is answered.
    const WRONG: Code;
}

/// A thing behind a handle, shared with calls that are under way.
pub(crate) type Shared<T> = Arc<T>;

#[repr(align(64))]
struct Slot<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    generation: usize,
    thing: Option<Shared<T>>,
}

/// All slots of one kind.
pub(crate) struct Table<T> {
    pages: [AtomicPtr<Slot<T>>; PAGES],
    free: Mutex<Free>,
}

struct Free {
    /// Page and index of free slots, the longest free first.
    slots: VecDeque<(usize, usize)>,
    pages: usize,
}

impl<T: Send + 'static> Table<T> {
    pub(crate) const fn new() -> Self {
        Self {
            pages: [const { AtomicPtr::new(ptr::null_mut()) }; PAGES],
            free: Mutex::new(Free {
                slots: VecDeque::new(),
                pages: 0,
            }),
        }
    }

    const fn size(page: usize) -> usize {
        FIRST << page
    }

    /// Puts a thing into a slot; returns its handle.
    pub(crate) fn insert(&self, thing: T) -> Result<*mut c_void, Code> {
        self.insert_shared(Arc::new(thing))
    }

    pub(crate) fn insert_shared(&self, thing: Shared<T>) -> Result<*mut c_void, Code> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.slots.len() <= REST {
            self.add_page(&mut free)?;
        }
        let (page, index) = free.slots.pop_front().ok_or(Code::NoMemory)?;
        drop(free);
        let base = self.pages[page].load(Acquire);
        // SAFETY: the page has more slots than any index on the free list.
        let slot = unsafe { base.add(index) };
        // SAFETY: pages are never freed.
        let mut state = lock(unsafe { &*slot });
        state.generation = state.generation % (STRIDE - 1) + 1;
        state.thing = Some(thing);
        Ok(slot
            .cast::<u8>()
            .wrapping_add(state.generation)
            .cast::<c_void>())
    }

    fn add_page(&self, free: &mut Free) -> Result<(), Code> {
        if free.pages == PAGES {
            return Err(Code::NoMemory);
        }
        let size = Self::size(free.pages);
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(size)
            .map_err(|_full| Code::NoMemory)?;
        slots.resize_with(size, || Slot {
            state: Mutex::new(State {
                generation: 0,
                thing: None,
            }),
        });
        let base = Box::leak(slots.into_boxed_slice()).as_mut_ptr();
        self.pages[free.pages].store(base, Release);
        let page = free.pages;
        free.slots.extend((0..size).map(|index| (page, index)));
        free.pages += 1;
        Ok(())
    }

    /// The slot of a handle, and which one it is.
    #[inline(always)]
    fn find(&self, handle: *mut c_void) -> Option<(&Slot<T>, usize, (usize, usize))> {
        let address = handle.addr();
        let generation = address % STRIDE;
        for (page, base) in self.pages.iter().enumerate() {
            let base = base.load(Acquire);
            if base.is_null() {
                return None;
            }
            let offset = address.wrapping_sub(generation).wrapping_sub(base.addr());
            if offset < Self::size(page) * size_of::<Slot<T>>() {
                let index = offset / size_of::<Slot<T>>();
                if offset % size_of::<Slot<T>>() != 0 {
                    return None;
                }
                // SAFETY: within the page, which is never freed.
                let slot = unsafe { &*base.add(index) };
                return Some((slot, generation, (page, index)));
            }
        }
        None
    }

    /// What a handle stands for.
    #[inline(always)]
    pub(crate) fn get(&self, handle: *mut c_void) -> Option<Shared<T>> {
        let (slot, generation, _) = self.find(handle)?;
        let state = lock(slot);
        if state.generation != generation {
            return None;
        }
        state.thing.clone()
    }

    /// Takes a thing out: its handle is stale from now on.
    pub(crate) fn remove(&self, handle: *mut c_void) -> Option<Shared<T>> {
        let (slot, generation, place) = self.find(handle)?;
        let mut state = lock(slot);
        if state.generation != generation {
            return None;
        }
        let thing = state.thing.take()?;
        drop(state);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.slots.push_back(place);
        Some(thing)
    }
}

#[inline(always)]
fn lock<T>(slot: &Slot<T>) -> MutexGuard<'_, State<T>> {
    slot.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a handle of this kind stands for, or the error for a wrong one.
#[inline(always)]
pub(crate) fn get<T: Handled>(handle: *mut c_void) -> Result<Shared<T>, Code> {
    T::table().get(handle).ok_or(T::WRONG)
}

/// Makes a handle.
pub(crate) fn insert<T: Handled>(thing: T) -> Result<*mut c_void, Code> {
    T::table().insert(thing)
}

/// Ends a handle.
pub(crate) fn remove<T: Handled>(handle: *mut c_void) -> Result<Shared<T>, Code> {
    T::table().remove(handle).ok_or(T::WRONG)
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn wrong_handles_are_found_out() {
        static TABLE: Table<u32> = Table::new();
        assert!(TABLE.get(std::ptr::null_mut()).is_none());
        let one = TABLE.insert(1).unwrap();
        let two = TABLE.insert(2).unwrap();
        assert_eq!(TABLE.get(one).as_deref(), Some(&1));
        assert_eq!(TABLE.get(two).as_deref(), Some(&2));
        let mut local = 0u64;
        assert!(TABLE.get((&raw mut local).cast()).is_none());
        for shift in 1..200 {
            let other = one.cast::<u8>().wrapping_add(shift).cast();
            assert!(other == two || TABLE.get(other).is_none());
        }
        assert_eq!(TABLE.remove(one).as_deref(), Some(&1));
        assert!(TABLE.remove(one).is_none() && TABLE.get(one).is_none());
        for number in 0..2000 {
            let handle = TABLE.insert(number).unwrap();
            assert_ne!(handle, one);
            assert!(TABLE.get(one).is_none());
            assert!(TABLE.remove(handle).is_some());
        }
    }

    #[test]
    fn tables_grow() {
        static TABLE: Table<usize> = Table::new();
        let handles: Vec<_> = (0..5000).map(|number| TABLE.insert(number).unwrap()).collect();
        for (number, handle) in handles.iter().enumerate() {
            assert_eq!(TABLE.get(*handle).as_deref(), Some(&number));
        }
    }
}
