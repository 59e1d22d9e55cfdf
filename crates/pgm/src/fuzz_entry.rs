// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets call, here so that tests of the stable toolchain can replay their corpora.
//!
//! An entry panics where a promise is broken; everything else about its input is allowed. Scripts are read
//! as steps: a length in two bytes, whose upper bits say what the step is, and so many bytes.

#![expect(
    clippy::panic,
    reason = "a broken promise is a panic: that is what a fuzzer looks for"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::packet::{
    Body, Header, NakKind, Packet, checksum, option, write_data, write_nak, write_spm, write_spmr,
};
use crate::{Event, Gsi, Receiver, ReceiverConfig, Source, SourceConfig, Sqn, Tsi};

/// A packet: what can be written comes back as it was.
pub fn packet(data: &[u8]) {
    let Ok(read) = Packet::parse(data) else {
        return;
    };
    let mut out = Vec::new();
    match read.body {
        Body::Spm(spm, options) if !options.rst && !options.syn => {
            write_spm(&read.header, &spm, options.fin, &mut out);
        }
        Body::Data(data) if !data.repair && !data.parity => {
            let Packet { header, .. } = read;
            write_data(
                &header,
                data.sqn,
                data.trail,
                data.fragment,
                data.payload,
                &mut out,
            );
        }
        Body::Nak(nak, options) => {
            let more: Vec<Sqn> = options.nak_list.iter().collect();
            assert!(more.len() <= option::NAK_LIST_MAX);
            write_nak(&read.header, &nak, &more, &mut out);
        }
        Body::Spmr => write_spmr(&read.header, &mut out),
        Body::Spm(..) | Body::Data(_) | Body::Other(_) => return,
    }
    match (Packet::parse(&out), read.body) {
        (Ok(again), Body::Spm(spm, _)) => {
            assert!(matches!(again.body, Body::Spm(same, _) if same == spm));
        }
        (Ok(again), Body::Nak(nak, options)) => {
            let same = matches!(again.body, Body::Nak(same, list)
                if same == nak && list.nak_list == options.nak_list);
            assert!(same);
        }
        (Ok(again), _) => assert_eq!(again, read),
        (Err(fault), _) => panic!("{fault}"),
    }
}

/// Options: the bytes stand behind the head of an SPM that has a right checksum.
pub fn options(data: &[u8]) {
    let mut bytes = spm_head();
    bytes.extend_from_slice(data);
    set_checksum(&mut bytes);
    packet(&bytes);
}

/// A source that hears anything: what it keeps and says stays bounded.
pub fn source(data: &[u8]) {
    let mut now = begin();
    let mut config = SourceConfig::new(TSI, PORT, ADDRESS, GROUP);
    config.window_packets = 32;
    config.first = Sqn(u32::MAX - 8);
    let mut source = Source::new(config, now);
    let mut out = Vec::new();
    for (kind, bytes) in steps(data) {
        match kind {
            0 => {
                let may = source.has_room() && !bytes.is_empty();
                assert_eq!(source.send(now, bytes).is_ok(), may);
            }
            1 => {
                source.handle_input(now, &with_checksum(bytes, 0)).ok();
            }
            2 => {
                source.handle_input(now, bytes).ok();
            }
            _ => now += milliseconds(bytes),
        }
        source.handle_timeout(now);
        let mut packets = 0;
        while let Some(transmit) = source.poll_transmit(now, &mut out) {
            let Some(bytes) = out.get(transmit.range) else {
                panic!("not there")
            };
            assert!(Packet::parse(bytes).is_ok(), "a bad packet is sent");
            packets += 1;
            assert!(packets < 1000, "no end of packets");
            out.clear();
        }
        assert!(source.kept().0 <= 32 + 64);
    }
}

