// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C programs under valgrind and AddressSanitizer: no bad access, nothing freed twice, nothing
//! lost.
//!
//! By hand, with any program that is linked with the library:
//! `LD_LIBRARY_PATH=target/debug valgrind --leak-check=full PROGRAM`.

use std::process::Command;

use crate::build::{compile, ours};

const PROGRAMS: [&str; 5] = [
    "messages.c",
    "contexts.c",
    "sockets.c",
    "signals.c",
    "threads.c",
];
/// Those that count on being served in time, which valgrind does not do.
const IN_TIME: [&str; 9] = [
    "cancelling.c",
    "descriptors.c",
    "effects.c",
    "forks.c",
    "network.c",
    "shared.c",
    "statistics.c",
    "ways.c",
    "zap.c",
];
const FLAGS: [&str; 2] = ["-DFERROMQ", "-DZMQ_BUILD_DRAFT_API"];

/// The library itself is not instrumented, but every block it allocates and frees, every call of
/// libc it makes, and every use of its memory by the program is seen.
#[test]
fn clean_under_address_sanitizer() {
    for name in PROGRAMS.into_iter().chain(IN_TIME) {
        let library = ours().join("libzmq.so");
        let flags = [FLAGS[0], FLAGS[1], "-fsanitize=address"];
        let program = compile("gcc", name, "asan", &flags, &library);
        let output = Command::new(&program)
            .env("LD_LIBRARY_PATH", ours())
            .env(
                "ASAN_OPTIONS",
                "detect_leaks=1:detect_stack_use_after_return=1",
            )
            .output()
            .expect("just compiled");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        assert!(!errors.contains("Sanitizer"), "{name}: {errors}");
    }
}

#[test]
fn clean_under_valgrind() {
    for name in PROGRAMS {
        let library = ours().join("libzmq.so");
        let flags = [FLAGS[0], FLAGS[1], "-DUNDER_VALGRIND"];
        let program = compile("gcc", name, "valgrind", &flags, &library);
        let output = Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
            .args(["--show-leak-kinds=definite,indirect"])
            .args(["--errors-for-leak-kinds=definite,indirect"])
            .arg(&program)
            .env("LD_LIBRARY_PATH", ours())
            // valgrind lets one thread run at a time.
            .env("LIMIT", "1200")
            .output()
            .expect("valgrind: cargo xtask setup");
        assert!(
            output.status.success(),
            "{name}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
