// SPDX-License-Identifier: MIT OR Apache-2.0
//! Subscriptions, and what publishers do with them.

use ferromq_engine::Wait;
use ferromq_message::Message;
use ferromq_vocabulary::{Code, SocketType, Value};

use crate::common::{
    ALL, STREAMS, each, nothing, recv, recv_parts, send, send_parts, socket, soon, until, within,
};
use crate::peer::{Peer, command};

/// Only the first and the last subscription to a topic show, over all peers.
#[test]
fn item_36_first_and_last() {
    each(&ALL, |context, endpoint| {
        for (option, told) in [
            (None, &[&b"\x01A"[..], b"\0A"][..]),
            (Some("XPUB_VERBOSE"), &[b"\x01A", b"\x01A", b"\0A"]),
            (Some("XPUB_VERBOSER"), &[b"\x01A", b"\x01A", b"\0A", b"\0A"]),
        ] {
            let mut xpub = socket(context, SocketType::Xpub);
            if let Some(option) = option {
                xpub.set_option(option, 1).unwrap();
            }
            let bound = xpub.bind(endpoint).unwrap().to_owned();
            let mut subs = Vec::new();
            for _ in 0..2 {
                let mut sub = socket(context, SocketType::Xsub);
                sub.connect(&bound).unwrap();
                send(&mut sub, b"\x01A");
                // What is no subscription shows that it has come.
                send(&mut sub, b"done");
                subs.push(sub);
            }
            let mut seen = Vec::new();
            let mut done = 0;
            while done < 2 {
                let message = recv(&mut xpub);
                if message == b"done" {
                    done += 1;
                } else {
                    seen.push(message);
                }
            }
            for sub in &mut subs {
                send(sub, b"\0A");
                send(sub, b"done");
            }
            while done < 4 {
                let message = recv(&mut xpub);
                if message == b"done" {
                    done += 1;
                } else {
                    seen.push(message);
                }
            }
            seen.sort_by_key(|message| std::cmp::Reverse(message[0]));
            assert_eq!(seen, told, "{option:?}");
        }
    });
}

/// Subscriptions are told in their order among what else the peer sends.
#[test]
fn item_36_in_order() {
    each(&STREAMS, |context, endpoint| {
        let mut xpub = socket(context, SocketType::Xpub);
        let bound = xpub.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "SUB");
        let user = |number| vec![0, 1, number];
        let all = [
            user(b'2'),
            command("SUBSCRIBE", b"A"),
            user(b'3'),
            command("SUBSCRIBE", b"B"),
            command("CANCEL", b"A"),
            user(b'4'),
            command("CANCEL", b"B"),
        ];
        peer.write(&all.concat());
        for told in [&b"2"[..], b"\x01A", b"3", b"\x01B", b"\0A", b"4", b"\0B"] {
            assert_eq!(recv(&mut xpub), told);
        }
    });
}

/// Who goes takes its topics along, and the last of them shows.
#[test]
fn item_36_who_goes_unsubscribes() {
    each(&STREAMS, |context, endpoint| {
        let mut xpub = socket(context, SocketType::Xpub);
        let bound = xpub.bind(endpoint).unwrap().to_owned();
        let [one, two] = [(); 2].map(|()| {
            let mut peer = Peer::meet(&bound, "SUB");
            peer.write(&command("SUBSCRIBE", b"A"));
            peer.send(0, b"user");
            peer
        });
        let mut seen = [recv(&mut xpub), recv(&mut xpub), recv(&mut xpub)];
        seen.sort();
        assert_eq!(seen, [&b"\x01A"[..], b"user", b"user"]);
        drop(one);
        nothing(&mut xpub, 20);
        drop(two);
        assert_eq!(recv(&mut xpub), b"\0A");
    });
}

/// XPUB_MANUAL: the application says what the last asker gets.
#[test]
fn item_37_manual_subscriptions() {
    each(&ALL, |context, endpoint| {
        let mut xpub = socket(context, SocketType::Xpub);
        xpub.set_option("XPUB_MANUAL", 1).unwrap();
        let bound = xpub.bind(endpoint).unwrap().to_owned();
        let mut xsub = socket(context, SocketType::Xsub);
        xsub.connect(&bound).unwrap();
        send(&mut xsub, b"\x01A");
        assert_eq!(recv(&mut xpub), b"\x01A");
        xpub.subscribe(b"B").unwrap();
        send(&mut xpub, b"A no");
        send(&mut xpub, b"B yes");
        assert_eq!(recv(&mut xsub), b"B yes");
        send(&mut xsub, b"\0A");
        assert_eq!(recv(&mut xpub), b"\0A");
        xpub.unsubscribe(b"B").unwrap();
        send(&mut xpub, b"B no more");
        nothing(&mut xsub, 10);
    });
}

