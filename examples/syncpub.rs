// SPDX-License-Identifier: MIT OR Apache-2.0
//! Synchronized publisher: begins when all subscribers have said that they are there.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ferromq::{Context, Error, Pub, Rep};

const SUBSCRIBERS_EXPECTED: usize = 2;

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut publisher = context
        .socket_builder::<Pub>()
        .send_high_water_mark(1_100_000)
        .open()?;
    publisher.bind("tcp://*:5561")?;
    let mut syncservice = context.socket::<Rep>()?;
    syncservice.bind("tcp://*:5562")?;

    println!("Waiting for subscribers");
    for _ in 0..SUBSCRIBERS_EXPECTED {
        syncservice.recv()?;
        syncservice.send("")?;
    }
    println!("Broadcasting messages");
    for _ in 0..1_000_000 {
        publisher.send("Rhubarb")?;
    }
    publisher.send("END")?;
    Ok(())
}
