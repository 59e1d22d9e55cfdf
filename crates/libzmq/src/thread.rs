// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads of the application.

use std::ffi::c_void;
use std::ptr;
use std::thread::JoinHandle;

use ferromq_os::thread::{block_all_signals, set_name};
use ferromq_vocabulary::Code;

use crate::boundary;

/// What a thread runs.
pub type ThreadFn = Option<unsafe extern "C" fn(*mut c_void)>;

/// An argument on its way into a thread.
struct Argument(*mut c_void);
// SAFETY: what it leads to is the caller's business.
unsafe impl Send for Argument {}

impl Argument {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// Starts a thread, which is called `ZMQapp` and gets no signals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadstart(run: ThreadFn, argument: *mut c_void) -> *mut c_void {
    boundary::call(ptr::null_mut(), || {
        let run = run.ok_or(Code::Fault)?;
        let argument = Argument(argument);
        let blocked = block_all_signals();
        let thread = std::thread::Builder::new().spawn(move || {
            set_name("ZMQapp");
            // SAFETY: the caller's function, with the caller's argument.
            unsafe { run(argument.get()) };
        });
        drop(blocked);
        Ok(Box::into_raw(Box::new(thread?)).cast())
    })
}

/// Waits for the end of a thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadclose(thread: *mut c_void) {
    if thread.is_null() {
        return;
    }
    // SAFETY: made by `zmq_threadstart`, and closed once.
    let thread = unsafe { Box::from_raw(thread.cast::<JoinHandle<()>>()) };
    // It cannot have panicked: it was C.
    drop(thread.join());
}
