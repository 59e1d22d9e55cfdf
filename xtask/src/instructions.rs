// SPDX-License-Identifier: MIT OR Apache-2.0
//! The word `instructions`: what a message costs on the hot paths of the C library, counted by callgrind.
//!
//! Times depend on the machine and on what else it does; instructions hardly do. Each path is run twice, the second time
//! with twice the messages: the difference is theirs alone. What the last commit took stands in
//! `bench/instructions/counts.txt`; more than that, beyond a tolerance, is a failure, and so is less inside a process that has
//! not been written down.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{Run, cargo, found_on_path};
use crate::workspace;

/// A way of messages through the library: see `bench/instructions/steps.c`.
struct Way {
    work: &'static str,
    endpoint: &'static str,
    size: u32,
    count: u32,
}

const fn way(work: &'static str, endpoint: &'static str, size: u32, count: u32) -> Way {
    Way {
        work,
        endpoint,
        size,
        count,
    }
}

const TCP: &str = "tcp://127.0.0.1:*";
const INPROC: &str = "inproc://steps";

const WAYS: [Way; 14] = [
    way("buffers", INPROC, 16, 50_000),
    way("buffers", INPROC, 1024, 50_000),
    way("msg-recv", INPROC, 64, 50_000),
    way("msg-data", INPROC, 65_536, 20_000),
    way("buffers", TCP, 16, 50_000),
    way("buffers", TCP, 64, 50_000),
    way("buffers", TCP, 1024, 20_000),
    way("msg-recv", TCP, 64, 50_000),
    way("msg", TCP, 64, 50_000),
    way("msg-data", TCP, 1024, 20_000),
    way("echo", TCP, 64, 20_000),
    way("ask", INPROC, 64, 10_000),
    way("publish", TCP, 64, 20_000),
    way("poll", TCP, 64, 5_000),
];

impl Way {
    fn name(&self) -> String {
        let (transport, _) = self.endpoint.split_once(':').unwrap_or_default();
        format!("{}-{transport}-{}", self.work, self.size)
    }

    /// Whether nobody else has a hand in it. Over tcp it depends on when the I/O thread has its turn, by some per cent.
    fn is_exact(&self) -> bool {
        self.endpoint == INPROC
    }

    /// What is wrong with a count, if anything.
    fn judged(&self, last: Option<u64>, now: u64) -> Option<String> {
        let name = self.name();
        let Some(last) = last else {
            return Some(format!("{name}: never written down"));
        };
        let how = if now > last + last * if self.is_exact() { 2 } else { 15 } / 100 {
            "more"
        } else if self.is_exact() && now < last - last * 2 / 100 {
            "fewer, which is to be kept"
        } else {
            return None;
        };
        Some(format!(
            "{name}: {now} instructions, {last} at the last commit: {how}"
        ))
    }

    /// The count, and what is wrong with it. Where it is not exact the least of three decides.
    fn compared(
        &self,
        program: &Path,
        library: &Path,
        last: Option<u64>,
    ) -> Result<(u64, Option<String>)> {
        let mut now = self.counted(program, library)?;
        for _ in 0..2 {
            if self.is_exact() || self.judged(last, now).is_none() {
                break;
            }
            now = now.min(self.counted(program, library)?);
        }
        Ok((now, self.judged(last, now)))
    }

    /// Instructions for each message, whichever thread carries them out.
    fn counted(&self, program: &Path, library: &Path) -> Result<u64> {
        let once = self.total(program, library, self.count)?;
        let twice = self.total(program, library, 2 * self.count)?;
        Ok(twice.saturating_sub(once) / u64::from(self.count))
    }

