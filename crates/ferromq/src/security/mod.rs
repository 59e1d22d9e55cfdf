// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may connect, and how that is proved.
//!
//! 1. PLAIN ([RFC 24](https://rfc.zeromq.org/spec/24/)): name and password, in clear text.
//! 2. CURVE ([RFC 26](https://rfc.zeromq.org/spec/26/)): keys; everything is encrypted.
//! 3. GSSAPI ([RFC 38](https://rfc.zeromq.org/spec/38/)): Kerberos, with the feature `gssapi`.
//! 4. Filters: by address, or by user, group and process of this machine.
//! 5. [Limits](#limits), and [bans](crate::Socket::ban_routing_id).
//!
//! A server of PLAIN asks an [`Authenticator`] who may come in, or whoever is bound at
//! `inproc://zeromq.zap.01` ([RFC 27](https://rfc.zeromq.org/spec/27/)): a [`Rep`](crate::Rep), a [`Router`](crate::Router), or
//! a [`Server`](crate::Server), which gets and gives the frames in one part
//! ([how](AuthenticatorRequest::part)). A server of CURVE does so if there is one, and else takes everybody who knows its key. With the feature `allow-list` there is
//! a ready-made one, [`AllowList`].
//!
//! ```
//! use std::time::Duration;
//! use ferromq::{Context, KeyPair, Pull, Push};
//!
//! let (server, client) = (KeyPair::generate()?, KeyPair::generate()?);
//! let context = Context::new();
//! let mut pull = context
//!     .socket_builder::<Pull>()
//!     .curve_server(server.secret())
//!     .open()?;
//! let endpoint = pull.bind("tcp://127.0.0.1:*")?;
//! let mut push = context
//!     .socket_builder::<Push>()
//!     .curve_client(&client, server.public())
//!     .open()?;
//! push.connect(&endpoint)?;
//! // Not needed; but now it is certain that the keys fit.
//! push.next_handshake(Duration::from_secs(5))?;
//! push.send("sealed")?;
//! assert_eq!(pull.recv()?, "sealed");
//! # Ok::<(), ferromq::Error>(())
//! ```
//!
//! # Handshakes
//!
//! [`Socket::next_handshake`](crate::Socket::next_handshake) waits for the end of a handshake
//! and says who the peer is, or why it is none; a [`Monitor`](crate::Monitor) sees the same as
//! events, each with a [`HandshakeFailure`](crate::HandshakeFailure).
//!
//! # Limits
//!
//! Peers that mean harm cannot do much: memory follows what arrives, not what is announced, and
//! until it has proved who it is a peer is worth a few KiB and 30 seconds; with GSSAPI, whose tokens may be long
//! (tickets list the groups of their holder), what it has really sent of a token, up to 48 KiB. Where tickets are short,
//! [`max_handshake_size`](SocketBuilder::max_handshake_size) may be so, too. What would be a limit for honest peers, too,
//! is off unless you say so:
//!
//! | limit | default |
//! |---|---|
//! | [`handshake_timeout`](SocketBuilder::handshake_timeout) | 30 s |
//! | [`max_handshake_size`](SocketBuilder::max_handshake_size) | 64 KiB, of which what has come of one command is kept |
//! | [`max_metadata_size`](SocketBuilder::max_metadata_size) | 8 KiB |
//! | [`max_connections`](SocketBuilder::max_connections), [`max_connections_per_address`](SocketBuilder::max_connections_per_address) | none |
//! | [`max_message_size`](SocketBuilder::max_message_size), [`max_multipart_size`](SocketBuilder::max_multipart_size) | none |
//! | [`max_subscriptions`](SocketBuilder::max_subscriptions), [`max_subscription_bytes`](SocketBuilder::max_subscription_bytes) | none |
//! | [`receive_high_water_mark`](SocketBuilder::receive_high_water_mark) | 1000 messages |
//!
//! `docs/threat-model.md` says what is defended, how, and which test shows it.

#[cfg(feature = "allow-list")]
pub mod allow_list;
mod certificate;
mod keys;

use std::sync::Arc;

use ferromq_vocabulary::option::number;
use ferromq_vocabulary::{Network, OptionError, Value};
use ferromq_zmtp::mechanism::curve::KEY_LEN;

use crate::context::Context;
use crate::kind::Kind;
use crate::options::SocketBuilder;

#[cfg(feature = "allow-list")]
pub use allow_list::{AllowList, Rules};
pub use certificate::{Certificate, CertificateError};
pub use keys::{InvalidKey, KeyPair, PublicKey, SecretKey};

pub use ferromq_engine::Authenticator;
pub use ferromq_zmtp::mechanism::gssapi;
pub use ferromq_zmtp::mechanism::gssapi::{NameType, Principal};
pub use ferromq_zmtp::zap::{
    Admission, Credentials as PeerCredentials, Reply as AuthenticatorReply,
    Request as AuthenticatorRequest, Status as AuthenticatorStatus,
};

impl Context {
    /// Who decides on peers, in place of a handler at `inproc://zeromq.zap.01`; `None` leaves it to
    /// that.
    pub fn set_authenticator(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        self.engine().set_authenticator(authenticator);
    }

    /// Who makes the security contexts of GSSAPI, in place of the system's library: for another one,
    /// or for tests. `None`: nobody, and there is no such mechanism.
    pub fn set_gssapi(&self, provider: Option<Arc<dyn gssapi::Provider>>) {
        self.engine().set_gssapi(provider);
    }
}

