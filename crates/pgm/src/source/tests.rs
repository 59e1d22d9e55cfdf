// SPDX-License-Identifier: MIT OR Apache-2.0

#![expect(
    clippy::disallowed_methods,
    reason = "the moment that virtual time begins at"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::packet::{Data, write_data, write_spmr};
use crate::rate::Limit;
use crate::tsi::Gsi;

const TSI: Tsi = Tsi {
    gsi: Gsi([1; 6]),
    port: 77,
};
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1));
const PORT: u16 = 5555;

/// A source and its time.
struct Rig {
    now: Instant,
    source: Source,
}

/// What was sent: kind, first number, whether FIN or how many more numbers.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Sent {
    Spm { trail: u32, lead: u32, fin: bool },
    Data { sqn: u32, repair: bool, len: usize },
    Ncf(Vec<u32>),
}

impl Rig {
    fn new(change: impl FnOnce(&mut SourceConfig)) -> Self {
        let now = Instant::now();
        let mut config = SourceConfig::new(TSI, PORT, ADDRESS, GROUP);
        config.limit = None;
        change(&mut config);
        let mut rig = Self {
            now,
            source: Source::new(config, now),
        };
        let first = rig.source.window.trail().0;
        let empty = Sent::Spm {
            trail: first,
            lead: first.wrapping_sub(1),
            fin: false,
        };
        assert_eq!(rig.drain(), vec![empty; 3]);
        rig
    }

    fn drain(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut out = Vec::new();
        while let Some(transmit) = self.source.poll_transmit(self.now, &mut out) {
            assert_eq!(transmit.destination, Destination::Group(GROUP));
            let packet = Packet::parse(&out[transmit.range]).unwrap();
            assert_eq!(packet.header.downstream(), TSI);
            assert_eq!(packet.header.destination_port, PORT);
            sent.push(match packet.body {
                Body::Spm(spm, options) => {
                    assert_eq!(spm.address, ADDRESS);
                    Sent::Spm {
                        trail: spm.trail.0,
                        lead: spm.lead.0,
                        fin: options.fin,
                    }
                }
                Body::Data(data) => Sent::Data {
                    sqn: data.sqn.0,
                    repair: data.repair,
                    len: data.payload.len(),
                },
                Body::Nak(nak, options) => {
                    assert_eq!(nak.kind, NakKind::Confirmation);
                    let more = options.nak_list.iter();
                    Sent::Ncf(std::iter::once(nak.sqn).chain(more).map(|s| s.0).collect())
                }
                other => panic!("{other:?}"),
            });
        }
        sent
    }

    fn pass(&mut self, milliseconds: u64) -> Vec<Sent> {
        self.now += Duration::from_millis(milliseconds);
        self.source.handle_timeout(self.now);
        self.drain()
    }

    fn send(&mut self, len: usize) -> Result<u32, SendError> {
        self.source.send(self.now, &vec![7; len]).map(|sqn| sqn.0)
    }

    fn ask(&mut self, numbers: &[u32]) -> Vec<Sent> {
        self.ask_as(numbers, |_, _| {})
    }

    fn ask_as(&mut self, numbers: &[u32], change: impl FnOnce(&mut Header, &mut Nak)) -> Vec<Sent> {
        let mut header = upstream();
        let mut nak = Nak {
            kind: NakKind::Nak,
            sqn: Sqn(numbers[0]),
            source: ADDRESS,
            group: GROUP,
            parity: false,
        };
        change(&mut header, &mut nak);
        let more: Vec<_> = numbers[1..].iter().map(|n| Sqn(*n)).collect();
        let mut bytes = Vec::new();
        write_nak(&header, &nak, &more, &mut bytes);
        self.source.handle_input(self.now, &bytes).ok();
        self.drain()
    }
}

fn upstream() -> Header {
    Header {
        source_port: PORT,
        destination_port: TSI.port,
        gsi: TSI.gsi,
    }
}

fn data(sqn: u32, repair: bool) -> Sent {
    Sent::Data {
        sqn,
        repair,
        len: 100,
    }
}

