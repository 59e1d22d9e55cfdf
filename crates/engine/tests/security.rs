// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mechanisms and authenticators, over stream transports and under each policy.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_engine::{Authenticator, Context, MonitorEvents, Outgoing, Policy, Socket, Wait};
use ferromq_message::Message;
use ferromq_os::listener::{ListenTuning, Listener};
use ferromq_vocabulary::option::number;
use ferromq_vocabulary::{Code, Event, HandshakeError, SocketType};
use ferromq_zmtp::fuzz_entry::rehearsal::Rehearsal;
use ferromq_zmtp::mechanism::curve::SecretKey;
use ferromq_zmtp::mechanism::gssapi::{ContextFailed, Principal, Provider, SecurityContext, Step};
use ferromq_zmtp::zap::{Reply, Request, Status};

const POLICIES: [Policy; 3] = [Policy::IoOnly, Policy::Assisted, Policy::Chaos];
const WILDCARDS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];
const LONG: Duration = Duration::from_secs(60);

fn soon() -> Wait {
    Wait::Until(Instant::now() + LONG)
}

fn send(socket: &mut Socket, parts: &[&[u8]]) {
    for (index, part) in parts.iter().enumerate() {
        let more = index + 1 < parts.len();
        socket
            .send_frame(&mut Outgoing::Bytes(part), more, soon())
            .unwrap();
    }
}

fn recv_messages(socket: &mut Socket) -> Vec<Message> {
    let mut parts = vec![socket.recv_frame(soon()).unwrap()];
    while parts.last().unwrap().more() {
        parts.push(socket.recv_frame(soon()).unwrap());
    }
    parts
}

fn recv(socket: &mut Socket) -> Vec<Vec<u8>> {
    let messages = recv_messages(socket);
    messages.iter().map(|message| message.to_vec()).collect()
}

/// Lets everybody in whose password is "good", under the name it says.
struct Porter;