impl<K: Kind> SocketBuilder<K> {
    /// Asks an authenticator about the names and passwords of its peers (PLAIN); for new endpoints.
    pub fn plain_server(self) -> Self {
        self.with(number::PLAIN_SERVER, Ok(Value::from(true)))
    }

    /// Shows its peers a name and a password (PLAIN), 1 to 255 bytes each; for new endpoints.
    pub fn plain_client(self, name: &str, password: &str) -> Self {
        let some = |text: &str| {
            if text.is_empty() {
                Err(OptionError::OutOfRange)
            } else {
                Ok(Value::from(text))
            }
        };
        self.with(number::PLAIN_USERNAME, some(name))
            .with(number::PLAIN_PASSWORD, some(password))
    }

    /// Takes peers that know the public key to this one (CURVE); for new endpoints.
    pub fn curve_server(self, secret: &SecretKey) -> Self {
        self.with(number::CURVE_SERVER, Ok(Value::from(true)))
            .with(number::CURVE_SECRETKEY, Ok(key(secret.bytes())))
    }

    /// Talks to the server with this public key (CURVE); for new endpoints.
    pub fn curve_client(self, own: &KeyPair, server: &PublicKey) -> Self {
        self.with(number::CURVE_PUBLICKEY, Ok(key(own.public().as_bytes())))
            .with(number::CURVE_SECRETKEY, Ok(key(own.secret().bytes())))
            .with(number::CURVE_SERVERKEY, Ok(key(server.as_bytes())))
    }

    /// Lets GSSAPI say who the peers are, as this principal; for new endpoints. Needs the feature
    /// `gssapi` and the library of the system, or [`Context::set_gssapi`].
    pub fn gssapi_server(self, own: &Principal) -> Self {
        self.with(number::GSSAPI_SERVER, Ok(Value::from(true)))
            .own_principal(own)
    }

    /// Talks to the service of this principal; for new endpoints. Without a principal of one's own
    /// GSSAPI finds out who that is: whoever has a ticket.
    pub fn gssapi_client(self, own: Option<&Principal>, service: &Principal) -> Self {
        let name = Ok(Value::from(service.name.as_slice()));
        let kind = Ok(Value::Int(name_type(service.name_type)));
        let builder = self
            .with(number::GSSAPI_SERVICE_PRINCIPAL, name)
            .with(number::GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, kind);
        match own {
            Some(own) => builder.own_principal(own),
            None => builder,
        }
    }

    fn own_principal(self, own: &Principal) -> Self {
        let kind = Ok(Value::Int(name_type(own.name_type)));
        self.with(
            number::GSSAPI_PRINCIPAL,
            Ok(Value::from(own.name.as_slice())),
        )
        .with(number::GSSAPI_PRINCIPAL_NAMETYPE, kind)
    }

    /// Takes tcp connections from these networks only, for new endpoints; adds up.
    pub fn accept_from(self, networks: &[Network]) -> Self {
        networks.iter().fold(self, |builder, network| {
            let text = network.to_string();
            builder.with(number::TCP_ACCEPT_FILTER, Ok(Value::from(text.as_str())))
        })
    }

    /// Takes ipc connections of these users only (and of those that another filter names), for new
    /// endpoints; adds up.
    pub fn accept_users(self, users: &[u32]) -> Self {
        users.iter().fold(self, |builder, user| {
            builder.with(number::IPC_FILTER_UID, Ok(id(*user)))
        })
    }

    /// Takes ipc connections of members of these groups only (and of those that another filter
    /// names), for new endpoints; adds up.
    pub fn accept_groups(self, groups: &[u32]) -> Self {
        groups.iter().fold(self, |builder, group| {
            builder.with(number::IPC_FILTER_GID, Ok(id(*group)))
        })
    }

    /// Takes ipc connections of these processes only (and of those that another filter names), for
    /// new endpoints; adds up.
    pub fn accept_processes(self, processes: &[u32]) -> Self {
        processes.iter().fold(self, |builder, process| {
            builder.with(number::IPC_FILTER_PID, Ok(id(*process)))
        })
    }

    /// Connects over tcp through this SOCKS5 proxy (`host:port`), for new endpoints. The proxy looks
    /// names up.
    pub fn socks_proxy(self, proxy: &str) -> Self {
        self.with(number::SOCKS_PROXY, Ok(Value::from(proxy)))
    }

    /// The name and the password for the proxy, up to 255 bytes each; for new endpoints.
    pub fn socks_login(self, name: &str, password: &str) -> Self {
        self.with(number::SOCKS_USERNAME, Ok(Value::from(name)))
            .with(number::SOCKS_PASSWORD, Ok(Value::from(password)))
    }
}

fn name_type(name_type: NameType) -> i32 {
    match name_type {
        NameType::HostBased => 0,
        NameType::User => 1,
        NameType::Krb5Principal => 2,
    }
}

fn key(bytes: &[u8; KEY_LEN]) -> Value {
    Value::from(&bytes[..])
}

#[expect(
    clippy::host_endian_bytes,
    reason = "memory of this process, not a wire"
)]
fn id(number: u32) -> Value {
    Value::from(&number.to_ne_bytes()[..])
}