#[test]
fn data_goes_out_in_order_and_heartbeats_follow() {
    let mut rig = Rig::new(|_| {});
    assert_eq!((rig.send(100), rig.send(100)), (Ok(0), Ok(1)));
    assert_eq!(rig.drain(), [data(0, false), data(1, false)]);
    let begin = rig.now;
    let mut beats = Vec::new();
    while beats.len() < 10 {
        let next = rig.source.poll_timeout().unwrap();
        rig.now = next;
        let sent = rig.pass(0);
        for each in sent {
            let expected = Sent::Spm {
                trail: 0,
                lead: 1,
                fin: false,
            };
            assert_eq!(each, expected);
            beats.push(next.duration_since(begin).as_millis());
        }
    }
    // The first eight offsets of the reference, then every 30 s.
    assert_eq!(
        beats,
        [100, 200, 300, 400, 500, 1800, 8800, 24_800, 54_800, 84_800]
    );
}

#[test]
fn a_busy_source_still_tells_its_path() {
    let mut rig = Rig::new(|config| config.ambient = Duration::from_millis(500));
    let mut spms = 0;
    for _ in 0..100 {
        rig.send(100).unwrap();
        spms += rig
            .pass(50)
            .iter()
            .filter(|sent| matches!(sent, Sent::Spm { .. }))
            .count();
    }
    assert!((8..=11).contains(&spms), "{spms}");
}

#[test]
fn a_nak_is_confirmed_and_repaired_once() {
    let mut rig = Rig::new(|_| {});
    for _ in 0..10 {
        rig.send(100).unwrap();
    }
    rig.drain();
    assert_eq!(
        rig.ask(&[3, 4, 7]),
        [
            Sent::Ncf(vec![3, 4, 7]),
            data(3, true),
            data(4, true),
            data(7, true)
        ]
    );
    // A thousand others ask for the same; one asks for something else.
    for _ in 0..1000 {
        assert_eq!(rig.ask(&[3, 7]), []);
    }
    assert_eq!(rig.ask(&[7, 8]), [Sent::Ncf(vec![8]), data(8, true)]);
    let statistics = rig.source.statistics();
    assert_eq!(
        (statistics.naks, statistics.repairs, statistics.ncfs),
        (1002, 4, 2)
    );
    assert_eq!(statistics.held, 2001);
    // Later it may have been lost again.
    rig.pass(21);
    assert_eq!(rig.ask(&[3]), [Sent::Ncf(vec![3]), data(3, true)]);
}

#[test]
fn naks_that_are_not_for_us_change_nothing() {
    let mut rig = Rig::new(|_| {});
    rig.send(100).unwrap();
    rig.drain();
    assert_eq!(
        rig.ask_as(&[0], |header, _| header.destination_port += 1),
        []
    );
    assert_eq!(rig.ask_as(&[0], |header, _| header.source_port += 1), []);
    assert_eq!(rig.ask_as(&[0], |header, _| header.gsi.0[0] += 1), []);
    assert_eq!(rig.ask_as(&[0], |_, nak| nak.source = GROUP), []);
    assert_eq!(rig.ask_as(&[0], |_, nak| nak.group = ADDRESS), []);
    assert_eq!(rig.ask_as(&[0], |_, nak| nak.parity = true), []);
    assert_eq!(
        rig.ask_as(&[0], |_, nak| nak.kind = NakKind::Confirmation),
        []
    );
    assert_eq!(rig.source.statistics().foreign, 6);
    let mut bytes = Vec::new();
    write_spmr(&upstream(), &mut bytes);
    bytes[3] ^= 1;
    assert!(rig.source.handle_input(rig.now, &bytes).is_err());
    assert_eq!(rig.source.statistics().checksum, 1);
    let mut bytes = Vec::new();
    let mut header = upstream();
    header.destination_port += 1;
    write_spmr(&header, &mut bytes);
    let heard = rig.source.handle_input(rig.now, &bytes);
    assert_eq!(heard, Ok(Heard::Foreign(None)));
    // A NAK says where its source is to be found.
    let nak = Nak {
        kind: NakKind::Nak,
        sqn: Sqn(0),
        source: ADDRESS,
        group: IpAddr::from([239, 9, 9, 9]),
        parity: false,
    };
    bytes.clear();
    write_nak(&header, &nak, &[], &mut bytes);
    let heard = rig.source.handle_input(rig.now, &bytes);
    assert_eq!(heard, Ok(Heard::Foreign(Some(nak.group))));
    let mut bytes = Vec::new();
    write_data(&upstream(), Sqn(0), Sqn(0), None, b"x", &mut bytes);
    assert_eq!(rig.source.handle_input(rig.now, &bytes), Ok(Heard::Ignored));
    assert_eq!(rig.drain(), []);
}

