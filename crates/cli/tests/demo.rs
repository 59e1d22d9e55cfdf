// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's first command.

use std::process::Command;

#[test]
fn the_demo_ends_well_within_a_minute() {
    // It has a watchdog of its own.
    let output = Command::new(env!("CARGO_BIN_EXE_ferromq"))
        .arg("demo")
        .output()
        .unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{screen}{errors}");
    for transport in ["tcp", "ipc", "inproc"] {
        let scenes = screen
            .lines()
            .filter(|line| line.starts_with(&format!("{transport}: ")));
        assert_eq!(scenes.count(), 4, "{screen}");
    }
    assert_eq!(screen.matches("is killed: SIGKILL").count(), 2, "{screen}");
    assert!(
        screen.contains("12 scenes, 114 messages: all that were to arrive did"),
        "{screen}"
    );
    assert!(
        !screen.contains('\x1b'),
        "colour on something that is no terminal"
    );
}
