// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multithreaded relay: three threads that tell each other over inproc that they are ready.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::thread;

use ferromq::{Context, Error, Pair};

fn main() -> Result<(), Error> {
    let context = Context::new();
    let mut receiver = context.socket::<Pair>()?;
    receiver.bind("inproc://step3")?;
    let step2 = thread::spawn(move || step2(&context));
    receiver.recv()?;
    println!("Test successful!");
    step2.join().expect("step 2 panicked")
}

fn step1(context: &Context) -> Result<(), Error> {
    let mut transmitter = context.socket::<Pair>()?;
    transmitter.connect("inproc://step2")?;
    println!("Step 1 ready, signaling step 2");
    transmitter.send("READY")?;
    Ok(())
}

fn step2(context: &Context) -> Result<(), Error> {
    let mut receiver = context.socket::<Pair>()?;
    receiver.bind("inproc://step2")?;
    let step1 = {
        let context = context.clone();
        thread::spawn(move || step1(&context))
    };
    receiver.recv()?;
    let mut transmitter = context.socket::<Pair>()?;
    transmitter.connect("inproc://step3")?;
    println!("Step 2 ready, signaling step 3");
    transmitter.send("READY")?;
    step1.join().expect("step 1 panicked")
}
