// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the `void *` of the interface stand for.
//!
//! A handle is the address of a slot in one fixed array, with a small generation in its low bits.
//! A pointer is compared with the bounds of the array before anything is read through it, and a
//! slot with its own handle: so a stale, foreign or null pointer is found out, whatever it points
//! to. The array is zero to begin with and costs memory only where it is used. Slots are used again
//! in the order in which they became free, so that a stale handle stays stale for long.
//!
//! Each slot has a lock, which costs the thread that uses it most next to nothing; nobody holds it
//! while it waits.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ferromq_os::{fence, thread};
use ferromq_pipe::{BiasedLock, Way};
use ferromq_vocabulary::Code;

/// Something a handle can stand for.
pub trait Handled: Send + 'static {
    /// Tells the kinds apart; not zero.
    const KIND: u8;
    /// How a wrong handle is answered.
    const WRONG: Code;
}

#[repr(align(64))]
struct Slot {
    /// The handle and the kind; zero when the slot is free. Changes under the lock only.
    key: AtomicUsize,
    /// The boxed thing.
    thing: AtomicPtr<c_void>,
    lock: BiasedLock,
    /// Threads that sleep until the lock is free.
    sleepers: AtomicU32,
    generation: AtomicU32,
}

const COUNT: usize = 1 << 17;
const SLOT: usize = size_of::<Slot>();
const _: () = assert!(
    SLOT == 64,
    "generations stand in six bits, aligned to eight"
);
/// Generations there are; a handle is aligned like a pointer.
const GENERATIONS: u32 = 8;
/// Free slots wait in line until there are so many of them.
const REST: usize = 1024;
/// Where the kind stands in a key, above all addresses.
const KIND_SHIFT: u32 = 56;
/// How often a taken lock is tried before others get the CPU, and before sleeping.
const TRIES: u32 = 100;
const YIELDS: u32 = 50;

static SLOTS: [Slot; COUNT] = [const { Slot::new() }; COUNT];
static FREE: Mutex<Free> = Mutex::new(Free {
    used: 0,
    line: VecDeque::new(),
});
/// Where all sleep that wait for a lock: it is rare.
static SLEEP: Mutex<()> = Mutex::new(());
static WOKEN: Condvar = Condvar::new();

struct Free {
    /// Slots that have been used at all.
    used: usize,
    /// Free slots, the longest free first.
    line: VecDeque<usize>,
}

