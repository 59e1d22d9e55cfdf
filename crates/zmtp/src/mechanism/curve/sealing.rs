// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boxes of NaCl: X25519, XSalsa20, Poly1305. The primitives are those of others.
//!
//! Measured here (ns to seal, AMD EPYC; the rows of opening are the same within noise):
//!
//! | crate | 64 B | 1 KiB | 64 KiB |
//! |---|---|---|---|
//! | crypto_secretbox 0.1 (RustCrypto) | 1,860 | 3,850 | 147,000 |
//! | dryoc 0.7 | 480 | 2,520 | 177,000 |
//! | salsabox 0.1 (SIMD) | 1,890 | 2,540 | 39,000 |
//! | cryptoxide 0.6, HSalsa20 done beforehand | 275 | 2,260 | 174,000 |
//! | libsodium 1.0.18 | 440 | 1,310 | 56,000 |
//!
//! So short boxes are cryptoxide's and long ones salsabox's. libsodium would need a system library.

use cryptoxide::poly1305::Poly1305;
use cryptoxide::salsa20::Salsa;
use salsabox::{SecretBox, hsalsa20};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;

use super::{SecretKey, TAG_LEN};
use crate::handshake::Fault;

/// A key that seals and opens with full nonces.
pub(super) struct BoxKey(Zeroizing<[u8; 32]>);

impl BoxKey {
    /// What one side's secret key and the other side's public key have in common.
    pub(super) fn between(secret: &SecretKey, public: &[u8; 32]) -> Result<Self, Fault> {
        let shared = StaticSecret::from(*secret.reveal()).diffie_hellman(&Point::from(*public));
        // A key of small order: the result would not depend on our secret.
        if !shared.was_contributory() {
            return Err(Fault::KeyExchange);
        }
        let key = hsalsa20(shared.as_bytes(), &[0; 16]);
        Ok(Self(Zeroizing::new(key)))
    }

    pub(super) fn symmetric(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Tag and sealed text.
    pub(super) fn seal(&self, nonce: &[u8; 24], text: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; TAG_LEN];
        sealed.extend_from_slice(text);
        let (to, body) = sealed.split_at_mut(TAG_LEN);
        to.copy_from_slice(&SecretBox::from_key(&self.0).encrypt_detached(nonce, body));
        sealed
    }

    /// The text of tag and sealed text.
    pub(super) fn open(
        &self,
        nonce: &[u8; 24],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let (tag, body) = sealed.split_first_chunk().ok_or(Fault::Cryptographic)?;
        let mut text = Zeroizing::new(body.to_vec());
        SecretBox::from_key(&self.0)
            .decrypt_detached(nonce, &mut text, tag)
            .map_err(|salsabox::Error| Fault::Cryptographic)?;
        Ok(text)
    }

    /// The key for traffic whose nonces begin with this.
    pub(super) fn stream(&self, prefix: &[u8; 16]) -> StreamKey {
        StreamKey {
            key: SecretBox::from_key(&self.0),
            subkey: Zeroizing::new(hsalsa20(&self.0, prefix)),
            prefix: *prefix,
        }
    }
}

/// A key whose nonces differ in a counter only.
pub(super) struct StreamKey {
    key: SecretBox,
    subkey: Zeroizing<[u8; 32]>,
    prefix: [u8; 16],
}

impl StreamKey {
    /// Seals in place.
    pub(super) fn seal(&self, counter: u64, text: &mut [u8]) -> [u8; TAG_LEN] {
        if text.len() > SHORT {
            return self
                .key
                .encrypt_detached(&short_nonce(&self.prefix, counter), text);
        }
        let (mut stream, poly_key) = self.begin(counter);
        stream.process_mut(text);
        authenticate(&poly_key, text)
    }

    /// Opens in place.
    pub(super) fn open(
        &self,
        counter: u64,
        tag: &[u8; TAG_LEN],
        text: &mut [u8],
    ) -> Result<(), Fault> {
        if text.len() > SHORT {
            let nonce = short_nonce(&self.prefix, counter);
            return self
                .key
                .decrypt_detached(&nonce, text, tag)
                .map_err(|salsabox::Error| Fault::Cryptographic);
        }
        let (mut stream, poly_key) = self.begin(counter);
        if !bool::from(authenticate(&poly_key, text).ct_eq(tag)) {
            return Err(Fault::Cryptographic);
        }
        stream.process_mut(text);
        Ok(())
    }

    /// The stream behind its first 32 bytes, and these: the key of the tag.
    fn begin(&self, counter: u64) -> (Salsa<20>, Zeroizing<[u8; 32]>) {
        let mut stream = Salsa::<20>::new(self.subkey.as_slice(), &counter.to_be_bytes());
        let mut poly_key = Zeroizing::new([0; 32]);
        stream.process_mut(poly_key.as_mut_slice());
        (stream, poly_key)
    }
}

fn authenticate(key: &[u8; 32], sealed: &[u8]) -> [u8; TAG_LEN] {
    let mut state = Poly1305::new(key);
    state.update_mut(sealed);
    state.finalize().0
}

/// A nonce of sixteen known bytes and a counter.
pub(super) fn short_nonce(prefix: &[u8; 16], counter: u64) -> [u8; 24] {
    join(prefix, &counter.to_be_bytes())
}

/// A nonce of eight known and sixteen random bytes.
pub(super) fn long_nonce(prefix: &[u8; 8], random: &[u8; 16]) -> [u8; 24] {
    join(prefix, random)
}

fn join(head: &[u8], tail: &[u8]) -> [u8; 24] {
    let mut nonce = [0; 24];
    for (to, from) in nonce.iter_mut().zip(head.iter().chain(tail)) {
        *to = *from;
    }
    nonce
}

/// Longest text for which the short way is the faster one.
const SHORT: usize = 1024;
