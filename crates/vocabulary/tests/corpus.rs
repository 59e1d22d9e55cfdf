// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets on the stable toolchain: replays the committed corpora, then mutates them for a while. What is
//! looked for stands in `fuzz_entry`.
//!
//! `cargo test -p ferromq-vocabulary --test corpus -- --ignored` writes the hand-made part of the corpora.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../../../fuzz/replay.rs"]
mod replay;

use ferromq_vocabulary::fuzz_entry;
use ferromq_vocabulary::option::{Kind, OPTIONS};
use replay::{Inputs, Target, named};

const TARGETS: [Target; 2] = [
    ("endpoint", fuzz_entry::endpoint),
    ("option", fuzz_entry::option),
];

/// Mutated inputs tried for each target.
const MUTATIONS: u64 = 60_000;

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
    replay::write(&[("endpoint", endpoints()), ("option", options())]);
}

fn endpoints() -> Inputs {
    let texts = [
        ("tcp", "tcp://127.0.0.1:5555"),
        ("tcp-wildcards", "tcp://*:*"),
        ("tcp-port-0", "tcp://eth0:0"),
        ("tcp-ipv6", "tcp://[::1]:5555"),
        ("tcp-ipv6-zone", "tcp://[fe80::1%eth0]:5555"),
        ("tcp-ipv6-bare", "tcp://::1:5555"),
        ("tcp-name", "tcp://example.org:65535"),
        ("tcp-name-in-brackets", "tcp://[example.org]:80"),
        ("tcp-source", "tcp://192.168.0.1:0;example.org:5555"),
        ("tcp-source-ipv6", "tcp://[::1]:1;[::2]:2"),
        ("tcp-no-port", "tcp://127.0.0.1"),
        ("tcp-port-too-large", "tcp://127.0.0.1:65536"),
        ("tcp-port-signed", "tcp://127.0.0.1:+1"),
        ("tcp-empty", "tcp://"),
        ("ipc", "ipc:///tmp/name"),
        ("ipc-wildcard", "ipc://*"),
        ("ipc-abstract", "ipc://@name"),
        ("ipc-nameless", "ipc://@"),
        ("inproc", "inproc://name://name"),
        ("inproc-empty", "inproc://"),
        ("pgm", "pgm://eth0;239.1.1.1:7500"),
        ("epgm", "epgm://10.0.0.1;239.1.1.1,239.1.1.2;239.1.1.3:7500"),
        ("epgm-ipv6", "epgm://eth0;ff02::1:7500"),
        ("epgm-no-interface", "epgm://;239.1.1.1:7500"),
        ("udp", "udp://127.0.0.1:5555"),
        ("udp-group", "udp://eth0;239.1.1.1:5555"),
        ("udp-wildcard", "udp://*:5555"),
        ("no-scheme", "127.0.0.1:5555"),
        ("unknown-scheme", "gopher://example.org:70"),
        ("in-capitals", "TCP://127.0.0.1:5555"),
        ("empty", ""),
    ];
    let mut inputs: Inputs = texts.map(|(name, text)| named(name, text)).to_vec();
    let long = format!("ipc:///{}", "n".repeat(200));
    inputs.push(named("ipc-too-long", long));
    inputs.push(named("no-text", b"tcp://\xff:1"));
    inputs
}

/// A step of an input: which option, as what, and the bytes.
fn step(key: usize, form: u8, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(key).unwrap().to_be_bytes();
    let len = u8::try_from(bytes.len()).unwrap();
    [&[high, low, form, len][..], bytes].concat()
}

fn options() -> Inputs {
    let with = |form: u8, bytes: &[u8]| {
        let steps = (0..OPTIONS.len()).flat_map(|key| step(key, form, bytes));
        [0].into_iter().chain(steps).collect::<Vec<_>>()
    };
    let mut inputs = vec![
        named("nothing", b""),
        named("ints", with(0, &[1])),
        named("negative-ints", with(0, &[0xff; 8])),
        named("least-ints", with(0, &[0x80, 0, 0, 0])),
        named("u64s", with(1, &[0xff; 8])),
        named("i64s", with(2, &[0xff; 8])),
        named("empty-bytes", with(3, b"")),
        named("texts", with(3, b"127.0.0.1")),
        named("texts-with-nul", with(3, b"name\0")),
        named("keys", with(3, &[7; 32])),
        named("keys-as-text", with(3, &[b'0'; 40])),
        named("keys-with-nul", with(3, &[&[b'0'; 40][..], &[0]].concat())),
        named("longest", with(3, &[b'a'; 255])),
        named("no-texts", with(3, &[0xff; 5])),
        named("parsed", with(4, b"17")),
        named("parsed-words", with(4, b"words")),
        named("network", with(3, b"10.0.0.0/8")),
    ];
    for (key, spec) in OPTIONS.iter().enumerate() {
        if let Kind::Int { min, max } = spec.kind {
            let [least, most] = [min, max].map(|value| value.to_be_bytes());
            let steps = [&[0][..], &step(key, 0, &least), &step(key, 0, &most)].concat();
            inputs.push((format!("ends-{}", spec.name.to_lowercase()), steps));
        }
    }
    inputs
}
