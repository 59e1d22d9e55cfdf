// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process of a run: told by its arguments what to do, and talking with the other one through
//! the runner.
//!
//! On its standard output stand `tell WORD`, which the runner passes on to the other's standard
//! input, and `result NAME VALUE`.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::library::Context;
use crate::ours::Ours;
use crate::task::Task;
use crate::theirs::Theirs;
use crate::{Failure, Outcome, ROLE_COMMAND, system, work};

/// Which library does the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// ferromq.
    Ours,
    /// The libzmq at this absolute path.
    Theirs(PathBuf),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str(OURS),
            Self::Theirs(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Choice {
    type Err = Failure;

    fn from_str(text: &str) -> Outcome<Self> {
        Ok(if text == OURS {
            Self::Ours
        } else {
            Self::Theirs(text.into())
        })
    }
}

/// Which half of the work a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The half that binds.
    First,
    /// The half that connects.
    Second,
    /// Both, in two threads.
    Both,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Both => "both",
        }
    }

    fn find(name: &str) -> Option<Self> {
        [Self::First, Self::Second, Self::Both]
            .into_iter()
            .find(|part| part.name() == name)
    }
}

/// The arguments of the process that does this.
#[must_use]
pub fn arguments(choice: &Choice, part: Part, task: &Task) -> Vec<String> {
    let mut arguments = vec![
        ROLE_COMMAND.to_owned(),
        choice.to_string(),
        part.name().to_owned(),
    ];
    arguments.extend(task.to_arguments());
    arguments
}

/// Does what the arguments after [`ROLE_COMMAND`] say, and ends the process.
pub fn main(arguments: &[String]) -> ! {
    system::set_deadline(DEADLINE);
    let code = match try_main(arguments) {
        Ok(()) => 0,
        Err(failure) => writeln!(io::stderr(), "{arguments:?}: {failure}").map_or(2, |()| 1),
    };
    // Without a farewell: what is measured has ended.
    process::exit(code)
}

fn try_main(arguments: &[String]) -> Outcome<()> {
    let [choice, part, task @ ..] = arguments else {
        return Err(Failure::new("no role"));
    };
    let part = Part::find(part).ok_or_else(|| Failure::new("no such part"))?;
    let task = Task::from_arguments(task)?;
    system::raise_file_limit();
    if task.pinned {
        system::pin(0)?;
    }
    // Neither context is ever ended: that could wait for somebody who is gone.
    match choice.parse()? {
        Choice::Ours => perform(Box::leak(Box::new(Ours::open())), part, task),
        Choice::Theirs(path) => perform(&Theirs::open(&path)?, part, task),
    }
}

fn perform<C: Context>(context: &C, part: Part, task: Task) -> Outcome<()> {
    match part {
        Part::First => work::first(context, &task, &Company::of_process()),
        Part::Second => work::second(context, &task, &Company::of_process()),
        Part::Both => {
            let (mine, others) = Company::of_threads();
            let second = {
                let context = context.clone();
                thread::spawn(move || work::second(&context, &task, &others))
            };
            work::first(context, &task, &mine)?;
            second
                .join()
                .unwrap_or_else(|_panic| Err(Failure::new("a thread panicked")))
        }
    }
}

/// The way to the other half, and to the runner.
#[derive(Debug)]
pub struct Company {
    words: Receiver<String>,
    /// To the other thread; without one, by standard output to the other process.
    other: Option<Sender<String>>,
}

impl Company {
    fn of_process() -> Self {
        let (sender, words) = channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { words, other: None }
    }

    fn of_threads() -> (Self, Self) {
        let (to_first, of_first) = channel();
        let (to_second, of_second) = channel();
        let first = Self {
            words: of_first,
            other: Some(to_second),
        };
        (
            first,
            Self {
                words: of_second,
                other: Some(to_first),
            },
        )
    }

    /// Says a word to the other half.
    pub fn tell(&self, word: &str) -> Outcome<()> {
        match &self.other {
            Some(other) => other
                .send(word.to_owned())
                .map_err(|_gone| Failure::new("the other half ended")),
            None => Ok(writeln!(io::stdout().lock(), "tell {word}")?),
        }
    }

    /// The next word of the other half.
    pub fn hear(&self) -> Outcome<String> {
        self.words
            .recv()
            .map_err(|_gone| Failure::new("the other half fell silent"))
    }

    /// Whether the other half has said something since.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.words.try_recv().is_ok()
    }

    /// A figure for the runner.
    pub fn result(&self, name: &str, value: f64) -> Outcome<()> {
        Ok(writeln!(io::stdout().lock(), "result {name} {value}")?)
    }
}

const OURS: &str = "ours";
/// After that a process is killed.
const DEADLINE: Duration = Duration::from_secs(60);
