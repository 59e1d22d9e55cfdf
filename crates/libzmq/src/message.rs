// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages: a `zmq_msg_t` is a [`Message`] in the memory of the application.
//!
//! Zeros are a closed message. Where libzmq ends the process for one, these functions answer
//! EFAULT, a null pointer, or zero.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::ptr;

use ferromq_message::{Message, OutOfMemory};
use ferromq_vocabulary::Code;

use crate::boundary;
use crate::errno::{self, FAILED};
use crate::send::slice;

/// Frees the data of a message: data and hint.
pub type FreeFn = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// Properties of messages.
mod property {
    pub(super) const MORE: i32 = 1;
    pub(super) const SRCFD: i32 = 2;
    pub(super) const SHARED: i32 = 3;
}

/// The message that a pointer leads to, if there is a live one.
///
/// # Safety
/// `message` is null, or leads to 64 bytes that nobody else uses while the result is used.
#[inline(always)]
pub(crate) unsafe fn live<'a>(message: *mut Message) -> Result<&'a mut Message, Code> {
    // SAFETY: not null, and as the caller promises.
    if message.is_null() || !unsafe { Message::is_live(message) } {
        return Err(Code::Fault);
    }
    // SAFETY: as said, and live.
    Ok(unsafe { &mut *message })
}

/// An empty message in memory of the application, whatever has been there.
///
/// # Safety
/// `message` is null or leads to 64 bytes that are the application's to write to.
#[inline(always)]
unsafe fn empty<'a>(message: *mut Message) -> Result<&'a mut Message, Code> {
    if message.is_null() {
        return Err(Code::Fault);
    }
    // SAFETY: not null, and as the caller promises.
    Ok(Message::init(unsafe {
        &mut *message.cast::<MaybeUninit<Message>>()
    }))
}

/// Makes an empty message.
///
/// `message` leads to 64 bytes without a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(message: *mut Message) -> c_int {
    // SAFETY: as the caller promises.
    match unsafe { empty(message) } {
        Ok(_) => 0,
        Err(code) => errno::fail(code),
    }
}

/// Makes a message of so many bytes, to be written by the application.
///
/// `message` leads to 64 bytes without a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(message: *mut Message, size: usize) -> c_int {
    boundary::answer_at_once(|| {
        // SAFETY: as the caller promises.
        let message = unsafe { empty(message) }?;
        leave_unwritten(message, size)
    })
}

/// Gives a message so many bytes, which the application is going to write.
#[inline(always)]
fn leave_unwritten(message: &mut Message, size: usize) -> Result<(), Code> {
    // SAFETY: the interface leaves writing them to the application; what it does not write is whatever the allocator left
    // there, and nothing here depends on it.
    unsafe { message.replace_with_unwritten(size) }.map_err(|OutOfMemory| Code::NoMemory)
}

/// Makes a message of bytes that stay where they are; `free` is called once when they are no
/// longer needed, from any thread.
///
/// `message` leads to 64 bytes without a live message, `data` to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    message: *mut Message,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    boundary::answer_at_once(|| {
        if message.is_null() || data.is_null() && size > 0 {
            return Err(Code::Fault);
        }
        if isize::try_from(size).is_err() {
            return Err(Code::NoMemory);
        }
        // SAFETY: as the caller promises.
        let message = unsafe { empty(message) }?;
        // SAFETY: as the caller promises.
        unsafe { message.replace_with_foreign(data.cast(), size, free, hint) }
            .map_err(|OutOfMemory| Code::NoMemory)
    })
}

/// Makes a message of a copy of some bytes.
///
/// `message` leads to 64 bytes without a live message, `bytes` to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_buffer(
    message: *mut Message,
    bytes: *const c_void,
    size: usize,
) -> c_int {
    boundary::answer_at_once(|| {
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(bytes, size) }?;
        // SAFETY: as the caller promises.
        let message = unsafe { empty(message) }?;
        leave_unwritten(message, size)?;
        if let Some(room) = message.as_mut_slice() {
            room.copy_from_slice(bytes);
        }
        Ok(())
    })
}

/// Lets a message go.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_close(message: *mut Message) -> c_int {
    // Nothing here can panic, nor has anything to clean up: the owner of the bytes, who is called, may unwind.
    // SAFETY: as the caller promises.
    if unsafe { live(message) }.is_err() {
        return errno::fail(Code::Fault);
    }
    // SAFETY: live, and the application's.
    unsafe { Message::close(message) };
    0
}

/// Moves a message; the source is empty afterwards.
///
/// Both lead to messages.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_move(target: *mut Message, source: *mut Message) -> c_int {
    // SAFETY: as the caller promises.
    if unsafe { both(target, source) }.is_err() {
        return errno::fail(Code::Fault);
    }
    if !ptr::eq(target, source) {
        // SAFETY: live.
        let message = std::mem::take(unsafe { &mut *source });
        // SAFETY: live, and another one.
        unsafe { replace(target, message) };
    }
    0
}

