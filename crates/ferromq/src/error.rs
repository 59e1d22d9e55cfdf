// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes wrong, and whose fault it is.

use std::{error, fmt, io};

use ferromq_vocabulary::{Code, EndpointError, OptionError};

/// Why a call has failed. [`fault`](Error::fault) says whose fault it is, [`errno`](Error::errno)
/// is the number that `zmq_errno(3)` would give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// It would have to wait: longer than its deadline or time-out, or at all for a `try_` verb.
    /// EAGAIN.
    Again,
    /// The context was shut down. ETERM.
    Terminated,
    /// A signal came while it waited, or the process is a fork of the one that made the context.
    /// EINTR.
    Interrupted,
    /// Not in this state: a REQ or REP socket whose turn it is not. EFSM.
    State,
    /// This type of socket does not do that. ENOTSUP.
    NotSupported,
    /// The text is no endpoint, or not for this type of socket. EINVAL, EPROTONOSUPPORT,
    /// ENOCOMPATPROTO, ENAMETOOLONG.
    Endpoint(EndpointError),
    /// An option does not exist, or not with this value. EINVAL.
    Option {
        /// The name of the option; empty if there is none of that name or number.
        name: &'static str,
        /// What is wrong.
        reason: OptionError,
    },
    /// An argument makes no sense. EINVAL.
    Invalid,
    /// The message has no part: there must be one, though it may be empty. EINVAL.
    NoParts,
    /// No such endpoint, or no such file. ENOENT.
    NotFound,
    /// No I/O thread for this endpoint: the context has none, or
    /// [`affinity`](crate::SocketBuilder::affinity) excludes all. EMTHREAD.
    NoThread,
    /// No more sockets, or no more descriptors. EMFILE.
    TooManySockets,
    /// Somebody else is bound there. EADDRINUSE.
    AddressInUse,
    /// That address is not on this machine. EADDRNOTAVAIL.
    AddressNotAvailable,
    /// No such interface. ENODEV.
    NoDevice,
    /// The system does not allow it. EACCES.
    AccessDenied,
    /// No such peer. EHOSTUNREACH.
    HostUnreachable,
    /// The name does not fit. ENAMETOOLONG.
    NameTooLong,
    /// The message is longer than allowed. EMSGSIZE.
    MessageTooLong,
    /// No memory of that size. ENOMEM.
    NoMemory,
    /// Another error of the system, by its number.
    Io(i32),
    /// A mistake of this library. EFAULT.
    Internal,
}

