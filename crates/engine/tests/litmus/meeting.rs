// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who comes first, by which I/O thread, and what REQ and REP insist on.

use ferromq_engine::{Context, Wait};
use ferromq_vocabulary::{Code, SocketType};

use crate::common::{
    ALL, PLENTY, POLICIES, STREAMS, after, each, nothing, number, numbered, recv, recv_parts, send,
    send_parts, socket, soon, try_send, turn, until, wait_for, within,
};
use crate::peer::{MORE, Peer};

#[test]
fn connecting_before_binding() {
    each(&ALL, |context, endpoint| {
        let bound = {
            let mut place = socket(context, SocketType::Pull);
            place.bind(endpoint).unwrap().to_owned()
        };
        let bound = bound.replace("fmq-", "litmus-late-");
        if let Some(path) = bound.strip_prefix("ipc://") {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        }
        let mut push = socket(context, SocketType::Push);
        push.connect(&bound).unwrap();
        for number in 0..100 {
            send(&mut push, &numbered(number, 100));
        }
        let mut sub = socket(context, SocketType::Sub);
        sub.subscribe(b"a").unwrap();
        let mut pull = socket(context, SocketType::Pull);
        until("the place stays taken", || pull.bind(&bound).is_ok());
        for expected in 0..100 {
            assert_eq!(number(&recv(&mut pull)), expected);
        }
        if let Some(path) = bound.strip_prefix("ipc://") {
            drop(pull);
            std::fs::remove_dir_all(std::path::Path::new(path).parent().unwrap()).ok();
        }
    });
}

/// One after the other they come, each with a question in the same breath, to a ROUTER that sleeps
/// between them: whatever falls between its looks must wake it.
#[test]
fn who_comes_while_it_falls_asleep_wakes_it() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let answering = std::thread::spawn(move || {
            for _ in 0..COMERS {
                let parts = recv_parts(&mut router);
                send_parts(&mut router, &[&parts[0], &parts[1]]);
            }
        });
        let mut peers = Vec::new();
        for number in 0..COMERS {
            let mut peer = Peer::connect(&bound);
            peer.shake_hands_and_say("DEALER", &numbered(number, 8));
            assert_eq!(peer.message().unwrap(), (0, numbered(number, 8)));
            peers.push(peer);
        }
        answering.join().unwrap();
    });
}

/// How many come one after the other.
const COMERS: u64 = 400;

/// The same of a peer of the same process, while there are others over the network to look at.
#[test]
fn who_speaks_from_this_process_while_it_falls_asleep_wakes_it() {
    each(&STREAMS, |context, endpoint| {
        let mut router = socket(context, SocketType::Router);
        let bound = router.bind(endpoint).unwrap().to_owned();
        let near = router.bind("inproc://near").unwrap().to_owned();
        let _idle = [Peer::meet(&bound, "DEALER"), Peer::meet(&bound, "DEALER")];
        let mut dealer = socket(context, SocketType::Dealer);
        dealer.connect(&near).unwrap();
        let answering = std::thread::spawn(move || {
            for _ in 0..WORDS {
                let parts = recv_parts(&mut router);
                send_parts(&mut router, &[&parts[0], &parts[1]]);
            }
        });
        for word in 0..WORDS {
            send(&mut dealer, &numbered(word, 8));
            assert_eq!(number(&recv(&mut dealer)), word);
        }
        answering.join().unwrap();
    });
}

const WORDS: u64 = 2000;

/// Connections of one socket on several I/O threads: all are read, all are written, all end.
#[test]
fn several_io_threads() {
    let _turn = turn();
    for policy in POLICIES {
        for endpoint in STREAMS {
            let context = Context::new();
            context.set_policy(policy);
            context.options(|options| options.io_threads = 3);
            let mut pull = socket(&context, SocketType::Pull);
            pull.set_option("RCVHWM", 100_000).unwrap();
            let mut bound = Vec::new();
            for thread in 0..3 {
                pull.set_option("AFFINITY", 1u64 << thread).unwrap();
                bound.push(pull.bind(endpoint).unwrap().to_owned());
            }
            let mut peers: Vec<_> = bound
                .iter()
                .map(|place| Peer::meet(place, "PUSH"))
                .collect();
            for round in 0..5u64 {
                for (index, peer) in peers.iter_mut().enumerate() {
                    // More than a kernel holds: somebody must read.
                    for count in 0..100u64 {
                        let value = ((index as u64) << 32) | (round * 100 + count);
                        peer.send(0, &numbered(value, 50_000));
                    }
                    peer.write(&crate::peer::command("PING", b"\0\0here"));
                    assert_eq!(peer.frame().unwrap().1, b"\x04PONGhere");
                }
                let mut next = [round * 100; 3];
                for _ in 0..300 {
                    let value = number(&recv(&mut pull));
                    let index = (value >> 32) as usize;
                    assert_eq!(value & 0xffff_ffff, next[index]);
                    next[index] += 1;
                }
            }
            let mut push = socket(&context, SocketType::Push);
            push.set_option("AFFINITY", 4u64).unwrap();
            push.connect(&bound[0]).unwrap();
            send(&mut push, b"hello");
            assert_eq!(recv(&mut pull), b"hello");
            pull.set_option("AFFINITY", 1u64 << 10).unwrap();
            assert_eq!(pull.bind(endpoint).err(), Some(Code::NoThread));
            drop((pull, push));
            assert!(context.terminate(Some(after(PLENTY))));
        }
    }
}