/// A receiver that hears anything: in order, once, and bounded.
pub fn receiver(data: &[u8]) {
    let mut now = begin();
    let mut config = ReceiverConfig::new(PORT);
    config.max_packets = 64;
    config.max_bytes = 16 << 10;
    config.max_streams = 4;
    let mut receiver = Receiver::new(config, 1, now);
    let mut out = Vec::new();
    let mut next: Vec<(crate::StreamId, Sqn)> = Vec::new();
    for (kind, bytes) in steps(data) {
        match kind {
            0 | 1 => {
                let whole = with_checksum(bytes, kind);
                receiver.handle_input(now, ADDRESS, GROUP, &whole).ok();
            }
            2 => {
                receiver.handle_input(now, ADDRESS, GROUP, bytes).ok();
            }
            _ => now += milliseconds(bytes),
        }
        receiver.handle_timeout(now);
        let mut packets = 0;
        while let Some(transmit) = receiver.poll_transmit(now, &mut out) {
            let Some(bytes) = out.get(transmit.range) else {
                panic!("not there")
            };
            let Ok(sent) = Packet::parse(bytes) else {
                panic!("a bad packet is sent")
            };
            let is_upstream = match sent.body {
                Body::Nak(nak, _) => nak.kind == NakKind::Nak,
                Body::Spmr => true,
                _ => false,
            };
            assert!(is_upstream);
            packets += 1;
            assert!(packets < 1000, "no end of packets");
            out.clear();
        }
        while let Some(event) = receiver.poll_event() {
            follow(&event, &mut next);
        }
        let statistics = receiver.statistics();
        assert!(statistics.streams <= 4);
        assert!(
            statistics.held <= (16 << 10) + 4 * 64 * 100,
            "{statistics:?}"
        );
        assert!(!receiver.is_full());
    }
}

/// Every number of a stream is delivered or lost, once, in order.
fn follow(event: &Event<'_>, next: &mut Vec<(crate::StreamId, Sqn)>) {
    let (stream, first, last) = match *event {
        // A fragment's number is that of the last one.
        Event::Data { stream, sqn, .. } => (stream, None, sqn),
        Event::Lost {
            stream,
            first,
            packets,
        } => {
            assert!(packets > 0);
            (stream, Some(first), first.plus(packets - 1))
        }
        Event::StreamUp { .. } => return,
        Event::StreamDown { stream, .. } => {
            next.retain(|(known, _)| *known != stream);
            return;
        }
    };
    match next.iter_mut().find(|(known, _)| *known == stream) {
        Some((_, expected)) => {
            let begins = first.unwrap_or(last);
            assert!(!begins.precedes(*expected), "twice: {event:?}");
            *expected = last.plus(1);
        }
        None => next.push((stream, last.plus(1))),
    }
}

fn steps(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[high, low], rest) = data.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high & 0x07, low])).min(rest.len());
        let (bytes, after) = rest.split_at_checked(len)?;
        data = after;
        Some((high >> 6, bytes))
    })
}

/// Makes a packet that would pass: ports and GSI of the stream, a right checksum.
fn with_checksum(bytes: &[u8], direction: u8) -> Vec<u8> {
    let mut whole = bytes.to_vec();
    if let Some(head) = whole.get_mut(..16) {
        let ports = [TSI.port.to_be_bytes(), PORT.to_be_bytes()];
        let [from, to] = if direction == 0 { [1, 0] } else { [0, 1] };
        let mut fresh = Vec::new();
        for at in [from, to] {
            fresh.extend_from_slice(ports.get(at).unwrap_or(&[0; 2]));
        }
        for (to, from) in head.iter_mut().zip(fresh) {
            *to = from;
        }
        for (to, from) in head.iter_mut().skip(8).zip(TSI.gsi.0) {
            *to = from;
        }
        set_checksum(&mut whole);
    }
    whole
}

fn set_checksum(packet: &mut [u8]) {
    if let Some(place) = packet.get_mut(6..8) {
        place.fill(0);
    }
    let sum = checksum::of(checksum::sum(packet)).to_be_bytes();
    if let Some(place) = packet.get_mut(6..8) {
        place.copy_from_slice(&sum);
    }
}

fn spm_head() -> Vec<u8> {
    let header = Header {
        source_port: TSI.port,
        destination_port: PORT,
        gsi: TSI.gsi,
    };
    let spm = crate::packet::Spm {
        sqn: Sqn(0),
        trail: Sqn(0),
        lead: Sqn(0),
        address: ADDRESS,
    };
    let mut bytes = Vec::new();
    write_spm(&header, &spm, false, &mut bytes);
    if let Some(flags) = bytes.get_mut(5) {
        *flags = 1;
    }
    bytes
}

fn milliseconds(bytes: &[u8]) -> Duration {
    let number = bytes
        .iter()
        .take(2)
        .fold(0, |sum, byte| sum * 256 + u64::from(*byte));
    Duration::from_millis(number)
}

/// One moment for all runs.
#[expect(
    clippy::disallowed_methods,
    reason = "a fuzz target has nobody to be told the time by"
)]
fn begin() -> Instant {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    *BEGIN.get_or_init(Instant::now)
}

const TSI: Tsi = Tsi {
    gsi: Gsi([1, 2, 3, 4, 5, 6]),
    port: 4000,
};
const PORT: u16 = 7500;
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1));
