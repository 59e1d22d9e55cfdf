// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer process does what it is told, and says when it cannot.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ferromq_interop::Outcome;
use ferromq_interop::peer::{Answer, Burst, Peer};
use ferromq_interop::script::{Part, Seen};
use ferromq_interop::versions::{RealLibrary, real_libraries};

const PATIENCE: Duration = Duration::from_secs(60);

fn spawn(library: &RealLibrary) -> Outcome<Peer> {
    Peer::spawn(Path::new(env!("CARGO_BIN_EXE_libzmq-peer")), library)
}

#[test]
fn every_real_library_is_what_it_says() -> Outcome<()> {
    let libraries = real_libraries()?;
    assert_eq!(
        libraries.iter().map(|l| l.name).collect::<Vec<_>>(),
        ["4.3.4", "4.3.5"]
    );
    for library in &libraries {
        assert!(spawn(library)?.name().ends_with(library.name));
    }
    Ok(())
}

#[test]
fn another_library_than_expected_is_noticed() -> Outcome<()> {
    let libraries = real_libraries()?;
    let swapped = RealLibrary {
        name: libraries[0].name,
        path: libraries[1].path.clone(),
        has_drafts: false,
    };
    let failure = spawn(&swapped).expect_err("the version is another");
    assert!(failure.to_string().contains("is 4.3.5"), "{failure}");
    let none = RealLibrary {
        name: "4.3.4",
        path: PathBuf::from("/nowhere/libzmq.so.5"),
        has_drafts: false,
    };
    assert!(spawn(&none).is_err());
    Ok(())
}

#[test]
fn one_process_holds_several_sockets() -> Outcome<()> {
    for library in real_libraries()? {
        let mut peer = spawn(&library)?;
        let (pull, push) = (peer.open("PULL")?, peer.open("PUSH")?);
        let endpoint = peer.bind(pull, "tcp://127.0.0.1:*")?;
        peer.connect(push, &endpoint)?;
        assert!(peer.send(push, &[Part::text("a"), Part::text("")], PATIENCE)?);
        assert_eq!(
            peer.receive(pull, PATIENCE)?,
            Some(vec![Seen::text("a"), Seen::text("")])
        );
        assert_eq!(peer.receive(pull, Duration::from_millis(1))?, None);

        let burst = Burst {
            source: 9,
            first: 3,
            count: 500,
            size: 100,
        };
        assert_eq!(peer.burst(push, burst, PATIENCE)?, 500);
        assert!(peer.drain(pull, 500, PATIENCE)?.is_exactly(9, 3, 500));

        peer.close(push)?;
        peer.event(pull, "disconnected", PATIENCE)?;
        peer.close(pull)?;
        assert!(peer.ask(&format!("get {pull} type")).is_err());
    }
    Ok(())
}

#[test]
fn errors_are_answers() -> Outcome<()> {
    let libraries = real_libraries()?;
    let mut peer = spawn(&libraries[0])?;
    assert!(peer.open("NOTHING").is_err());
    let sub = peer.open("SUB")?;
    for request in [
        "",
        "open",
        "bind 1 nowhere",
        "set 1 hwm 1",
        "recv 1 soon",
        "jump 1",
        "get 9 type",
    ] {
        assert!(peer.ask(request).is_err(), "{request}");
    }
    assert!(peer.send(sub, &[Part::text("a")], PATIENCE).is_err());
    assert_eq!(peer.ask(&format!("get {sub} type"))?, "2");
    let answer = peer.ask_patiently(&format!("event {sub} 1 disconnected"), PATIENCE)?;
    assert_eq!(answer, Answer::Again);
    Ok(())
}
