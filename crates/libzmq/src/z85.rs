// SPDX-License-Identifier: MIT OR Apache-2.0
//! Z85: binary as text (RFC 32).

use std::ffi::{CStr, c_char};
use std::ptr;

use ferromq_vocabulary::Code;
use ferromq_zmtp::z85;

use crate::boundary;

/// Encodes `size` bytes, a multiple of 4, as text with a NUL behind it; returns `text`.
///
/// `text` has room for five characters for each four bytes, and the NUL; `data` leads to `size`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(
    text: *mut c_char,
    data: *const u8,
    size: usize,
) -> *mut c_char {
    boundary::call(ptr::null_mut(), || {
        if text.is_null() || !size.is_multiple_of(4) || data.is_null() && size > 0 {
            return Err(Code::Invalid);
        }
        let bytes = if size == 0 {
            &[][..]
        } else {
            // SAFETY: as the caller promises.
            unsafe { std::slice::from_raw_parts(data, size) }
        };
        let encoded = z85::encode(bytes).map_err(|_length| Code::Invalid)?;
        // SAFETY: there is room, as the caller promises.
        unsafe {
            ptr::copy_nonoverlapping(encoded.as_ptr().cast(), text, encoded.len());
            text.add(encoded.len()).write(0);
        }
        Ok(text)
    })
}

/// Decodes text, five characters for each four bytes; returns `data`.
///
/// `data` has room; `text` leads to a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(data: *mut u8, text: *const c_char) -> *mut u8 {
    boundary::call(ptr::null_mut(), || {
        if data.is_null() || text.is_null() {
            return Err(Code::Invalid);
        }
        // SAFETY: as the caller promises.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        if text.len() < 5 {
            return Err(Code::Invalid);
        }
        let text = std::str::from_utf8(text).map_err(|_not_text| Code::Invalid)?;
        let decoded = z85::decode(text).map_err(|_bad| Code::Invalid)?;
        // SAFETY: there is room, as the caller promises.
        unsafe { ptr::copy_nonoverlapping(decoded.as_ptr(), data, decoded.len()) };
        Ok(data)
    })
}
