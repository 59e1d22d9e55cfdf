// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets on the stable toolchain: replays the committed corpora, then mutates them for a
//! while. What is looked for stands in `fuzz_entry`: no panic, bounded memory, bounded answers.
//!
//! `cargo test -p ferromq-zmtp --test corpus -- --ignored` writes the hand-made part of the corpora.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../../../fuzz/replay.rs"]
mod replay;

use ferromq_zmtp::fuzz_entry;
use ferromq_zmtp::{command, metadata};
use replay::{Inputs, Target, named};

const TARGETS: [Target; 13] = [
    ("apdu", fuzz_entry::apdu),
    ("greeting", fuzz_entry::greeting),
    ("frames", fuzz_entry::frames),
    ("commands", fuzz_entry::commands),
    ("connection", fuzz_entry::connection),
    ("older", fuzz_entry::older),
    ("plain_client", fuzz_entry::plain_client),
    ("plain_server", fuzz_entry::plain_server),
    ("curve_client", fuzz_entry::curve_client),
    ("curve_server", fuzz_entry::curve_server),
    ("gssapi_client", fuzz_entry::gssapi_client),
    ("gssapi_server", fuzz_entry::gssapi_server),
    ("zap_reply", fuzz_entry::zap_reply),
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
    replay::write(&[
        ("apdu", apdus()),
        ("greeting", greetings()),
        ("frames", frames()),
        ("commands", commands()),
        ("connection", connections()),
        ("older", older()),
        ("plain_client", duels(2)),
        ("plain_server", duels(2)),
        ("curve_client", duels(2)),
        ("curve_server", duels(2)),
        ("gssapi_client", duels(3)),
        ("gssapi_server", duels(3)),
        ("zap_reply", zap_replies()),
    ]);
}

/// Streams of peers from before ZMTP 3.0.
fn older() -> Inputs {
    let signature = |len: u8| [0xff, 0, 0, 0, 0, 0, 0, 0, len + 1, 0x7f];
    let v2 = |setup: u8, number: u8, rest: &[u8]| {
        [&[setup][..], &signature(0), &[1, number], rest].concat()
    };
    let v1 = |setup: u8, rest: &[u8]| [&[setup][..], &signature(0), &[0, 5], rest].concat();
    let long = [b"\xff\0\0\0\0\0\0\x01\x01\0".as_slice(), &[3; 256]].concat();
    vec![
        named("v2-no-id", v2(0, 5, b"\0\0\0\x02hi")),
        named("v2-id-and-parts", v2(0x31, 6, b"\0\x02me\x01\x01a\0\x01b")),
        named(
            "v2-long-id",
            v2(2, 5, &[b"\0\xff".as_slice(), &[9; 255]].concat()),
        ),
        named("v2-too-long-id", v2(0, 5, b"\x02\0\0\0\0\0\0\x01\0")),
        named("v1-versioned", v1(0, b"\x01\0\x03\0hi\x02\x01a\x02\0b")),
        named("v1-versioned-id", v1(0x12, b"\x03\0me\x01\0")),
        named("v1-plain", b"\0\x01\0\x03\0hi"),
        named("v1-plain-id", b"\x03\x03\0me\x06\x01topic"),
        named("v1-plain-to-xpub", b"\x01\x01\0\x02\0\x01\x02\0\0"),
        named("v1-long", [b"\0\x01\0".as_slice(), &long].concat()),
        named(
            "v1-endless",
            b"\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
        ),
        named("v1-of-length-zero", b"\0\x01\0\0"),
        named("v3-after-all", [&[0][..], &signature(0), &[3]].concat()),
    ]
}

/// A limit, and APDUs with their lengths, whose highest bit stands for a loss before.
fn run(limit: u8, apdus: &[(bool, &[u8])]) -> Vec<u8> {
    let mut input = vec![limit];
    for (lost, apdu) in apdus {
        let len = u16::try_from(apdu.len()).unwrap() | if *lost { 0x8000 } else { 0 };
        input.extend_from_slice(&len.to_be_bytes());
        input.extend_from_slice(apdu);
    }
    input
}

