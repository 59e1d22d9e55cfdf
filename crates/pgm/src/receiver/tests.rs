// SPDX-License-Identifier: MIT OR Apache-2.0

#![expect(
    clippy::disallowed_methods,
    reason = "the moment that virtual time begins at"
)]

use std::net::Ipv4Addr;

use super::*;
use crate::packet::{Fragment, write_data, write_spm};
use crate::sequence::Sqn;
use crate::tsi::Gsi;

const TSI: Tsi = Tsi {
    gsi: Gsi([9; 6]),
    port: 4000,
};
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NLA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1));
const PORT: u16 = 5555;

struct Rig {
    now: Instant,
    begin: Instant,
    receiver: Receiver,
    spm_sqn: u32,
}

/// What was heard, the stream left out.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Heard {
    Up,
    Data(u32),
    Lost(u32, u32),
    Down(DownReason),
}

/// What was sent.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Sent {
    Nak(Vec<u32>),
    Spmr(Destination),
}

impl Rig {
    fn new(change: impl FnOnce(&mut ReceiverConfig)) -> Self {
        let now = Instant::now();
        let mut config = ReceiverConfig::new(PORT);
        change(&mut config);
        Self {
            now,
            begin: now,
            receiver: Receiver::new(config, 3, now),
            spm_sqn: 0,
        }
    }

    /// One that has heard the source, whose next number is 0.
    fn begun() -> Self {
        Self::begun_with(|_| {})
    }

    fn begun_with(change: impl FnOnce(&mut ReceiverConfig)) -> Self {
        let mut rig = Self::new(change);
        rig.spm(0, u32::MAX, false);
        assert_eq!(rig.heard(), [Heard::Up]);
        rig
    }

    fn give(&mut self, bytes: &[u8]) {
        self.receiver
            .handle_input(self.now, SENDER, GROUP, bytes)
            .unwrap();
    }

    fn data_with(&mut self, sqn: u32, trail: u32, repair: bool) {
        let mut bytes = Vec::new();
        let payload = sqn.to_be_bytes();
        write_data(
            &downstream(),
            Sqn(sqn),
            Sqn(trail),
            None,
            &payload,
            &mut bytes,
        );
        if repair {
            bytes[4] = 5;
            bytes[6..8].fill(0);
            let sum = crate::packet::checksum::sum(&bytes);
            let checksum = crate::packet::checksum::of(sum).to_be_bytes();
            bytes[6..8].copy_from_slice(&checksum);
        }
        self.give(&bytes);
    }

    fn data(&mut self, sqn: u32) {
        self.data_with(sqn, if sqn < 1 << 31 { 0 } else { sqn }, false);
    }

    fn repair(&mut self, sqn: u32) {
        self.data_with(sqn, 0, true);
    }

    fn spm(&mut self, trail: u32, lead: u32, fin: bool) {
        let spm = Spm {
            sqn: Sqn(self.spm_sqn),
            trail: Sqn(trail),
            lead: Sqn(lead),
            address: NLA,
        };
        self.spm_sqn += 1;
        let mut bytes = Vec::new();
        write_spm(&downstream(), &spm, fin, &mut bytes);
        self.give(&bytes);
    }

    fn ncf(&mut self, numbers: &[u32]) {
        let nak = Nak {
            kind: NakKind::Confirmation,
            sqn: Sqn(numbers[0]),
            source: NLA,
            group: GROUP,
            parity: false,
        };
        let more: Vec<_> = numbers[1..].iter().map(|n| Sqn(*n)).collect();
        let mut bytes = Vec::new();
        write_nak(&downstream(), &nak, &more, &mut bytes);
        self.give(&bytes);
    }

