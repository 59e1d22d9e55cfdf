// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets on the stable toolchain: replays the committed corpora, then mutates them for a
//! while. What is looked for stands in `fuzz_entry`: no panic, bounded memory, bounded answers.
//!
//! `cargo test -p ferromq-zmtp --test corpus -- --ignored` writes the hand-made part of the corpora.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use ferromq_zmtp::fuzz_entry;
use ferromq_zmtp::{command, metadata};

type Entry = fn(&[u8]);

const TARGETS: [(&str, Entry); 4] = [
    ("greeting", fuzz_entry::greeting),
    ("frames", fuzz_entry::frames),
    ("commands", fuzz_entry::commands),
    ("connection", fuzz_entry::connection),
];

/// Mutated inputs tried for each target.
const MUTATIONS: u64 = 60_000;
const LONGEST: usize = 4096;

fn corpus_dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut inputs: Vec<_> = fs::read_dir(corpus_dir(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// Says which input it was when a target panics.
struct Running<'a>(String, &'a [u8]);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}: {}", self.0, self.1.escape_ascii());
        }
    }
}

#[test]
fn committed_inputs_keep_every_promise() {
    for (target, entry) in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() >= 10, "the corpus of {target} is missing");
        for (path, input) in &inputs {
            let _running = Running(path.display().to_string(), input);
            entry(input);
        }
    }
}

#[test]
fn mutated_inputs_keep_every_promise() {
    for (target, entry) in TARGETS {
        let inputs: Vec<_> = corpus(target).into_iter().map(|(_, input)| input).collect();
        for seed in 0..MUTATIONS {
            let mut rng = Rng(seed);
            let mut input = inputs[rng.below(inputs.len())].clone();
            for _ in 0..=rng.below(4) {
                let other = &inputs[rng.below(inputs.len())];
                mutate(&mut input, other, &mut rng);
            }
            input.truncate(LONGEST);
            let _running = Running(format!("{target}, seed {seed}"), &input);
            entry(&input);
        }
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    const BOUNDARIES: [u8; 10] = [0x00, 0x01, 0x02, 0x04, 0x06, 0x7f, 0x80, 0xf8, 0xfe, 0xff];
    let at = rng.below(input.len() + 1);
    let end = (at + rng.below(16)).min(input.len());
    match rng.below(7) {
        0 => {
            let bit = 1 << rng.below(8);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= bit;
            }
        }
        1 => {
            let boundary = BOUNDARIES[rng.below(BOUNDARIES.len())];
            if let Some(byte) = input.get_mut(at) {
                *byte = boundary;
            }
        }
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 => input.insert(at, (rng.next() & 0xff) as u8),
        5 => input.truncate(at),
        _ => {
            let from = rng.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

#[test]
#[ignore = "writes into the checkout: to be run by hand when inputs are added here"]
fn write_the_hand_made_inputs() {
    for (target, inputs) in [
        ("greeting", greetings()),
        ("frames", frames()),
        ("commands", commands()),
        ("connection", connections()),
    ] {
        let dir = corpus_dir(target);
        fs::create_dir_all(&dir).unwrap();
        for (name, input) in inputs {
            fs::write(dir.join(name), input).unwrap();
        }
    }
}

type Inputs = Vec<(String, Vec<u8>)>;

fn named(name: &str, bytes: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.into())
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