fn apdus() -> Inputs {
    let long = [b"\0\0\xff\0\0\0\0\0\0\x01\x2d\0".as_slice(), &[7; 300]].concat();
    let cut = [b"\0\0\xff\0\0\0\0\0\0\x13\x89\0".as_slice(), &[1; 1416]].concat();
    let body = [b"\xff\xff".as_slice(), &[1; 1426]].concat();
    let tail = [b"\x02\xe4".as_slice(), &[1; 732], b"\x02\0x"].concat();
    vec![
        named("empty", b""),
        named("nothing", run(0xff, &[])),
        named("no-offset", run(0xff, &[(false, b"\0")])),
        named("one", run(0xff, &[(false, b"\0\0\x02\0a")])),
        named("two-parts", run(0xff, &[(false, b"\0\0\x02\x01a\x02\0b")])),
        named("empty-body", run(0xff, &[(false, b"\0\0\x01\0")])),
        named("zero-length", run(0xff, &[(false, b"\0\0\0\0")])),
        named("bad-flags", run(0xff, &[(false, b"\0\0\x02\x02a")])),
        named(
            "offset-at-end",
            run(
                0xff,
                &[(false, b"\0\x03\x02\0a"), (false, b"\xff\xff\x02\0b")],
            ),
        ),
        named("offset-beyond", run(0xff, &[(false, b"\0\x09\x02\0a")])),
        named(
            "not-joined",
            run(
                0xff,
                &[(false, b"\xff\xff\x02\0a"), (false, b"\0\x01a\x02\0b")],
            ),
        ),
        named(
            "cut-header",
            run(0xff, &[(false, b"\0\0\x02"), (false, b"\xff\xff\0a")]),
        ),
        named(
            "loss",
            run(
                0xff,
                &[(false, b"\0\0\x05\0ab"), (true, b"\0\x02cd\x02\0e")],
            ),
        ),
        named("limit", run(2, &[(false, b"\0\0\x03\0ab\x04\0abc")])),
        named(
            "long-of-short",
            run(0xff, &[(false, b"\0\0\xff\0\0\0\0\0\0\0\x02\0a")]),
        ),
        named(
            "huge",
            run(
                0xff,
                &[(false, b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0abc")],
            ),
        ),
        named("long", run(0xff, &[(false, &long)])),
        named(
            "over-several",
            run(
                0xff,
                &[
                    (false, &cut),
                    (false, &body),
                    (false, &body),
                    (false, &tail),
                ],
            ),
        ),
        named(
            "loss-in-several",
            run(
                0xff,
                &[(false, &cut), (false, &body), (true, &body), (false, &tail)],
            ),
        ),
    ]
}

fn greeting(revision: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, revision, minor];
    bytes.extend_from_slice(mechanism);
    bytes.resize(64, 0);
    bytes
}

fn greetings() -> Inputs {
    let mut inputs = vec![
        named("empty", b""),
        named("zero", [0]),
        named("unversioned-anonymous", [1, 0]),
        named("unversioned-identity", b"\x06\x00hello\x01\x01"),
        named(
            "long-identity",
            [&[0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0][..], &[b'i'; 255]].concat(),
        ),
        named("http", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        named("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        named("only-ff", [0xff; 80]),
        named("signature", &greeting(3, 1, b"NULL")[..10]),
        named("with-major", &greeting(3, 1, b"NULL")[..11]),
        named("cut-in-mechanism", &greeting(3, 1, b"NULL")[..14]),
        named("one-byte-short", &greeting(3, 1, b"NULL")[..63]),
        named(
            "with-traffic",
            [&greeting(3, 1, b"NULL")[..], b"\x00\x05hello"].concat(),
        ),
        named("full-mechanism", greeting(3, 1, &[b'M'; 20])),
    ];
    for revision in [0, 1, 2, 3, 4, 127, 255] {
        for minor in [0, 1, 2, 255] {
            let name = format!("revision-{revision}-{minor}");
            inputs.push((name, greeting(revision, minor, b"NULL")));
        }
    }
    for mechanism in ["PLAIN", "CURVE", "GSSAPI", "null"] {
        inputs.push((
            format!("mechanism-{mechanism}"),
            greeting(3, 1, mechanism.as_bytes()),
        ));
    }
    inputs
}

fn frames() -> Inputs {
    let long = |len: u64, body: &[u8]| [&[0xff, 2][..], &len.to_be_bytes(), body].concat();
    let mut inputs = vec![
        named("empty", b""),
        named("no-stream", [0xff]),
        named("flags-only", [0xff, 0]),
        named("empty-frame", [0xff, 0, 0]),
        named("two-parts", b"\xff\x01\x01a\x00\x01b"),
        named("command", b"\xff\x04\x06\x05READY"),
        named(
            "unknown-flags",
            b"\xff\xf8\x01x\xff\x00\x00\x00\x00\x00\x00\x00\x01y",
        ),
        named("cut-body", b"\xff\x00\x05he"),
        named("cut-long-header", [0xff, 2, 0, 0, 0]),
        named("limit-met", b"\x03\x00\x03abc"),
        named("limit-passed", b"\x03\x00\x04abcd"),
        named("limit-zero", b"\x00\x00\x00\x00\x01a"),
        named(
            "long-limit-passed",
            b"\x10\x02\x00\x00\x00\x00\x00\x00\x00\x11",
        ),
        named("short-255", [&[0xff, 0, 255][..], &[7; 255]].concat()),
        named("many-empty", [&[0xff][..], &[0; 400]].concat()),
        named("many-more", [&[0xff][..], &[1, 0].repeat(200)].concat()),
    ];
    for (name, len) in [
        ("0", 0),
        ("3", 3),
        ("256", 256),
        ("4gib", 1 << 32),
        ("i64-max", i64::MAX.unsigned_abs()),
        ("i64-min", 1 << 63),
        ("u64-max", u64::MAX),
    ] {
        let body = vec![9; usize::try_from(len.min(300)).unwrap_or(0)];
        inputs.push((format!("long-{name}"), long(len, &body)));
    }
    let chain: Vec<u8> = (0..40_u8)
        .flat_map(|len| [&[len & 1, len][..], &vec![len; len.into()]].concat())
        .collect();
    inputs.push(named("growing", [&[0xff][..], &chain].concat()));
    inputs
}

fn commands() -> Inputs {
    let mut inputs = vec![
        named("empty", b""),
        named("no-name", [0]),
        named("name-too-long", b"\x06READY"),
        named("name-255", [&[255][..], &[b'N'; 255]].concat()),
        named("name-255-short", [&[255][..], &[b'N'; 254]].concat()),
        named("other", b"\x05HELLO data"),
        named("lower-case", b"\x05ready"),
        named("error", b"\x05ERROR\x03400"),
        named("error-empty", b"\x05ERROR\x00"),
        named("error-missing", b"\x05ERROR"),
        named("error-too-long", b"\x05ERROR\xff300"),
        named("error-trailing", b"\x05ERROR\x01300"),
        named("error-255", [&b"\x05ERROR\xff"[..], &[b'r'; 255]].concat()),
        named("subscribe", b"\x09SUBSCRIBEtopic"),
        named("subscribe-all", b"\x09SUBSCRIBE"),
        named(
            "subscribe-300",
            [&b"\x09SUBSCRIBE"[..], &[b't'; 300]].concat(),
        ),
        named("cancel", b"\x06CANCELtopic"),
        named("cancel-all", b"\x06CANCEL"),
        named("ping", b"\x04PING\x00\x0acontext"),
        named("ping-bare", b"\x04PING\xff\xff"),
        named("ping-short-0", b"\x04PING"),
        named("ping-short-1", b"\x04PING\x00"),
        named("ping-16", b"\x04PING\x00\x000123456789abcdef"),
        named("ping-17", b"\x04PING\x00\x000123456789abcdefg"),
        named("pong", b"\x04PONGcontext"),
        named("pong-17", b"\x04PONG0123456789abcdefg"),
        named("join", b"\x04JOINgroup"),
        named("join-255", [&b"\x04JOIN"[..], &[b'g'; 255]].concat()),
        named("join-256", [&b"\x04JOIN"[..], &[b'g'; 256]].concat()),
        named("leave", b"\x05LEAVEgroup"),
        named(
            "curve-message",
            b"\x07MESSAGE\x00\x00\x00\x00\x00\x00\x00\x01box",
        ),
    ];
    for (name, data) in metadata_lists() {
        inputs.push((format!("ready-{name}"), [&b"\x05READY"[..], &data].concat()));
    }
    inputs
}

fn metadata_lists() -> Inputs {
    let list = |properties: &[(&str, &[u8])]| {
        let mut out = Vec::new();
        for (name, value) in properties {
            metadata::encode(name, value, &mut out).unwrap();
        }
        out
    };
    vec![
        named("none", b""),
        named("type", list(&[("Socket-Type", b"ROUTER")])),
        named(
            "type-and-identity",
            list(&[("Socket-Type", b"REQ"), ("Identity", b"me")]),
        ),
        named("unknown-type", list(&[("Socket-Type", b"TROUT")])),
        named("wrong-type", list(&[("Socket-Type", b"PAIR")])),
        named(
            "twice",
            list(&[("X-a", b"1"), ("x-A", b"2"), ("X-a", b"3")]),
        ),
        named("long-identity", list(&[("Identity", &[7; 256])])),
        named("long-name", list(&[(&"n".repeat(255), b"")])),
        named("trailing-byte", [list(&[("a", b"b")]), vec![7]].concat()),
        named("empty-name", b"\x00\x00\x00\x00\x00"),
        named("bad-utf8", b"\x02\xff\xfe\x00\x00\x00\x00"),
        named("value-too-long", b"\x01a\x00\x00\x00\x05bbbb"),
        named("value-4gib", b"\x01a\xff\xff\xff\xffb"),
    ]
}

/// First byte: socket type, limit, heartbeat interval; second: length of the pieces.
#[expect(clippy::too_many_lines, reason = "a list")]
fn connections() -> Inputs {
    let ready = |socket_type: &[u8]| {
        let mut properties = Vec::new();
        metadata::encode("Socket-Type", socket_type, &mut properties).unwrap();
        let mut frame = Vec::new();
        command::ready(&properties, &mut frame);
        frame
    };
    let hello =
        |minor, socket_type: &[u8]| [greeting(3, minor, b"NULL"), ready(socket_type)].concat();
    let run = |kind: u8, step: u8, stream: &[u8]| [&[kind, step][..], stream].concat();
    let with = |kind, step, peer: &[u8], traffic: &[u8]| {
        run(kind, step, &[&hello(1, peer)[..], traffic].concat())
    };
    let mut inputs = vec![
        named("nothing", run(0, 1, b"")),
        named("bytewise", with(0, 1, b"ROUTER", b"\x01\x01a\x00\x01b")),
        named("at-once", with(0, 255, b"ROUTER", b"\x01\x01a\x00\x01b")),
        named(
            "3-0",
            run(0, 7, &[&hello(0, b"ROUTER")[..], b"\x00\x01x"].concat()),
        ),
        named(
            "publisher",
            with(
                1,
                9,
                b"SUB",
                b"\x00\x02\x01a\x04\x0b\x09SUBSCRIBEb\x00\x02\x00a",
            ),
        ),
        named(
            "publisher-user",
            with(1, 9, b"XSUB", b"\x00\x04user\x04\x08\x06CANCELb"),
        ),
        named(
            "subscriber",
            with(2, 9, b"PUB", b"\x00\x05topic\x01\x01a\x00\x00"),
        ),
        named(
            "radio",
            with(3, 9, b"DISH", b"\x04\x06\x04JOINg\x04\x07\x05LEAVEg"),
        ),
        named("limit", with(4, 30, b"ROUTER", b"\x00\x40")),
        named("limit-passed", with(4, 30, b"ROUTER", b"\x00\x41")),
        named(
            "pings",
            with(0, 8, b"ROUTER", &b"\x04\x09\x04PING\x00\x01hi".repeat(20)),
        ),
        named("ping-short", with(0, 8, b"ROUTER", b"\x04\x05\x04PING")),
        named(
            "heartbeats",
            with(0x10, 1, b"ROUTER", &b"\x04\x05\x04PONG".repeat(10)),
        ),
        named(
            "heartbeat-lost",
            with(0x20, 1, b"ROUTER", b"\x02\x00\x00\x00\x00\x01\x00\x00\x00"),
        ),
        named(
            "huge-frame",
            with(0, 50, b"ROUTER", b"\x02\x7f\xff\xff\xff\xff\xff\xff\xffabc"),
        ),
        named(
            "early-message",
            run(
                0,
                64,
                &[&greeting(3, 1, b"NULL")[..], b"\x00\x01x"].concat(),
            ),
        ),
        named(
            "huge-ready",
            run(
                0,
                64,
                &[
                    &greeting(3, 1, b"NULL")[..],
                    b"\x06\x00\x00\x00\x00\xff\xff\xff\xff",
                ]
                .concat(),
            ),
        ),
        named("ready-twice", with(0, 255, b"ROUTER", &ready(b"ROUTER"))),
        named(
            "commands-ignored",
            with(
                0,
                5,
                b"ROUTER",
                b"\x04\x00\x04\x01\x00\x04\x06\x05HELLO\x04\x0a\x05ERROR\x03400",
            ),
        ),
        named("wrong-type", run(0, 255, &hello(1, b"SUB"))),
        named("mismatch", run(0, 255, &greeting(3, 1, b"CURVE"))),
        named("older", run(0, 255, &greeting(1, 5, b""))),
        named("http", run(0, 255, b"GET / HTTP/1.1\r\n\r\n")),
    ];
    for (name, data) in metadata_lists() {
        let mut stream = greeting(3, 1, b"NULL");
        command::ready(&data, &mut stream);
        inputs.push((format!("ready-{name}"), run(0, 33, &stream)));
    }
    for (name, reason) in [("300", &b"300"[..]), ("400", b"400"), ("words", b"go away")] {
        let mut stream = greeting(3, 1, b"NULL");
        command::error(reason, &mut stream);
        inputs.push((format!("error-{name}"), run(0, 255, &stream)));
    }
    inputs
}

/// Setup, then verbs: 1 the partner's next command, 2 the same with a bit changed, 3 cut and with a tail, 4 again,
/// 0 any command, 5 the authenticator's answer, 6 any traffic, 7 the partner's traffic.
fn duels(turns: usize) -> Inputs {
    let met = [&[1].repeat(turns + 1)[..], &[5, 0, 1, 1]].concat();
    let with = |setup: u8, steps: &[u8]| [&[setup][..], &met, steps].concat();
    let mut inputs = vec![
        named("nothing", [0]),
        named("met", with(0, &[])),
        named("met-twice", with(0, &[4, 1])),
        named("message", with(0, b"\x07\x05hello\0\0\0")),
        named("parts", with(4, b"\x0f\x01a\0\0\0\x07\x01b\0\0\0")),
        named("command", with(8, b"\x27\x0d\x09SUBSCRIBEabc\0\0\0")),
        named("changed", with(12, b"\x07\x05hello\0\x20\x01")),
        named(
            "repeated",
            with(0, b"\x07\x05hello\0\0\0\x87\x05hello\0\0\0"),
        ),
        named("answer", with(0, b"\x47\x05hello")),
        named(
            "too-large",
            with(2, &[&[7, 65][..], &[b'x'; 65], &[0; 3]].concat()),
        ),
        named("in-the-clear", with(0, b"\x06\x03\x00\x01x")),
        named(
            "huge",
            with(2, b"\x06\x09\x02\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ),
        named("no-box", with(0, b"\x06\x0a\x00\x08\x07MESSAGE")),
        named(
            "no-text",
            with(
                0,
                b"\x06\x22\x00\x20\x07MESSAGE\0\0\0\0\0\0\0\x09tagtagtagtagtagt",
            ),
        ),
        named("plaintext", with(1, b"\x07\x05hello\0\0\0")),
        named("rounds", [&[0x30][..], &[1; 8], &[5, 0, 1, 1]].concat()),
    ];
    for (name, command) in [
        ("ready", &b"\x05READY"[..]),
        ("hello", b"\x05HELLO\x04user\x08password"),
        ("welcome", b"\x07WELCOME"),
        ("initiate", b"\x08INITIATE\0\0\0\x0aI am other"),
        ("error", b"\x05ERROR\x03400"),
        ("nameless", b""),
    ] {
        let raw = [&[0, u8::try_from(command.len()).unwrap()][..], command].concat();
        for turn in 0..=turns {
            let steps = [&[0][..], &[1].repeat(turn), &raw, &[1, 5, 0, 1]].concat();
            inputs.push((format!("{name}-{turn}"), steps));
        }
    }
    for turn in 0..=turns {
        let before = [&[0][..], &[1].repeat(turn)].concat();
        for (name, verb) in [
            ("flipped", &[2, 0, 40, 1][..]),
            ("cut", &[3, 12, 0]),
            ("tail", &[3, 255, 1, 0]),
            ("again", &[1, 4]),
        ] {
            inputs.push((format!("{name}-{turn}"), [&before[..], verb].concat()));
        }
    }
    for status in 1..4 {
        let steps = [&[0][..], &[1].repeat(turns + 1), &[5, status, 1]].concat();
        inputs.push((format!("refused-{status}"), steps));
    }
    inputs
}

/// Who asks, and the frames of an answer.
fn zap_replies() -> Inputs {
    let reply = |setup: u8, frames: &[&[u8]]| {
        let mut input = vec![setup];
        for frame in frames {
            input.push(u8::try_from(frame.len()).unwrap());
            input.extend_from_slice(frame);
        }
        input
    };
    let good: [&[u8]; 7] = [
        b"",
        b"1.0",
        b"1",
        b"200",
        b"OK",
        b"me",
        b"\x03X-a\0\0\0\x01b",
    ];
    let with = |at: usize, frame: &'static [u8]| {
        let mut frames = good;
        frames[at] = frame;
        reply(0, &frames)
    };
    let mut inputs = vec![
        named("nothing", b""),
        named("no-frames", [0]),
        named("six", reply(1, &good[..6])),
        named("eight", reply(1, &[&good[..], &[b""]].concat())),
        named("delimiter", with(0, b"x")),
        named("version", with(1, b"2.0")),
        named("request-id", with(2, b"2")),
        named("status-204", with(3, b"204")),
        named("status-empty", with(3, b"")),
        named("text-not-utf8", with(4, b"\xff\xfe")),
        named("user-empty", with(5, b"")),
        named("half-property", with(6, b"\x05Hello")),
        named("user-id-too", with(6, b"\x07user-ID\0\0\0\x04root")),
        named("twice", with(6, b"\x03X-a\0\0\0\x01b\x03x-A\0\0\0\x01c")),
        named("value-4gib", with(6, b"\x01a\xff\xff\xff\xffb")),
        named(
            "long",
            [
                &b"\0\0\x031.0\x011\x03200\x02OK\xff\x01\x2c"[..],
                &[b'u'; 300],
                b"\0",
            ]
            .concat(),
        ),
    ];
    for setup in 0..8 {
        inputs.push((format!("good-{setup}"), reply(setup, &good)));
    }
    for (setup, status) in [(0, b"300"), (1, b"400"), (3, b"500")] {
        let mut frames = good;
        frames[3] = status;
        inputs.push((
            format!("status-{}", status.escape_ascii()),
            reply(setup, &frames),
        ));
    }
    inputs
}
