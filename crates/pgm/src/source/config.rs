// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a source is to be like, and what it counts.

use std::net::IpAddr;
use std::time::Duration;

use crate::rate::Limit;
use crate::sequence::Sqn;
use crate::tsi::Tsi;

/// What a source is to be like.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The name of the stream. No two sources of a group may have the same; draw it at random.
    pub tsi: Tsi,
    /// The data-destination port.
    pub port: u16,
    /// Where this source receives unicast: NAKs are sent there.
    pub address: IpAddr,
    /// Where to.
    pub group: IpAddr,
    /// Most bytes of a PGM packet, from its header on. 1472 by default: an ethernet frame without the
    /// headers of IPv4 and UDP.
    pub max_packet: usize,
    /// Bytes that each packet takes below PGM; they count against the rate. 28 by default.
    pub overhead: usize,
    /// What may go out; `None` is no limit. 100 kbit/s by default, as OpenPGM in libzmq has it.
    pub limit: Option<Limit>,
    /// Most packets that are kept for repairs; below 2^31.
    pub window_packets: usize,
    /// Most bytes that are kept for repairs.
    pub window_bytes: usize,
    /// How long packets are kept for repairs (10 s). The last of them, up to [`KEPT_BYTES`](super::KEPT_BYTES), stay longer.
    pub recovery: Duration,
    /// The first sequence number.
    pub first: Sqn,
    /// SPMs before anything else (3).
    pub first_spms: u32,
    /// From one SPM to the next when nothing happens (30 s).
    pub ambient: Duration,
    /// From data to an SPM, from that to the next, and so on: they show receivers that the last data was
    /// lost. 0.1, 0.2, 0.3, 0.4, 0.5, 1.8, 8.8, 24.8 s after the data by default.
    pub heartbeats: Vec<Duration>,
    /// How long a repair, or a confirmation, stands for the requests that come after it (20 ms): those were on
    /// their way.
    pub hold: Duration,
    /// A stream that has ended goes so long after its last data (0.5 s), and four times that after the last request:
    /// where packets get lost, repairs and requests do, too.
    pub quiet: Duration,
}

impl SourceConfig {
    /// With the defaults.
    #[must_use]
    pub fn new(tsi: Tsi, port: u16, address: IpAddr, group: IpAddr) -> Self {
        let max_packet = 1472;
        let overhead = 28;
        Self {
            tsi,
            port,
            address,
            group,
            max_packet,
            overhead,
            limit: Some(Limit::new(100_000, max_packet + overhead)),
            window_packets: 1 << 20,
            window_bytes: 64 << 20,
            recovery: Duration::from_secs(10),
            first: Sqn(0),
            first_spms: 3,
            ambient: Duration::from_secs(30),
            heartbeats: HEARTBEATS.map(Duration::from_millis).to_vec(),
            hold: Duration::from_millis(20),
            quiet: Duration::from_millis(500),
        }
    }
}

/// Counters of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Data packets sent for the first time.
    pub packets: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
    /// Data packets sent again.
    pub repairs: u64,
    /// Their payload, in bytes.
    pub repair_bytes: u64,
    /// SPMs sent.
    pub spms: u64,
    /// NAK packets that came.
    pub naks: u64,
    /// Sequence numbers asked for.
    pub asked: u64,
    /// Of these: answered by what had been sent a moment before.
    pub held: u64,
    /// Of these: not in the window, so lost for whoever asked.
    pub gone: u64,
    /// NCF packets sent.
    pub ncfs: u64,
    /// Requests for an SPM.
    pub spmrs: u64,
    /// Packets that were none.
    pub malformed: u64,
    /// Of these: with a wrong checksum.
    pub checksum: u64,
    /// Packets for other streams, or of kinds that are not for a source.
    pub foreign: u64,
}

/// After the last data: 0.1, 0.2, 0.3, 0.4, 0.5, 1.8, 8.8, 24.8 s, as libzmq's come.
const HEARTBEATS: [u64; 8] = [100, 100, 100, 100, 100, 1300, 7000, 16_000];
