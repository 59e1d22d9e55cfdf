// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readiness, the end of waiting, monitors, and what others abort for.

use ferromq_engine::{Context, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{PLENTY, each, recv, send, socket, try_send, turn, until, wait_for};
use crate::peer::Peer;

const TCP: [&str; 1] = ["tcp://127.0.0.1:*"];

/// Who does not wait hears of the end of the context, too, and before anything else.
#[test]
fn item_52_the_end_comes_first() {
    let _turn = turn();
    let context = Context::new();
    let mut pull = socket(&context, SocketType::Pull);
    let mut push = socket(&context, SocketType::Push);
    pull.bind("inproc://first").unwrap();
    push.connect("inproc://first").unwrap();
    send(&mut push, b"unread");
    context.shutdown();
    let gone = Err(Code::Terminated);
    assert_eq!(pull.recv_frame(Wait::No).map(drop), gone);
    assert_eq!(try_send(&mut push, b"", Wait::No), gone);
    assert_eq!(push.get_option("TYPE").map(drop), gone);
    assert_eq!(push.set_option("SNDHWM", 1), gone);
    assert_eq!(push.bind("inproc://other").map(drop), gone);
    assert_eq!(push.connect("inproc://other"), gone);
    assert_eq!(push.readiness().map(drop), gone);
}

/// A monitor that nobody reads stops nobody: it keeps what is newest, and counts the rest.
#[test]
fn item_53_a_monitor_that_nobody_reads() {
    each(&TCP, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let unread = pull.monitor();
        let bound = pull.bind(endpoint).unwrap().to_owned();
        for number in 0..600u32 {
            let mut peer = Peer::meet(&bound, "PUSH");
            peer.send(0, &number.to_be_bytes());
            assert_eq!(recv(&mut pull), number.to_be_bytes());
        }
        until("none is lost", || unread.lost() > 0);
        let mut kept = 0;
        while unread.try_next().is_some() {
            kept += 1;
        }
        assert!((500..=1_100).contains(&kept), "{kept}");
    });
}

/// Where libzmq aborts: a second peer under one name.
#[test]
fn item_59_a_name_given_twice_is_an_error() {
    let _turn = turn();
    for endpoint in ["tcp://127.0.0.1:9", "inproc://twice"] {
        let context = Context::new();
        let mut router = socket(&context, SocketType::Router);
        for expected in [Ok(()), Err(Code::Invalid)] {
            router
                .set_option("CONNECT_ROUTING_ID", &b"name"[..])
                .unwrap();
            assert_eq!(router.connect(endpoint), expected, "{endpoint}");
        }
        // The failure has cost nothing.
        router
            .set_option("CONNECT_ROUTING_ID", &b"other"[..])
            .unwrap();
        assert_eq!(router.connect(endpoint), Ok(()));
    }
}

/// Over inproc types are not compared, and nothing is reported.
#[test]
fn item_60_inproc_has_no_handshake() {
    each(&["inproc://any"], |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let events = pull.monitor();
        pull.bind(endpoint).unwrap();
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.set_option("HEARTBEAT_IVL", 1).unwrap();
        dealer.connect(endpoint).unwrap();
        send(&mut dealer, b"does not fit");
        assert_eq!(recv(&mut pull), b"does not fit");
        assert!(events.try_next().is_none());
        // The end of the bound side is final.
        drop(pull);
        until("the pipe stays", || {
            try_send(&mut dealer, b"", Wait::No) == Err(Code::Again)
        });
        let mut again = socket(context, SocketType::Pull);
        again.bind(endpoint).unwrap();
        assert_eq!(try_send(&mut dealer, b"", Wait::No), Err(Code::Again));
    });
}

/// The descriptor tells once of what has come; what is there has to be received to its end.
#[test]
fn item_47_a_descriptor_tells_of_input() {
    each(&TCP, |context, endpoint| {
        let mut pull = socket(context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap().to_owned();
        let mut push = socket(context, SocketType::Push);
        let events = push.monitor();
        push.connect(&bound).unwrap();
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        for round in 0..20u8 {
            assert!(!pull.readiness().unwrap().readable);
            send(&mut push, &[round]);
            send(&mut push, &[round]);
            let fd = std::os::fd::AsRawFd::as_raw_fd(&pull.readiness_fd().unwrap());
            until("the descriptor says nothing", || {
                let mut fds = [ferromq_os::poll::PollFd::new(
                    fd,
                    ferromq_os::poll::PollFd::IN,
                )];
                let wait = Some(std::time::Duration::from_millis(PLENTY));
                ferromq_os::poll::poll(&mut fds, wait).unwrap();
                pull.readiness().unwrap().readable
            });
            assert_eq!(recv(&mut pull), [round]);
            until("the second is lost", || pull.readiness().unwrap().readable);
            assert_eq!(recv(&mut pull), [round]);
        }
    });
}
