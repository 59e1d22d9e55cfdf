// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running tests and counting them.

use std::fs;

use anyhow::{Result, bail};

use crate::run::{Run, cargo};
use crate::{setup, workspace};

/// What `test` was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    full: bool,
    filter: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut arguments = Self::default();
        for word in words {
            match word.as_str() {
                "--full" => arguments.full = true,
                flag if flag.starts_with('-') => bail!("does not take {flag}"),
                filter if arguments.filter.is_none() => arguments.filter = Some(filter.to_owned()),
                _ => bail!("takes one filter"),
            }
        }
        Ok(arguments)
    }
}

/// The word `test`: what the tests need, all of them, and how many they were.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut counts = Counts {
        failed: setup::everything(false),
        ..Counts::default()
    };
    let mut tests = cargo(["test", "--workspace", "--no-fail-fast"]).arguments(&arguments.filter);
    if arguments.full {
        tests = tests.arguments(["--", "--include-ignored"]);
    }
    counts.add(count("tests", tests)?);
    if arguments.filter.is_none() {
        counts.add(with_poll(arguments.full)?);
    }
    if arguments.full {
        counts.add(loom(true)?);
    }
    println!("\n{}", counts.line());
    counts.verdict()
}

/// The engine on poll(2), the base for systems without epoll; all of its tests if `full`.
fn with_poll(full: bool) -> Result<Counts> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut tests = cargo(["test", "--package", "ferromq-engine", "--no-fail-fast"])
        .environment("RUSTFLAGS", format!("{flags} --cfg zmq_force_poll"))
        .environment("CARGO_TARGET_DIR", workspace::target().join("poll"));
    if !full {
        tests = tests.arguments(["--test", "first_light", "--test", "all_types"]);
    }
    count("poll(2)", tests)
}

/// The word `loom`, whose models have a build of their own.
pub(crate) fn loom(full: bool) -> Result<Counts> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let models = cargo(["test", "--release", "--package", "ferromq-pipe"])
        .arguments(["--package", "ferromq-message", "--lib", "loom"])
        .environment("RUSTFLAGS", format!("{flags} --cfg loom"))
        .environment("LOOM_MAX_PREEMPTIONS", if full { "3" } else { "2" })
        .environment("CARGO_TARGET_DIR", workspace::target().join("loom"))
        // Models gain nothing from what takes a release build its time.
        .environment("CARGO_PROFILE_RELEASE_LTO", "off")
        .environment("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    count("loom", models)
}

/// The word `interop`: the matrix, and the tables it leaves behind.
pub(crate) fn interop() -> Result<()> {
    let tables = [
        "interop-harness.md",
        "interop-matrix.md",
        "interop-old.md",
        "interop-inproc.md",
    ];
    let tables = tables.map(|name| workspace::target().join(name));
    for table in tables.iter().filter(|table| table.exists()) {
        fs::remove_file(table)?;
    }
    let tests = cargo(["test", "--package", "ferromq-interop", "--test", "matrix"]);
    let counts = count("interop", tests)?;
    for table in &tables {
        if let Ok(text) = fs::read_to_string(table) {
            println!("\n{text}\n({})", table.display());
        }
    }
    counts.verdict()
}

/// Runs a `cargo test` with its output passed through, and counts.
fn count(name: &str, tests: Run) -> Result<Counts> {
    let mut summary = Summary::default();
    let succeeded = tests.lines(|line| {
        println!("{line}");
        summary.line(line);
    })?;
    println!("\n{name}, by binary:");
    for (binary, counts) in &summary.binaries {
        println!(
            "  {:>4} {:>3} {:>3}  {binary}",
            counts.passed, counts.failed, counts.skipped
        );
    }
    for why in &summary.skips {
        println!("  SKIPPED: {why}");
    }
    for line in &summary.failures {
        println!("  {line}");
    }
    let mut counts = summary.counts();
    if !succeeded && counts.failed == 0 {
        println!("{name}: failed without saying which test: not built, or a binary died");
        counts.failed = 1;
    }
    Ok(counts)
}

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    /// The closing line, in the form that those who read output look for.
    fn line(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }

    /// Tests ran, and none failed.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} failed", self.failed);
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What the output of `cargo test` says, binary by binary.
#[derive(Debug, Default)]
struct Summary {
    binaries: Vec<(String, Counts)>,
    running: Option<String>,
    /// What the tests that failed had to say, once more at the end where it is found.
    failures: Vec<String>,
    failing: bool,
    /// Why tests did nothing, which the harness counts as passed.
    skips: Vec<String>,
}

