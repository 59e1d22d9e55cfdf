// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of multicast streams.

use std::net::IpAddr;

pub use ferromq_pgm::receiver::{ReceiverStatistics, StreamStatistics};
pub use ferromq_pgm::source::SourceStatistics;
use ferromq_pgm::{Gsi, Tsi};

/// Counters of one `pgm://`, `epgm://` or `udp://` endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MulticastStatistics {
    /// The endpoint, as it was given.
    pub endpoint: String,
    /// Of a socket that publishes.
    pub source: Option<SourceStatistics>,
    /// Of a socket that subscribes.
    pub receiver: Option<ReceiverStatistics>,
    /// Of each publisher that is heard.
    pub streams: Vec<MulticastStream>,
    /// Messages of which a part was lost, and that were dropped whole.
    pub broken_messages: u64,
    /// Packets that came here and found the kernel's receive buffer full, see `ZMQ_RCVBUF`: this process was not fast enough. PGM asks
    /// for them again. Always 0 where the kernel does not tell.
    pub overflowed: u64,
}

/// Counters of one publisher's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastStream {
    /// Who sends it.
    pub from: IpAddr,
    /// The name of the stream: 12 hexadecimal digits and a port.
    pub name: String,
    /// The counters.
    pub counters: StreamStatistics,
}

impl MulticastStream {
    pub(crate) fn new(tsi: Tsi, from: IpAddr, counters: StreamStatistics) -> Self {
        Self {
            from,
            name: tsi.to_string(),
            counters,
        }
    }
}

/// A name for a stream that nobody else has.
pub(crate) fn random_tsi() -> std::io::Result<Tsi> {
    let mut random = [0; 8];
    ferromq_os::random::fill(&mut random)?;
    let [a, b, c, d, e, f, g, h] = random;
    Ok(Tsi {
        gsi: Gsi([a, b, c, d, e, f]),
        port: u16::from_be_bytes([g, h]).max(1),
    })
}
