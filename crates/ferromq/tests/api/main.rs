// SPDX-License-Identifier: MIT OR Apache-2.0
//! The API from outside, over every transport.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers belong to the tests"
)]

mod datagrams;
mod end;
mod errors;
mod handshakes;
mod options;
mod patterns;
mod proxies;
#[cfg(feature = "stream")]
mod streams;
mod tasks;
mod threads;
mod waiting;
mod watching;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferromq::{Any, Context, Kind, Policy, Pub, Publishes, Receives, Sends, Socket, Typed, Value};

/// What to bind to: one endpoint of each transport.
const ENDPOINTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://here"];

/// Longer than anything takes here that works.
const LONG: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + LONG
}

/// Who moves the bytes; all of them, unless the environment names one.
fn policies() -> Vec<Policy> {
    match std::env::var_os("FERROMQ_POLICY") {
        Some(_) => vec![Policy::from_environment()],
        None => vec![Policy::Assisted, Policy::IoOnly, Policy::Chaos],
    }
}

/// Runs a test in a context of its own, over each transport and under each policy; nothing may be
/// left at the end.
fn each(test: impl Fn(&Context, &str)) {
    for policy in policies() {
        for endpoint in ENDPOINTS {
            println!("{policy:?} {endpoint}");
            let context = Context::new();
            context.set_policy(policy);
            test(&context, endpoint);
            context.terminate(Some(LONG)).unwrap();
        }
    }
}

/// An inproc endpoint that no other test has.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("inproc://unique-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Two sockets: the first one binds, the second one connects. Neither waits for ever.
fn pair<A: Typed, B: Typed>(context: &Context, endpoint: &str) -> (Socket<A>, Socket<B>) {
    let mut a = open::<A>(context);
    let mut b = open::<B>(context);
    let bound = a.bind(endpoint).unwrap();
    b.connect(&bound).unwrap();
    (a, b)
}

fn open<K: Typed>(context: &Context) -> Socket<K> {
    context
        .socket_builder::<K>()
        .send_timeout(Some(LONG))
        .receive_timeout(Some(LONG))
        .open()
        .unwrap()
}

/// Waits until a publisher knows of so many subscriptions.
fn await_topics<K: Publishes>(publisher: &mut Socket<K>, topics: i32) {
    await_true(|| {
        publisher.readiness().unwrap();
        publisher.get_option("TOPICS_COUNT") == Ok(Value::Int(topics))
    });
}

/// Waits until something is true.
fn await_true(mut is_true: impl FnMut() -> bool) {
    let deadline = soon();
    while !is_true() {
        assert!(Instant::now() < deadline, "it never became true");
        thread::yield_now();
    }
}

#[test]
fn handles_go_between_threads() {
    const fn send<T: Send>() {}
    const fn sync<T: Send + Sync>() {}
    sync::<Context>();
    send::<Socket<Pub>>();
    send::<Socket<Any>>();
    sync::<ferromq::Shared<Any>>();
    send::<ferromq::SendHalf<Any>>();
    send::<ferromq::RecvHalf<Any>>();
    sync::<ferromq::Monitor>();
    sync::<ferromq::Error>();
    const fn both<K: Kind + Sends + Receives>() {}
    both::<ferromq::Req>();
    both::<ferromq::Rep>();
    both::<ferromq::Pair>();
}
