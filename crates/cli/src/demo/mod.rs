// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main job, on screen: four scenes over each transport, one over a group where the machine allows it, each
//! checked, and a few figures.
//!
//! 1. [`scenes`]: what is played, and what must come of it
//! 2. [`stage`]: actors, their words, and the screen
//! 3. [`actors`]: what an actor does
//!
//! Over tcp and ipc an actor is a process of its own, over inproc a thread. Nobody waits for time
//! to pass: actors wait for messages and for words, each until a deadline.

mod actors;
mod figures;
mod scenes;
mod stage;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, process};

use crate::Outcome;
use scenes::Transport;
use stage::Screen;

pub(crate) use actors::main as role;

/// The first argument of an actor's process.
pub(crate) const ROLE_COMMAND: &str = "demo-role";

/// Plays everything. An error if anything was lost that should not have been.
pub(crate) fn run() -> Outcome<()> {
    let begin = Instant::now();
    thread::Builder::new()
        .name("watchdog".into())
        .spawn(watch)?;
    let mut screen = Screen::open()?;
    fs::create_dir(scenes::folder())?;
    let played = play(&mut screen);
    // What was killed has left its socket behind.
    fs::remove_dir_all(scenes::folder())?;
    played?;
    screen.summary(begin.elapsed().as_secs_f64())
}

fn play(screen: &mut Screen) -> Outcome<()> {
    for transport in [Transport::Tcp, Transport::Ipc, Transport::Inproc] {
        scenes::echo(transport, screen)?;
        scenes::subscriber(transport, screen)?;
        scenes::pipeline(transport, screen)?;
        scenes::multipart(transport, screen)?;
    }
    scenes::group(screen)?;
    figures::show(screen)
}

/// Ends it if it does not end by itself; the other processes end with this one.
fn watch() {
    thread::sleep(LONGEST);
    // Where nobody can be told, the code still says it.
    writeln!(
        io::stderr(),
        "ferromq: the demo hangs; given up after {LONGEST:?}"
    )
    .ok();
    fs::remove_dir_all(scenes::folder()).ok();
    process::exit(2);
}

const LONGEST: Duration = Duration::from_secs(58);
/// How long an actor waits for a message or a word.
const PATIENCE: Duration = Duration::from_secs(10);