    fn heard(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(event) = self.receiver.poll_event() {
            heard.push(match event {
                Event::StreamUp { tsi, from, .. } => {
                    assert_eq!((tsi, from), (TSI, SENDER));
                    Heard::Up
                }
                Event::Data { sqn, payload, .. } => {
                    assert_eq!(payload, sqn.0.to_be_bytes());
                    Heard::Data(sqn.0)
                }
                Event::Lost { first, packets, .. } => Heard::Lost(first.0, packets),
                Event::StreamDown { reason, .. } => Heard::Down(reason),
            });
        }
        heard
    }

    fn sent(&mut self) -> Vec<Sent> {
        let (mut sent, mut out) = (Vec::new(), Vec::new());
        while let Some(transmit) = self.receiver.poll_transmit(self.now, &mut out) {
            let packet = Packet::parse(&out[transmit.range]).unwrap();
            assert_eq!(packet.header.upstream(), TSI);
            assert_eq!(packet.header.source_port, PORT);
            sent.push(match packet.body {
                Body::Nak(nak, options) => {
                    assert_eq!(transmit.destination, Destination::Host(NLA));
                    assert_eq!((nak.source, nak.group), (NLA, GROUP));
                    let more = options.nak_list.iter();
                    Sent::Nak(std::iter::once(nak.sqn).chain(more).map(|s| s.0).collect())
                }
                Body::Spmr => Sent::Spmr(transmit.destination),
                other => panic!("{other:?}"),
            });
        }
        sent
    }

    /// Lets time go to the next timer at which something is sent; what, and when.
    fn next_sent(&mut self) -> (u128, Vec<Sent>) {
        for _ in 0..10_000 {
            let Some(next) = self.receiver.poll_timeout() else {
                return (0, Vec::new());
            };
            self.now = self.now.max(next);
            self.receiver.handle_timeout(self.now);
            let sent = self.sent();
            if !sent.is_empty() {
                return (self.now.duration_since(self.begin).as_millis(), sent);
            }
        }
        panic!("it never sends anything")
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.receiver.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.receiver.handle_timeout(self.now);
            self.sent();
        }
        self.now = end;
    }

    fn statistics(&self) -> StreamStatistics {
        let mut sum = self.receiver.statistics().ended;
        for (.., statistics) in self.receiver.streams() {
            sum.add(&statistics);
        }
        sum
    }
}

fn downstream() -> Header {
    Header {
        source_port: TSI.port,
        destination_port: PORT,
        gsi: TSI.gsi,
    }
}

fn all(numbers: std::ops::Range<u32>) -> Vec<Heard> {
    numbers.map(Heard::Data).collect()
}

#[test]
fn data_in_order_is_delivered_at_once() {
    let mut rig = Rig::begun();
    for sqn in 0..100 {
        rig.data(sqn);
        assert_eq!(rig.heard(), [Heard::Data(sqn)]);
    }
    rig.data(50);
    assert_eq!(rig.heard(), []);
    assert_eq!(rig.statistics().duplicates, 1);
    assert_eq!(rig.sent(), []);
}

#[test]
fn a_late_joiner_begins_with_what_comes() {
    let mut rig = Rig::new(|_| {});
    rig.repair(70);
    assert_eq!(rig.heard(), []);
    rig.data(80);
    rig.data(81);
    assert_eq!(rig.heard(), [Heard::Up, Heard::Data(80), Heard::Data(81)]);
    // An SPM has not come: it is asked for, first to the group, then also directly.
    let nearby = Sent::Spmr(Destination::GroupNearby(GROUP));
    let (first, sent) = rig.next_sent();
    assert!((25..=50).contains(&first), "{first}");
    assert_eq!(sent, std::slice::from_ref(&nearby));
    let (_, sent) = rig.next_sent();
    assert_eq!(sent, [Sent::Spmr(Destination::Host(SENDER)), nearby]);
    // A gap waits for it, too.
    rig.data(83);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.heard(), []);
    rig.spm(0, 83, false);
    assert_eq!(rig.next_sent().1, [Sent::Nak(vec![82])]);
    rig.repair(82);
    assert_eq!(rig.heard(), [Heard::Data(82), Heard::Data(83)]);
}

