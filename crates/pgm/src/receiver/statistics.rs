// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters.

/// Counters of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStatistics {
    /// Data packets that were new.
    pub packets: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
    /// Data packets that were here already.
    pub duplicates: u64,
    /// Packets found missing.
    pub gaps: u64,
    /// Of these: filled by a repair.
    pub repaired: u64,
    /// Of these: filled by the packet itself, which was only late.
    pub late: u64,
    /// Of these: given up.
    pub unrecovered: u64,
    /// NAK packets sent.
    pub naks: u64,
    /// Sequence numbers asked for in them, repetitions included.
    pub asked: u64,
    /// NCF packets that came.
    pub ncfs: u64,
    /// Numbers not asked for because somebody else had asked.
    pub suppressed: u64,
    /// SPMs that came.
    pub spms: u64,
    /// SPMs that had been overtaken by later ones.
    pub stale_spms: u64,
    /// APDUs in fragments that were dropped, for a part of them was lost.
    pub broken: u64,
}

impl StreamStatistics {
    /// Adds those of another stream.
    pub fn add(&mut self, other: &Self) {
        let Self {
            packets,
            bytes,
            duplicates,
            gaps,
            repaired,
            late,
            unrecovered,
            naks,
            asked,
            ncfs,
            suppressed,
            spms,
            stale_spms,
            broken,
        } = other;
        self.packets += packets;
        self.bytes += bytes;
        self.duplicates += duplicates;
        self.gaps += gaps;
        self.repaired += repaired;
        self.late += late;
        self.unrecovered += unrecovered;
        self.naks += naks;
        self.asked += asked;
        self.ncfs += ncfs;
        self.suppressed += suppressed;
        self.spms += spms;
        self.stale_spms += stale_spms;
        self.broken += broken;
    }
}

/// Counters of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStatistics {
    /// Packets that came, whatever they were.
    pub packets: u64,
    /// Packets that were none.
    pub malformed: u64,
    /// Of these: with a wrong checksum.
    pub checksum: u64,
    /// Packets for other ports, or not for receivers.
    pub foreign: u64,
    /// Parity packets, and packets of types that are not supported.
    pub unsupported: u64,
    /// Repairs and confirmations of streams that have not been met.
    pub early: u64,
    /// Data of streams that had ended.
    pub after_end: u64,
    /// Requests for SPMs sent.
    pub spmrs: u64,
    /// Streams that there are.
    pub streams: usize,
    /// Bytes that wait for something missing.
    pub held: usize,
    /// Sum over the streams that are no more.
    pub ended: StreamStatistics,
}
