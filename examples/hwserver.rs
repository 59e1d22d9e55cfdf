// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hello World server: binds a REP socket, expects "Hello", answers "World".
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::thread;
use std::time::Duration;

use ferromq::{Context, Error, Rep};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut responder = context.socket::<Rep>()?;
    responder.bind("tcp://*:5555")?;
    loop {
        let request = responder.recv()?;
        println!("Received {}", String::from_utf8_lossy(&request));
        // Do some work.
        thread::sleep(Duration::from_secs(1));
        responder.send("World")?;
    }
}