impl Slot {
    const fn new() -> Self {
        Self {
            key: AtomicUsize::new(0),
            thing: AtomicPtr::new(ptr::null_mut()),
            lock: BiasedLock::new(),
            sleepers: AtomicU32::new(0),
            generation: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    fn lock(&self) -> Way {
        let me = thread::token();
        match self.lock.try_lock(me) {
            Some(way) => way,
            None => self.lock_slowly(me),
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slowly(&self, me: u64) -> Way {
        for _ in 0..TRIES {
            std::hint::spin_loop();
            if let Some(way) = self.lock.try_lock(me) {
                return way;
            }
        }
        for _ in 0..YIELDS {
            thread::yield_now();
            if let Some(way) = self.lock.try_lock(me) {
                return way;
            }
        }
        self.sleepers.fetch_add(1, Relaxed);
        // Who unlocks after this sees a sleeper; who has unlocked before is seen.
        fence::heavy();
        let mut sleep = lock(&SLEEP);
        let way = loop {
            match self.lock.try_lock(me) {
                Some(way) => break way,
                None => sleep = WOKEN.wait(sleep).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(sleep);
        self.sleepers.fetch_sub(1, Relaxed);
        way
    }

    #[inline(always)]
    fn unlock(&self, way: Way) {
        self.lock.unlock(way);
        fence::light();
        if self.sleepers.load(Relaxed) != 0 {
            wake_sleepers();
        }
    }

    /// Joins the line of the free ones.
    fn set_free(&'static self) {
        let offset = ptr::from_ref(self).addr() - SLOTS.as_ptr().addr();
        lock(&FREE).line.push_back(offset / SLOT);
    }

    /// Takes the thing out; to be called by the holder of the lock.
    fn empty(&self) -> *mut c_void {
        self.key.store(0, Relaxed);
        self.thing.swap(ptr::null_mut(), Relaxed)
    }
}

#[cold]
#[inline(never)]
fn wake_sleepers() {
    drop(lock(&SLEEP));
    WOKEN.notify_all();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[inline(always)]
fn key_of<T: Handled>(address: usize) -> usize {
    address | usize::from(T::KIND) << KIND_SHIFT
}

/// A thing behind a handle, in the hands of one call. Two scalars, which are handed on in registers: what
/// lies in memory is copied by vectors over fields written just now, and each copy waits for them.
///
/// To be [`release`](Self::release)d: if it is dropped otherwise, the call has panicked, and the thing is gone.
pub(crate) struct Held<T: Handled> {
    slot: &'static Slot,
    way: Way,
    thing: PhantomData<Cell<T>>,
}

impl<T: Handled> Held<T> {
    /// Lets others use the thing.
    #[inline(always)]
    pub(crate) fn release(self) {
        let this = ManuallyDrop::new(self);
        this.slot.unlock(this.way);
    }

    /// Takes the thing: its handle is stale from now on.
    pub(crate) fn take(self) -> Box<T> {
        let this = ManuallyDrop::new(self);
        let thing = this.slot.empty();
        this.slot.unlock(this.way);
        this.slot.set_free();
        // SAFETY: made by `insert` from a box of this type, which the key says, and taken once.
        unsafe { Box::from_raw(thing.cast()) }
    }
}

impl<T: Handled> Deref for Held<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: there is a thing of this type, as the key says, and we hold the lock.
        unsafe { &*self.slot.thing.load(Relaxed).cast::<T>() }
    }
}

impl<T: Handled> DerefMut for Held<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.slot.thing.load(Relaxed).cast::<T>() }
    }
}

impl<T: Handled> Drop for Held<T> {
    /// A panic goes through the call: nobody shall see what it left behind.
    #[cold]
    fn drop(&mut self) {
        let thing = self.slot.empty();
        self.slot.unlock(self.way);
        self.slot.set_free();
        // SAFETY: as in `take`.
        let thing: Box<T> = unsafe { Box::from_raw(thing.cast()) };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(thing))) {
            // What cannot be dropped is left.
            let _left = ManuallyDrop::new(payload);
        }
    }
}

/// Makes a handle.
pub(crate) fn insert<T: Handled>(thing: Box<T>) -> Result<*mut c_void, Code> {
    fence::register();
    let index = free_slot().ok_or(Code::TooManySockets)?;
    let slot = &SLOTS[index];
    let generation = slot.generation.load(Relaxed);
    slot.generation
        .store((generation + 1) % GENERATIONS, Relaxed);
    let offset = index * SLOT + generation as usize * size_of::<*mut c_void>();
    let handle = SLOTS.as_ptr().cast::<u8>().wrapping_add(offset);
    let way = slot.lock();
    slot.thing.store(Box::into_raw(thing).cast(), Relaxed);
    slot.key.store(key_of::<T>(handle.addr()), Release);
    slot.unlock(way);
    Ok(handle.cast_mut().cast())
}

fn free_slot() -> Option<usize> {
    let mut free = lock(&FREE);
    if free.line.len() < REST && free.used < COUNT {
        free.used += 1;
        return Some(free.used - 1);
    }
    free.line.pop_front()
}

