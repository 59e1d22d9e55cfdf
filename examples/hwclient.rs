// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hello World client: connects a REQ socket, sends "Hello", expects "World".
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ferromq::{Context, Error, Req};

fn main() -> Result<(), Error> {
    let context = Context::new();
    println!("Connecting to hello world server...");
    let mut requester = context.socket::<Req>()?;
    requester.connect("tcp://localhost:5555")?;
    for request in 0..10 {
        println!("Sending Hello {request}...");
        requester.send("Hello")?;
        let reply = requester.recv()?;
        println!("Received {} {request}", String::from_utf8_lossy(&reply));
    }
    Ok(())
}
