// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets call, here so that tests of the stable toolchain can replay their corpora.
//!
//! An entry panics where a promise is broken; everything else about its input is allowed.

use crate::endpoint::{Endpoint, EndpointError};
use crate::option::{OPTIONS, SocketOptions, Value};
use crate::socket_type::SocketType;

/// Endpoints to bind and to connect to: what was understood is printed so that it is understood in the same way.
pub fn endpoint(data: &[u8]) {
    type Parse = fn(&str) -> Result<Endpoint, EndpointError>;
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsers: [Parse; 2] = [Endpoint::parse_bind, Endpoint::parse_connect];
    for parse in parsers {
        let Ok(endpoint) = parse(text) else { continue };
        assert_eq!(parse(&endpoint.to_string()).as_ref(), Ok(&endpoint));
        for socket_type in SocketType::ALL {
            let known = Endpoint::check_scheme(text, socket_type);
            assert!(matches!(known, Ok(()) | Err(EndpointError::Incompatible)));
        }
    }
}

/// A type of socket, and then options: which (two bytes), as what, how long, and so many bytes. A value that is
/// refused changes nothing; one that is taken can be set again as it is read, and is read so again.
pub fn option(data: &[u8]) {
    let Some((socket_type, mut rest)) = data.split_first() else {
        return;
    };
    let socket_type = SocketType::ALL[usize::from(*socket_type) % SocketType::ALL.len()];
    let mut options = SocketOptions::for_type(socket_type);
    while let [high, low, form, len, tail @ ..] = rest {
        let (bytes, tail) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = tail;
        let key = usize::from(u16::from_be_bytes([*high, *low]));
        let number = OPTIONS[key % OPTIONS.len()].number;
        let before = options.clone();
        match options.set(number, value(number, *form, bytes)) {
            Ok(()) => {
                if let Ok(read) = options.get(number) {
                    let mut again = options.clone();
                    assert_eq!(again.set(number, read.clone()), Ok(()), "{number}");
                    assert_eq!(again.get(number), Ok(read), "{number}");
                }
            }
            Err(_) => assert!(options == before, "{number}"),
        }
    }
}

/// These bytes as a value: a number, themselves, or read as a command line would.
fn value(number: i32, form: u8, bytes: &[u8]) -> Value {
    let mut digits = [0; 8];
    let len = bytes.len().min(8);
    digits[8 - len..].copy_from_slice(&bytes[..len]);
    let wide = u64::from_be_bytes(digits);
    let text = String::from_utf8_lossy(bytes);
    let parsed = SocketOptions::find(number).and_then(|spec| spec.kind.parse(&text));
    match form % 5 {
        0 => Value::Int(wide.cast_signed() as i32),
        1 => Value::U64(wide),
        2 => Value::I64(wide.cast_signed()),
        3 => Value::Bytes(bytes.to_vec()),
        _ => parsed.unwrap_or(Value::Int(0)),
    }
}