#[test]
fn with_replay_it_begins_with_what_there_is() {
    let mut rig = Rig::new(|config| config.replay = true);
    rig.spm(5, 9, false);
    let (_, sent) = rig.next_sent();
    assert_eq!(sent, [Sent::Nak((5..10).collect())]);
    for sqn in 5..10 {
        rig.repair(sqn);
    }
    assert_eq!(rig.heard()[1..], all(5..10));
}

#[test]
fn another_receivers_request_for_an_spm_will_do() {
    let mut rig = Rig::new(|_| {});
    rig.data(80);
    let mut bytes = Vec::new();
    let header = Header {
        source_port: PORT,
        destination_port: TSI.port,
        gsi: TSI.gsi,
    };
    write_spmr(&header, &mut bytes);
    rig.now += Duration::from_millis(24);
    rig.give(&bytes);
    let (at, _) = rig.next_sent();
    assert!(at >= 74, "{at}");
}

#[test]
fn a_gap_is_asked_for_after_a_back_off_and_filled() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.data(4);
    rig.data(6);
    assert_eq!(rig.heard(), [Heard::Data(0)]);
    let mut asked = Vec::new();
    while asked.len() < 4 {
        let (at, sent) = rig.next_sent();
        assert!(at <= 51, "{at}");
        for sent in sent {
            let Sent::Nak(numbers) = sent else {
                panic!("{sent:?}")
            };
            asked.extend(numbers);
        }
    }
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 3, 5]);
    rig.ncf(&[1, 2, 3, 5]);
    rig.repair(2);
    rig.repair(1);
    assert_eq!(rig.heard(), [Heard::Data(1), Heard::Data(2)]);
    rig.repair(3);
    rig.repair(5);
    assert_eq!(rig.heard(), all(3..7));
    let statistics = rig.statistics();
    assert_eq!((statistics.gaps, statistics.repaired), (4, 4));
    assert_eq!(rig.receiver.statistics().held, 0);
}

#[test]
fn a_burst_goes_into_one_packet_with_a_list() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.data(101);
    let (_, sent) = rig.next_sent();
    let expected = [Sent::Nak((1..64).collect()), Sent::Nak((64..101).collect())];
    assert_eq!(sent, expected);
    assert_eq!(rig.statistics().naks, 2);
}

#[test]
fn somebody_elses_nak_is_enough() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.data(2);
    rig.ncf(&[1]);
    // Nothing is sent before the wait for data is over.
    let (at, sent) = rig.next_sent();
    assert!(at >= 200, "{at}");
    assert_eq!(sent, [Sent::Nak(vec![1])]);
    assert_eq!(rig.statistics().suppressed, 1);
    // A confirmation of what is not known yet tells that it is there.
    rig.ncf(&[5]);
    rig.repair(1);
    assert_eq!(rig.heard(), all(0..3));
    rig.data(3);
    rig.data(4);
    rig.repair(5);
    assert_eq!(rig.heard(), all(3..6));
}

#[test]
fn naks_are_repeated_less_often_and_end_by_time() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.data(2);
    let mut times = Vec::new();
    while rig.receiver.statistics().held > 0 {
        let Some(next) = rig.receiver.poll_timeout() else {
            break;
        };
        if next > rig.begin + Duration::from_secs(30) {
            break;
        }
        rig.now = next;
        rig.receiver.handle_timeout(next);
        if !rig.sent().is_empty() {
            times.push(next.duration_since(rig.begin).as_millis());
        }
    }
    let time = rig.now.duration_since(rig.begin);
    assert!(time >= Duration::from_secs(10) && time < Duration::from_secs(12));
    assert!((15..=30).contains(&times.len()), "{times:?}");
    assert_eq!(
        rig.heard(),
        [Heard::Data(0), Heard::Lost(1, 1), Heard::Data(2)]
    );
    assert_eq!(rig.statistics().unrecovered, 1);
}

