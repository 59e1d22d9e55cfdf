// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets on the stable toolchain: replays the committed corpora, then mutates them for a while. What is
//! looked for stands in `fuzz_entry`: no panic, nothing twice or out of order, bounded memory.
//!
//! `cargo test -p ferromq-pgm --test corpus -- --ignored` writes the hand-made part of the corpora.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../../../fuzz/replay.rs"]
mod replay;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferromq_pgm::packet::{
    Fragment, Header, Nak, NakKind, Spm, write_data, write_nak, write_spm, write_spmr,
};
use ferromq_pgm::{Gsi, Sqn, fuzz_entry};
use replay::{Inputs, Target, named};

const TARGETS: [Target; 4] = [
    ("pgm_options", fuzz_entry::options),
    ("pgm_packet", fuzz_entry::packet),
    ("pgm_receiver", fuzz_entry::receiver),
    ("pgm_source", fuzz_entry::source),
];

/// Mutated inputs tried for each target.
const MUTATIONS: u64 = 30_000;

#[test]
fn committed_inputs_keep_every_promise() {
    replay::committed(&TARGETS);
}

#[test]
fn mutated_inputs_keep_every_promise() {
    replay::mutated(&TARGETS, MUTATIONS);
}

#[test]
#[ignore = "writes into the checkout: to be run by hand when inputs are added here"]
fn write_the_hand_made_inputs() {
    replay::write(&[
        ("pgm_options", options()),
        ("pgm_packet", packets()),
        ("pgm_receiver", [receivers(), odd_receivers()].concat()),
        ("pgm_source", sources()),
    ]);
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 1, 1));

fn header() -> Header {
    Header {
        source_port: 4000,
        destination_port: 7500,
        gsi: Gsi([1, 2, 3, 4, 5, 6]),
    }
}

fn spm(number: u32, trail: u32, lead: u32, fin: bool, address: IpAddr) -> Vec<u8> {
    let spm = Spm {
        sqn: Sqn(number),
        trail: Sqn(trail),
        lead: Sqn(lead),
        address,
    };
    let mut out = Vec::new();
    write_spm(&header(), &spm, fin, &mut out);
    out
}

fn data(sqn: u32, trail: u32, fragment: Option<(u32, u32, u32)>, bytes: &[u8]) -> Vec<u8> {
    let fragment = fragment.map(|(first, offset, length)| Fragment {
        first: Sqn(first),
        offset,
        length,
    });
    let mut out = Vec::new();
    write_data(&header(), Sqn(sqn), Sqn(trail), fragment, bytes, &mut out);
    out
}

fn repair(sqn: u32) -> Vec<u8> {
    let mut packet = data(sqn, 0, None, b"again");
    packet[4] = 5;
    packet
}

fn nak(kind: NakKind, numbers: &[u32], source: IpAddr, group: IpAddr) -> Vec<u8> {
    let nak = Nak {
        kind,
        sqn: Sqn(numbers[0]),
        source,
        group,
        parity: false,
    };
    let more: Vec<_> = numbers[1..].iter().map(|n| Sqn(*n)).collect();
    let mut out = Vec::new();
    write_nak(&header(), &nak, &more, &mut out);
    out
}

