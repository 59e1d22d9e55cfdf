// SPDX-License-Identifier: MIT OR Apache-2.0
//! Error codes: what went wrong, its errno, its text.

use std::error::Error;
use std::{fmt, io};

/// What went wrong, in the terms of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not now: it would have to wait. EAGAIN.
    Again,
    /// The argument makes no sense. EINVAL.
    Invalid,
    /// This kind of socket does not do that. ENOTSUP.
    NotSupported,
    /// No transport of that name. EPROTONOSUPPORT.
    ProtocolNotSupported,
    /// The transport does not carry this kind of socket. ENOCOMPATPROTO.
    IncompatibleProtocol,
    /// Not in this state: send before receive, say. EFSM.
    State,
    /// The context was shut down. ETERM.
    Terminated,
    /// No I/O thread for this endpoint. EMTHREAD.
    NoThread,
    /// No such peer. EHOSTUNREACH.
    HostUnreachable,
    /// Somebody else is bound there. EADDRINUSE.
    AddressInUse,
    /// That address is not on this machine. EADDRNOTAVAIL.
    AddressNotAvailable,
    /// No such interface. ENODEV.
    NoDevice,
    /// The name does not fit. ENAMETOOLONG.
    NameTooLong,
    /// No such endpoint, property or file. ENOENT.
    NotFound,
    /// A signal came. EINTR.
    Interrupted,
    /// The pointer or handle is no good. EFAULT.
    Fault,
    /// No memory of that size. ENOMEM.
    NoMemory,
    /// No more sockets or file descriptors. EMFILE.
    TooManySockets,
    /// The handle is not a socket. ENOTSOCK.
    NotSocket,
    /// The system does not allow it. EACCES.
    AccessDenied,
    /// The message is longer than allowed. EMSGSIZE.
    MessageTooLong,
    /// Any other error of the system, by its number.
    Io(i32),
}

impl Code {
    /// The code of an errno; numbers without one of their own become [`Code::Io`].
    pub fn from_errno(errno: i32) -> Self {
        let row = TABLE.iter().find(|row| row.1 == errno);
        row.map_or(Self::Io(errno), |row| row.0)
    }

    /// The number of the C interface.
    pub fn errno(self) -> i32 {
        match self {
            Self::Io(errno) => errno,
            _ => self.row().map_or(EINVAL, |row| row.1),
        }
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.0 == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
            _ => f.pad(self.row().map_or("Unknown error", |row| row.2)),
        }
    }
}

impl Error for Code {}

impl From<io::Error> for Code {
    /// Errors without a number of the system become EINVAL.
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or(Self::Invalid, Self::from_errno)
    }
}

/// Code, errno on Linux, text. The texts of ZeroMQ's own errors are libzmq's, which bindings
/// compare; the others are those of the system.
type Row = (Code, i32, &'static str);

const EINVAL: i32 = 22;
/// Where ZeroMQ's own numbers start.
const HAUSNUMERO: i32 = 156_384_712;

const TABLE: &[Row] = &[
    (Code::Again, 11, "Resource temporarily unavailable"),
    (Code::Invalid, EINVAL, "Invalid argument"),
    (Code::NotSupported, 95, "Operation not supported"),
    (Code::ProtocolNotSupported, 93, "Protocol not supported"),
    (
        Code::State,
        HAUSNUMERO + 51,
        "Operation cannot be accomplished in current state",
    ),
    (
        Code::IncompatibleProtocol,
        HAUSNUMERO + 52,
        "The protocol is not compatible with the socket type",
    ),
    (Code::Terminated, HAUSNUMERO + 53, "Context was terminated"),
    (Code::NoThread, HAUSNUMERO + 54, "No thread available"),
    (Code::HostUnreachable, 113, "Host unreachable"),
    (Code::AddressInUse, 98, "Address already in use"),
    (
        Code::AddressNotAvailable,
        99,
        "Cannot assign requested address",
    ),
    (Code::NoDevice, 19, "No such device"),
    (Code::NameTooLong, 36, "File name too long"),
    (Code::NotFound, 2, "No such file or directory"),
    (Code::Interrupted, 4, "Interrupted system call"),
    (Code::Fault, 14, "Bad address"),
    (Code::NoMemory, 12, "Cannot allocate memory"),
    (Code::TooManySockets, 24, "Too many open files"),
    (Code::NotSocket, 88, "Socket operation on non-socket"),
    (Code::AccessDenied, 13, "Permission denied"),
    (Code::MessageTooLong, 90, "Message too long"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_leads_back() {
        for &(code, errno, text) in TABLE {
            assert_eq!(code.errno(), errno);
            assert_eq!(Code::from_errno(errno), code);
            assert_eq!(code.to_string(), text);
        }
        let mut numbers: Vec<i32> = TABLE.iter().map(|row| row.1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), TABLE.len(), "no number twice");
    }

    #[test]
    fn the_numbers_of_zeromq() {
        let own = [
            Code::State,
            Code::IncompatibleProtocol,
            Code::Terminated,
            Code::NoThread,
        ];
        let numbers = own.map(Code::errno);
        assert_eq!(
            numbers,
            [156_384_763, 156_384_764, 156_384_765, 156_384_766]
        );
    }

    #[test]
    fn other_numbers_pass_through() {
        assert_eq!(Code::from_errno(111), Code::Io(111));
        assert_eq!(Code::Io(111).errno(), 111);
        assert!(!Code::Io(111).to_string().is_empty());
        assert_eq!(
            Code::from(io::Error::from_raw_os_error(98)),
            Code::AddressInUse
        );
        assert_eq!(Code::from(io::Error::other("no number")), Code::Invalid);
    }
}
