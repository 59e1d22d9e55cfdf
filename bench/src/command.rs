// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use std::path::PathBuf;
use std::{env, fs};

use clap::{Args, Subcommand};

use crate::compare::{head, measure, median, print, scaled, write};
use crate::role::{self, Choice};
use crate::runner::{Figures, run};
use crate::table::{Face, workloads};
use crate::task::{Transport, transport};
use crate::workload::{Bar, Unit, Workload};
use crate::{Failure, Outcome, ROLE_COMMAND, plot, theirs};

/// If this process was started by a runner, does what it is to do, and does not return.
pub fn take_role() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == ROLE_COMMAND
    {
        role::main(rest);
    }
}

/// The table; or, with a command, parts of it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    table: Table,
    /// Name what can be measured.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything, beside libzmq, with the bars.
    Compare(Table),
    /// Pictures of what `--csv` has written down.
    Plot {
        /// The figures.
        csv: PathBuf,
        /// Where the SVG files go.
        folder: PathBuf,
    },
    /// Single runs of what `--list` names, every figure of each.
    Run {
        /// Names, or parts of names.
        names: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// PUSH to PULL.
    Thr {
        /// `tcp`, `ipc` or `inproc`.
        #[arg(long, default_value = "tcp", value_parser = transport)]
        transport: Transport,
        /// Bytes of a message.
        #[arg(long, default_value_t = 64)]
        size: usize,
        #[command(flatten)]
        how: How,
    },
    /// REQ and REP.
    Lat {
        /// `tcp`, `ipc` or `inproc`.
        #[arg(long, default_value = "tcp", value_parser = transport)]
        transport: Transport,
        /// Bytes of a message.
        #[arg(long, default_value_t = 64)]
        size: usize,
        /// Both processes on one CPU.
        #[arg(long)]
        pinned: bool,
        #[command(flatten)]
        how: How,
    },
    /// Bursts after silence.
    Burst {
        /// Messages in each.
        #[arg(long, default_value_t = 30)]
        length: u64,
        #[command(flatten)]
        how: How,
    },
    /// PUB and SUB through a group, between two network namespaces.
    Epgm {
        /// Bytes of a message.
        #[arg(long, default_value_t = 1000)]
        size: usize,
        /// `ZMQ_RATE` of both, Mbit/s.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        #[command(flatten)]
        how: How,
    },
    /// The same over IP without UDP.
    Pgm {
        /// Bytes of a message.
        #[arg(long, default_value_t = 1000)]
        size: usize,
        /// `ZMQ_RATE` of both, Mbit/s.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        #[command(flatten)]
        how: How,
    },
    /// RADIO and DISH through a group, between two network namespaces.
    Udp {
        /// Bytes of a message.
        #[arg(long, default_value_t = 1000)]
        size: usize,
        #[command(flatten)]
        how: How,
    },
    /// A lossless PUB to many SUBs.
    FanOut {
        /// How many.
        #[arg(long, default_value_t = 64)]
        subscribers: u64,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
struct Table {
    /// Runs of each library, in turn.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How long a run is to last.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The libzmq.so.5 to compare with; one with drafts for RADIO and DISH, too, such as
    /// `target/libzmq-4.3.5/libzmq.so` that the tests have built.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Measure ferromq through this libzmq.so of its own: one and the same C client on both libraries.
    #[arg(long, value_name = "PATH")]
    through: Option<PathBuf>,
    /// Only what has one of these in its name.
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Nothing that has one of these in its name.
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,
    /// Write every figure of every run there.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Fail if a bar is missed.
    #[arg(long)]
    strict: bool,
    /// For the habit of it: a table is what there is.
    #[arg(long, hide = true)]
    table: bool,
}

#[derive(Debug, Args)]
struct How {
    /// Messages, round trips or bursts; without it, as many as take a second.
    #[arg(long)]
    count: Option<u64>,
    /// `ours`, or the path of a libzmq.so.5; `both` is ours and Debian's in turn.
    #[arg(long, default_value = "ours")]
    lib: String,
    /// How often.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Does what the arguments say.
pub fn execute(arguments: &Arguments) -> Outcome<()> {
    if arguments.list {
        let names: String = workloads(Face::Rust)
            .iter()
            .map(|w| format!("{}\n", w.name))
            .collect();
        return print(&names);
    }
    match &arguments.command {
        None => table(&arguments.table, arguments.table.against.clone()),
        Some(Command::Compare(arguments)) => {
            let against = arguments.against.clone().unwrap_or_else(|| DEBIAN.into());
            table(arguments, Some(against))
        }
        Some(Command::Plot { csv, folder }) => {
            let drawn = plot::draw(csv, folder)?;
            print(&format!("{}\n", drawn.join("\n")))
        }
        Some(Command::Run { names, how }) => {
            for workload in chosen(Face::Rust, names, &[])? {
                series(&workload, how)?;
            }
            Ok(())
        }
        Some(Command::Thr {
            transport,
            size,
            how,
        }) => series(&Workload::throughput(*transport, *size, Bar::Open), how),
        Some(Command::Lat {
            transport,
            size,
            pinned,
            how,
        }) => {
            let mut workload = Workload::round_trip(*transport, *pinned, Bar::Open);
            workload.task.size = *size;
            series(&workload, how)
        }
        Some(Command::Burst { length, how }) => {
            series(&Workload::burst(*length, Bar::Open, Bar::Open), how)
        }
        Some(Command::Epgm { size, rate, how }) => {
            let workload = Workload::multicast(Transport::Epgm, *size, *rate, Bar::Open);
            series(&workload, how)
        }
        Some(Command::Pgm { size, rate, how }) => {
            let workload = Workload::multicast(Transport::Pgm, *size, *rate, Bar::Open);
            series(&workload, how)
        }
        Some(Command::Udp { size, how }) => series(&Workload::datagrams(*size, Bar::Open), how),
        Some(Command::FanOut { subscribers, how }) => {
            series(&Workload::fan_out(*subscribers, Bar::Open), how)
        }
    }
}

fn chosen(face: Face, only: &[String], skip: &[String]) -> Outcome<Vec<Workload>> {
    let mut chosen = workloads(face);
    chosen.retain(|workload| {
        let in_name = |part: &String| workload.name.contains(part.as_str());
        (only.is_empty() || only.iter().any(in_name)) && !skip.iter().any(in_name)
    });
    if chosen.is_empty() {
        return Err(Failure::new("nothing has such a name"));
    }
    Ok(chosen)
}

fn table(arguments: &Table, against: Option<PathBuf>) -> Outcome<()> {
    let (ours, face) = match &arguments.through {
        Some(path) => (Choice::Theirs(path.canonicalize()?), Face::C),
        None => (Choice::Ours, Face::Rust),
    };
    let chosen = chosen(face, &arguments.only, &arguments.skip)?;
    let theirs = match &against {
        Some(path) => format!("libzmq {}", theirs::version(path)?),
        None => "libzmq".to_owned(),
    };
    let has_drafts = against.as_deref().map(theirs::has_drafts).transpose()?;
    let against = against.map(Choice::Theirs);
    let (mut csv, mut missed, mut failed) = (CSV_HEAD.to_owned(), 0, 0);
    let load = load();
    print(&head(&theirs))?;
    for workload in chosen {
        match measure(
            &workload,
            &ours,
            // Without drafts it has nothing to set beside.
            against
                .as_ref()
                .filter(|_| !workload.is_draft() || has_drafts == Some(true)),
            arguments.runs,
            arguments.seconds,
        ) {
            Ok(measured) => {
                let (lines, misses) = measured.lines();
                missed += misses;
                print(&lines)?;
                csv.push_str(&measured.csv());
            }
            Err(failure) => {
                failed += 1;
                print(&format!("| {} | {failure} | | | | FAIL |\n", workload.name))?;
            }
        }
        if let Some(file) = &arguments.csv {
            fs::write(file, &csv)?;
        }
    }
    print(&format!(
        "\nMedians of {} runs of each library in turn; ratio: median of the pairs [least–most]. Load \
         of the machine before and after: {load}, {}.\n",
        arguments.runs,
        self::load()
    ))?;
    if failed > 0 || (arguments.strict && missed > 0) {
        return Err(Failure::new(format!(
            "{failed} failed, {missed} bars missed"
        )));
    }
    Ok(())
}

/// How busy the machine is: figures of a busy one are no good.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// Runs on their own: every figure of each, and the medians.
fn series(workload: &Workload, how: &How) -> Outcome<()> {
    let choices = match how.lib.as_str() {
        "both" => vec![Choice::Ours, Choice::Theirs(DEBIAN.into())],
        lib => vec![lib.parse()?],
    };
    let mut series = Vec::new();
    for choice in choices {
        let mut workload = workload.clone();
        match how.count {
            Some(count) => workload.task.count = count,
            None => workload = scaled(&choice, &workload, 1.0)?,
        }
        series.push((choice, workload, Vec::new()));
    }
    for _ in 0..how.runs {
        for (choice, workload, figures) in &mut series {
            let found = run(choice, &workload.task)?;
            print(&format!("{} {choice}: {}\n", workload.name, show(&found)))?;
            figures.push(found);
        }
    }
    for (choice, workload, figures) in &series {
        print(&format!(
            "{} {choice}, medians: {}\n",
            workload.name,
            show(&medians(figures))
        ))?;
    }
    Ok(())
}

fn medians(runs: &[Figures]) -> Figures {
    let names = runs
        .first()
        .map(|figures| figures.keys())
        .into_iter()
        .flatten();
    names
        .filter_map(|name| {
            let values: Vec<_> = runs
                .iter()
                .filter_map(|run| run.get(name).copied())
                .collect();
            Some((name.clone(), median(&values)?))
        })
        .collect()
}

fn show(figures: &Figures) -> String {
    let shown = figures.iter().map(|(name, value)| match name.as_str() {
        "rate" => format!("{name} {}", write(Unit::Rate, *value)),
        "cpu" => format!("{name} {value:.4} s/M"),
        "switches" => format!("{name} {value:.1} /M"),
        _ => format!("{name} {value:.3}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

const CSV_HEAD: &str = "workload,figure,library,run,value\n";
const DEBIAN: &str = "/usr/lib/x86_64-linux-gnu/libzmq.so.5";
