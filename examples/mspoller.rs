// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading from several sockets with poll: tasks from the ventilator, weather from the server.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ferromq::{Context, Error, Interest, PollItem, Pull, Sub, poll};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut tasks = context.socket::<Pull>()?;
    tasks.connect("tcp://localhost:5557")?;
    let mut weather = context.socket_builder::<Sub>().subscribe("10001 ").open()?;
    weather.connect("tcp://localhost:5556")?;
    loop {
        let mut items = [
            PollItem::socket(&mut tasks, Interest::Input),
            PollItem::socket(&mut weather, Interest::Input),
        ];
        poll(&mut items, None)?;
        let [task, update] = items.map(|item| item.is_readable());
        if task {
            println!("task {}", String::from_utf8_lossy(&tasks.recv()?));
        }
        if update {
            println!("weather {}", String::from_utf8_lossy(&weather.recv()?));
        }
    }
}