impl Summary {
    fn line(&mut self, line: &str) {
        self.failing |= line.starts_with("---- ");
        self.failing &= line != "failures:";
        if self.failing && !line.is_empty() {
            self.failures.push(line.to_owned());
        }
        let trimmed = line.trim_start();
        if let Some((_, why)) = line.split_once("SKIPPED: ") {
            self.skips.push(why.to_owned());
        }
        if let Some(name) = trimmed
            .strip_prefix("Running ")
            .filter(|_| line.starts_with(' '))
        {
            self.running = Some(name.to_owned());
        } else if trimmed.starts_with("Doc-tests ") && line.starts_with(' ') {
            self.running = Some(trimmed.to_owned());
        } else if let Some(counts) = parse_result(line) {
            let name = self.running.take().unwrap_or_else(|| "?".to_owned());
            self.binaries.push((name, counts));
        }
    }

    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for (_, counts) in &self.binaries {
            sum.add(*counts);
        }
        sum.skipped += self.skips.len();
        sum.passed = sum.passed.saturating_sub(self.skips.len());
        sum
    }
}

/// Reads `test result: ok. 1 passed; 2 failed; 3 ignored; …`.
fn parse_result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = numbers.split("; ").find_map(|part| part.strip_suffix(word));
        part.and_then(|number| number.parse().ok())
    };
    Some(Counts {
        passed: number(" passed")?,
        failed: number(" failed")?,
        skipped: number(" ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_by_binary() {
        let mut summary = Summary::default();
        for line in [
            "     Running unittests src/lib.rs (target/debug/deps/a-1)",
            "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished",
            "test b ... SKIPPED: no network here",
            "   Doc-tests a",
            "test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; in",
            "Running away is not a binary",
            "---- tests::a stdout ----",
            "because",
            "",
            "failures:",
            "    tests::a",
        ] {
            summary.line(line);
        }
        assert_eq!(summary.binaries.len(), 2);
        assert_eq!(summary.binaries[1].0, "Doc-tests a");
        assert_eq!(summary.failures, ["---- tests::a stdout ----", "because"]);
        assert_eq!(summary.counts().line(), "5 passed, 3 failed, 3 skipped");
    }

    #[test]
    fn other_lines_are_no_results() {
        assert_eq!(parse_result("test result: who knows"), None);
        assert_eq!(parse_result("test a ... ok"), None);
    }

    #[test]
    fn no_test_is_a_failure() {
        assert!(
            Counts {
                passed: 1,
                ..Counts::default()
            }
            .verdict()
            .is_ok()
        );
        assert!(
            Counts {
                passed: 1,
                failed: 1,
                skipped: 0
            }
            .verdict()
            .is_err()
        );
        assert!(
            Counts {
                skipped: 1,
                ..Counts::default()
            }
            .verdict()
            .is_err()
        );
    }

    #[test]
    fn arguments_are_a_flag_and_a_filter() -> Result<()> {
        let parse = |words: &[&str]| {
            Arguments::parse(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let expected = Arguments {
            full: true,
            filter: Some("pipe".to_owned()),
        };
        assert_eq!(parse(&["--full", "pipe"])?, expected);
        assert!(parse(&["--loud"]).is_err());
        assert!(parse(&["one", "two"]).is_err());
        Ok(())
    }
}