#[test]
fn the_trail_ends_what_cannot_be_had() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.data(5);
    rig.spm(3, 6, false);
    assert_eq!(rig.heard(), [Heard::Data(0), Heard::Lost(1, 2)]);
    rig.data_with(7, 5, false);
    assert_eq!(rig.heard(), [Heard::Lost(3, 2), Heard::Data(5)]);
    rig.data_with(6, 5, true);
    assert_eq!(rig.heard(), [Heard::Data(6), Heard::Data(7)]);
    // All of it, and more than is known of.
    rig.spm(100, 99, false);
    assert_eq!(rig.heard(), [Heard::Lost(8, 92)]);
    rig.data_with(100, 100, false);
    assert_eq!(rig.heard(), [Heard::Data(100)]);
}

#[test]
fn spms_show_lost_tails_and_stale_ones_are_dropped() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.spm(0, 2, false);
    assert_eq!(rig.next_sent().1, [Sent::Nak(vec![1, 2])]);
    rig.spm_sqn = 0;
    rig.spm(0, 50, false);
    assert_eq!(rig.statistics().stale_spms, 1);
    assert_eq!(rig.statistics().gaps, 2);
}

#[test]
fn numbers_wrap() {
    let mut rig = Rig::new(|_| {});
    rig.spm(u32::MAX - 3, u32::MAX - 4, false);
    for step in [0, 2, 1, 5, 6, 3, 4, 7] {
        let sqn = (u32::MAX - 3).wrapping_add(step);
        rig.data_with(sqn, u32::MAX - 3, step == 1);
    }
    let expected: Vec<_> = (0..8)
        .map(|step| Heard::Data((u32::MAX - 3).wrapping_add(step)))
        .collect();
    assert_eq!(rig.heard()[1..], expected);
}

#[test]
fn an_end_is_told_when_all_is_there() {
    let mut rig = Rig::begun();
    rig.data(0);
    rig.spm(0, 2, true);
    assert_eq!(rig.heard(), [Heard::Data(0)]);
    rig.repair(2);
    rig.repair(1);
    assert_eq!(
        rig.heard(),
        [
            Heard::Data(1),
            Heard::Data(2),
            Heard::Down(DownReason::Finished)
        ]
    );
    // What comes late does not begin it anew; later it is forgotten.
    rig.data(2);
    rig.spm(0, 2, true);
    assert_eq!(rig.heard(), []);
    rig.pass(Duration::from_secs(11));
    assert_eq!(rig.receiver.statistics().streams, 0);
    assert_eq!(rig.heard(), []);
    rig.spm(0, 2, true);
    assert_eq!(rig.heard(), []);
}

#[test]
fn silence_ends_a_stream() {
    let mut rig = Rig::begun();
    for sqn in 0..3 {
        rig.pass(Duration::from_secs(200));
        rig.data(sqn);
    }
    assert_eq!(rig.heard(), all(0..3));
    rig.data(5);
    rig.pass(Duration::from_secs(301));
    assert_eq!(
        rig.heard(),
        [
            Heard::Lost(3, 2),
            Heard::Data(5),
            Heard::Down(DownReason::Expired)
        ]
    );
}

#[test]
fn what_waits_is_bounded() {
    let mut rig = Rig::begun_with(|config| {
        config.max_packets = 100;
        config.max_bytes = 20_000;
    });
    rig.data(0);
    for sqn in 2..300 {
        rig.data(sqn);
    }
    let heard = rig.heard();
    assert_eq!(
        heard[..3],
        [Heard::Data(0), Heard::Lost(1, 1), Heard::Data(2)]
    );
    assert_eq!(heard.len(), 300);
    // Far ahead: a fresh start.
    rig.data(1_000_000);
    rig.data(1_000_001);
    assert_eq!(
        rig.heard(),
        [
            Heard::Lost(300, 999_700),
            Heard::Data(1_000_000),
            Heard::Data(1_000_001)
        ]
    );
    rig.spm(0, 2_000_000, false);
    assert_eq!(rig.heard(), [Heard::Lost(1_000_002, 999_998)]);
    assert_eq!(rig.next_sent().1, [Sent::Nak(vec![2_000_000])]);
    rig.ncf(&[3_000_000]);
    assert!(rig.receiver.statistics().held < 20_000);
}

