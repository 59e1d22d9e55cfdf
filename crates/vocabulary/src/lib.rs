// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of ZeroMQ, without anything that moves: no threads, no clock, no file descriptors.
//!
//! | module | holds |
//! |---|---|
//! | [`socket_type`] | the socket types, their numbers, and who may talk to whom |
//! | [`endpoint`] | `tcp://`, `ipc://` and `inproc://` addresses, parsed and printed |
//! | [`error`] | error codes, their errno and their text |
//! | [`multicast`] | addresses of groups and of plain datagrams |
//! | [`event`] | what a monitor reports |
//! | [`handshake`] | how handshakes end |
//! | [`option`] | one table of socket options, one of context options |

#![forbid(unsafe_code)]

pub mod endpoint;
pub mod error;
pub mod event;
#[doc(hidden)]
pub mod fuzz_entry;
pub mod handshake;
pub mod multicast;
pub mod network;
pub mod option;
pub mod secret;
pub mod socket_type;

pub use endpoint::{Endpoint, EndpointError, Host, IpcPath, Port, TcpAddress};
pub use error::Code;
pub use event::{DisconnectReason, Event, MonitorEvent, ProtocolError};
pub use handshake::{HandshakeError, HandshakeFailure, HandshakePeer};
pub use multicast::{GroupAddress, Interface, UdpAddress};
pub use network::Network;
pub use option::{ContextOptions, Mechanism, OptionError, PrincipalNameType, SocketOptions, Value};
pub use secret::Secret;
pub use socket_type::SocketType;
