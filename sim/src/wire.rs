// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of the protocol written without the help of the code under test.

/// The ten bytes everything begins with (routing id of length zero).
pub const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];

/// All 64 bytes of a greeting.
#[must_use]
pub fn greeting(major: u8, minor: u8, mechanism: &str) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend_from_slice(&[major, minor]);
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

/// A frame with these flags; the length decides the form.
#[must_use]
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = match u8::try_from(body.len()) {
        Ok(len) => vec![flags, len],
        Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    bytes.extend_from_slice(body);
    bytes
}

/// A single-frame message.
#[must_use]
pub fn message(body: &[u8]) -> Vec<u8> {
    frame(0, body)
}

/// A command frame.
#[must_use]
pub fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let len = [u8::try_from(name.len()).unwrap_or(u8::MAX)];
    frame(4, &[&len, name.as_bytes(), data].concat())
}

/// A READY with these properties.
#[must_use]
pub fn ready(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (name, value) in properties {
        data.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(name.as_bytes());
        data.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        data.extend_from_slice(value);
    }
    command("READY", &data)
}
