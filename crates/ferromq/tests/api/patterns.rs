// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every type, over every transport.

use ferromq::{
    Context, Error, Event, Message, MonitorEvent, Multipart, Pair, Pub, Pull, Push, Rep, Req,
    SocketType, Sub,
};

use crate::{LONG, await_topics, await_true, each, open, pair, soon, unique};

#[test]
fn request_and_reply() {
    each(|context, endpoint| {
        let (mut rep, mut req) = pair::<Rep, Req>(context, endpoint);
        for number in 0..100u32 {
            req.send(&number.to_be_bytes()).unwrap();
            assert_eq!(rep.recv().unwrap(), number.to_be_bytes());
            rep.send(["number", "answer"]).unwrap();
            let answer = req.recv_multipart().unwrap();
            assert_eq!(answer, Multipart::from_iter(["number", "answer"]));
        }
    });
}

#[test]
fn several_clients_get_their_own_answers() {
    each(|context, endpoint| {
        let (mut rep, first) = pair::<Rep, Req>(context, endpoint);
        let mut clients = vec![first];
        for _ in 0..3 {
            let mut client = open::<Req>(context);
            client.connect(rep.last_endpoint()).unwrap();
            clients.push(client);
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(number.to_string()).unwrap();
        }
        for _ in 0..clients.len() {
            let question = rep.recv().unwrap();
            rep.send(question).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.recv().unwrap(), number.to_string().as_str());
        }
    });
}

#[test]
fn publish_and_subscribe() {
    each(|context, endpoint| {
        let (mut publisher, mut sub) = pair::<Pub, Sub>(context, endpoint);
        sub.subscribe("a").unwrap();
        sub.subscribe("bc").unwrap();
        await_topics(&mut publisher, 2);
        for topic in ["a", "b", "bc", "c", "abc", ""] {
            publisher.send([topic, "body"]).unwrap();
        }
        for topic in ["a", "bc", "abc"] {
            assert_eq!(
                sub.recv_multipart().unwrap(),
                Multipart::from_iter([topic, "body"])
            );
        }
        sub.unsubscribe("a").unwrap();
        await_topics(&mut publisher, 1);
        publisher.send("a").unwrap();
        publisher.send("bc").unwrap();
        assert_eq!(sub.recv().unwrap(), "bc");
        assert_eq!(sub.try_recv().err(), Some(Error::Again));
    });
}

#[test]
fn one_subscriber_of_two_publishers() {
    each(|context, endpoint| {
        let (mut sub, mut first) = pair::<Sub, Pub>(context, endpoint);
        let mut second = open::<Pub>(context);
        second.connect(sub.last_endpoint()).unwrap();
        sub.subscribe("").unwrap();
        await_topics(&mut first, 1);
        await_topics(&mut second, 1);
        first.send("first").unwrap();
        second.send("second").unwrap();
        let mut both = [sub.recv().unwrap().to_vec(), sub.recv().unwrap().to_vec()];
        both.sort();
        assert_eq!(both, [b"first".to_vec(), b"second".to_vec()]);
    });
}

#[test]
fn a_publisher_that_does_not_drop() {
    each(|context, endpoint| {
        let mut publisher = context
            .socket_builder::<Pub>()
            .no_drop(true)
            .send_high_water_mark(2)
            .open()
            .unwrap();
        let bound = publisher.bind(endpoint).unwrap();
        let mut sub = context
            .socket_builder::<Sub>()
            .subscribe("")
            .receive_timeout(Some(LONG))
            .open()
            .unwrap();
        sub.connect(&bound).unwrap();
        await_topics(&mut publisher, 1);
        let receiver = std::thread::spawn(move || {
            for number in 0..5000u32 {
                assert_eq!(sub.recv().unwrap(), number.to_be_bytes());
            }
        });
        for number in 0..5000u32 {
            publisher
                .send_deadline(&number.to_be_bytes(), soon())
                .unwrap();
        }
        receiver.join().unwrap();
    });
}

#[test]
fn pipeline() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let mut second = open::<Push>(context);
        second.connect(pull.last_endpoint()).unwrap();
        for number in 0..200u32 {
            push.send(&number.to_be_bytes()).unwrap();
            second.send(&(number | 1 << 31).to_be_bytes()).unwrap();
        }
        // In order from each.
        let mut next = [0, 1 << 31];
        for _ in 0..400 {
            let number = u32::from_be_bytes(pull.recv().unwrap()[..].try_into().unwrap());
            let next = &mut next[usize::try_from(number >> 31).unwrap()];
            assert_eq!(number, *next);
            *next += 1;
        }
    });
}

#[test]
fn work_is_handed_out_in_turns() {
    each(|context, endpoint| {
        let (mut push, mut first) = pair::<Push, Pull>(context, endpoint);
        let mut second = open::<Pull>(context);
        second.connect(push.last_endpoint()).unwrap();
        await_true(|| {
            push.readiness().unwrap();
            push.peers() == 2
        });
        for _ in 0..10 {
            push.send("work").unwrap();
        }
        for _ in 0..5 {
            assert_eq!(first.recv().unwrap(), "work");
            assert_eq!(second.recv().unwrap(), "work");
        }
    });
}

#[test]
fn exclusive_pair() {
    each(|context, endpoint| {
        let (mut here, mut there) = pair::<Pair, Pair>(context, endpoint);
        there.send("to here").unwrap();
        assert_eq!(here.recv().unwrap(), "to here");
        here.send(["to", "there"]).unwrap();
        assert_eq!(there.recv_multipart().unwrap().len(), 2);
    });
}