/// The next message goes to whoever has just subscribed, and to nobody else.
#[test]
fn item_37_last_value() {
    each(&ALL, |context, endpoint| {
        let mut xpub = socket(context, SocketType::Xpub);
        xpub.set_option("XPUB_MANUAL_LAST_VALUE", 1).unwrap();
        let bound = xpub.bind(endpoint).unwrap().to_owned();
        let mut subs = Vec::new();
        for _ in 0..2 {
            let mut sub = socket(context, SocketType::Sub);
            sub.connect(&bound).unwrap();
            sub.subscribe(b"A").unwrap();
            assert_eq!(recv(&mut xpub), b"\x01A");
            xpub.subscribe(b"A").unwrap();
            send(&mut xpub, b"A last");
            assert_eq!(recv(&mut sub), b"A last");
            subs.push(sub);
        }
        nothing(&mut subs[0], 10);
        send(&mut xpub, b"A to all");
        for sub in &mut subs {
            assert_eq!(recv(sub), b"A to all");
        }
    });
}

/// The welcome goes to every new peer; a SUB that has not subscribed to it does not see it.
#[test]
fn item_38_welcome() {
    each(&ALL, |context, endpoint| {
        let mut xpub = socket(context, SocketType::Xpub);
        xpub.set_option("XPUB_WELCOME_MSG", &b"W hello"[..])
            .unwrap();
        let bound = xpub.bind(endpoint).unwrap().to_owned();
        for (topic, welcome) in [(b"W", true), (b"X", false)] {
            let mut sub = socket(context, SocketType::Sub);
            sub.subscribe(topic).unwrap();
            sub.connect(&bound).unwrap();
            assert_eq!(recv(&mut xpub)[1..], topic[..]);
            if welcome {
                assert_eq!(recv(&mut sub), b"W hello");
            } else {
                nothing(&mut sub, 10);
            }
            drop(sub);
            assert_eq!(recv(&mut xpub)[1..], topic[..]);
        }
        let mut xsub = socket(context, SocketType::Xsub);
        xsub.connect(&bound).unwrap();
        until("no welcome", || {
            xpub.readiness().unwrap();
            xsub.readiness().unwrap().readable
        });
        assert_eq!(recv(&mut xsub), b"W hello");
    });
}

#[test]
fn item_39_inverted_matching_and_no_filter_in_an_xsub() {
    each(&ALL, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Xpub);
        publisher.set_option("INVERT_MATCHING", 1).unwrap();
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut sub = socket(context, SocketType::Sub);
        sub.set_option("INVERT_MATCHING", 1).unwrap();
        sub.subscribe(b"A").unwrap();
        sub.connect(&bound).unwrap();
        assert_eq!(recv(&mut publisher), b"\x01A");
        for topic in [&b"A"[..], b"AB", b"B", b""] {
            send_parts(&mut publisher, &[topic, b"A"]);
        }
        assert_eq!(recv_parts(&mut sub), [b"B", b"A"]);
        assert_eq!(recv_parts(&mut sub), [&b""[..], b"A"]);
        nothing(&mut sub, 5);
    });
    each(&STREAMS, |context, endpoint| {
        let mut xsub = socket(context, SocketType::Xsub);
        let bound = xsub.bind(endpoint).unwrap().to_owned();
        let mut peer = Peer::meet(&bound, "PUB");
        peer.send(0, b"nobody asked");
        assert_eq!(recv(&mut xsub), b"nobody asked");
        let mut sub = socket(context, SocketType::Sub);
        let bound = sub.bind(endpoint).unwrap().to_owned();
        sub.subscribe(b"A").unwrap();
        let mut peer = Peer::meet(&bound, "PUB");
        peer.send(0, b"nobody asked");
        peer.send(0, b"Asked");
        assert_eq!(recv(&mut sub), b"Asked");
    });
}