/// Takes what a handle stands for into the caller's hands.
#[inline(always)]
pub(crate) fn hold<T: Handled>(handle: *mut c_void) -> Result<Held<T>, Code> {
    let address = handle.addr();
    let index = address.wrapping_sub(SLOTS.as_ptr().addr()) / SLOT;
    let Some(slot) = SLOTS.get(index) else {
        return Err(T::WRONG);
    };
    let key = key_of::<T>(address);
    if slot.key.load(Relaxed) != key {
        return Err(T::WRONG);
    }
    let way = slot.lock();
    // It may have been closed while we waited.
    if slot.key.load(Relaxed) != key {
        slot.unlock(way);
        return Err(T::WRONG);
    }
    Ok(Held {
        slot,
        way,
        thing: PhantomData,
    })
}

/// Does something with what a handle stands for.
pub(crate) fn with<T: Handled, R>(
    handle: *mut c_void,
    call: impl FnOnce(&mut T) -> Result<R, Code>,
) -> Result<R, Code> {
    let mut held = hold::<T>(handle)?;
    let result = call(&mut held);
    held.release();
    result
}

/// Ends a handle.
pub(crate) fn remove<T: Handled>(handle: *mut c_void) -> Result<Box<T>, Code> {
    Ok(hold::<T>(handle)?.take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    struct Number(usize);
    impl Handled for Number {
        const KIND: u8 = 101;
        const WRONG: Code = Code::Fault;
    }
    struct Other;
    impl Handled for Other {
        const KIND: u8 = 102;
        const WRONG: Code = Code::NotSocket;
    }

    fn value(handle: *mut c_void) -> Result<usize, Code> {
        with(handle, |number: &mut Number| Ok(number.0))
    }

    #[test]
    fn wrong_handles_are_found_out() {
        let one = insert(Box::new(Number(1))).unwrap();
        let two = insert(Box::new(Number(2))).unwrap();
        assert_eq!((value(one), value(two)), (Ok(1), Ok(2)));
        let mut local = 0u64;
        let local = (&raw mut local).cast();
        for wrong in [
            ptr::null_mut(),
            local,
            ptr::dangling_mut(),
            usize::MAX as *mut c_void,
        ] {
            assert_eq!(value(wrong), Err(Code::Fault));
        }
        for shift in 1..64 {
            let near = one.cast::<u8>().wrapping_add(shift).cast();
            assert_eq!(value(near), Err(Code::Fault));
        }
        assert_eq!(
            with(one, |_: &mut Other| Ok(())),
            Err(Code::NotSocket),
            "another kind"
        );
        assert_eq!(remove::<Number>(one).map(|number| number.0), Ok(1));
        assert_eq!(value(one), Err(Code::Fault));
        assert!(remove::<Number>(one).is_err());
        assert_eq!(remove::<Number>(two).map(|number| number.0), Ok(2));
    }

    #[test]
    fn stale_handles_stay_stale() {
        let mut seen = HashSet::new();
        for number in 0..8000 {
            let handle = insert(Box::new(Number(number))).unwrap();
            assert!(seen.insert(handle.addr()), "{number} has an old handle");
            remove::<Number>(handle).unwrap();
        }
    }

    #[test]
    fn a_panic_ends_the_thing_alone() {
        let one = insert(Box::new(Number(1))).unwrap();
        let two = insert(Box::new(Number(2))).unwrap();
        let call = || {
            with(one, |_: &mut Number| -> Result<(), Code> {
                panic!("on purpose")
            })
        };
        assert!(catch_unwind(call).is_err());
        assert_eq!((value(one), value(two)), (Err(Code::Fault), Ok(2)));
        remove::<Number>(two).unwrap();
    }

    #[test]
    fn threads_take_turns() {
        let handle = insert(Box::new(Number(0))).unwrap().expose_provenance();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    for round in 0..2000 {
                        with(handle as *mut c_void, |number: &mut Number| {
                            let before = number.0;
                            if round % 200 == 0 {
                                thread::yield_now();
                            }
                            number.0 = before + 1;
                            Ok(())
                        })
                        .unwrap();
                    }
                });
            }
        });
        let number = remove::<Number>(handle as *mut c_void).unwrap();
        assert_eq!(number.0, 8000);
    }
}
