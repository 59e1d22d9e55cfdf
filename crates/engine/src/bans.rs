// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that a socket wants to hear no more of.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferromq_zmtp::handshake::Peer;

/// Until when; for ever if it does not say.
type Until = Option<Instant>;

#[derive(Debug, Default)]
pub(crate) struct Bans {
    /// There may be some.
    any: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    addresses: HashMap<String, Until>,
    routing_ids: HashMap<Vec<u8>, Until>,
}

impl Bans {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bans an address; one that is not known is none.
    pub(crate) fn add_address(&self, address: &str, until: Until) {
        if !address.is_empty() {
            self.list().addresses.insert(address.to_owned(), until);
            self.any.store(true, Release);
        }
    }

    /// Bans a routing id; an empty one is none.
    pub(crate) fn add_routing_id(&self, routing_id: &[u8], until: Until) {
        if !routing_id.is_empty() {
            self.list().routing_ids.insert(routing_id.to_vec(), until);
            self.any.store(true, Release);
        }
    }

    pub(crate) fn lift(&self) {
        *self.list() = List::default();
        self.any.store(false, Release);
    }

    /// Whether nobody may come from this address.
    pub(crate) fn name_address(&self, address: &str) -> bool {
        self.any.load(Acquire) && is_in_force(&mut self.list().addresses, address)
    }

    /// Whether this peer may not come.
    pub(crate) fn names(&self, address: &str, peer: &Peer) -> bool {
        self.name_address(address)
            || self.any.load(Acquire)
                && is_in_force(&mut self.list().routing_ids, peer.routing_id.as_slice())
    }
}

fn is_in_force<K, Q>(bans: &mut HashMap<K, Until>, key: &Q) -> bool
where
    K: Eq + Hash + std::borrow::Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    let Some(until) = bans.get(key) else {
        return false;
    };
    if until.is_none_or(|until| until > Instant::now()) {
        return true;
    }
    bans.remove(key);
    false
}
