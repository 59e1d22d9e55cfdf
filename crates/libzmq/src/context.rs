// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contexts.

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Instant;

use ferromq_engine as engine;
use ferromq_os::cancel::Shield;
use ferromq_os::poll::PollFd;
use ferromq_vocabulary::option::number;
use ferromq_vocabulary::{Code, Value};

use crate::boundary::{self, Step};
use crate::errno::FAILED;
use crate::handle::{self, Handled};
use crate::sleep::{self, Many};

/// A context behind its handle.
pub(crate) struct Context(engine::Context);

impl Handled for Context {
    const KIND: u8 = 1;
    const WRONG: Code = Code::Fault;
}

/// The context of a handle. It is not held meanwhile: contexts serialise by themselves.
pub(crate) fn of(context: *mut c_void) -> Result<engine::Context, Code> {
    handle::with(context, |context: &mut Context| Ok(context.0.clone()))
}

/// Makes a context. Its threads start with the first socket.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    boundary::call(ptr::null_mut(), || {
        let context = engine::Context::new();
        #[cfg(feature = "gssapi")]
        context.set_gssapi(Some(ferromq_gssapi::system()));
        handle::insert(Box::new(Context(context)))
    })
}

/// Ends a context: waits until its sockets are closed and have delivered what they linger for.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    boundary::call_in_steps(
        FAILED,
        || {
            let _shield = Shield::raise();
            go_on_ending(context)
        },
        || {
            sleep::take_many()?.slept?;
            go_on_ending(context)
        },
    )
}

/// Ends a context, or sleeps until there is a step to go on with.
fn go_on_ending(context: *mut c_void) -> Result<Step<c_int>, Code> {
    let engine = of(context)?;
    // What ends between the look and the sleep rings.
    let bell = engine.end_bell();
    // Without a descriptor to wait for there is another way, on which no signal ends the wait.
    let limit = bell.is_ok().then(Instant::now);
    if engine.terminate(limit) {
        // Another thread may have ended it at the same time.
        drop(handle::remove::<Context>(context));
        return Ok(Step::Done(0));
    }
    let bell = bell?;
    let mut many = Many::new(None, None);
    many.fds.push(PollFd::new(bell.as_raw_fd(), PollFd::IN));
    many.keep(bell);
    sleep::leave_many(many)?;
    Ok(Step::Sleep)
}

/// Makes all calls on the context's sockets return ETERM.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    boundary::answer(|| {
        of(context)?.shutdown();
        Ok(())
    })
}

/// Sets an option of a context to a number.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int {
    boundary::answer(|| set(&of(context)?, option, Value::Int(value)))
}

/// Sets an option of a context to a number or a text.
///
/// `value` leads to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set_ext(
    context: *mut c_void,
    option: c_int,
    value: *const c_void,
    length: usize,
) -> c_int {
    boundary::answer(|| {
        let context = of(context)?;
        if value.is_null() {
            return Err(Code::Invalid);
        }
        // SAFETY: as the caller promises.
        let bytes = unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) };
        let is_prefix = option == number::context::THREAD_NAME_PREFIX;
        let bytes = match bytes {
            // C programs like to count the NUL.
            [text @ .., 0] if is_prefix && text.iter().all(u8::is_ascii_graphic) => text,
            other => other,
        };
        let text = is_prefix && bytes.iter().all(u8::is_ascii_graphic);
        let value = match <[u8; 4]>::try_from(bytes) {
            Ok(number) if !text => Value::Int(int_of(number)),
            _ if text => Value::from(bytes),
            _ => return Err(Code::Invalid),
        };
        set(&context, option, value)
    })
}

/// Reads an option of a context that is a number.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    boundary::call(FAILED, || match get(&of(context)?, option)? {
        Value::Int(value) => Ok(value),
        // A prefix may have been set as a number.
        Value::Bytes(text) => Ok(std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)),
        _ => Err(Code::Invalid),
    })
}

/// Reads an option of a context.
///
/// `value` leads to room for `*length` bytes; `*length` becomes the length of the value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get_ext(
    context: *mut c_void,
    option: c_int,
    value: *mut c_void,
    length: *mut usize,
) -> c_int {
    boundary::answer(|| {
        let context = of(context)?;
        if value.is_null() || length.is_null() {
            return Err(Code::Fault);
        }
        // SAFETY: the caller's place for the length.
        let length = unsafe { &mut *length };
        let (found, fits) = match get(&context, option)? {
            // Numbers want room of their own size, as libzmq does.
            Value::Int(number) => (bytes_of(number).to_vec(), *length == size_of::<c_int>()),
            Value::Bytes(text) => {
                let fits = *length >= text.len();
                (text, fits)
            }
            _ => return Err(Code::Invalid),
        };
        if !fits {
            return Err(Code::Invalid);
        }
        // SAFETY: the caller's room, as long as it says, and longer than what is copied.
        unsafe { ptr::copy_nonoverlapping(found.as_ptr(), value.cast(), found.len()) };
        *length = found.len();
        Ok(())
    })
}

fn set(context: &engine::Context, option: c_int, value: Value) -> Result<(), Code> {
    context.options(|options| Ok(options.set(option, value)?))
}

fn get(context: &engine::Context, option: c_int) -> Result<Value, Code> {
    context.options(|options| Ok(options.get(option)?))
}

/// A number as it lies in the memory of this machine.
#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
pub(crate) fn bytes_of(number: i32) -> [u8; 4] {
    number.to_ne_bytes()
}

/// As [`bytes_of`], the other way round.
#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
pub(crate) fn int_of(bytes: [u8; 4]) -> i32 {
    i32::from_ne_bytes(bytes)
}
