// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weather update client: collects updates for a zip code and finds the average temperature.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use ferromq::{Context, Error, Sub};

const UPDATES: i64 = 100;

fn main() -> Result<(), Error> {
    let zipcode = env::args().nth(1).unwrap_or_else(|| "10001".to_owned());
    println!("Collecting updates from weather server...");
    let context = Context::new();
    let mut subscriber = context
        .socket_builder::<Sub>()
        .subscribe(format!("{zipcode} "))
        .open()?;
    subscriber.connect("tcp://localhost:5556")?;

    let mut total = 0;
    for _ in 0..UPDATES {
        let update = subscriber.recv()?;
        let update = String::from_utf8_lossy(&update);
        let temperature = update
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse::<i64>().ok());
        total += temperature.unwrap_or(0);
    }
    println!(
        "Average temperature for zip code {zipcode} was {}F",
        total / UPDATES
    );
    Ok(())
}