/// As many subscriptions as unsubscriptions; topics are counted once.
#[test]
fn item_40_subscriptions_are_counted() {
    each(&ALL, |context, endpoint| {
        let mut publisher = socket(context, SocketType::Pub);
        let bound = publisher.bind(endpoint).unwrap().to_owned();
        let mut sub = socket(context, SocketType::Sub);
        sub.connect(&bound).unwrap();
        for topic in [b"A", b"A", b"B"] {
            sub.subscribe(topic).unwrap();
        }
        assert_eq!(sub.get_option("TOPICS_COUNT"), Ok(Value::Int(2)));
        let counted = |publisher: &mut ferromq_engine::Socket, count| {
            until("other topics", || {
                publisher.readiness().unwrap();
                publisher.get_option("TOPICS_COUNT") == Ok(Value::Int(count))
            });
        };
        counted(&mut publisher, 2);
        sub.unsubscribe(b"A").unwrap();
        sub.unsubscribe(b"B").unwrap();
        counted(&mut publisher, 1);
        send(&mut publisher, b"A");
        assert_eq!(recv(&mut sub), b"A");
        sub.unsubscribe(b"A").unwrap();
        counted(&mut publisher, 0);
        sub.unsubscribe(b"A").unwrap();
        send(&mut publisher, b"A");
        nothing(&mut sub, 5);
    });
}

/// CONFLATE keeps the last message there is.
#[test]
fn item_41_conflate() {
    each(&ALL, |context, endpoint| {
        for (from, to) in [
            (SocketType::Push, SocketType::Pull),
            (SocketType::Pub, SocketType::Sub),
            (SocketType::Dealer, SocketType::Dealer),
        ] {
            let mut receiver = socket(context, to);
            receiver.set_option("CONFLATE", 1).unwrap();
            if to == SocketType::Sub {
                receiver.subscribe(b"").unwrap();
            }
            let bound = receiver.bind(endpoint).unwrap().to_owned();
            let mut sender = socket(context, from);
            if !endpoint.starts_with("inproc") {
                // What a publisher drops for its own queue is not the receiver's affair.
                sender.set_option("SNDHWM", 0).unwrap();
            }
            sender.connect(&bound).unwrap();
            until("nobody comes", || {
                sender
                    .send_frame(
                        &mut ferromq_engine::Outgoing::Bytes(&0u32.to_be_bytes()),
                        false,
                        Wait::No,
                    )
                    .ok();
                receiver.recv_frame(within(5)).is_ok()
            });
            for number in 1..=2_000u32 {
                send(&mut sender, &number.to_be_bytes());
            }
            let mut last = 0;
            let mut received = 0;
            while last < 2_000 {
                let number = u32::from_be_bytes(recv(&mut receiver).try_into().unwrap());
                assert!(number >= last, "back in time");
                last = number;
                received += 1;
            }
            nothing(&mut receiver, 5);
            assert!(received < 2_000, "all of them");
            if endpoint.starts_with("inproc") {
                receiver.unbind(endpoint).unwrap();
            }
        }
    });
}

/// Groups are matched as a whole, the empty one, too.
#[test]
fn item_45_groups() {
    each(&ALL, |context, endpoint| {
        let mut radio = socket(context, SocketType::Radio);
        let bound = radio.bind(endpoint).unwrap().to_owned();
        let mut dish = socket(context, SocketType::Dish);
        dish.join(b"TV").unwrap();
        dish.join(b"").unwrap();
        assert_eq!(dish.join(b"TV"), Err(Code::Invalid));
        assert_eq!(dish.leave(b"Radio"), Err(Code::Invalid));
        assert_eq!(dish.join(&[b'x'; 256]), Err(Code::Invalid));
        dish.connect(&bound).unwrap();
        let mut radiate = |group: &[u8], body: &[u8]| {
            let mut message = Message::copy_from_slice(body);
            message.set_group(group).unwrap();
            radio
                .send_frame(
                    &mut ferromq_engine::Outgoing::Message(&mut message),
                    false,
                    Wait::No,
                )
                .unwrap();
        };
        for group in [&b"TV"[..], b""] {
            let mut got = Vec::new();
            until("nobody listens", || {
                radiate(b"T", b"prefix");
                radiate(b"TV2", b"longer");
                radiate(group, b"exact");
                while let Ok(message) = dish.recv_frame(within(2)) {
                    got.push((message.group().to_vec(), message.to_vec()));
                }
                !got.is_empty()
            });
            // What is still under way, up to the last of it.
            radiate(group, b"last");
            loop {
                let message = dish.recv_frame(soon()).unwrap();
                if &message[..] == b"last" {
                    break;
                }
                got.push((message.group().to_vec(), message.to_vec()));
            }
            assert!(
                got.iter()
                    .all(|one| *one == (group.to_vec(), b"exact".to_vec()))
            );
        }
    });
}
