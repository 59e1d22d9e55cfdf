// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys of CURVE.

use std::fmt;
use std::str::FromStr;

use ferromq_os::random;
use ferromq_zmtp::mechanism::curve::{self, KEY_LEN};
use ferromq_zmtp::z85;
use zeroize::Zeroizing;

use crate::error::Error;

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

    /// The key as 40 characters, for those who must store it. The text is wiped when it goes.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(z85::encode(self.0.reveal()).unwrap_or_default())
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.reveal()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed_by_accident() {
        let keys = KeyPair::generate().unwrap();
        let (text, bytes) = (
            keys.secret().reveal(),
            format!("{:?}", keys.secret().bytes()),
        );
        for shown in [
            format!("{keys:?}"),
            format!("{keys:#?}"),
            format!("{:?}", keys.secret()),
        ] {
            assert!(
                !shown.contains(text.as_str()) && !shown.contains(&bytes),
                "{shown}"
            );
        }
        assert_eq!(text.parse::<SecretKey>().unwrap().public(), *keys.public());
    }
}
