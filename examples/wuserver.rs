// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weather update server: publishes random weather updates.

use std::hash::{BuildHasher, RandomState};

use ferromq::{Context, Error, Pub};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut publisher = context.socket::<Pub>()?;
    publisher.bind("tcp://*:5556")?;
    publisher.bind("ipc://weather.ipc")?;
    let random = RandomState::new();
    for number in 0u64.. {
        let dice = random.hash_one(number);
        let zipcode = dice % 100_000;
        let temperature = i64::try_from(dice >> 20 & 0xff).unwrap_or(0) % 215 - 80;
        let humidity = (dice >> 40) % 50 + 10;
        publisher.send(format!("{zipcode:05} {temperature} {humidity}"))?;
    }
    Ok(())
}
