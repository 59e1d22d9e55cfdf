// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys for CURVE.

use std::ffi::{CStr, c_char, c_int};

use ferromq_os::random;
use ferromq_vocabulary::Code;
use ferromq_zmtp::mechanism::curve::{KEY_LEN, SecretKey};
use ferromq_zmtp::z85;

use crate::boundary;

/// Makes a pair of keys as text, 40 characters and a NUL each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int {
    boundary::answer(|| {
        if public.is_null() || secret.is_null() {
            return Err(Code::Fault);
        }
        let mut bytes = [0; KEY_LEN];
        random::fill(&mut bytes)?;
        let key = SecretKey::new(bytes);
        // SAFETY: the caller's room for 41 characters.
        unsafe { give(&key.public(), public)? };
        // SAFETY: the caller's room for 41 characters.
        unsafe { give(key.reveal(), secret) }
    })
}

/// The public key of a secret one, both as text of 40 characters and a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int {
    boundary::answer(|| {
        if public.is_null() || secret.is_null() {
            return Err(Code::Fault);
        }
        // SAFETY: the caller's text, which ends with a NUL.
        let text = unsafe { CStr::from_ptr(secret) };
        let text = text.to_str().map_err(|_not_text| Code::Invalid)?;
        let key = SecretKey::from_z85(text).map_err(|_invalid| Code::Invalid)?;
        // SAFETY: the caller's room for 41 characters.
        unsafe { give(&key.public(), public) }
    })
}

/// Writes a key as text.
///
/// # Safety
/// `to` leads to room for 41 characters.
unsafe fn give(key: &[u8; KEY_LEN], to: *mut c_char) -> Result<(), Code> {
    let text = z85::encode(key).map_err(|_invalid| Code::Fault)?;
    // SAFETY: the text has 40 characters, and the caller promises room for one more.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len()) };
    // SAFETY: as above.
    unsafe { to.add(text.len()).write(0) };
    Ok(())
}
