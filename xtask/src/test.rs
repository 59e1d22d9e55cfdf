// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running tests and counting them: `cargo nextest`, one process a test, and `cargo test` for the examples in
//! documents, which nextest does not run.

use std::fs;

use anyhow::{Result, bail};

use crate::report::Report;
use crate::run::{Run, cargo};
use crate::{setup, workspace};

/// What `test` was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    full: bool,
    /// A test that fails is tried once more, alone: the profile `ci`.
    second_try: bool,
    filter: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut arguments = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--full" => arguments.full = true,
                "--profile" => match words.next().map(String::as_str) {
                    Some("ci") => arguments.second_try = true,
                    Some("default") => arguments.second_try = false,
                    _ => bail!("the profiles are default and ci"),
                },
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
    let mut report = Report::default();
    for (name, failure) in setup::everything(false) {
        report.fail(&format!("setup: {name}"), &failure);
    }
    let suite = Suite::of_workspace(arguments.full);
    report.add(suite.run(arguments.filter.as_deref(), arguments.second_try)?);
    report.add(examples(arguments.filter.as_deref())?);
    if arguments.filter.is_none() {
        let suite = Suite::with_poll(arguments.full);
        report.add(suite.run(None, arguments.second_try)?);
    }
    if arguments.full {
        report.add(Suite::loom(true).run(None, false)?);
    }
    println!("\n{}", report.closing_lines());
    report.verdict()
}

/// The word `loom`, whose models have a build of their own.
pub(crate) fn loom(full: bool) -> Result<()> {
    let report = Suite::loom(full).run(None, false)?;
    println!("\n{}", report.closing_lines());
    report.verdict()
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
    let suite = Suite::new(
        "interop",
        &["--package", "ferromq-interop", "--test", "matrix"],
    );
    let report = suite.run(None, false)?;
    for table in &tables {
        if let Ok(text) = fs::read_to_string(table) {
            println!("\n{text}\n({})", table.display());
        }
    }
    println!("\n{}", report.closing_lines());
    report.verdict()
}

/// Tests that one build makes.
struct Suite {
    name: &'static str,
    /// Which packages and targets.
    selection: Vec<&'static str>,
    environment: Vec<(&'static str, String)>,
    ignored_too: bool,
}

impl Suite {
    fn new(name: &'static str, selection: &[&'static str]) -> Self {
        Self {
            name,
            selection: selection.to_vec(),
            environment: Vec::new(),
            ignored_too: false,
        }
    }

    fn of_workspace(full: bool) -> Self {
        Self {
            ignored_too: full,
            ..Self::new("tests", &["--workspace"])
        }
    }

    /// The engine on poll(2), the base for systems without epoll; all of its tests if `full`.
    fn with_poll(full: bool) -> Self {
        let mut suite = Self::new("poll(2)", &["--package", "ferromq-engine"]);
        if !full {
            let quick = ["--test", "first_light", "--test", "all_types"];
            suite.selection.extend(quick);
        }
        suite.builds_apart("poll", "--cfg zmq_force_poll");
        suite
    }

    /// The models of lock-free structures.
    fn loom(full: bool) -> Self {
        let packages = ["--package", "ferromq-pipe", "--package", "ferromq-message"];
        let mut suite = Self::new("loom", &packages);
        suite.selection.extend(["--release", "--lib", "loom"]);
        suite.builds_apart("loom", "--cfg loom");
        let preemptions = if full { "3" } else { "2" };
        suite.environment.extend([
            ("LOOM_MAX_PREEMPTIONS", preemptions.to_owned()),
            // Models gain nothing from what takes a release build its time.
            ("CARGO_PROFILE_RELEASE_LTO", "off".to_owned()),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16".to_owned()),
        ]);
        suite
    }

    /// With these flags for the compiler, and so in a target folder of its own.
    fn builds_apart(&mut self, folder: &str, flags: &str) {
        let more = std::env::var("RUSTFLAGS").unwrap_or_default();
        let folder = workspace::target().join(folder).display().to_string();
        self.environment.extend([
            ("RUSTFLAGS", format!("{more} {flags}")),
            ("CARGO_TARGET_DIR", folder),
        ]);
    }

    /// Runs those whose names contain the filter; what fails once more if there is to be a second try.
    fn run(&self, filter: Option<&str>, second_try: bool) -> Result<Report> {
        let mut report = self.pass(self.nextest().arguments(filter))?;
        let failed = report.failed_tests();
        if second_try && !failed.is_empty() {
            println!("\n{}: what failed is tried once more, alone", self.name);
            let again = self
                .nextest()
                .arguments(["--test-threads", "1", "--filterset", &failed]);
            report.second_try(&self.pass(again)?);
        }
        Ok(report)
    }

    fn nextest(&self) -> Run {
        let mut run = cargo(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"])
            .arguments(&self.selection)
            .arguments(self.ignored_too.then_some("--run-ignored=all"));
        for (name, value) in &self.environment {
            run = run.environment(name, value);
        }
        run
    }

    /// Runs it, shows what is worth showing, and sees to it that no failure goes unnoticed.
    fn pass(&self, run: Run) -> Result<Report> {
        let mut report = Report::default();
        let succeeded = run.lines(|line| {
            if report.line(line) {
                println!("{line}");
            }
        })?;
        report.ended(self.name, succeeded);
        Ok(report)
    }
}

/// The examples in the documentation, by `cargo test`.
fn examples(filter: Option<&str>) -> Result<Report> {
    let mut report = Report::default();
    let run = cargo(["test", "--workspace", "--doc", "--no-fail-fast"]).arguments(filter);
    let succeeded = run.lines(|line| {
        println!("{line}");
        report.example_line(line);
    })?;
    report.ended("examples", succeeded);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_flags_and_a_filter() -> Result<()> {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Arguments::parse(&words)
        };
        let expected = Arguments {
            full: true,
            second_try: true,
            filter: Some("pipe".to_owned()),
        };
        assert_eq!(parse(&["--full", "pipe", "--profile", "ci"])?, expected);
        assert!(!parse(&["--profile", "default"])?.second_try);
        assert!(parse(&["--profile"]).is_err());
        assert!(parse(&["--loud"]).is_err());
        assert!(parse(&["one", "two"]).is_err());
        Ok(())
    }
}
