// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may connect, and how that is proved.
//!
//! 1. PLAIN ([RFC 24](https://rfc.zeromq.org/spec/24/)): name and password, in clear text.
//! 2. CURVE ([RFC 26](https://rfc.zeromq.org/spec/26/)): keys; everything is encrypted.
//! 3. Filters: by address, or by user, group and process of this machine.
//!
//! A server of PLAIN asks an [`Authenticator`] who may come in, or whoever is bound at
//! `inproc://zeromq.zap.01` ([RFC 27](https://rfc.zeromq.org/spec/27/)). A server of CURVE does so if
//! there is one, and else takes everybody who knows its key.
//!
//! ```
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
//! push.send("sealed")?;
//! assert_eq!(pull.recv()?, "sealed");
//! # Ok::<(), ferromq::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ferromq_os::random;
use ferromq_vocabulary::option::number;
use ferromq_vocabulary::{Network, OptionError, Value};
use ferromq_zmtp::mechanism::curve::{self, KEY_LEN};
use ferromq_zmtp::z85;

use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::options::SocketBuilder;

pub use ferromq_engine::Authenticator;
pub use ferromq_zmtp::zap::{
    Credentials as PeerCredentials, Reply as AuthenticatorReply, Request as AuthenticatorRequest,
    Status as AuthenticatorStatus,
};

/// A public key of CURVE. Its text form is Z85 ([RFC 32](https://rfc.zeromq.org/spec/32/)), 40
/// characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// These bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&z85::encode(&self.0).map_err(|_invalid| fmt::Error)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        z85::decode_key(text).map(Self).map_err(|_z85| InvalidKey)
    }
}

/// A secret key of CURVE: cannot be printed by accident, and is wiped when it goes.
#[derive(Clone)]
pub struct SecretKey(curve::SecretKey);

impl SecretKey {
    /// These bytes; any 32 are a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(curve::SecretKey::new(bytes))
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public())
    }

    /// The key as 40 characters, for those who must store it.
    #[must_use]
    pub fn reveal(&self) -> String {
        z85::encode(self.0.reveal()).unwrap_or_default()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

impl FromStr for SecretKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        curve::SecretKey::from_z85(text)
            .map(Self)
            .map_err(|_z85| InvalidKey)
    }
}

/// A text that is no key: not 40 characters of Z85.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 40 characters of Z85")
    }
}

impl std::error::Error for InvalidKey {}

/// A secret key and the public key that belongs to it.
#[derive(Debug, Clone)]
pub struct KeyPair {
    secret: SecretKey,
    public: PublicKey,
}

impl KeyPair {
    /// A new pair, from the system's randomness.
    ///
    /// # Errors
    /// The system has none.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; KEY_LEN];
        random::fill(&mut bytes).map_err(ferromq_vocabulary::Code::from)?;
        Ok(Self::from(SecretKey::from_bytes(bytes)))
    }

    /// The secret half.
    #[must_use]
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl From<SecretKey> for KeyPair {
    fn from(secret: SecretKey) -> Self {
        let public = secret.public();
        Self { secret, public }
    }
}

impl Context {
    /// Who decides on peers, in place of a handler at `inproc://zeromq.zap.01`; `None` leaves it to
    /// that.
    pub fn set_authenticator(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        self.engine().set_authenticator(authenticator);
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
            .with(number::CURVE_SECRETKEY, Ok(key(secret.0.reveal())))
    }

    /// Talks to the server with this public key (CURVE); for new endpoints.
    pub fn curve_client(self, own: &KeyPair, server: &PublicKey) -> Self {
        self.with(number::CURVE_PUBLICKEY, Ok(key(&own.public.0)))
            .with(number::CURVE_SECRETKEY, Ok(key(own.secret.0.reveal())))
            .with(number::CURVE_SERVERKEY, Ok(key(&server.0)))
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
