// SPDX-License-Identifier: MIT OR Apache-2.0
//! Task worker: receives tasks from the ventilator, does them, and tells the sink.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use ferromq::{Context, Pull, Push};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::new();
    let mut receiver = context.socket::<Pull>()?;
    receiver.connect("tcp://localhost:5557")?;
    let mut sender = context.socket::<Push>()?;
    sender.connect("tcp://localhost:5558")?;
    loop {
        let task = receiver.recv()?;
        let workload = std::str::from_utf8(&task)?;
        print!("{workload}.");
        io::stdout().flush()?;
        // Do the work.
        thread::sleep(Duration::from_millis(workload.parse()?));
        sender.send(b"")?;
    }
}