impl Authenticator for Porter {
    fn authenticate(&self, request: &Request<'_>) -> Reply {
        let frames = &request.credentials.frames;
        let good = match request.credentials.mechanism {
            "PLAIN" => frames[1][..] == *b"good",
            _ => true,
        };
        Reply {
            status: if good {
                Status::Success
            } else {
                Status::AuthenticationFailure
            },
            text: String::new(),
            user_id: frames.first().map(|name| name.to_vec()).unwrap_or_default(),
            metadata: vec![("Floor".to_owned(), b"3".to_vec())],
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Means {
    Plain,
    Curve,
}

fn secure(means: Means, server: &mut Socket, client: &mut Socket) {
    match means {
        Means::Plain => {
            server.set_option("PLAIN_SERVER", 1).unwrap();
            client.set_option("PLAIN_USERNAME", "me").unwrap();
            client.set_option("PLAIN_PASSWORD", "good").unwrap();
        }
        Means::Curve => {
            let (own, theirs) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
            let server_key = theirs.public();
            server.set_option("CURVE_SERVER", 1).unwrap();
            server
                .set_option("CURVE_SECRETKEY", &theirs.reveal()[..])
                .unwrap();
            client
                .set_option("CURVE_SERVERKEY", &server_key[..])
                .unwrap();
            client
                .set_option("CURVE_PUBLICKEY", &own.public()[..])
                .unwrap();
            client
                .set_option("CURVE_SECRETKEY", &own.reveal()[..])
                .unwrap();
        }
    }
}

/// Both ends of a conversation: the first binds and is the server.
fn each(
    near: SocketType,
    far: SocketType,
    prepare: impl Fn(&mut Socket, &mut Socket),
    test: impl Fn(&mut Socket, &mut Socket),
) {
    for policy in POLICIES {
        for endpoint in WILDCARDS {
            for means in [Means::Plain, Means::Curve] {
                let context = Context::new();
                context.set_policy(policy);
                context.set_authenticator(Some(Arc::new(Porter)));
                let mut near = context.socket(near).unwrap();
                let mut far = context.socket(far).unwrap();
                secure(means, &mut near, &mut far);
                prepare(&mut near, &mut far);
                let bound = near.bind(endpoint).unwrap().to_owned();
                far.connect(&bound).unwrap();
                test(&mut near, &mut far);
                drop((near, far));
                assert!(
                    context.terminate(Some(Instant::now() + LONG)),
                    "{policy:?} {endpoint} {means:?}"
                );
            }
        }
    }
}

fn sizes() -> impl Iterator<Item = usize> {
    [0, 1, 200, 255, 256, 1_000, 1_024, 8_000, 70_000, 300_000]
        .into_iter()
        .cycle()
}

#[test]
fn every_size_arrives_in_order() {
    each(
        SocketType::Pull,
        SocketType::Push,
        |_, _| {},
        |pull, push| {
            thread::scope(|scope| {
                scope.spawn(move || {
                    for (number, size) in (0..200u32).zip(sizes()) {
                        let byte = u8::try_from(number % 251).unwrap();
                        send(push, &[&number.to_be_bytes(), &vec![byte; size]]);
                    }
                });
                for (number, size) in (0..200u32).zip(sizes()) {
                    let byte = u8::try_from(number % 251).unwrap();
                    let parts = recv(pull);
                    assert_eq!(parts[0], number.to_be_bytes());
                    assert!(parts[1] == vec![byte; size], "message {number}");
                }
            });
        },
    );
}

#[test]
fn both_directions_with_heartbeats() {
    let prepare = |near: &mut Socket, far: &mut Socket| {
        for socket in [near, far] {
            socket.set_option(number::HEARTBEAT_IVL, 5).unwrap();
            socket.set_option(number::HEARTBEAT_TTL, 60_000).unwrap();
            socket
                .set_option(number::HEARTBEAT_TIMEOUT, 60_000)
                .unwrap();
        }
    };
    each(SocketType::Rep, SocketType::Req, prepare, |rep, req| {
        let until = Instant::now() + Duration::from_millis(60);
        let mut round = 0u32;
        while Instant::now() < until {
            send(req, &[&round.to_be_bytes()]);
            assert_eq!(recv(rep), [round.to_be_bytes()]);
            send(rep, &[b"echo", &round.to_be_bytes()]);
            assert_eq!(recv(req), [&b"echo"[..], &round.to_be_bytes()]);
            round += 1;
        }
    });
}

#[test]
fn subscriptions_are_sealed_too() {
    each(
        SocketType::Xpub,
        SocketType::Sub,
        |_, sub| sub.subscribe(b"before").unwrap(),
        |xpub, sub| {
            assert_eq!(recv(xpub), [b"\x01before"]);
            sub.subscribe(b"after").unwrap();
            assert_eq!(recv(xpub), [b"\x01after"]);
            for topic in [&b"none"[..], b"before 1", b"after 2"] {
                send(xpub, &[topic]);
            }
            assert_eq!(recv(sub), [b"before 1"]);
            assert_eq!(recv(sub), [b"after 2"]);
            sub.unsubscribe(b"before").unwrap();
            assert_eq!(recv(xpub), [b"\0before"]);
        },
    );
}

#[test]
fn messages_tell_whom_the_authenticator_knows() {
    each(
        SocketType::Router,
        SocketType::Dealer,
        |_, _| {},
        |router, dealer| {
            send(dealer, &[b"hello"]);
            let message = recv_messages(router).pop().unwrap();
            let metadata = message.metadata().unwrap();
            let user = metadata.get("User-Id").unwrap();
            let key = SecretKey::new([1; 32]).public();
            assert!(user == b"me" || user == key, "{user:?}");
            assert_eq!(metadata.get("Floor"), Some(&b"3"[..]));
        },
    );
}

#[test]
fn what_was_queued_survives_the_server() {
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let mut push = context.socket(SocketType::Push).unwrap();
        let mut first = context.socket(SocketType::Pull).unwrap();
        secure(Means::Curve, &mut first, &mut push);
        push.set_option(number::RECONNECT_IVL, 1).unwrap();
        let events = push.monitor();
        let bound = first.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        push.connect(&bound).unwrap();
        send(&mut push, &[b"one"]);
        assert_eq!(recv(&mut first), [b"one"]);
        first.close();
        while !matches!(
            events
                .next_before(Some(Instant::now() + LONG))
                .unwrap()
                .event,
            Event::Disconnected { .. }
        ) {}
        for number in 0..100u8 {
            send(&mut push, &[&[number]]);
        }
        let mut second = context.socket(SocketType::Pull).unwrap();
        secure(Means::Curve, &mut second, &mut push);
        let deadline = Instant::now() + LONG;
        while second.bind(&bound).is_err() {
            assert!(Instant::now() < deadline);
        }
        for number in 0..100u8 {
            assert_eq!(recv(&mut second), [[number]]);
        }
        drop((push, second));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}

/// Both ways between a client and a server, byte by byte; what the client sends only up to here, and no further.
fn relay(client: &TcpStream, server: &str, most: u64) -> TcpStream {
    let server = TcpStream::connect(server.strip_prefix("tcp://").unwrap()).unwrap();
    let copy = |from: &TcpStream, to: &TcpStream, most: u64| {
        let (from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        // A connection that is reset ends it.
        thread::spawn(move || std::io::copy(&mut from.take(most), &mut to).ok());
    };
    copy(client, &server, most);
    copy(&server, client, u64::MAX);
    server
}

/// A sealed message counts as sent when the kernel has the last byte that it was sealed to. What the kernel had not taken
/// when the connection was lost, the next one begins with: whole messages, none of them twice.
#[test]
fn curve_resumes_where_the_kernel_stopped() {
    const MANY: u64 = 3000;
    for policy in POLICIES {
        let context = Context::new();
        context.set_policy(policy);
        let mut pull = context.socket(SocketType::Pull).unwrap();
        let mut push = context.socket(SocketType::Push).unwrap();
        secure(Means::Curve, &mut pull, &mut push);
        pull.set_option("RCVHWM", 0).unwrap();
        push.set_option("LINGER", 0).unwrap();
        push.set_option("SNDHWM", 0).unwrap();
        push.set_option("SNDBUF", 8192).unwrap();
        push.set_option("RECONNECT_IVL", 1).unwrap();
        let back = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        // With a receive buffer that does not take much.
        let tuning = ListenTuning {
            rcvbuf: 8192,
            ..ListenTuning::default()
        };
        let listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), &tuning).unwrap();
        let listener = TcpListener::from(listener.as_fd().try_clone_to_owned().unwrap());
        listener.set_nonblocking(false).unwrap();
        let front = format!("tcp://{}", listener.local_addr().unwrap());
        push.connect(&front).unwrap();

        let (client, _) = listener.accept().unwrap();
        let server = relay(&client, &back, 50_000);
        for number in 0..MANY {
            let mut body = [0; 1024];
            body[..8].copy_from_slice(&number.to_be_bytes());
            send(&mut push, &[&body]);
        }
        let number_of =
            |messages: &[Vec<u8>]| u64::from_be_bytes(*messages[0].first_chunk().unwrap());
        for expected in 0..40 {
            assert_eq!(number_of(&recv(&mut pull)), expected);
        }
        // What lies unread in a buffer makes the end a reset.
        for stream in [client, server] {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        let (client, _) = listener.accept().unwrap();
        let _server = relay(&client, &back, u64::MAX);
        let mut last = 39;
        let mut missing = 0;
        while last < MANY - 1 {
            let number = number_of(&recv(&mut pull));
            assert!(number > last, "{policy:?}: {number} after {last}");
            missing += number - last - 1;
            last = number;
        }
        // So much fits into the kernel's buffers, which are twice what was asked for, and one is cut.
        assert!(missing < 40, "{policy:?}: {missing} are missing");
        drop((push, pull));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}

#[test]
fn who_is_refused_hears_of_it() {
    let context = Context::new();
    context.set_authenticator(Some(Arc::new(Porter)));
    let mut pull = context.socket(SocketType::Pull).unwrap();
    let mut push = context.socket(SocketType::Push).unwrap();
    secure(Means::Plain, &mut pull, &mut push);
    push.set_option("PLAIN_PASSWORD", "bad").unwrap();
    let (near, far) = (pull.monitor(), push.monitor());
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    push.connect(&bound).unwrap();
    for events in [near, far] {
        loop {
            let event = events.next_before(Some(Instant::now() + LONG)).unwrap();
            match event.event {
                Event::HandshakeFailedAuth { status } => break assert_eq!(status, 400),
                Event::HandshakeSucceeded => panic!("came in"),
                _ => {}
            }
        }
    }
}

/// Without anybody to ask a server of PLAIN lets nobody in, and one of CURVE everybody who has its
/// key.
#[test]
fn item_57_servers_without_a_handler() {
    for (means, name) in [
        (Means::Plain, "HANDSHAKE_FAILED"),
        (Means::Curve, "HANDSHAKE_SUCCEEDED"),
    ] {
        let context = Context::new();
        let mut pull = context.socket(SocketType::Pull).unwrap();
        let mut push = context.socket(SocketType::Push).unwrap();
        push.set_option("LINGER", 0).unwrap();
        secure(means, &mut pull, &mut push);
        let events = pull.monitor();
        let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        push.connect(&bound).unwrap();
        loop {
            let event = events.next_before(Some(Instant::now() + LONG)).unwrap();
            if event.event.name().starts_with("HANDSHAKE") {
                assert!(event.event.name().starts_with(name), "{means:?} {event:?}");
                break;
            }
        }
    }
}

#[test]
fn mechanisms_that_differ_do_not_meet() {
    let context = Context::new();
    let mut pull = context.socket(SocketType::Pull).unwrap();
    let mut push = context.socket(SocketType::Push).unwrap();
    pull.set_option("CURVE_SERVER", 1).unwrap();
    let events = pull.monitor();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    push.connect(&bound).unwrap();
    loop {
        let event = events.next_before(Some(Instant::now() + LONG)).unwrap();
        if event.event.number() == 0x2000 {
            break assert_eq!(event.event.value(), 0x1100_0002);
        }
    }
}

/// Handlers behind sockets: REP and ROUTER.
#[test]
fn a_handler_is_asked_over_inproc() {
    for kind in [SocketType::Rep, SocketType::Router] {
        let context = Context::new();
        let mut handler = context.socket(kind).unwrap();
        handler.bind("inproc://zeromq.zap.01").unwrap();
        let mut pull = context.socket(SocketType::Pull).unwrap();
        pull.set_option("ZAP_DOMAIN", "here").unwrap();
        pull.set_option("ROUTING_ID", "server").unwrap();
        let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        let mut pushes: Vec<_> = (0..40)
            .map(|_| context.socket(SocketType::Push).unwrap())
            .collect();
        for push in &mut pushes {
            push.connect(&bound).unwrap();
            send(push, &[b"hello"]);
        }
        for number in 0..pushes.len() {
            let request = recv(&mut handler);
            let envelope = usize::from(kind == SocketType::Router) * 2;
            let (address, rest) = request.split_at(envelope);
            let expected: [&[u8]; 6] = [b"1.0", b"1", b"here", b"127.0.0.1", b"server", b"NULL"];
            assert_eq!(rest, expected);
            let user = format!("user {number}");
            let mut reply: Vec<&[u8]> = address.iter().map(Vec::as_slice).collect();
            reply.extend([&b"1.0"[..], b"1", b"200", b"OK", user.as_bytes(), b""]);
            send(&mut handler, &reply);
        }
        let mut users: Vec<_> = (0..pushes.len())
            .map(|_| {
                let message = recv_messages(&mut pull).pop().unwrap();
                let user = message.metadata().unwrap().get("User-Id").unwrap();
                String::from_utf8(user.to_vec()).unwrap()
            })
            .collect();
        users.sort();
        users.dedup();
        assert_eq!(users.len(), pushes.len(), "each has its own");
        drop((pushes, pull, handler));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}

/// contract 3.11: "200 proceed; 300 close silently so the client retries; 400/500 ERROR sent then closed."
#[test]
fn each_status_has_its_events() {
    for status in [300u16, 400, 500] {
        let told = Event::HandshakeFailedAuth {
            status: status.into(),
        };
        let context = Context::new();
        let mut handler = context.socket(SocketType::Rep).unwrap();
        handler.bind("inproc://zeromq.zap.01").unwrap();
        let mut pull = context.socket(SocketType::Pull).unwrap();
        let mut push = context.socket(SocketType::Push).unwrap();
        push.set_option("LINGER", 0).unwrap();
        push.set_option("RECONNECT_IVL", 1).unwrap();
        secure(Means::Plain, &mut pull, &mut push);
        let (there, here) = (pull.monitor(), push.monitor());
        let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
        push.connect(&bound).unwrap();
        let digits = status.to_string();
        let mut refuse = || {
            assert_eq!(recv(&mut handler)[6..], [&b"me"[..], b"good"]);
            let refusal: [&[u8]; 6] = [b"1.0", b"1", digits.as_bytes(), b"no", b"", b""];
            send(&mut handler, &refusal);
        };
        refuse();
        let end_at = |events: &MonitorEvents| loop {
            let event = events.next_before(Some(Instant::now() + LONG)).unwrap();
            match event.event {
                Event::HandshakeSucceeded => panic!("came in"),
                _ if event.failure.is_some() => break event,
                _ => {}
            }
        };
        let (far, near) = (end_at(&there), end_at(&here));
        assert_eq!(far.event, told);
        let (far, failure) = (far.failure.unwrap(), near.failure.unwrap());
        assert_eq!(far.error, HandshakeError::Refused { status });
        assert_eq!(
            (&*far.address, &*failure.address),
            ("127.0.0.1", "127.0.0.1")
        );
        if status == 300 {
            assert_eq!(
                (failure.error, failure.retries),
                (HandshakeError::Closed, true)
            );
            refuse();
        } else {
            assert_eq!(near.event, told);
            let status = Some(status);
            assert_eq!(failure.error, HandshakeError::RefusedByPeer { status });
            assert!(!failure.retries);
        }
        drop((push, pull, handler));
        assert!(context.terminate(Some(Instant::now() + LONG)));
    }
}

/// Notes which threads take the steps of its contexts.
#[derive(Debug, Default)]
struct Witness(Arc<Mutex<Vec<String>>>);

#[derive(Debug)]
struct Watched(Box<dyn SecurityContext>, Arc<Mutex<Vec<String>>>);

impl Witness {
    fn watch(&self, context: Box<dyn SecurityContext>) -> Box<dyn SecurityContext> {
        Box::new(Watched(context, Arc::clone(&self.0)))
    }
}

impl Provider for Witness {
    fn initiate(&self, own: &Principal, service: &Principal) -> Box<dyn SecurityContext> {
        self.watch(Rehearsal { rounds: 2 }.initiate(own, service))
    }

    fn accept(&self, own: &Principal) -> Box<dyn SecurityContext> {
        self.watch(Rehearsal { rounds: 2 }.accept(own))
    }
}

impl SecurityContext for Watched {
    fn step(&mut self, token: &[u8]) -> Result<Step, ContextFailed> {
        let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        self.1.lock().unwrap().push(name.trim_end().to_owned());
        self.0.step(token)
    }

    fn wrap(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        self.0.wrap(text, out)
    }

    fn unwrap(&mut self, wrapped: &[u8], out: &mut Vec<u8>) -> Result<(), ContextFailed> {
        self.0.unwrap(wrapped, out)
    }
}

/// It may talk to servers far away.
#[test]
fn no_io_thread_takes_the_steps_of_gssapi() {
    let context = Context::new();
    let witness = Arc::new(Witness::default());
    context.set_gssapi(Some(Arc::clone(&witness) as Arc<dyn Provider>));
    let mut pull = context.socket(SocketType::Pull).unwrap();
    let mut push = context.socket(SocketType::Push).unwrap();
    pull.set_option("GSSAPI_SERVER", 1).unwrap();
    push.set_option("GSSAPI_PRINCIPAL", "me").unwrap();
    push.set_option("GSSAPI_SERVICE_PRINCIPAL", "you").unwrap();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    push.connect(&bound).unwrap();
    send(&mut push, &[b"sealed"]);
    assert_eq!(recv(&mut pull), [b"sealed"]);
    let threads = witness.0.lock().unwrap();
    assert!(threads.len() >= 4, "{threads:?}");
    assert!(
        threads.iter().all(|name| name == "ZMQbg/Auth"),
        "{threads:?}"
    );
}

/// Frames as a SERVER gets and gives them: each behind its length, below 255.
fn in_one_part(frames: &[&[u8]]) -> Vec<u8> {
    let behind_its_length = |frame: &&[u8]| {
        let len = u8::try_from(frame.len()).unwrap();
        [&[len], *frame].concat()
    };
    frames.iter().flat_map(behind_its_length).collect()
}

/// Messages of a SERVER have one part, so it is asked in one.
#[test]
fn a_handler_behind_a_server_is_asked_in_one_part() {
    let context = Context::new();
    let mut handler = context.socket(SocketType::Server).unwrap();
    handler.bind("inproc://zeromq.zap.01").unwrap();
    let mut pull = context.socket(SocketType::Pull).unwrap();
    pull.set_option("ZAP_DOMAIN", "here").unwrap();
    let mut push = context.socket(SocketType::Push).unwrap();
    push.set_option("RECONNECT_IVL", 1).unwrap();
    secure(Means::Plain, &mut pull, &mut push);
    let events = pull.monitor();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    push.connect(&bound).unwrap();
    send(&mut push, &[b"hello"]);
    let asked: [&[u8]; 8] = [
        b"1.0",
        b"1",
        b"here",
        b"127.0.0.1",
        b"",
        b"PLAIN",
        b"me",
        b"good",
    ];
    let answer = |status: &'static [u8]| {
        in_one_part(&[
            b"1.0",
            b"1",
            status,
            b"",
            b"somebody",
            b"\x05Floor\0\0\0\x013",
        ])
    };
    let answers = [
        (answer(b"300"), Some((0x4000, 300))),
        (answer(b"300")[1..].to_vec(), Some((0x2000, 0x2000_0001))),
        (answer(b"200"), None),
    ];
    for (answer, event) in answers {
        let request = handler.recv_frame(soon()).unwrap();
        assert_eq!(request[..], in_one_part(&asked));
        let mut reply = Message::from_vec(answer);
        reply.set_routing_id(request.routing_id());
        let mut reply = Outgoing::Message(&mut reply);
        handler.send_frame(&mut reply, false, soon()).unwrap();
        while let Some((number, value)) = event {
            let seen = events.next_before(Some(Instant::now() + LONG)).unwrap();
            if seen.event.name().starts_with("HANDSHAKE") {
                assert_eq!((seen.event.number(), seen.event.value()), (number, value));
                break;
            }
        }
    }
    let message = recv_messages(&mut pull).pop().unwrap();
    let metadata = message.metadata().unwrap();
    assert_eq!(metadata.get("User-Id").unwrap(), b"somebody");
    assert_eq!(metadata.get("Floor").unwrap(), b"3");
    drop((push, pull, handler));
    assert!(context.terminate(Some(Instant::now() + LONG)));
}

#[test]
fn a_silent_handler_costs_a_handshake_and_no_more() {
    let context = Context::new();
    let mut handler = context.socket(SocketType::Rep).unwrap();
    handler.bind("inproc://zeromq.zap.01").unwrap();
    let mut pull = context.socket(SocketType::Pull).unwrap();
    pull.set_option("ZAP_DOMAIN", "here").unwrap();
    pull.set_option("HANDSHAKE_IVL", 30).unwrap();
    let events = pull.monitor();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    let mut push = context.socket(SocketType::Push).unwrap();
    push.set_option("RECONNECT_IVL", 1).unwrap();
    push.connect(&bound).unwrap();
    let mut failures = 0;
    while failures < 3 {
        let event = events.next_before(Some(Instant::now() + LONG)).unwrap();
        failures += u32::from(event.event.number() == 0x0800);
    }
    drop((push, pull, handler));
    assert!(context.terminate(Some(Instant::now() + LONG)));
}

#[test]
fn a_context_ends_while_an_authenticator_thinks() {
    struct Thinker(Mutex<std::sync::mpsc::Receiver<()>>);
    impl Authenticator for Thinker {
        fn authenticate(&self, _request: &Request<'_>) -> Reply {
            self.0.lock().unwrap().recv().ok();
            Reply {
                status: Status::InternalError,
                text: String::new(),
                user_id: Vec::new(),
                metadata: Vec::new(),
            }
        }
    }
    let (go, gate) = std::sync::mpsc::channel();
    let context = Context::new();
    context.set_authenticator(Some(Arc::new(Thinker(Mutex::new(gate)))));
    let mut pull = context.socket(SocketType::Pull).unwrap();
    pull.set_option("ZAP_DOMAIN", "here").unwrap();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap().to_owned();
    let mut push = context.socket(SocketType::Push).unwrap();
    push.set_option("LINGER", 0).unwrap();
    push.connect(&bound).unwrap();
    assert_eq!(
        pull.recv_frame(Wait::Until(Instant::now() + Duration::from_millis(20)))
            .unwrap_err(),
        Code::Again
    );
    drop((push, pull));
    drop(go);
    assert!(context.terminate(Some(Instant::now() + LONG)));
}
