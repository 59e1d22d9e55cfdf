// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many connections a listener has, and from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use ferromq_vocabulary::SocketOptions;

#[derive(Debug, Default)]
pub(super) struct Crowd {
    all: usize,
    /// By where they come from; empty unless there is a limit.
    from: HashMap<Place, usize>,
    /// Where each of these comes from.
    places: HashMap<u64, Place>,
}

/// What counts as one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Ip(IpAddr),
    /// Of ipc: the user.
    User(String),
}

impl Place {
    /// Of a peer whose address is this (see `Peer-Address`).
    fn of(address: &str) -> Self {
        match address.parse::<IpAddr>() {
            // Whoever has one address of IPv6 has all that share its first half.
            Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => Self::Ip(ip.into()),
                None => Self::Ip(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
            },
            Ok(ip) => Self::Ip(ip),
            Err(_no_ip) => {
                let user = address.split(':').nth(1).unwrap_or_default();
                Self::User(user.to_owned())
            }
        }
    }
}

impl Crowd {
    /// Whether there is room for one more, the session `id`; counts it, if so.
    pub(super) fn take_in(&mut self, id: u64, address: &str, options: &SocketOptions) -> bool {
        let limit = |option: i32| usize::try_from(option).ok().filter(|limit| *limit > 0);
        if limit(options.max_connections).is_some_and(|limit| self.all >= limit) {
            return false;
        }
        if let Some(limit) = limit(options.max_connections_per_address) {
            let place = Place::of(address);
            if self.from.get(&place).is_some_and(|count| *count >= limit) {
                return false;
            }
            *self.from.entry(place.clone()).or_default() += 1;
            self.places.insert(id, place);
        }
        self.all += 1;
        true
    }

    /// One that was counted has gone.
    pub(super) fn leave(&mut self, id: u64) {
        self.all = self.all.saturating_sub(1);
        let Some(place) = self.places.remove(&id) else {
            return;
        };
        if let Some(count) = self.from.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.from.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ferromq_vocabulary::SocketOptions;

    use super::{Crowd, Place};

    #[test]
    fn places() {
        let same = [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8::1", "2001:db8::ffff:1"),
            (":1000:100:1", ":1000:100:2"),
        ];
        let different = [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8:0:1::1"),
            (":1000:100:1", ":1001:100:1"),
        ];
        assert!(same.iter().all(|(a, b)| Place::of(a) == Place::of(b)));
        assert!(different.iter().all(|(a, b)| Place::of(a) != Place::of(b)));
    }

    #[test]
    fn limits_of_all_and_of_one_place() {
        let options = SocketOptions {
            max_connections: 3,
            max_connections_per_address: 2,
            ..SocketOptions::default()
        };
        let mut crowd = Crowd::default();
        let coming = [
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        ];
        let taken: Vec<bool> = (0..)
            .zip(coming)
            .map(|(id, address)| crowd.take_in(id, address, &options))
            .collect();
        assert_eq!(taken, [true, true, false, true, false]);
        crowd.leave(0);
        assert!(crowd.take_in(5, "192.0.2.1", &options));
        for id in [1, 3, 5] {
            crowd.leave(id);
        }
        assert_eq!((crowd.all, crowd.from.len(), crowd.places.len()), (0, 0, 0));
    }
}
