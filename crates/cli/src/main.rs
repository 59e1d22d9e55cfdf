// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ferromq`: the main job on screen, benchmarks, and a pipe into any socket.
//!
//! 1. [`demo`]: the main job
//! 2. `ferromq bench`: all in the `ferromq-bench` crate
//! 3. [`cat`]: `send` and `recv`
//! 4. [`options`]: the table of socket options
//! 5. [`keygen`]: keys of CURVE, hashes of passwords
#![forbid(unsafe_code)]

mod cat;
mod demo;
mod keygen;
mod options;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ferromq_bench::command as bench;

/// ZeroMQ on the command line.
#[derive(Debug, Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job: services, publishers, pipelines, over tcp, ipc and inproc.
    Demo,
    /// Measure throughput and latency, beside a given libzmq where asked.
    Bench(bench::Arguments),
    /// Send the lines of the standard input as messages.
    Send(cat::Arguments),
    /// Receive messages, and write each as a line.
    Recv(cat::Arguments),
    /// List the socket options.
    Options,
    /// Make a pair of CURVE keys.
    Keygen(keygen::Keygen),
    /// Hash a password, read from the standard input, for an allow list.
    Passwd(keygen::Passwd),
    /// A process of the demo.
    #[command(hide = true, name = demo::ROLE_COMMAND)]
    DemoRole {
        /// What it is to do.
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    bench::take_role();
    match execute(&Line::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody can be told, the code still says it.
            writeln!(io::stderr(), "ferromq: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &Command) -> Outcome<()> {
    match command {
        Command::Demo => demo::run(),
        Command::Bench(arguments) => Ok(bench::execute(arguments)?),
        Command::Send(arguments) => cat::send(arguments),
        Command::Recv(arguments) => cat::recv(arguments),
        Command::Options => options::print(),
        Command::Keygen(arguments) => keygen::keygen(arguments),
        Command::Passwd(arguments) => keygen::passwd(arguments),
        Command::DemoRole { arguments } => demo::role(arguments),
    }
}

/// What can fail here.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
