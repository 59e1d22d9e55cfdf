// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's first command.

use std::io::{Write, stderr};
use std::path::Path;
use std::process::Command;

use ferromq_interop::network::{Network, is_possible};

/// On a host that lets multicast come back, and on one that does not: the demo says which it is.
#[test]
fn the_scene_of_a_group_is_played_where_it_can_be() {
    if let Err(why) = is_possible() {
        // Past the harness, which keeps what passing tests print to itself; xtask counts these lines.
        writeln!(stderr(), "SKIPPED: no demo on hosts of its own: {why}").ok();
        return;
    }
    let network = Network::new(1).unwrap();
    let mut demo = network.command(0, Path::new(env!("CARGO_BIN_EXE_ferromq")));
    let screen = screen_of(demo.arg("demo"));
    assert!(
        screen.contains("epgm: one publisher, two subscribers, epgm://127.0.0.1;"),
        "{screen}"
    );
    assert!(!screen.contains("not played"), "{screen}");
    assert!(screen.contains(ALL), "{screen}");

    network.lose(0, "ip daddr 224.0.0.0/4").unwrap();
    let screen = screen_of(&mut demo);
    let why =
        "  not played: multicast does not come back over the loopback interface of this machine";
    assert!(screen.lines().any(|line| line == why), "{screen}");
    assert!(screen.contains(ALL_BUT_THE_GROUP), "{screen}");
}

/// What it shows; it must end well.
fn screen_of(demo: &mut Command) -> String {
    let output = demo.output().expect("the demo runs");
    let screen = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{screen}{errors}");
    screen
}

const ALL: &str = "13 scenes, 120 messages: all that were to arrive did";
const ALL_BUT_THE_GROUP: &str = "12 scenes, 114 messages: all that were to arrive did";

#[test]
fn the_demo_ends_well_within_a_minute() {
    // It has a watchdog of its own.
    let screen = screen_of(Command::new(env!("CARGO_BIN_EXE_ferromq")).arg("demo"));
    for transport in ["tcp", "ipc", "inproc"] {
        let scenes = screen
            .lines()
            .filter(|line| line.starts_with(&format!("{transport}: ")));
        assert_eq!(scenes.count(), 4, "{screen}");
    }
    assert_eq!(screen.matches("is killed: SIGKILL").count(), 2, "{screen}");
    let grouped = !screen.contains("not played: ");
    let total = if grouped { ALL } else { ALL_BUT_THE_GROUP };
    assert!(screen.contains(total), "{screen}");
    assert!(
        !screen.contains('\x1b'),
        "colour on something that is no terminal"
    );
}
