// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calling the owner of foreign data, whatever that call does.
//!
//! The function is C's, or C++'s: it may unwind. An exception has nowhere to go, for the call may come from any thread
//! and in the middle of anything; it ends here. The unwinding of a thread that is cancelled, or ends itself
//! (`pthread_exit(3)`), cannot be stopped: it passes, and finds nothing to clean up.

use std::ffi::c_void;

/// The C signature of a function that frees foreign data: data first, then the hint.
pub(crate) type FreeFn = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// The same, and it may unwind.
type UnwindingFreeFn = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void);

/// Foreign data, freed by a function of its owner.
#[derive(Clone, Copy)]
pub(crate) struct ForeignMemory {
    pub(crate) data: *mut c_void,
    pub(crate) hint: *mut c_void,
    pub(crate) free: FreeFn,
}

impl ForeignMemory {
    /// Gives the data back.
    ///
    /// # Safety
    /// Whoever made the message promised that this call is right, once, on any thread.
    #[inline]
    pub(crate) unsafe fn give_back(self) {
        // SAFETY: the two types are called alike, and the one says less.
        let free = unsafe { std::mem::transmute::<FreeFn, UnwindingFreeFn>(self.free) };
        // SAFETY: as the caller promises.
        unsafe { guarded::call(self.data, self.hint, free) };
    }
}

/// A frame that no exception passes. Rust has no words for such a one: what it catches must be its own panics.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod guarded {
    use std::arch::global_asm;
    use std::ffi::{c_int, c_void};

    use super::UnwindingFreeFn;

    global_asm!(
        ".pushsection .text.ferromq_give_back, \"ax\", @progbits",
        ".hidden ferromq_give_back",
        ".globl ferromq_give_back",
        ".type ferromq_give_back, @function",
        "ferromq_give_back:",
        ".cfi_startproc",
        // Relative to here, in four bytes: who says what becomes of an exception, and where it goes.
        ".cfi_personality 0x1b, {personality}",
        ".cfi_lsda 0x1b, .Lferromq_give_back_caught",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "call rdx",
        "3:",
        "pop rbp",
        ".cfi_remember_state",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_restore_state",
        // The exception is in rax.
        ".Lferromq_give_back_caught:",
        "mov rdi, rax",
        "call {delete}",
        "jmp 3b",
        ".cfi_endproc",
        ".size ferromq_give_back, . - ferromq_give_back",
        ".popsection",
        personality = sym personality,
        delete = sym delete,
    );

    unsafe extern "C-unwind" {
        fn ferromq_give_back(data: *mut c_void, hint: *mut c_void, free: UnwindingFreeFn);
    }

    unsafe extern "C" {
        fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
        fn _Unwind_SetIP(context: *mut c_void, value: usize);
        fn _Unwind_GetLanguageSpecificData(context: *mut c_void) -> usize;
        fn _Unwind_DeleteException(exception: *mut c_void);
    }

    /// # Safety
    /// The call is right.
    #[inline]
    pub(super) unsafe fn call(data: *mut c_void, hint: *mut c_void, free: UnwindingFreeFn) {
        // SAFETY: as the caller promises; the frame in between only calls.
        unsafe { ferromq_give_back(data, hint, free) };
    }

    /// What the unwinder asks about the frame above (Itanium C++ ABI, Exception Handling, 1.6).
    unsafe extern "C" fn personality(
        _version: c_int,
        actions: c_int,
        _class: u64,
        exception: *mut c_void,
        context: *mut c_void,
    ) -> c_int {
        const SEARCH_PHASE: c_int = 1;
        const FORCE_UNWIND: c_int = 8;
        const HANDLER_FOUND: c_int = 6;
        const INSTALL_CONTEXT: c_int = 7;
        const CONTINUE_UNWIND: c_int = 8;
        const RAX: c_int = 0;
        if actions & FORCE_UNWIND != 0 {
            return CONTINUE_UNWIND;
        }
        if actions & SEARCH_PHASE != 0 {
            return HANDLER_FOUND;
        }
        // SAFETY: the context is that of the frame.
        let landing = unsafe { _Unwind_GetLanguageSpecificData(context) };
        // SAFETY: as above; the landing expects the exception there.
        unsafe { _Unwind_SetGR(context, RAX, exception.addr()) };
        // SAFETY: as above; what stands as the frame's data is where exceptions go.
        unsafe { _Unwind_SetIP(context, landing) };
        INSTALL_CONTEXT
    }

    unsafe extern "C" fn delete(exception: *mut c_void) {
        // SAFETY: caught, and nobody else has it.
        unsafe { _Unwind_DeleteException(exception) };
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
mod guarded {
    use std::ffi::c_void;

    use super::UnwindingFreeFn;

    /// # Safety
    /// The call is right.
    pub(super) unsafe fn call(data: *mut c_void, hint: *mut c_void, free: UnwindingFreeFn) {
        // SAFETY: as the caller promises.
        unsafe { free(data, hint) };
    }
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", not(miri)))]
mod tests {
    use std::ffi::c_int;
    use std::ptr;

    use super::*;

    /// As the unwinder sees it.
    #[repr(C, align(16))]
    struct Exception {
        class: u64,
        cleanup: unsafe extern "C" fn(c_int, *mut Self),
        private: [u64; 2],
    }

    unsafe extern "C-unwind" {
        fn _Unwind_RaiseException(exception: *mut Exception) -> c_int;
    }

    unsafe extern "C" fn forget(_: c_int, exception: *mut Exception) {
        // SAFETY: made of a box below, and nobody else's now.
        drop(unsafe { Box::from_raw(exception) });
    }

    unsafe extern "C-unwind" fn throws(_: *mut c_void, hint: *mut c_void) {
        // SAFETY: the test's.
        unsafe { *hint.cast::<u32>() += 1 };
        let exception = Box::into_raw(Box::new(Exception {
            class: 1,
            cleanup: forget,
            private: [0; 2],
        }));
        // SAFETY: laid out as it must be.
        unsafe { _Unwind_RaiseException(exception) };
    }

    #[test]
    fn an_exception_ends_here() {
        let mut calls = 0u32;
        for _ in 0..3 {
            let memory = ForeignMemory {
                data: ptr::null_mut(),
                hint: (&raw mut calls).cast(),
                // SAFETY: called as it is.
                free: unsafe { std::mem::transmute::<UnwindingFreeFn, FreeFn>(throws) },
            };
            // SAFETY: the function takes this hint.
            unsafe { memory.give_back() };
        }
        assert_eq!(calls, 3);
    }
}
