// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boxes of NaCl: X25519, XSalsa20, Poly1305. The primitives are those of others.
//!
//! Measured (`ferromq bench crypto`, Intel Xeon with AVX-512; ns to seal, and µs to agree on a key):
//!
//! | crate | 64 B | 1 KiB | 64 KiB | X25519 |
//! |---|---|---|---|---|
//! | dryoc 2.0 (SIMD, chosen at run time) | 264 | 412 | 14,900 | 24.5 |
//! | salsabox 0.1 (SIMD) and x25519-dalek 3 | 1,375 | 2,010 | 29,700 | 38.4 |
//! | crypto_secretbox 0.1 (RustCrypto) | 1,450 | 2,800 | 103,000 | – |
//! | cryptoxide 0.6, HSalsa20 done beforehand | 210 | 1,900 | 118,000 | 31.2 |
//! | libsodium 1.0.18 | 360 | 1,250 | 38,200 | 31.5 |

use dryoc::classic::crypto_box::{
    crypto_box_beforenm, crypto_box_detached_afternm_inplace,
    crypto_box_open_detached_afternm_inplace,
};
use dryoc::classic::crypto_core::crypto_scalarmult_base;
use zeroize::Zeroizing;

use super::{KEY_LEN, SecretKey, TAG_LEN};
use crate::handshake::Fault;

/// A key that seals and opens.
#[derive(Clone)]
pub(super) struct BoxKey(Zeroizing<[u8; KEY_LEN]>);

impl BoxKey {
    /// What one side's secret key and the other side's public key have in common.
    pub(super) fn between(secret: &SecretKey, public: &[u8; KEY_LEN]) -> Result<Self, Fault> {
        // A key of small order: the result would not depend on our secret.
        crypto_box_beforenm(public, secret.reveal())
            .map(|key| Self(Zeroizing::new(key)))
            .map_err(|_small_order| Fault::KeyExchange)
    }

    pub(super) fn symmetric(key: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Seals in place.
    pub(super) fn seal_in_place(&self, nonce: &Nonce, text: &mut [u8]) -> [u8; TAG_LEN] {
        let mut tag = [0; TAG_LEN];
        crypto_box_detached_afternm_inplace(text, &mut tag, nonce, &self.0);
        tag
    }

    /// Opens in place; a text that is not authentic stays sealed.
    pub(super) fn open_in_place(
        &self,
        nonce: &Nonce,
        tag: &[u8; TAG_LEN],
        text: &mut [u8],
    ) -> Result<(), Fault> {
        crypto_box_open_detached_afternm_inplace(text, tag, nonce, &self.0)
            .map_err(|_not_authentic| Fault::Cryptographic)
    }

    /// Tag and sealed text.
    pub(super) fn seal(&self, nonce: &Nonce, text: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; TAG_LEN];
        sealed.extend_from_slice(text);
        if let Some((to, body)) = sealed.split_first_chunk_mut() {
            *to = self.seal_in_place(nonce, body);
        }
        sealed
    }

    /// The text of tag and sealed text.
    pub(super) fn open(&self, nonce: &Nonce, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let (tag, body) = sealed.split_first_chunk().ok_or(Fault::Cryptographic)?;
        let mut text = Zeroizing::new(body.to_vec());
        self.open_in_place(nonce, tag, &mut text)?;
        Ok(text)
    }
}

/// The public key that belongs to a secret one.
pub(super) fn public_of(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    let mut public = [0; KEY_LEN];
    crypto_scalarmult_base(&mut public, secret);
    public
}

/// What must never be used twice with the same key.
pub(super) type Nonce = [u8; 24];

/// A nonce of sixteen known bytes and a counter.
pub(super) fn short_nonce(prefix: &[u8; 16], counter: u64) -> Nonce {
    join(prefix, &counter.to_be_bytes())
}

/// A nonce of eight known and sixteen random bytes.
pub(super) fn long_nonce(prefix: &[u8; 8], random: &[u8; 16]) -> Nonce {
    join(prefix, random)
}

fn join(head: &[u8], tail: &[u8]) -> Nonce {
    let mut nonce = [0; 24];
    for (to, from) in nonce.iter_mut().zip(head.iter().chain(tail)) {
        *to = *from;
    }
    nonce
}