/// Puts a message in the place of another one, whose owner, who is called for that, may unwind.
///
/// # Safety
/// `target` leads to a live message.
pub(crate) unsafe fn replace(target: *mut Message, message: Message) {
    // SAFETY: live, and written over at once.
    let mut before = MaybeUninit::new(unsafe { target.read() });
    // SAFETY: as the caller promises.
    unsafe { target.write(message) };
    // SAFETY: live, and dropped once.
    unsafe { before.assume_init_drop() };
}

/// Copies a message; large ones share their bytes.
///
/// Both lead to messages.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_copy(target: *mut Message, source: *mut Message) -> c_int {
    // SAFETY: as the caller promises.
    if unsafe { both(target, source) }.is_err() {
        return errno::fail(Code::Fault);
    }
    if !ptr::eq(target, source) {
        // SAFETY: live.
        let message = unsafe { &*source }.clone();
        // SAFETY: live, and another one.
        unsafe { replace(target, message) };
    }
    0
}

/// Whether two messages are live.
///
/// # Safety
/// As for [`live`].
unsafe fn both(target: *mut Message, source: *mut Message) -> Result<(), Code> {
    // SAFETY: as the caller promises.
    unsafe { live(source) }?;
    // SAFETY: as the caller promises.
    unsafe { live(target) }?;
    Ok(())
}

/// Where the bytes of a message are.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(message: *mut Message) -> *mut c_void {
    // SAFETY: as the caller promises.
    match unsafe { live(message) } {
        Ok(message) => message.as_mut_ptr().cast(),
        Err(code) => {
            errno::fail(code);
            ptr::null_mut()
        }
    }
}

/// How many bytes a message has.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(message: *const Message) -> usize {
    // SAFETY: as the caller promises; only read.
    match unsafe { live(message.cast_mut()) } {
        Ok(message) => message.len(),
        Err(code) => {
            errno::fail(code);
            0
        }
    }
}

/// Whether a message has a successor.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(message: *const Message) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { zmq_msg_get(message, property::MORE) }.max(0)
}

/// Reads a property of a message.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(message: *const Message, property: c_int) -> c_int {
    boundary::call(FAILED, || {
        // SAFETY: as the caller promises; only read.
        let message = unsafe { live(message.cast_mut()) }?;
        match property {
            property::MORE => Ok(c_int::from(message.more())),
            property::SHARED => Ok(c_int::from(message.is_shared())),
            property::SRCFD => message
                .metadata()
                .and_then(|metadata| metadata.fd())
                .ok_or(Code::Invalid),
            _ => Err(Code::Invalid),
        }
    })
}

/// There is no property to set.
#[unsafe(no_mangle)]
pub extern "C" fn zmq_msg_set(_message: *mut Message, _property: c_int, _value: c_int) -> c_int {
    errno::fail(Code::Invalid)
}

/// Reads what is known about the connection a message came from. Stays until the message is closed.
///
/// `message` leads to a message, `property` to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(
    message: *const Message,
    property: *const c_char,
) -> *const c_char {
    boundary::call(ptr::null(), || {
        // SAFETY: as the caller promises; only read.
        let message = unsafe { live(message.cast_mut()) }?;
        // SAFETY: as the caller promises.
        let name = unsafe { crate::socket::text(property) }?;
        let value = message
            .metadata()
            .and_then(|metadata| metadata.get_with_nul(name));
        value
            .map(|value| value.as_ptr().cast())
            .ok_or(Code::Invalid)
    })
}

/// Names the peer that a message is for (SERVER, PEER).
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_routing_id(message: *mut Message, id: u32) -> c_int {
    boundary::answer(|| {
        // SAFETY: as the caller promises.
        let message = unsafe { live(message) }?;
        let id = NonZeroU32::new(id).ok_or(Code::Invalid)?;
        message.set_routing_id(Some(id));
        Ok(())
    })
}

/// The peer that a message came from, or 0.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_routing_id(message: *mut Message) -> u32 {
    boundary::call(0, || {
        // SAFETY: as the caller promises.
        let message = unsafe { live(message) }?;
        Ok(message.routing_id().map_or(0, NonZeroU32::get))
    })
}

/// Puts a message into a group (RADIO).
///
/// `message` leads to a message, `group` to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_group(message: *mut Message, group: *const c_char) -> c_int {
    boundary::answer(|| {
        // SAFETY: as the caller promises.
        let message = unsafe { live(message) }?;
        if group.is_null() {
            return Err(Code::Invalid);
        }
        // SAFETY: as the caller promises.
        let group = unsafe { CStr::from_ptr(group) };
        message
            .set_group(group.to_bytes())
            .map_err(|_too_long| Code::Invalid)
    })
}

/// The group of a message, empty without one.
///
/// `message` leads to a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_group(message: *mut Message) -> *const c_char {
    boundary::call(ptr::null(), || {
        // SAFETY: as the caller promises.
        let message = unsafe { live(message) }?;
        Ok(message.group_with_nul().as_ptr().cast())
    })
}
