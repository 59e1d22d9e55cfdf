// SPDX-License-Identifier: MIT OR Apache-2.0
//! CURVE (RFC 25, 26): both sides have keys, everything behind the greeting is encrypted.
//!
//! ```text
//! client (C, c, C', c')                       server (S, s, S', s')
//! HELLO     C', Box[zeros](c', S)    ──────►
//!                                    ◄──────  WELCOME   Box[S', cookie](s, C')
//! INITIATE  cookie, Box[C, vouch,
//!           properties](c', S')      ──────►        asks an authenticator about C
//!                                    ◄──────  READY     Box[properties](s', C')    or ERROR
//! MESSAGE   Box[flags, body]         ◄─────►  MESSAGE
//! ```
//!
//! Upper case: public, lower case: secret, with apostrophe: for this connection only. The vouch is
//! `Box[C', S](c, S')`. Short nonces count up by one for each command of a side; a receiver takes
//! only larger ones than the last.
//!
//! Stricter than libzmq: the vouch must name the server's key, and the nonce of INITIATE must be
//! larger than that of HELLO.

mod client;
mod sealing;
mod server;
pub mod traffic;

pub use client::Client;
pub use server::Server;

use std::fmt;

use zeroize::Zeroizing;

use crate::z85::{self, InvalidZ85};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;

/// A secret key: cannot be printed, and is wiped when it goes.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_LEN]>);

impl SecretKey {
    /// These bytes; any 32 are a key.
    #[must_use]
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key as 40 characters.
    pub fn from_z85(text: &str) -> Result<Self, InvalidZ85> {
        z85::decode_key(text).map(Self::new)
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_LEN] {
        sealing::public_of(&self.0)
    }

    /// The bytes, for those who must store them.
    #[must_use]
    pub fn reveal(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// What a server needs.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    secret: SecretKey,
    public: [u8; KEY_LEN],
}

impl ServerKeys {
    /// This key, and the public one that belongs to it.
    #[must_use]
    pub fn new(secret: SecretKey) -> Self {
        let public = secret.public();
        Self { secret, public }
    }
}

/// What a client needs.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    /// The public key it shows.
    pub public: [u8; KEY_LEN],
    /// The secret key that belongs to it; to be found out by the server if it does not.
    pub secret: SecretKey,
    /// The key of the server it means.
    pub server: [u8; KEY_LEN],
}

/// Bytes of an authenticator in front of what it seals.
const TAG_LEN: usize = 16;
/// Bytes of the cookie: nonce, tag, two keys.
const COOKIE_LEN: usize = 96;
/// Bytes of a sealed vouch: tag, two keys.
const VOUCH_LEN: usize = 80;

#[cfg(test)]
mod tests;
