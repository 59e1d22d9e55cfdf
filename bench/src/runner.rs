// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run: two processes, the words between them, what they found and what they used.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use ferromq_interop::network::{self, Network};

use crate::role::{self, Choice, Part};
use crate::system::{self, Usage};
use crate::task::{Task, Transport};
use crate::{Failure, Outcome};

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Does the task once with this library.
pub fn run(choice: &Choice, task: &Task) -> Outcome<Figures> {
    let parts: &[Part] = match task.transport {
        Transport::Inproc => &[Part::Both],
        Transport::Tcp | Transport::Ipc | Transport::Epgm | Transport::Pgm | Transport::Udp => {
            &[Part::First, Part::Second]
        }
    };
    let network = hosts(task)?;
    let program = env::current_exe()?;
    let mut children = Vec::new();
    for (host, part) in parts.iter().enumerate() {
        let mut command = match &network {
            Some(network) => network.command(host, &program),
            None => Command::new(&program),
        };
        let child = command
            .args(role::arguments(choice, *part, task))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        children.push(Guard(child));
    }
    let (figures, usage) = relay(&mut children)?;
    finish(figures, usage, task)
}

/// A host for each process, where the task needs them.
fn hosts(task: &Task) -> Outcome<Option<Network>> {
    let placed = [Transport::Epgm, Transport::Pgm, Transport::Udp];
    if !placed.contains(&task.transport) {
        return Ok(None);
    }
    network::hosts_are_possible().map_err(Failure::new)?;
    Ok(Some(Network::pair()?))
}

/// A child that is killed if it is left alone.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It fails where the child has ended, as it should have.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

enum News {
    Line(usize, String),
    End(usize),
}

fn relay(children: &mut [Guard]) -> Outcome<(Figures, Usage)> {
    let (sender, news) = channel();
    for (at, child) in children.iter_mut().enumerate() {
        listen(at, &mut child.0, sender.clone())?;
    }
    drop(sender);
    let (mut figures, mut total) = (Figures::new(), Usage::default());
    for news in news {
        match news {
            News::Line(from, line) => match line.split_once(' ') {
                Some(("tell", word)) => {
                    for (_, other) in children
                        .iter_mut()
                        .enumerate()
                        .filter(|(at, _)| *at != from)
                    {
                        if let Some(input) = &mut other.0.stdin {
                            // Where the other is gone already, its end says why.
                            writeln!(input, "{word}").ok();
                        }
                    }
                }
                Some(("result", figure)) => {
                    let (name, value) = figure.split_once(' ').unwrap_or((figure, ""));
                    let value = value.parse().map_err(|_error| Failure::new(line.clone()))?;
                    figures.insert(name.to_owned(), value);
                }
                _ => return Err(Failure::new(format!("a process says {line:?}"))),
            },
            News::End(at) => {
                let child = &children[at];
                let (well, usage) = system::wait_for(child.0.id())?;
                if !well {
                    return Err(Failure::new(
                        "a process failed, or was killed at its deadline",
                    ));
                }
                total.cpu += usage.cpu;
                total.switches += usage.switches;
            }
        }
    }
    Ok((figures, total))
}

fn listen(at: usize, child: &mut Child, news: Sender<News>) -> Outcome<()> {
    let output = child
        .stdout
        .take()
        .ok_or_else(|| Failure::new("a process without output"))?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if news.send(News::Line(at, line)).is_err() {
                return;
            }
        }
        // Nobody listens where the run has failed already.
        news.send(News::End(at)).ok();
    });
    Ok(())
}

fn finish(mut figures: Figures, usage: Usage, task: &Task) -> Outcome<Figures> {
    if figures.is_empty() {
        return Err(Failure::new("no result"));
    }
    if figures.contains_key("rate") {
        let received = figures.get("received").copied();
        let millions = received.unwrap_or_else(|| task.delivered()) / 1e6;
        figures.insert("cpu".to_owned(), usage.cpu / millions);
        figures.insert("switches".to_owned(), usage.switches / millions);
    }
    if let (Some(rate), Some(sealing), Some(opening)) = (
        figures.get("rate").copied(),
        figures.get("sealing").copied(),
        figures.get("opening").copied(),
    ) {
        // Either may be what holds the other up.
        let share = 100.0 * rate / sealing.min(opening);
        figures.insert("of_crypto".to_owned(), share);
    }
    if let (Some(rate), Some(stream)) = (figures.get("rate"), figures.get("stream")) {
        let share = 100.0 * rate * task.size as f64 / stream;
        figures.insert("of_stream".to_owned(), share);
    }
    Ok(figures)
}
