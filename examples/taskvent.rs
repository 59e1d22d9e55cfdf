// SPDX-License-Identifier: MIT OR Apache-2.0
//! Task ventilator: sends a batch of tasks to the workers.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::hash::{BuildHasher, RandomState};
use std::io;

use ferromq::{Context, Push};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::new();
    let mut sender = context.socket::<Push>()?;
    sender.bind("tcp://*:5557")?;
    // To tell when the batch begins.
    let mut sink = context.socket::<Push>()?;
    sink.connect("tcp://localhost:5558")?;

    println!("Press Enter when the workers are ready: ");
    io::stdin().read_line(&mut String::new())?;
    println!("Sending tasks to workers...");
    sink.send("0")?;

    let random = RandomState::new();
    let mut total = 0;
    for number in 0..100u64 {
        // 1 to 100 milliseconds.
        let workload = random.hash_one(number) % 100 + 1;
        total += workload;
        sender.send(workload.to_string())?;
    }
    println!("Total expected cost: {total} ms");
    Ok(())
}