    fn total(&self, program: &Path, library: &Path, count: u32) -> Result<u64> {
        let found = folder().join("callgrind.out");
        Run::new("valgrind", ["--tool=callgrind", "--quiet"])
            .arguments([format!("--callgrind-out-file={}", found.display())])
            .arguments([program])
            .arguments([self.work, self.endpoint])
            .arguments([self.size.to_string(), count.to_string()])
            .environment("LD_LIBRARY_PATH", library)
            .quietly()?;
        let text = fs::read_to_string(&found).with_context(|| found.display().to_string())?;
        let mut totals = text.lines().filter_map(|line| {
            let number = line
                .strip_prefix("summary: ")
                .or_else(|| line.strip_prefix("totals: "))?;
            number.trim().parse().ok()
        });
        totals
            .next_back()
            .with_context(|| format!("{}: callgrind says nothing", self.name()))
    }
}

pub(crate) fn run(words: &[String]) -> Result<()> {
    let write = match words {
        [] => false,
        [flag] if flag == "--write" => true,
        _ => bail!("takes --write"),
    };
    if !found_on_path("valgrind") {
        bail!("valgrind is missing: cargo xtask setup");
    }
    let (program, library) = built()?;
    let before = fs::read_to_string(file()).unwrap_or_default();
    let (mut written, mut faults) = (String::from(HEAD), Vec::new());
    for way in &WAYS {
        let name = way.name();
        let last = last_of(&before, &name);
        let (now, fault) = way.compared(&program, &library, last)?;
        println!(
            "{name:22} {now:7} instructions, last {}",
            last.map_or_else(|| "none".to_owned(), |last| last.to_string())
        );
        writeln!(written, "{name} {now}")?;
        faults.extend(fault);
    }
    if write {
        fs::write(file(), written)?;
    } else if !faults.is_empty() {
        bail!(
            "{}\nif that is right: cargo xtask instructions --write",
            faults.join("\n")
        );
    }
    Ok(())
}

fn last_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (of, count) = line.split_once(' ')?;
        (of == name).then(|| count.parse().ok()).flatten()
    })
}

/// The program, and the folder of the library it is to find.
fn built() -> Result<(PathBuf, PathBuf)> {
    cargo(["build", "--release", "--package", "libzmq"]).status()?;
    let (folder, program) = (folder(), folder().join("steps"));
    fs::create_dir_all(&folder)?;
    let library = folder.join("libzmq.so.5");
    fs::copy(workspace::target().join("release/libzmq.so"), &library)?;
    Run::new("cc", ["-O2", "-Wall", "-Werror", "-o"])
        .arguments([&program])
        .arguments([workspace::root().join("bench/instructions/steps.c")])
        .arguments([&library])
        .arguments([format!(
            "-I{}",
            workspace::root().join("crates/libzmq/include").display()
        )])
        .status()?;
    Ok((program, folder))
}

fn folder() -> PathBuf {
    workspace::target().join("instructions")
}

fn file() -> PathBuf {
    workspace::root().join("bench/instructions/counts.txt")
}

const HEAD: &str = "# Instructions for each message, by `cargo xtask instructions --write`.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_file_is_found() {
        let text = format!("{HEAD}a 12\nab 7\n");
        assert_eq!(last_of(&text, "ab"), Some(7));
        assert_eq!(last_of(&text, "b"), None);
    }

    #[test]
    fn more_is_a_fault_and_so_is_much_less() {
        let exact = way("buffers", INPROC, 16, 1);
        assert_eq!(exact.judged(Some(1000), 1020), None);
        let fault = exact.judged(Some(1000), 1021);
        assert!(fault.is_some_and(|fault| fault.ends_with("more")));
        assert_eq!(exact.judged(Some(1000), 980), None);
        assert!(exact.judged(Some(1000), 979).is_some());
        assert!(exact.judged(None, 979).is_some());
        let tcp = way("buffers", TCP, 16, 1);
        assert_eq!(tcp.judged(Some(1000), 1150), None);
        assert!(tcp.judged(Some(1000), 1151).is_some());
        assert_eq!(tcp.judged(Some(1000), 500), None);
    }
}