fn packets() -> Inputs {
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let many: Vec<u32> = (0..63).collect();
    let mut spmr = Vec::new();
    write_spmr(&header(), &mut spmr);
    let mut other = spmr.clone();
    other[4] = 0x0d;
    let mut inputs = vec![
        named("empty", b""),
        named("zeroes", [0; 64]),
        named("spm", spm(0, 1, 2, false, V4)),
        named("spm-fin", spm(0, 1, 2, true, V4)),
        named("spm-v6", spm(0, 1, 2, false, v6)),
        named("spm-empty-window", spm(0, 0, u32::MAX, false, V4)),
        named("data", data(1, 0, None, b"hello")),
        named("data-empty", data(1, 0, None, b"")),
        named("data-wrapped", data(2, u32::MAX - 2, None, b"hello")),
        named("fragment", data(1, 0, Some((1, 0, 10)), b"hello")),
        named("fragment-beyond", data(1, 0, Some((1, 9, 10)), b"hello")),
        named("nak", nak(NakKind::Nak, &[7], V4, GROUP)),
        named("nak-list", nak(NakKind::Nak, &many, V4, GROUP)),
        named("nak-v6", nak(NakKind::Nak, &[1, 2], v6, v6)),
        named("null-nak", nak(NakKind::Null, &[7], V4, GROUP)),
        named("ncf", nak(NakKind::Confirmation, &[7, 9], V4, v6)),
        named("spmr", spmr.clone()),
        named("ack", other),
    ];
    let cuts = [1, 5, 15, 16, 17, 30];
    for cut in cuts {
        let whole = nak(NakKind::Nak, &many, V4, GROUP);
        inputs.push((format!("cut-{cut}"), whole[..cut].to_vec()));
    }
    inputs
}

fn options() -> Inputs {
    vec![
        named("empty", b""),
        named("length-only", b"\0\x04\0\x04"),
        named("fin", b"\0\x04\0\x08\x8e\x04\0\0"),
        named("syn-fin", b"\0\x04\0\x0c\x0d\x04\0\0\x8e\x04\0\0"),
        named("rst", b"\0\x04\0\x08\x8f\x04\0\x07"),
        named("join", b"\0\x04\0\x0c\x83\x08\0\0\0\0\0\x09"),
        named("list", b"\0\x04\0\x10\x82\x0c\0\0\0\0\0\x01\0\0\0\x02"),
        named("list-odd", b"\0\x04\0\x0b\x82\x07\0\0\0\0\0"),
        named(
            "fragment",
            b"\0\x04\0\x14\x81\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x05",
        ),
        named("unknown-ignored", b"\0\x04\0\x08\xf0\x04\0\0"),
        named("unknown-refused", b"\0\x04\0\x08\xf0\x04\x02\0"),
        named("no-last", b"\0\x04\0\x08\x0e\x04\0\0"),
        named("two-last", b"\0\x04\0\x0c\x8d\x04\0\0\x8e\x04\0\0"),
        named("too-long", b"\0\x04\xff\xff\x8e\x04\0\0"),
        named("zero-length", b"\0\x04\0\x08\x8e\0\0\0"),
        named("not-first", b"\x0e\x04\0\x08\x8e\x04\0\0"),
    ]
}

/// A step: its kind in the upper bits of a length, and so many bytes.
fn step(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    assert!(len < 0x800);
    let [high, low] = len.to_be_bytes();
    [&[high | kind << 6, low], bytes].concat()
}

fn wait(milliseconds: u16) -> Vec<u8> {
    step(3, &milliseconds.to_be_bytes())
}

fn script(steps: &[Vec<u8>]) -> Vec<u8> {
    steps.concat()
}

/// Kinds: 0 a message to be sent, 1 a packet to the source, 2 bytes as they are, 3 time.
fn sources() -> Inputs {
    let first = u32::MAX - 8;
    let ask = |numbers: &[u32]| step(1, &nak(NakKind::Nak, numbers, V4, GROUP));
    let mut spmr = Vec::new();
    write_spmr(&header(), &mut spmr);
    let send = |len: usize| step(0, &vec![7; len]);
    let many = (0..40).map(|_| send(20)).collect::<Vec<_>>();
    vec![
        named("nothing", b""),
        named("one", script(&[send(10)])),
        named("asked", script(&[send(10), ask(&[first])])),
        named(
            "asked-twice",
            script(&[send(10), ask(&[first]), ask(&[first])]),
        ),
        named(
            "asked-later",
            script(&[send(10), ask(&[first]), wait(30), ask(&[first])]),
        ),
        named(
            "asked-too-early",
            script(&[ask(&[first, first + 1]), send(10)]),
        ),
        named(
            "asked-too-late",
            script(&[many.concat(), ask(&[first]), wait(30)]),
        ),
        named("fragments", script(&[send(1900), ask(&[first, first + 1])])),
        named(
            "spmr",
            script(&[step(1, &spmr), wait(1), step(1, &spmr), wait(25)]),
        ),
        named(
            "null-nak",
            script(&[send(5), step(1, &nak(NakKind::Null, &[first], V4, GROUP))]),
        ),
        named(
            "ncf",
            script(&[
                send(5),
                step(1, &nak(NakKind::Confirmation, &[first], V4, GROUP)),
            ]),
        ),
        named(
            "raw",
            script(&[step(2, &spm(0, 0, 0, false, V4)), step(2, b"x")]),
        ),
        named(
            "time",
            script(&[send(5), wait(100), wait(200), wait(65_535), send(5)]),
        ),
    ]
}

