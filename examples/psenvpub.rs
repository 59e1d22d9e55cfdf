// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pub-sub envelope publisher: the first part is the key to subscribe to.

use std::thread;
use std::time::Duration;

use ferromq::{Context, Error, Pub};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut publisher = context.socket::<Pub>()?;
    publisher.bind("tcp://*:5563")?;
    loop {
        publisher.send(["A", "We don't want to see this"])?;
        publisher.send(["B", "We would like to see this"])?;
        thread::sleep(Duration::from_secs(1));
    }
}
