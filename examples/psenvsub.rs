// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pub-sub envelope subscriber: reads the key, then the contents.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ferromq::{Context, Error, Sub};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut subscriber = context.socket_builder::<Sub>().subscribe("B").open()?;
    subscriber.connect("tcp://localhost:5563")?;
    loop {
        let address = subscriber.recv_part()?;
        let contents = subscriber.recv_part()?;
        println!(
            "[{}] {}",
            String::from_utf8_lossy(&address),
            String::from_utf8_lossy(&contents)
        );
    }
}
