// SPDX-License-Identifier: MIT OR Apache-2.0
//! The benchmarks on their own, without the command line tool.

use std::process::ExitCode;

use clap::Parser;
use ferromq_bench::command::{self, Arguments};

/// Benchmarks of ferromq beside libzmq.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> Result<ExitCode, ferromq_bench::Failure> {
    command::take_role();
    command::execute(&Line::parse().arguments)?;
    Ok(ExitCode::SUCCESS)
}
