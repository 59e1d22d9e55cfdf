// SPDX-License-Identifier: MIT OR Apache-2.0
//! Synchronized subscriber: tells the publisher when it is there, then counts.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ferromq::{Context, Error, Event, Req, Sub};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut subscriber = context.socket_builder::<Sub>().subscribe("").open()?;
    let monitor = subscriber.monitor();
    subscriber.connect("tcp://localhost:5561")?;
    // The subscription is on its way before the request, over another connection.
    monitor
        .iter()
        .find(|event| event.event == Event::HandshakeSucceeded);

    let mut syncclient = context.socket::<Req>()?;
    syncclient.connect("tcp://localhost:5562")?;
    syncclient.send("")?;
    syncclient.recv()?;

    let mut updates = 0;
    while subscriber.recv()? != "END" {
        updates += 1;
    }
    println!("Received {updates} updates");
    Ok(())
}
