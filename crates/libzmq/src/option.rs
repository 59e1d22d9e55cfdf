// SPDX-License-Identifier: MIT OR Apache-2.0
//! Socket options, as bytes.

use std::ffi::{c_int, c_void};
use std::ptr;

use ferromq_vocabulary::option::{Kind, number};
use ferromq_vocabulary::{Code, SocketOptions, SocketType, Value};
use ferromq_zmtp::z85;

use crate::boundary;
use crate::context::{bytes_of, int_of};
use crate::send::slice;
use crate::socket;

/// Sets an option.
///
/// `value` leads to `length` bytes, or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *const c_void,
    length: usize,
) -> c_int {
    boundary::answer(|| {
        socket::with(socket, |engine| {
            // SAFETY: as the caller promises.
            let bytes = unsafe { slice(value, length) }.map_err(|_null| Code::Invalid);
            let value = bytes.and_then(|bytes| {
                if bytes.is_empty() && !value.is_null() && is_cleared_by_null(option) {
                    return Err(Code::Invalid);
                }
                value_of(engine.socket_type(), option, bytes)
            });
            match value {
                Ok(value) => engine.set_option(option, value),
                // The end of the context comes first.
                Err(code) => engine.readiness().and(Err(code)),
            }
        })
    })
}

/// The value that some bytes stand for.
fn value_of(socket_type: SocketType, option: c_int, bytes: &[u8]) -> Result<Value, Code> {
    let spec = SocketOptions::find_for(socket_type, option)?;
    Ok(match spec.kind {
        Kind::Int { .. } | Kind::Bool | Kind::Truth | Kind::AnyTruth => {
            Value::Int(int_of(exactly(bytes)?))
        }
        Kind::U64 => Value::U64(u64_of(exactly(bytes)?)),
        Kind::I64 => Value::I64(u64_of(exactly(bytes)?).cast_signed()),
        Kind::Bytes { .. } | Kind::Str { .. } => Value::from(bytes),
    })
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Code> {
    bytes.try_into().map_err(|_length| Code::Invalid)
}

/// Reads an option.
///
/// `value` leads to room for `*length` bytes; `*length` becomes the length of the value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *mut c_void,
    length: *mut usize,
) -> c_int {
    boundary::answer(|| {
        socket::with(socket, |engine| {
            if value.is_null() || length.is_null() {
                return Err(Code::Fault);
            }
            // SAFETY: the caller's place for the length.
            let length = unsafe { &mut *length };
            if option == number::FD && engine.socket_type().is_thread_safe() {
                // contract 1.4: "EINVAL on thread-safe sockets"
                return Err(engine.readiness().err().unwrap_or(Code::Invalid));
            }
            let found = engine.get_option(option)?;
            if let (true, Value::Bytes(key)) = (is_key(option), &found) {
                // SAFETY: the caller's room, as long as it says.
                return unsafe { give_key(key, value, *length) };
            }
            let (short, long);
            let bytes: &[u8] = match found {
                Value::Int(number) => {
                    short = bytes_of(number);
                    &short
                }
                Value::U64(number) => {
                    long = bytes_of_u64(number);
                    &long
                }
                Value::I64(number) => {
                    long = bytes_of_u64(number.cast_unsigned());
                    &long
                }
                Value::Bytes(mut bytes) => {
                    let text = SocketOptions::find_for(engine.socket_type(), option)
                        .is_ok_and(|spec| matches!(spec.kind, Kind::Str { .. }));
                    if text {
                        bytes.push(0);
                    }
                    if *length < bytes.len() {
                        return Err(Code::Invalid);
                    }
                    // SAFETY: the caller's room, as long as it says.
                    unsafe { give(&bytes, value, *length) };
                    *length = bytes.len();
                    return Ok(());
                }
            };
            let exact = *length == bytes.len() || takes_more_room(option) && *length > bytes.len();
            if !exact {
                return Err(Code::Invalid);
            }
            // SAFETY: the caller's room, as long as it says.
            unsafe { give(bytes, value, *length) };
            *length = bytes.len();
            Ok(())
        })
    })
}

/// Text that only a null pointer takes back: an empty one is refused.
fn is_cleared_by_null(option: c_int) -> bool {
    matches!(
        option,
        number::PLAIN_USERNAME
            | number::PLAIN_PASSWORD
            | number::SOCKS_PROXY
            | number::TCP_ACCEPT_FILTER
            | number::IPC_FILTER_PID
            | number::IPC_FILTER_UID
            | number::IPC_FILTER_GID
            | number::BINDTODEVICE
    )
}

fn is_key(option: c_int) -> bool {
    matches!(
        option,
        number::CURVE_PUBLICKEY | number::CURVE_SECRETKEY | number::CURVE_SERVERKEY
    )
}

/// Copies a key: as 32 bytes into that much room, as text into room for 40 characters and a NUL.
///
/// # Safety
/// `room` leads to `length` bytes.
unsafe fn give_key(key: &[u8], room: *mut c_void, length: usize) -> Result<(), Code> {
    let text;
    let bytes = match length {
        32 => key,
        41 => {
            text = z85::encode(key).map_err(|_invalid| Code::Invalid)?;
            text.as_bytes()
        }
        _ => return Err(Code::Invalid),
    };
    // SAFETY: as the caller promises; a key of 32 bytes has a text of 40 characters.
    unsafe { give(bytes, room, length) };
    Ok(())
}

/// Numbers that used to be longer once: some programs still give room for that.
fn takes_more_room(option: c_int) -> bool {
    matches!(
        option,
        number::RCVMORE | number::FD | number::EVENTS | number::THREAD_SAFE | number::TOPICS_COUNT
    )
}

/// Copies a value and clears the rest of the room.
///
/// # Safety
/// `room` leads to `length` bytes, no fewer than there are `bytes`.
unsafe fn give(bytes: &[u8], room: *mut c_void, length: usize) {
    let room = room.cast::<u8>();
    // SAFETY: as the caller promises.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len()) };
    // SAFETY: as the caller promises.
    unsafe { room.add(bytes.len()).write_bytes(0, length - bytes.len()) };
}

#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
fn u64_of(bytes: [u8; 8]) -> u64 {
    u64::from_ne_bytes(bytes)
}

#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
fn bytes_of_u64(number: u64) -> [u8; 8] {
    number.to_ne_bytes()
}
