// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection against bytes written by hand; pairs over a network are in the `sim` package.

use super::*;

#[expect(
    clippy::disallowed_methods,
    reason = "any base will do, only differences count"
)]
fn base() -> Instant {
    Instant::now()
}

fn peer_hello(socket_type: &str, minor: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, minor];
    bytes.extend_from_slice(b"NULL");
    bytes.resize(64, 0);
    let mut properties = Vec::new();
    crate::metadata::encode("Socket-Type", socket_type.as_bytes(), &mut properties).unwrap();
    command::ready(&properties, &mut bytes);
    bytes
}

fn ready(config: Config, peer: &str, minor: u8, now: Instant) -> Connection {
    let mut connection = Connection::new(config, now);
    connection.handle_input(now, &peer_hello(peer, minor));
    assert!(matches!(connection.poll_event(), Some(Event::Ready(_))));
    assert!(connection.poll_transmit(&mut Vec::new()));
    connection
}

fn written(connection: &mut Connection) -> Vec<u8> {
    let mut out = Vec::new();
    connection.poll_transmit(&mut out);
    out
}

#[test]
fn frames_go_both_ways() {
    let now = base();
    let mut dealer = ready(Config::new(SocketType::Dealer), "ROUTER", 1, now);
    assert_eq!(dealer.send_frame(0xff, b"a"), Ok(()));
    assert_eq!(dealer.send_frame(0, b"b"), Ok(()));
    assert_eq!(written(&mut dealer), b"\x01\x01a\x00\x01b");
    dealer.handle_input(now, b"\x01\x01x\x00\x01\x01");
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Frame(Frame {
            flags: 1,
            body: b"x".to_vec()
        }))
    );
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Frame(Frame {
            flags: 0,
            body: vec![1]
        })),
        "no subscription to a dealer"
    );
    assert_eq!(dealer.poll_event(), None);
}

#[test]
fn a_ping_is_answered_with_at_most_sixteen_bytes_of_its_context() {
    let now = base();
    let mut dealer = ready(Config::new(SocketType::Dealer), "ROUTER", 1, now);
    dealer.handle_input(now, b"\x04\x19\x04PING\x00\x050123456789abcdefXY");
    assert_eq!(written(&mut dealer), b"\x04\x15\x04PONG0123456789abcdef");
    assert_eq!(
        dealer.poll_timeout(),
        Some(now + Duration::from_millis(500))
    );
    dealer.handle_timeout(now + Duration::from_millis(500));
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Closed(Reason::HeartbeatTimeout))
    );
}

#[test]
fn unknown_and_malformed_commands_of_traffic_are_ignored() {
    let now = base();
    let mut dealer = ready(Config::new(SocketType::Dealer), "ROUTER", 1, now);
    for frame in [
        &b"\x04\x00"[..],
        b"\x04\x05\x04PING",
        b"\x04\x02\xffR",
        b"\x04\x06\x05READY",
        b"\x04\x0a\x05ERROR\x03400",
        b"\x04\x05\x04JOIN",
        b"\x04\x0a\x09SUBSCRIBE",
        b"\x04\x05\x04PONG",
        b"\x04\x05\x04WHAT",
    ] {
        dealer.handle_input(now, frame);
        assert_eq!(dealer.poll_event(), None);
        assert_eq!(written(&mut dealer), b"");
        assert!(dealer.is_ready());
    }
}

#[test]
fn publishers_take_subscriptions_in_both_forms_from_either_version() {
    let now = base();
    for minor in [0, 1] {
        for socket_type in [SocketType::Pub, SocketType::Xpub] {
            let mut publisher = ready(Config::new(socket_type), "SUB", minor, now);
            publisher.handle_input(now, b"\x00\x02\x01a\x04\x0b\x09SUBSCRIBEb");
            publisher.handle_input(now, b"\x00\x02\x00a\x04\x08\x06CANCELb\x00\x01x");
            let events: Vec<_> = std::iter::from_fn(|| publisher.poll_event()).collect();
            assert_eq!(
                events,
                [
                    Event::Subscribed(b"a".to_vec()),
                    Event::Subscribed(b"b".to_vec()),
                    Event::Cancelled(b"a".to_vec()),
                    Event::Cancelled(b"b".to_vec()),
                    Event::Frame(Frame {
                        flags: 0,
                        body: b"x".to_vec()
                    }),
                ]
            );
        }
    }
}