#[test]
fn requests_and_replies_alternate() {
    each(&ALL, |context, endpoint| {
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut req = socket(context, SocketType::Req);
        req.connect(&bound).unwrap();
        assert_eq!(req.recv_frame(Wait::No).err(), Some(Code::State));
        assert_eq!(try_send(&mut rep, b"", Wait::No), Err(Code::State));
        send(&mut req, b"one");
        assert_eq!(try_send(&mut req, b"two", Wait::No), Err(Code::State));
        assert_eq!(recv(&mut rep), b"one");
        assert_eq!(rep.recv_frame(Wait::No).err(), Some(Code::State));
        send(&mut rep, b"answer");
        assert_eq!(recv(&mut req), b"answer");
        assert_eq!(req.recv_frame(Wait::No).err(), Some(Code::State));
    });
}

#[test]
fn a_request_as_it_goes_over_the_wire() {
    each(&STREAMS, |context, endpoint| {
        let mut rep = socket(context, SocketType::Rep);
        let bound = rep.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "REQ");
        // Envelope, delimiter, body; the envelope comes back.
        peer.send(MORE, b"hop one");
        peer.send(MORE, b"hop two");
        peer.send(MORE, b"");
        peer.send(MORE, b"question");
        peer.send(0, b"rest");
        assert_eq!(recv(&mut rep), b"question");
        assert_eq!(recv(&mut rep), b"rest");
        send(&mut rep, b"answer");
        for (flags, body) in [
            (MORE, b"hop one".as_slice()),
            (MORE, b"hop two"),
            (MORE, b""),
            (0, b"answer"),
        ] {
            assert_eq!(peer.message().unwrap(), (flags, body.to_vec()));
        }
        // Without a delimiter it is no request.
        peer.send(MORE, b"no");
        peer.send(0, b"request");
        peer.send(MORE, b"");
        peer.send(0, b"request");
        assert_eq!(recv(&mut rep), b"request");
        // Who has gone gets no answer, and is in nobody's way.
        drop(peer);
        send(&mut rep, b"answer");
        let mut peer = Peer::meet(&bound, "REQ");
        peer.send(MORE, b"");
        peer.send(0, b"again");
        assert_eq!(recv(&mut rep), b"again");
        send(&mut rep, b"answer");
        assert_eq!(peer.message().unwrap(), (MORE, Vec::new()));
        assert_eq!(peer.message().unwrap(), (0, b"answer".to_vec()));
    });
}

#[test]
fn only_the_one_asked_may_answer() {
    each(&STREAMS, |context, endpoint| {
        let mut req = socket(context, SocketType::Req);
        let events = req.monitor();
        let bound = req.bind(endpoint).unwrap().to_owned();
        let mut peers = [Peer::meet(&bound, "REP"), Peer::meet(&bound, "REP")];
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        wait_for(&events, "HANDSHAKE_SUCCEEDED");
        for round in 0..4u64 {
            let asked = usize::from(round % 2 == 1);
            send(&mut req, &numbered(round, 8));
            let other = &mut peers[1 - asked];
            other.send(MORE, b"");
            other.send(0, b"not asked");
            // Not yet.
            nothing(&mut req, 10);
            let asked = &mut peers[asked];
            assert_eq!(asked.message().unwrap(), (MORE, Vec::new()));
            assert_eq!(asked.message().unwrap().1, numbered(round, 8));
            asked.send(MORE, b"");
            asked.send(0, b"asked");
            assert_eq!(recv(&mut req), b"asked");
        }
        // An answer without a delimiter ends the connection.
        send(&mut req, b"last");
        assert_eq!(peers[0].message().unwrap().0, MORE);
        peers[0].message().unwrap();
        peers[0].send(0, b"bad");
        assert_eq!(req.recv_frame(within(50)).err(), Some(Code::Again));
        peers[0].until_closed();
    });
}

/// A pair has one peer; the next one has its turn when that has gone.
#[test]
fn a_pair_has_one_peer() {
    each(&STREAMS, |context, endpoint| {
        let mut pair = socket(context, SocketType::Pair);
        let bound = pair.bind(endpoint).unwrap().to_owned();
        let mut first = Peer::meet(&bound, "PAIR");
        first.send(0, b"first");
        assert_eq!(recv(&mut pair), b"first");
        let mut second = Peer::meet(&bound, "PAIR");
        second.try_write(&crate::peer::frame(0, b"second"));
        nothing(&mut pair, 20);
        second.until_closed();
        drop(first);
        until("the pipe stays", || {
            pair.recv_frame(Wait::No).ok();
            pair.peers() == 0
        });
        let mut third = Peer::meet(&bound, "PAIR");
        third.send(0, b"third");
        assert_eq!(pair.recv_frame(soon()).unwrap().as_slice(), b"third");
    });
}
