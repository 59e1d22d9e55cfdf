// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plain datagrams on the loopback interface; PGM has its tests in `interop/tests/multicast.rs`, on networks of their own.

use ferromq::{AnySocket, Context, Dish, Error, Message, Multipart, Radio, SocketType};

use crate::{LONG, open};

fn dgram(context: &Context) -> (AnySocket, String) {
    let mut socket = context.any_socket(SocketType::Dgram).unwrap();
    socket.set_receive_timeout(Some(LONG)).unwrap();
    let bound = socket.bind("udp://127.0.0.1:*").unwrap();
    (socket, bound)
}

fn parts(message: &Multipart) -> Vec<Vec<u8>> {
    message.iter().map(|part| part.to_vec()).collect()
}

/// One at a time: each finds the I/O thread in another state of falling asleep.
#[test]
fn dgrams_answer_each_other() {
    let context = Context::new();
    let (mut server, address) = dgram(&context);
    let (mut client, _) = dgram(&context);
    let address = address.strip_prefix("udp://").unwrap().to_owned();
    for number in 0..200_u32 {
        let question = number.to_string();
        client.send([address.as_str(), question.as_str()]).unwrap();
        let received = server.recv_multipart().unwrap();
        assert_eq!(parts(&received)[1], question.as_bytes());
        server.send(received).unwrap();
        let answer = client.recv_multipart().unwrap();
        let expected = Multipart::from_iter([format!("{address}\0"), question]);
        assert_eq!(answer, expected);
    }
    // Two parts, no more and no less; what is no address goes nowhere.
    assert!(client.send("alone").is_err());
    client.send(["nowhere", "x"]).unwrap();
    let large = vec![7_u8; 65_507];
    let message = [Message::from(address.as_str()), large.clone().into()];
    client.send(Multipart::from_iter(message)).unwrap();
    let received = server.recv_multipart().unwrap();
    assert_eq!(parts(&received)[1], large);
}

#[test]
fn dishes_hear_the_groups_they_have_joined() {
    let context = Context::new();
    let mut dish = open::<Dish>(&context);
    let bound = dish.bind("udp://127.0.0.1:*").unwrap();
    dish.join("TV").unwrap();
    let mut radio = open::<Radio>(&context);
    radio.connect(&bound).unwrap();
    for number in 0..100_u32 {
        for group in [b"FM", b"TV"] {
            let mut message = Message::from(number.to_string());
            message.set_group(group).unwrap();
            radio.send(message).unwrap();
        }
        let message = dish.recv().unwrap();
        assert_eq!(message, number.to_string().as_str());
        assert_eq!(message.group(), b"TV");
    }
    // More than a DISH of libzmq could take is dropped.
    let mut message = Message::from(vec![0; 8192]);
    message.set_group(b"TV").unwrap();
    radio.send(message).unwrap();
    let mut message = Message::from("last");
    message.set_group(b"TV").unwrap();
    radio.send(message).unwrap();
    assert_eq!(dish.recv().unwrap(), "last");
}

#[test]
fn each_type_has_its_verb_and_each_endpoint_its_types() {
    let context = Context::new();
    for (kind, binds) in [
        (SocketType::Radio, false),
        (SocketType::Dish, true),
        (SocketType::Dgram, true),
    ] {
        let mut socket = context.any_socket(kind).unwrap();
        let endpoint = "udp://127.0.0.1:5599";
        let refused = if binds {
            socket.connect(endpoint).err()
        } else {
            socket.bind(endpoint).err()
        };
        assert!(
            matches!(refused, Some(Error::Endpoint(_))),
            "{kind}: {refused:?}"
        );
    }
    let mut push = context.any_socket(SocketType::Push).unwrap();
    for endpoint in ["udp://127.0.0.1:1", "epgm://lo;239.192.0.1:1", "pgm://x"] {
        assert!(push.connect(endpoint).is_err(), "{endpoint}");
    }
    let mut publisher = context.any_socket(SocketType::Pub).unwrap();
    let missing = publisher.connect("epgm://nosuch0;239.192.0.1:5555");
    assert_eq!(missing, Err(Error::NoDevice));
}
