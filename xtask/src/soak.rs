// SPDX-License-Identifier: MIT OR Apache-2.0
//! The word `soak`: what the tests do for a few rounds, for as long as asked.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::run::cargo;

/// Ten minutes of unrest.
const SECONDS: u64 = 600;
/// Lost connections of each kind; there are 460.
const LOSSES: u64 = 2_000;

pub(crate) fn run(words: &[String]) -> Result<()> {
    let (seconds, losses) = match words {
        [] => (SECONDS, LOSSES),
        [seconds] => (seconds.parse()?, LOSSES),
        [seconds, losses] => (seconds.parse()?, losses.parse()?),
        _ => bail!("takes how many seconds, and how many losses of each kind"),
    };
    println!(
        "soak: everything at once for {:?}",
        Duration::from_secs(seconds)
    );
    litmus("churn::everything_at_once", "SOAK_SECONDS", seconds)?;
    println!("soak: {losses} lost connections of each kind");
    litmus(
        "losses::nothing_is_left_of_lost_connections",
        "LOSSES",
        losses,
    )
}

/// This test of the engine, with what it prints.
fn litmus(name: &str, variable: &str, amount: u64) -> Result<()> {
    cargo(["test", "--package", "ferromq-engine", "--test", "litmus"])
        .arguments(["--", "--exact", name, "--nocapture"])
        .environment(variable, amount.to_string())
        .status()
}
