// SPDX-License-Identifier: MIT OR Apache-2.0
//! Task sink: collects the results of the workers.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{self, Write};
use std::time::Instant;

use ferromq::{Context, Pull};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::new();
    let mut receiver = context.socket::<Pull>()?;
    receiver.bind("tcp://*:5558")?;
    // The batch begins.
    receiver.recv()?;
    let start = Instant::now();
    for task in 0..100 {
        receiver.recv()?;
        print!("{}", if task % 10 == 0 { ":" } else { "." });
        io::stdout().flush()?;
    }
    println!("\nTotal elapsed time: {} ms", start.elapsed().as_millis());
    Ok(())
}