#[test]
fn requests_for_an_spm_are_answered_but_not_each() {
    let mut rig = Rig::new(|_| {});
    let mut bytes = Vec::new();
    write_spmr(&upstream(), &mut bytes);
    rig.pass(30);
    let mut spms = 0;
    for _ in 0..1000 {
        assert_eq!(rig.source.handle_input(rig.now, &bytes), Ok(Heard::Taken));
        spms += rig.pass(0).len();
    }
    assert_eq!(spms, 1);
    let next = rig.source.poll_timeout().unwrap();
    assert!(next <= rig.now + Duration::from_millis(20));
    rig.now = next;
    assert_eq!(rig.pass(0).len(), 1);
}

#[test]
fn what_is_gone_is_told_by_the_trail() {
    let mut rig = Rig::new(|config| {
        config.window_packets = 4;
        config.first = Sqn(u32::MAX - 5);
    });
    for _ in 0..10 {
        rig.send(100).unwrap();
        rig.drain();
    }
    rig.pass(30);
    assert_eq!(rig.ask(&[u32::MAX - 5]), []);
    let spm = Sent::Spm {
        trail: 0,
        lead: 3,
        fin: false,
    };
    assert_eq!(rig.pass(0), [spm]);
    assert_eq!(rig.source.statistics().gone, 1);
    assert_eq!(rig.ask(&[0]).len(), 2);
}

#[test]
fn the_window_is_bounded_by_bytes_and_by_age() {
    let mut rig = Rig::new(|config| config.window_bytes = 3 << 20);
    for _ in 0..5000 {
        rig.send(1400).unwrap();
        rig.drain();
    }
    let (packets, bytes) = rig.source.kept();
    assert!(bytes <= 3 << 20 && bytes > 2 << 20, "{bytes}");
    assert!(packets < 5000);
    // Ten seconds later most of it is too old; the floor stays.
    rig.now += Duration::from_secs(11);
    rig.send(1400).unwrap();
    let (_, bytes) = rig.source.kept();
    assert!(bytes <= KEPT_BYTES && bytes > KEPT_BYTES - 4000, "{bytes}");
    rig.drain();
    let before = bytes;
    rig.now += Duration::from_secs(3600);
    rig.source.handle_timeout(rig.now);
    rig.drain();
    assert!(rig.source.kept().1 <= before);
}

#[test]
fn the_rate_holds_and_repairs_have_half_of_it() {
    let mut rig = Rig::new(|config| config.limit = Some(Limit::new(1_000_000, 1500)));
    // 1472 with headers: about 85 a second.
    let mut sent = Vec::new();
    let begin = rig.now;
    while rig.now < begin + Duration::from_secs(10) {
        while rig.source.has_room() {
            rig.send(1448).unwrap();
        }
        // Receivers that want everything again.
        let end = rig.source.window.sent_end().0;
        if end > 200 {
            let wanted: Vec<u32> = (end - 60..end).collect();
            sent.extend(rig.ask(&wanted));
        }
        rig.now = rig.source.poll_timeout().unwrap();
        sent.extend(rig.pass(0));
    }
    let count = |wanted: bool| {
        sent.iter()
            .filter(|sent| matches!(sent, Sent::Data { repair, .. } if *repair == wanted))
            .count()
    };
    let (data, repairs) = (count(false), count(true));
    let bits = (data + repairs) as f64 * 1500.0 * 8.0 / 10.0;
    assert!((950_000.0..1_050_000.0).contains(&bits), "{bits}");
    // From the two hundredth packet on they take turns.
    assert!(
        repairs + 210 > data && data + 10 > repairs,
        "{data} {repairs}"
    );
}

#[test]
fn too_much_waits_elsewhere() {
    let mut rig = Rig::new(|config| config.limit = Some(Limit::new(100_000, 1500)));
    let mut taken = 0;
    while rig.send(1000) != Err(SendError::Backlog) {
        taken += 1;
    }
    assert!((12..=14).contains(&taken), "{taken}");
    assert!(!rig.source.has_room() && rig.source.has_waiting());
    assert_eq!(rig.send(0), Err(SendError::Empty));
}