#[test]
fn everything_that_can_be_sent() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        let big = vec![7u8; 300_000];
        let message = Message::from("message");
        let parts = Multipart::from_iter(["x", "", "z"]);

        push.send(&b"slice"[..]).unwrap();
        push.send(b"array").unwrap();
        push.send("str").unwrap();
        push.send(String::from("string")).unwrap();
        push.send(vec![1u8, 2, 3]).unwrap();
        push.send(&vec![4u8]).unwrap();
        push.send(vec![5u8].into_boxed_slice()).unwrap();
        push.send(message.clone()).unwrap();
        push.send(&message).unwrap();
        push.send("").unwrap();
        push.send(Message::from(big.clone())).unwrap();
        push.send(&big).unwrap();
        let single: [&[u8]; 10] = [
            b"slice",
            b"array",
            b"str",
            b"string",
            &[1, 2, 3],
            &[4],
            &[5],
            b"message",
            b"message",
            b"",
        ];
        for expected in single {
            assert_eq!(pull.recv().unwrap(), expected);
            assert!(!pull.receive_more());
        }
        assert_eq!(pull.recv().unwrap(), big);
        assert_eq!(pull.recv().unwrap(), big);

        push.send(["a", "b"]).unwrap();
        push.send([&b"a"[..], b"b"]).unwrap();
        push.send(vec![Message::from("a"), Message::from("b")])
            .unwrap();
        push.send(&["a", "b"][..]).unwrap();
        for _ in 0..4 {
            assert_eq!(
                pull.recv_multipart().unwrap(),
                Multipart::from_iter(["a", "b"])
            );
        }
        push.send(&parts).unwrap();
        push.send(parts.clone()).unwrap();
        push.send([&big[..], b"end"]).unwrap();
        assert_eq!(pull.recv_multipart().unwrap(), parts);
        assert_eq!(pull.recv_multipart().unwrap(), parts);
        assert_eq!(pull.recv().unwrap(), big);
        assert_eq!(pull.recv().unwrap(), "end");
    });
}

#[test]
fn part_by_part() {
    each(|context, endpoint| {
        let (mut pull, mut push) = pair::<Pull, Push>(context, endpoint);
        push.send_part("one", true).unwrap();
        push.send_part(Message::from("two"), true).unwrap();
        assert_eq!(
            pull.try_recv().err(),
            Some(Error::Again),
            "half a message does not travel"
        );
        push.send_part(b"three", false).unwrap();

        let first = pull.recv().unwrap();
        assert!(first.more() && pull.receive_more());
        let mut buffer = [0; 2];
        assert_eq!(pull.recv_into(&mut buffer).unwrap(), (3, true));
        assert_eq!(&buffer, b"tw");
        let last = pull.recv_part().unwrap();
        assert_eq!(last, "three");
        assert!(!last.more() && !pull.receive_more());

        push.send(["head", "rest", "tail"]).unwrap();
        assert_eq!(pull.recv().unwrap(), "head");
        assert_eq!(
            pull.recv_multipart().unwrap(),
            Multipart::from_iter(["rest", "tail"])
        );
    });
}

#[test]
fn sockets_without_a_type() {
    let context = Context::new();
    let mut rep = context.any_socket(SocketType::Rep).unwrap();
    let endpoint = rep.bind(&unique()).unwrap();
    let mut req = context.any_socket(SocketType::Req).unwrap();
    req.connect(&endpoint).unwrap();
    req.send("question").unwrap();
    assert_eq!(rep.recv_deadline(soon()).unwrap(), "question");

    assert_eq!(rep.socket_type(), SocketType::Rep);
    let rep = rep.into_typed::<Req>().unwrap_err();
    let mut rep = rep.into_typed::<Rep>().unwrap();
    rep.send("answer").unwrap();
    let mut rep = rep.into_any();
    assert_eq!(req.recv_deadline(soon()).unwrap(), "answer");
    assert_eq!(rep.subscribe("").err(), Some(Error::NotSupported));
}

#[test]
fn unbind_and_disconnect() {
    let path = std::env::temp_dir().join(format!("ferromq-unbind-{}", std::process::id()));
    let path = format!("ipc://{}", path.display());
    for endpoint in ["tcp://127.0.0.1:*", &path, "inproc://unbind"] {
        println!("{endpoint}");
        let context = Context::new();
        let (mut pull, mut push) = pair::<Pull, Push>(&context, endpoint);
        push.send("before").unwrap();
        assert_eq!(pull.recv().unwrap(), "before");
        let bound = pull.last_endpoint().to_owned();
        push.disconnect(&bound).unwrap();
        assert_eq!(push.disconnect(&bound).err(), Some(Error::NotFound));
        assert_eq!(push.try_send("nobody").unwrap_err().error, Error::Again);

        let monitor = pull.monitor();
        pull.unbind(&bound).unwrap();
        assert_eq!(pull.unbind(&bound).err(), Some(Error::NotFound));
        if !bound.starts_with("inproc:") {
            let closed = |event: MonitorEvent| matches!(event.event, Event::Closed { .. });
            await_true(|| monitor.next(Some(LONG)).is_some_and(closed));
        }
        // The name is free again.
        let mut other = open::<Pull>(&context);
        other.bind(&bound).unwrap();
        push.connect(&bound).unwrap();
        push.send("after").unwrap();
        assert_eq!(other.recv().unwrap(), "after");
    }
}

#[test]
fn connecting_before_binding() {
    let context = Context::new();
    let directory = std::env::temp_dir();
    let name = format!("ferromq-api-{}", std::process::id());
    let path = format!("ipc://{}/{name}", directory.display());
    for endpoint in [path, format!("ipc://@{name}"), unique()] {
        let mut push = open::<Push>(&context);
        push.connect(&endpoint).unwrap();
        push.send("early").unwrap();
        let mut pull = open::<Pull>(&context);
        pull.bind(&endpoint).unwrap();
        assert_eq!(pull.recv().unwrap(), "early");
    }
}