#[test]
fn streams_are_bounded_and_told_apart_by_sender() {
    let mut rig = Rig::new(|config| config.max_streams = 4);
    for last in 1..=6 {
        let mut bytes = Vec::new();
        write_data(
            &downstream(),
            Sqn(9),
            Sqn(0),
            None,
            &9_u32.to_be_bytes(),
            &mut bytes,
        );
        let from = IpAddr::from([10, 0, 0, last]);
        rig.now += Duration::from_millis(1);
        rig.receiver
            .handle_input(rig.now, from, GROUP, &bytes)
            .unwrap();
    }
    assert_eq!(rig.receiver.statistics().streams, 4);
    let mut downs = 0;
    while let Some(event) = rig.receiver.poll_event() {
        if let Event::StreamDown { reason, .. } = event {
            assert_eq!(reason, DownReason::Crowded);
            downs += 1;
        }
    }
    assert_eq!(downs, 2);
}

#[test]
fn it_says_when_it_is_full() {
    let mut rig = Rig::begun_with(|config| config.max_ready = 1000);
    let mut sqn = 0;
    while !rig.receiver.is_full() {
        rig.data(sqn);
        sqn += 1;
    }
    assert!((5..100).contains(&sqn));
    assert_eq!(rig.heard().len(), sqn as usize);
    assert!(!rig.receiver.is_full());
}

#[test]
fn fragments_are_put_together_or_dropped() {
    let mut rig = Rig::begun();
    let mut part = |sqn: u32, first: u32, offset: u32, bytes: &[u8]| {
        let fragment = Some(Fragment {
            first: Sqn(first),
            offset,
            length: 9,
        });
        let mut out = Vec::new();
        write_data(&downstream(), Sqn(sqn), Sqn(0), fragment, bytes, &mut out);
        rig.give(&out);
        let mut whole = Vec::new();
        while let Some(event) = rig.receiver.poll_event() {
            if let Event::Data { payload, .. } = event {
                whole.push(payload.to_vec());
            }
        }
        whole
    };
    assert_eq!(part(0, 0, 0, b"abcd"), [[]; 0]);
    assert_eq!(part(1, 0, 4, b"efg"), [[]; 0]);
    assert_eq!(part(2, 0, 7, b"hi"), [b"abcdefghi"]);
    // The beginning is missing; one that breaks off; and then a good one.
    assert_eq!(part(3, 2, 7, b"hi"), [[]; 0]);
    assert_eq!(part(4, 4, 0, b"abcd"), [[]; 0]);
    assert_eq!(part(5, 5, 0, b"123456"), [[]; 0]);
    assert_eq!(part(6, 5, 6, b"789"), [b"123456789"]);
    assert_eq!(rig.statistics().broken, 1);
}

#[test]
fn what_is_not_for_receivers_is_counted() {
    let mut rig = Rig::begun();
    let mut bytes = Vec::new();
    let mut header = downstream();
    header.destination_port = 1;
    write_data(&header, Sqn(1), Sqn(0), None, b"x", &mut bytes);
    rig.give(&bytes);
    assert_eq!(rig.receiver.statistics().foreign, 1);
    assert!(
        rig.receiver
            .handle_input(rig.now, SENDER, GROUP, b"short")
            .is_err()
    );
    assert_eq!(rig.receiver.statistics().malformed, 1);
}
