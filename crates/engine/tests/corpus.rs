// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets on the stable toolchain: replays the committed corpora, then mutates them for a while. What is
//! looked for stands in `fuzz_entry`.
//!
//! `cargo test -p ferromq-engine --test corpus -- --ignored` writes the hand-made part of the corpora.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../../../fuzz/replay.rs"]
mod replay;

use ferromq_engine::fuzz_entry;
use replay::{Inputs, Target, named};

const TARGETS: [Target; 1] = [("socks", fuzz_entry::socks)];

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
    replay::write(&[("socks", proxies())]);
}

/// How the client is set up, and what the proxy says.
fn proxies() -> Inputs {
    let ipv4 = b"\x05\0\0\x01\x7f\0\0\x01\x15\xb3";
    let open = |setup: u8, answer: &[u8]| [&[setup, 5, 0][..], answer].concat();
    let login = |verdict: &[u8]| [b"\x01\x05\x02", verdict, ipv4].concat();
    let mut inputs = vec![
        named("nothing", b""),
        named("silent", b"\0"),
        named("other-version", b"\0\x04\0"),
        named("no-method", b"\0\x05\xff"),
        named("other-method", b"\x01\x05\0"),
        named("in", login(b"\x01\0")),
        named("not-in", login(b"\x01\x01")),
        named("other-login", login(b"\x05\0")),
        named("with-more", open(0, &[&ipv4[..], b"\xff\0"].concat())),
        named("ipv6", open(2, &[&b"\x05\0\0\x04"[..], &[1; 18]].concat())),
        named("name", open(4, b"\x05\0\0\x03\x04name\x15\xb3")),
        named("nameless", open(6, b"\x05\0\0\x03\0\x15\xb3")),
        named(
            "long-name",
            open(6, &[&b"\x05\0\0\x03\xff"[..], &[b'n'; 257]].concat()),
        ),
        named("other-kind", open(0, b"\x05\0\0\x02\0\0")),
        named("answer-of-other-version", open(0, b"\x04\0\0\x01\0\0")),
        named("cut", open(0, &ipv4[..7])),
    ];
    for answer in 1..9 {
        let refusal = open(0, &[5, answer, 0, 1, 0, 0, 0, 0, 0, 0]);
        inputs.push((format!("refused-{answer}"), refusal));
    }
    for setup in 0..8 {
        inputs.push((
            format!("good-{setup}"),
            [&login(b"\x01\0")[..], &[setup]].concat(),
        ));
    }
    inputs
}