/// Kinds: 0 and 1 a packet from (or to) the source, 2 bytes as they are, 3 time.
fn receivers() -> Inputs {
    let come = |packet: Vec<u8>| step(1, &packet);
    let path = |number, trail, lead, fin| come(spm(number, trail, lead, fin, V4));
    let part = |sqn| come(data(sqn, 0, None, b"some bytes"));
    let confirm = |numbers: &[u32]| come(nak(NakKind::Confirmation, numbers, V4, GROUP));
    vec![
        named("nothing", b""),
        named(
            "in-order",
            script(&[path(0, 0, u32::MAX, false), part(0), part(1), part(2)]),
        ),
        named("late-joiner", script(&[part(7), part(8), wait(60)])),
        named(
            "gap",
            script(&[part(0), part(3), path(0, 0, 3, false), wait(60), wait(300)]),
        ),
        named(
            "repaired",
            script(&[part(0), part(2), path(0, 0, 2, false), come(repair(1))]),
        ),
        named(
            "confirmed",
            script(&[part(0), part(3), confirm(&[1, 2]), wait(300)]),
        ),
        named(
            "confirmed-ahead",
            script(&[part(0), confirm(&[5]), wait(300)]),
        ),
        named(
            "trail",
            script(&[
                part(0),
                part(9),
                path(0, 5, 9, false),
                path(1, 20, 19, false),
            ]),
        ),
        named(
            "far-ahead",
            script(&[part(0), part(100_000), confirm(&[900_000])]),
        ),
        named(
            "fin",
            script(&[
                part(0),
                path(0, 0, 2, true),
                part(1),
                part(2),
                part(3),
                wait(20_000),
            ]),
        ),
        named(
            "given-up",
            script(&[
                part(0),
                part(2),
                path(0, 0, 2, false),
                wait(11_000),
                wait(60_000),
            ]),
        ),
    ]
}

/// What comes seldom.
fn odd_receivers() -> Inputs {
    let come = |packet: Vec<u8>| step(1, &packet);
    let part = |sqn| come(data(sqn, 0, None, b"some bytes"));
    let mut spmr = Vec::new();
    write_spmr(&header(), &mut spmr);
    let piece = |sqn, offset, bytes: &[u8]| come(data(sqn, 0, Some((0, offset, 10)), bytes));
    vec![
        named(
            "fragments",
            script(&[
                piece(0, 0, b"abcd"),
                piece(1, 4, b"efgh"),
                piece(2, 8, b"ij"),
            ]),
        ),
        named(
            "fragments-broken",
            script(&[piece(0, 0, b"abcd"), piece(2, 8, b"ij"), wait(60)]),
        ),
        named(
            "spmr-of-others",
            script(&[part(0), step(0, &spmr), wait(100)]),
        ),
        named(
            "wrapped",
            script(&[
                come(data(u32::MAX, u32::MAX, None, b"x")),
                come(data(1, u32::MAX, None, b"y")),
            ]),
        ),
        named(
            "raw",
            script(&[step(2, &spm(0, 0, 0, false, V4)), step(2, b"x")]),
        ),
        named(
            "expired",
            script(&[
                part(0),
                wait(65_000),
                wait(65_000),
                wait(65_000),
                wait(65_000),
                wait(65_000),
            ]),
        ),
    ]
}