/// Whose fault an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody's: the time was not right. Try again.
    Time,
    /// Nobody's: it is over, the context has ended.
    End,
    /// The program's: the same call will fail in the same way.
    Caller,
    /// The machine's or the network's: somebody must change something outside the program.
    Environment,
    /// This library's.
    Library,
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Again | Self::Interrupted => Fault::Time,
            Self::Terminated => Fault::End,
            Self::State
            | Self::NotSupported
            | Self::Endpoint(_)
            | Self::Option { .. }
            | Self::Invalid
            | Self::NoParts
            | Self::NotFound
            | Self::NoThread
            | Self::NameTooLong
            | Self::MessageTooLong => Fault::Caller,
            Self::TooManySockets
            | Self::AddressInUse
            | Self::AddressNotAvailable
            | Self::NoDevice
            | Self::AccessDenied
            | Self::HostUnreachable
            | Self::NoMemory
            | Self::Io(_) => Fault::Environment,
            Self::Internal => Fault::Library,
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_again(&self) -> bool {
        matches!(self, Self::Again)
    }

    /// The error in the terms of the C interface.
    #[must_use]
    pub const fn code(&self) -> Code {
        match *self {
            Self::Again => Code::Again,
            Self::Terminated => Code::Terminated,
            Self::Interrupted => Code::Interrupted,
            Self::State => Code::State,
            Self::NotSupported => Code::NotSupported,
            Self::Endpoint(reason) => reason.code(),
            Self::Option { reason, .. } => reason.code(),
            Self::Invalid | Self::NoParts => Code::Invalid,
            Self::NotFound => Code::NotFound,
            Self::NoThread => Code::NoThread,
            Self::TooManySockets => Code::TooManySockets,
            Self::AddressInUse => Code::AddressInUse,
            Self::AddressNotAvailable => Code::AddressNotAvailable,
            Self::NoDevice => Code::NoDevice,
            Self::AccessDenied => Code::AccessDenied,
            Self::HostUnreachable => Code::HostUnreachable,
            Self::NameTooLong => Code::NameTooLong,
            Self::MessageTooLong => Code::MessageTooLong,
            Self::NoMemory => Code::NoMemory,
            Self::Io(errno) => Code::Io(errno),
            Self::Internal => Code::Fault,
        }
    }

    /// Its number in the C interface: an errno of the system, or one of ZeroMQ's own.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.code().errno()
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        match code {
            Code::Again => Self::Again,
            Code::Terminated => Self::Terminated,
            Code::Interrupted => Self::Interrupted,
            Code::State => Self::State,
            Code::NotSupported => Self::NotSupported,
            Code::ProtocolNotSupported => Self::Endpoint(EndpointError::UnknownScheme),
            Code::IncompatibleProtocol => Self::Endpoint(EndpointError::Incompatible),
            Code::Invalid => Self::Invalid,
            Code::NotFound => Self::NotFound,
            Code::NoThread => Self::NoThread,
            Code::TooManySockets => Self::TooManySockets,
            Code::AddressInUse => Self::AddressInUse,
            Code::AddressNotAvailable => Self::AddressNotAvailable,
            Code::NoDevice => Self::NoDevice,
            Code::AccessDenied => Self::AccessDenied,
            Code::HostUnreachable => Self::HostUnreachable,
            Code::NameTooLong => Self::NameTooLong,
            Code::MessageTooLong => Self::MessageTooLong,
            Code::NoMemory => Self::NoMemory,
            Code::Io(errno) => Self::Io(errno),
            Code::Fault | Code::NotSocket => Self::Internal,
        }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl From<Error> for io::Error {
    /// For functions that answer with `io::Error`; the [`Error`] is its inner error.
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Again => io::ErrorKind::WouldBlock,
            Error::Interrupted => io::ErrorKind::Interrupted,
            Error::AddressInUse => io::ErrorKind::AddrInUse,
            Error::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            Error::AccessDenied => io::ErrorKind::PermissionDenied,
            Error::NotFound => io::ErrorKind::NotFound,
            Error::NotSupported => io::ErrorKind::Unsupported,
            Error::NoMemory => io::ErrorKind::OutOfMemory,
            _ if error.fault() == Fault::Caller => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(reason) => reason.fmt(f),
            Self::Option { name: "", reason } => reason.fmt(f),
            Self::Option { name, reason } => write!(f, "{name}: {reason}"),
            Self::NoParts => f.pad("a message without parts"),
            _ => self.code().fmt(f),
        }
    }
}

impl error::Error for Error {}

/// A send has failed. The message is in here, to be sent again or elsewhere.
///
/// With `?` it becomes an [`Error`]. It becomes a `Box<dyn std::error::Error>` only if the message
/// borrows nothing: for others say `send(..).map_err(Error::from)?` there.
///
/// ```
/// # use ferromq::{Context, Error, Push};
/// # let context = Context::new();
/// let mut push = context.socket::<Push>()?;
/// // Nobody is connected, so there is no room.
/// let refused = push.try_send(String::from("work")).unwrap_err();
/// assert_eq!(refused.error, Error::Again);
/// assert_eq!(refused.message, "work");
/// # Ok::<(), ferromq::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendError<M> {
    /// Why.
    pub error: Error,
    /// The message, untouched. Only if a later part of several failed, which needs the end of the
    /// context in between, are the parts before it gone.
    pub message: M,
}

impl<M> SendError<M> {
    pub(crate) const fn new(error: Error, message: M) -> Self {
        Self { error, message }
    }

    /// Takes the message out.
    #[must_use]
    pub fn into_message(self) -> M {
        self.message
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_again(&self) -> bool {
        self.error.is_again()
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<M> error::Error for SendError<M> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<M> From<SendError<M>> for Error {
    fn from(failed: SendError<M>) -> Self {
        failed.error
    }
}
