// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes wrong, and how it is told.

use std::io;
use std::time::Duration;

use ferromq::{
    Code, Context, EndpointError, Error, Fault, Message, Multipart, OptionError, Pub, Pull, Push,
    Rep, Req, SocketType, Sub,
};

use crate::{each, open, pair, soon, unique};

#[test]
fn turns_of_req_and_rep() {
    each(|context, endpoint| {
        let (mut rep, mut req) = pair::<Rep, Req>(context, endpoint);
        assert_eq!(req.recv().err(), Some(Error::State));
        assert_eq!(rep.send("unasked").unwrap_err().error, Error::State);

        req.send("question").unwrap();
        let refused = req.send(String::from("another")).unwrap_err();
        assert_eq!(
            (refused.error, refused.message.as_str()),
            (Error::State, "another")
        );
        assert_eq!(rep.recv().unwrap(), "question");
        assert_eq!(rep.try_recv().err(), Some(Error::State));
        rep.send("answer").unwrap();
        assert_eq!(req.recv().unwrap(), "answer");
        assert_eq!(Error::State.errno(), 156_384_763);
        assert_eq!(Error::State.fault(), Fault::Caller);
    });
}

#[test]
fn verbs_a_type_does_not_have() {
    let context = Context::new();
    for receiver in [SocketType::Pull, SocketType::Sub] {
        let mut socket = context.any_socket(receiver).unwrap();
        let refused = socket.send(Message::from("x")).unwrap_err();
        assert_eq!(refused.error, Error::NotSupported, "{receiver}");
        assert_eq!(refused.into_message(), "x");
    }
    for sender in [SocketType::Push, SocketType::Pub] {
        let mut socket = context.any_socket(sender).unwrap();
        assert_eq!(socket.recv().err(), Some(Error::NotSupported), "{sender}");
        assert_eq!(
            socket.try_recv_multipart().err(),
            Some(Error::NotSupported),
            "{sender}"
        );
        assert_eq!(
            socket.recv_into(&mut []).err(),
            Some(Error::NotSupported),
            "{sender}"
        );
    }
}

#[test]
fn a_failed_send_gives_the_message_back() {
    let context = Context::new();
    let mut push = context.socket::<Push>().unwrap();
    assert_eq!(push.try_send(Message::from("m")).unwrap_err().message, "m");
    let parts = Multipart::from_iter(["a", "b"]);
    assert_eq!(push.try_send(parts.clone()).unwrap_err().message, parts);
    assert_eq!(push.try_send(["a", "b"]).unwrap_err().message, ["a", "b"]);
    let refused = push
        .try_send(vec![Message::from("a"), Message::from("b")])
        .unwrap_err();
    assert!(refused.is_again());
    assert_eq!(refused.message, ["a", "b"]);
    push.set_send_timeout(Some(Duration::ZERO)).unwrap();
    let refused = push.send_part("part", true).unwrap_err();
    assert_eq!((refused.error, refused.message), (Error::Again, "part"));
}

#[test]
fn messages_without_parts() {
    let context = Context::new();
    let (mut pull, mut push) = pair::<Pull, Push>(&context, &unique());
    assert_eq!(
        push.send(Multipart::new()).unwrap_err().error,
        Error::NoParts
    );
    assert_eq!(push.send([""; 0]).unwrap_err().error, Error::NoParts);
    assert_eq!(
        push.send(Vec::<Message>::new()).unwrap_err().error,
        Error::NoParts
    );
    push.send("").unwrap();
    assert!(pull.recv().unwrap().is_empty());
}

#[test]
fn endpoints_that_are_none() {
    let context = Context::new();
    let mut pull = context.socket::<Pull>().unwrap();
    let bad = [
        ("", EndpointError::Invalid),
        ("tcp:/127.0.0.1:1", EndpointError::Invalid),
        ("tcp://127.0.0.1", EndpointError::Invalid),
        ("tcp://127.0.0.1:port", EndpointError::Invalid),
        ("smtp://127.0.0.1:25", EndpointError::UnknownScheme),
    ];
    for (text, reason) in bad {
        assert_eq!(
            pull.bind(text).err(),
            Some(Error::Endpoint(reason)),
            "{text}"
        );
        assert_eq!(
            pull.connect(text).err(),
            Some(Error::Endpoint(reason)),
            "{text}"
        );
        assert_eq!(
            pull.unbind(text).err(),
            Some(Error::Endpoint(reason)),
            "{text}"
        );
    }
    let too_long = format!("ipc:///{}", "x".repeat(200));
    let error = pull.bind(&too_long).unwrap_err();
    assert_eq!(error, Error::Endpoint(EndpointError::NameTooLong));
    assert_eq!(error.code(), Code::NameTooLong);
    assert_eq!(
        pull.connect("tcp://*:1").err(),
        Some(Error::Endpoint(EndpointError::Invalid))
    );
    assert_eq!(
        pull.disconnect("tcp://127.0.0.1:1").err(),
        Some(Error::NotFound)
    );
}

