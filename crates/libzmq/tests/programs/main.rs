// SPDX-License-Identifier: MIT OR Apache-2.0
//! C programs, compiled against `include/zmq.h` and run with our library and, those that do not
//! name what only we define, with the real one: both must give the same answers. And some that ask
//! tens of thousands of questions, whose answers are compared one by one (`compare`).
#![allow(missing_docs, reason = "a test")]

mod abi;
mod build;
mod compare;
mod installation;
mod memory;

use build::{compile, ours, run_both, run_both_with_drafts, run_ours};

#[test]
fn messages() {
    run_both("messages.c");
}

#[test]
fn contexts() {
    run_both("contexts.c");
}

#[test]
fn sockets() {
    run_both("sockets.c");
}

#[test]
fn signals() {
    run_both("signals.c");
}

#[test]
fn threads() {
    run_ours("threads.c");
}

#[test]
fn item_51_a_child_touches_nothing_of_its_parent() {
    run_ours("forks.c");
}

#[test]
fn threads_may_be_cancelled() {
    run_ours("cancelling.c");
}

#[test]
fn one_descriptor_per_socket() {
    run_ours("descriptors.c");
}

#[test]
fn item_46_sockets_of_several_threads() {
    run_both_with_drafts("shared.c");
}

#[test]
fn handlers_of_zap() {
    run_both("zap.c");
    run_both_with_drafts("zap.c");
}

#[test]
fn options_reach_the_kernel() {
    run_both("network.c");
    run_both_with_drafts("network.c");
}

#[test]
fn options_have_effects() {
    run_both("effects.c");
    run_both_with_drafts("effects.c");
}

#[test]
fn ways_to_peers() {
    run_both("ways.c");
    run_both_with_drafts("ways.c");
}

#[test]
fn statistics_are_exact() {
    run_both_with_drafts("statistics.c");
}

#[test]
fn the_header_is_cpp() {
    let library = ours().join("libzmq.so");
    let flags = [
        "-x",
        "c++",
        "-DFERROMQ",
        "-DZMQ_BUILD_DRAFT_API",
        "-fsyntax-only",
    ];
    compile("g++", "messages.c", "cpp", &flags, &library);
}