#[test]
fn long_ones_go_in_fragments() {
    let mut rig = Rig::new(|_| {});
    assert_eq!(rig.send(1448), Ok(0));
    assert_eq!(rig.send(5000), Ok(1));
    let lens: Vec<usize> = rig
        .drain()
        .into_iter()
        .map(|sent| match sent {
            Sent::Data { len, .. } => len,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lens, [1448, 1428, 1428, 1428, 716]);
    assert_eq!(rig.send(65 << 20), Err(SendError::TooLong));
}

#[test]
fn an_end_lingers_until_nobody_asks() {
    let mut rig = Rig::new(|_| {});
    for _ in 0..3 {
        rig.send(100).unwrap();
    }
    let now = rig.now;
    rig.source.close(now, None);
    assert_eq!(rig.send(1), Err(SendError::Closed));
    let fin = Sent::Spm {
        trail: 0,
        lead: 2,
        fin: true,
    };
    let sent = rig.drain();
    assert_eq!(sent[..3], [data(0, false), data(1, false), data(2, false)]);
    assert_eq!(&sent[3..], std::slice::from_ref(&fin));
    // Somebody asks, again and again; each time it waits for more, longer than when nobody had.
    rig.pass(400);
    for _ in 0..10 {
        assert!(!rig.source.is_closed());
        assert!(rig.ask(&[1]).contains(&data(1, true)));
        rig.pass(1900);
    }
    assert!(!rig.source.is_closed());
    let mut fins = 0;
    while let Some(next) = rig.source.poll_timeout() {
        rig.now = next;
        fins += rig.pass(0).iter().filter(|sent| **sent == fin).count();
    }
    assert!(rig.source.is_closed());
    assert!(rig.now < now + Duration::from_secs(25), "{fins}");
    assert_eq!(rig.ask(&[1]), []);
}

#[test]
fn an_end_at_once_says_so_three_times() {
    let mut rig = Rig::new(|config| config.limit = Some(Limit::new(100_000, 1500)));
    while rig.source.has_room() {
        rig.send(1000).unwrap();
    }
    rig.source.close(rig.now, Some(rig.now));
    assert!(!rig.source.is_closed());
    let sent = rig.drain();
    let fins = sent
        .iter()
        .filter(|sent| matches!(sent, Sent::Spm { fin: true, .. }))
        .count();
    assert_eq!((sent.len(), fins), (3, 3));
    assert!(rig.source.is_closed());
    assert_eq!(rig.source.poll_timeout(), None);
}

/// Where this process has not run receivers may not have run either: all of them stopped, or the machine.
#[test]
fn an_end_does_not_count_time_that_was_not_there() {
    let mut rig = Rig::new(|_| {});
    rig.send(100).unwrap();
    rig.drain();
    rig.source.close(rig.now, None);
    rig.drain();
    rig.now += Duration::from_secs(60);
    rig.drain();
    assert!(!rig.source.is_closed());
    assert!(rig.ask(&[0]).contains(&data(0, true)));
    let again = rig.now;
    while let Some(next) = rig.source.poll_timeout() {
        rig.now = next;
        rig.pass(0);
    }
    assert!(rig.now <= again + Duration::from_secs(2));
}

#[test]
fn an_end_after_a_pause_takes_no_time() {
    let mut rig = Rig::new(|_| {});
    rig.send(100).unwrap();
    rig.drain();
    rig.pass(2000);
    rig.source.close(rig.now, None);
    assert_eq!(rig.drain().len(), 3);
    assert!(rig.source.is_closed());
}

#[test]
fn a_read_packet_is_what_was_given() {
    let mut rig = Rig::new(|config| config.first = Sqn(u32::MAX));
    rig.source.send(rig.now, b"first").unwrap();
    rig.source.send(rig.now, b"second").unwrap();
    let mut out = Vec::new();
    for (sqn, payload) in [(u32::MAX, &b"first"[..]), (0, b"second")] {
        let transmit = rig.source.poll_transmit(rig.now, &mut out).unwrap();
        let Body::Data(Data {
            sqn: read,
            payload: bytes,
            ..
        }) = Packet::parse(&out[transmit.range]).unwrap().body
        else {
            panic!("no data")
        };
        assert_eq!((read.0, bytes), (sqn, payload));
    }
}