#[test]
fn endpoints_that_are_taken() {
    let abstract_name = format!("ipc://@ferromq-taken-{}", std::process::id());
    // Over ipc with a path the later one takes the path, as in libzmq.
    for endpoint in ["tcp://127.0.0.1:*", "inproc://taken", &abstract_name] {
        let context = Context::new();
        let mut first = open::<Pull>(&context);
        first.bind(endpoint).unwrap();
        let mut second = open::<Pull>(&context);
        let error = second.bind(first.last_endpoint()).unwrap_err();
        assert_eq!(error, Error::AddressInUse);
        assert_eq!(error.fault(), Fault::Environment);
        assert_eq!(error.errno(), 98);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
    }
    let context = Context::new();
    let mut pull = context.socket::<Pull>().unwrap();
    // TEST-NET-1: not on any machine.
    assert_eq!(
        pull.bind("tcp://192.0.2.1:5555").err(),
        Some(Error::AddressNotAvailable)
    );
}

#[test]
fn too_many_sockets() {
    let context = Context::builder().max_sockets(2).build().unwrap();
    let first = context.socket::<Pub>().unwrap();
    let _second = context.socket::<Sub>().unwrap();
    assert_eq!(context.socket::<Pub>().err(), Some(Error::TooManySockets));
    drop(first);
    context.socket::<Pub>().unwrap();
}

#[test]
fn item_55_without_io_threads_only_inproc_works() {
    let context = Context::builder().io_threads(0).build().unwrap();
    let (mut pull, mut push) = pair::<Pull, Push>(&context, &unique());
    push.send("inproc").unwrap();
    assert_eq!(pull.recv_deadline(soon()).unwrap(), "inproc");
    assert_eq!(pull.bind("tcp://127.0.0.1:*").err(), Some(Error::NoThread));
    assert_eq!(
        push.connect("tcp://127.0.0.1:9").err(),
        Some(Error::NoThread)
    );
}

#[test]
fn options_that_are_none() {
    let context = Context::new();
    let mut push = context.socket::<Push>().unwrap();
    let option = |name, reason| Some(Error::Option { name, reason });
    assert_eq!(
        push.set_option("nonsense", 1).err(),
        option("", OptionError::Unknown)
    );
    assert_eq!(
        push.set_option("SUBSCRIBE", "a").err(),
        option("", OptionError::Unknown)
    );
    assert_eq!(
        push.set_option("SNDHWM", -1).err(),
        option("SNDHWM", OptionError::OutOfRange)
    );
    assert_eq!(
        push.set_option("SNDHWM", "1").err(),
        option("SNDHWM", OptionError::WrongKind)
    );
    assert_eq!(
        push.set_option("TYPE", 1).err(),
        option("TYPE", OptionError::ReadOnly)
    );
    let error = context
        .socket_builder::<Push>()
        .routing_id(b"")
        .open()
        .err();
    assert_eq!(error, option("ROUTING_ID", OptionError::OutOfRange));
    assert_eq!(
        error.unwrap().to_string(),
        "ROUTING_ID: the option does not take this value"
    );
    let error = context
        .socket_builder::<Push>()
        .send_high_water_mark(u32::MAX)
        .open()
        .err();
    assert_eq!(error, option("SNDHWM", OptionError::OutOfRange));
    let error = Context::builder().max_sockets(0).build().err();
    assert_eq!(error, option("MAX_SOCKETS", OptionError::OutOfRange));
    assert_eq!(
        context.set_option("nonsense", 1).err(),
        option("", OptionError::Unknown)
    );
}

#[test]
fn every_code_leads_back() {
    let codes = [
        Code::Again,
        Code::Invalid,
        Code::NotSupported,
        Code::ProtocolNotSupported,
        Code::IncompatibleProtocol,
        Code::State,
        Code::Terminated,
        Code::NoThread,
        Code::HostUnreachable,
        Code::AddressInUse,
        Code::AddressNotAvailable,
        Code::NoDevice,
        Code::NameTooLong,
        Code::NotFound,
        Code::Interrupted,
        Code::Fault,
        Code::NoMemory,
        Code::TooManySockets,
        Code::AccessDenied,
        Code::MessageTooLong,
        Code::Io(111),
    ];
    for code in codes {
        let error = Error::from(code);
        assert_eq!(error.code(), code);
        assert_eq!(error.errno(), code.errno());
        assert!(!error.to_string().is_empty());
    }
}