#[test]
fn subscribers_write_the_form_of_their_peer() {
    let now = base();
    for (minor, expected) in [
        (0, &b"\x00\x02\x01a\x00\x02\x00a"[..]),
        (1, b"\x04\x0b\x09SUBSCRIBEa\x04\x08\x06CANCELa"),
    ] {
        let mut subscriber = ready(Config::new(SocketType::Sub), "PUB", minor, now);
        subscriber.subscribe(b"a").unwrap();
        subscriber.cancel(b"a").unwrap();
        assert_eq!(written(&mut subscriber), expected);
    }
}

#[test]
fn groups_reach_a_radio() {
    let now = base();
    let mut radio = ready(Config::new(SocketType::Radio), "DISH", 1, now);
    radio.handle_input(now, b"\x04\x06\x04JOINg\x04\x07\x05LEAVEg");
    assert_eq!(radio.poll_event(), Some(Event::Joined(b"g".to_vec())));
    assert_eq!(radio.poll_event(), Some(Event::Left(b"g".to_vec())));
}

#[test]
fn a_frame_beyond_the_limit_ends_it_for_good() {
    let now = base();
    let mut config = Config::new(SocketType::Dealer);
    config.max_frame_size = 3;
    let mut dealer = ready(config, "ROUTER", 1, now);
    dealer.handle_input(now, b"\x00\x03abc\x00\x04");
    assert!(matches!(dealer.poll_event(), Some(Event::Frame(_))));
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Closed(Reason::FrameTooLarge))
    );
    assert!(Reason::FrameTooLarge.is_permanent());
    dealer.handle_input(now, b"\x00\x03abc");
    dealer.handle_cut();
    assert_eq!(dealer.poll_event(), None, "closed is the last event");
    assert_eq!(dealer.send_frame(0, b""), Err(NotReady));
}

#[test]
fn a_fault_closes_and_time_does_too() {
    let now = base();
    let mut dealer = Connection::new(Config::new(SocketType::Dealer), now);
    assert_eq!(dealer.subscribe(b""), Err(NotReady));
    dealer.handle_input(now, &[0]);
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Closed(Reason::Fault(Fault::NotZmtp)))
    );
    assert!(Reason::Fault(Fault::NotZmtp).is_permanent());

    let mut dealer = Connection::new(Config::new(SocketType::Dealer), now);
    let deadline = now + Duration::from_secs(30);
    assert_eq!(dealer.poll_timeout(), Some(deadline));
    dealer.handle_timeout(deadline - Duration::from_nanos(1));
    assert_eq!(dealer.poll_event(), None);
    dealer.handle_timeout(deadline);
    assert_eq!(
        dealer.poll_event(),
        Some(Event::Closed(Reason::HandshakeTimeout))
    );
    assert!(!Reason::HandshakeTimeout.is_permanent());

    let mut config = Config::new(SocketType::Dealer);
    config.handshake_timeout = None;
    assert_eq!(Connection::new(config, now).poll_timeout(), None);
}

#[test]
fn pings_start_with_the_end_of_the_handshake() {
    let start = base();
    let mut config = Config::new(SocketType::Dealer);
    config.heartbeat.interval = Duration::from_secs(1);
    config.heartbeat.ttl = Duration::from_millis(2550);
    let now = start + Duration::from_secs(10);
    let mut dealer = Connection::new(config, start);
    dealer.handle_input(now, &peer_hello("ROUTER", 0));
    written(&mut dealer);
    assert_eq!(dealer.poll_timeout(), Some(now + Duration::from_secs(1)));
    dealer.handle_timeout(now + Duration::from_secs(1));
    assert_eq!(
        written(&mut dealer),
        b"\x04\x07\x04PING\x00\x19",
        "to 3.0 peers too"
    );
    dealer.handle_input(now + Duration::from_millis(1999), b"\x04\x05\x04PONG");
    dealer.handle_timeout(now + Duration::from_secs(2));
    assert!(dealer.is_ready());
    dealer.handle_timeout(now + Duration::from_secs(3));
    assert!(dealer.is_closed());
}
