// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a round of unrest takes place: under which policy, over which transport, with which mechanism.

use std::sync::Arc;

use ferromq_engine::{Context, Policy, Socket};
use ferromq_vocabulary::SocketType;

use crate::common::{INPROC, IPC, PLENTY, POLICIES, STREAMS, TCP, after, socket};
use crate::secured::{Mechanism, Porter};

/// Transports and mechanisms; their number and that of the policies have no divisor in common.
const PLACES: [(&str, Mechanism); 7] = [
    (TCP, Mechanism::Null),
    (IPC, Mechanism::Curve),
    (INPROC, Mechanism::Null),
    (TCP, Mechanism::Plain),
    (IPC, Mechanism::Null),
    (TCP, Mechanism::Curve),
    (IPC, Mechanism::Plain),
];

/// What one round of a kind of unrest takes place in.
pub(crate) struct Round {
    pub(crate) context: Context,
    pub(crate) policy: Policy,
    pub(crate) endpoint: String,
    pub(crate) mechanism: Mechanism,
}

impl Round {
    /// Another policy and another of the [`PLACES`] each time; after 21 all have met.
    pub(crate) fn new(name: &str, place: usize) -> Self {
        let context = Context::new();
        let policy = POLICIES[place % POLICIES.len()];
        context.set_policy(policy);
        context.set_authenticator(Some(Arc::new(Porter)));
        let (endpoint, mechanism) = PLACES[place % PLACES.len()];
        let endpoint = match endpoint {
            INPROC => format!("inproc://{name}"),
            stream => stream.to_owned(),
        };
        Self {
            context,
            policy,
            endpoint,
            mechanism,
        }
    }

    /// One with processes that know of no passwords.
    pub(crate) fn between_processes(name: &str, place: usize) -> Self {
        Self {
            endpoint: STREAMS[place % 2].to_owned(),
            mechanism: Mechanism::Null,
            ..Self::new(name, place)
        }
    }

    /// A socket that serves, bound.
    pub(crate) fn server(&self, socket_type: SocketType) -> (Socket, String) {
        let mut server = socket(&self.context, socket_type);
        self.mechanism.serve(&mut server);
        let bound = server.bind(&self.endpoint).unwrap().to_owned();
        (server, bound)
    }

    /// A socket of a client, not connected yet.
    pub(crate) fn client(&self, socket_type: SocketType) -> Socket {
        let mut client = socket(&self.context, socket_type);
        self.mechanism.ask(&mut client, true);
        client
    }

    pub(crate) fn is_stream(&self) -> bool {
        !self.endpoint.starts_with("inproc")
    }

    pub(crate) fn over(self) {
        assert!(
            self.context.terminate(Some(after(PLENTY))),
            "{:?} {} does not end",
            self.policy,
            self.endpoint
        );
    }
}

/// Where this round of a kind of unrest with so many types takes place: each type meets every place in the end.
pub(crate) fn place(index: usize, types: usize) -> usize {
    index / types + index % types
}

/// How long the message of this number is.
pub(crate) fn size_of(count: u64) -> usize {
    8 + usize::try_from(count).unwrap() * 613 % 3000
}
