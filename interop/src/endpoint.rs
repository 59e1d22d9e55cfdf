// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoints that nobody else has, also while who was bound to them is away.

use std::env;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::side::Transport;

/// An endpoint of this process alone. Over tcp every process has a loopback address of its own, so that no other can
/// take a port of it; and since connections come from 127.0.0.1, nobody can connect to itself there.
pub fn unused(transport: Transport) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match transport {
        Transport::Tcp => {
            let [_, high, middle, low] = process::id().to_be_bytes();
            let network = 1 + u16::from(high);
            // Below the ports that the kernel gives to those who listen at every address.
            let port = 10_000 + number;
            format!("tcp://127.{network}.{middle}.{low}:{port}")
        }
        Transport::Ipc => format!(
            "ipc://{}/ferromq-{}-{number}",
            env::temp_dir().display(),
            process::id()
        ),
        Transport::Inproc => format!("inproc://{number}"),
    }
}
