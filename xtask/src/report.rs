// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the output of `cargo nextest` and `cargo test` says: how many tests passed, which failed and with what
//! words, and which did nothing.

use anyhow::{Result, bail};

/// What became of some tests.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<Failure>,
    /// Failed, and passed when they were tried once more.
    flaky: Vec<Failure>,
    /// Tests that are not run by default.
    ignored: usize,
    /// Why tests did nothing, which the harness counts as passed.
    skips: Vec<String>,
    /// Whose output the lines are that come now.
    of: Of,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    name: String,
    /// The first line of its message, or how it ended.
    message: String,
}

/// Whose output a line is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Of {
    #[default]
    Nobody,
    Passed,
    /// The last of the failures.
    Failed(Expecting),
}

/// How the message of a test that failed is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    /// `panicked at`, or `Error: ` of a test that returns one.
    Beginning,
    /// The line after `panicked at`.
    Message,
    /// It was found.
    Nothing,
}

impl Report {
    /// Takes in a line of nextest; whether it is worth showing, as all are but what passed tests print.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if let Some((status, name)) = parse_status(line) {
            self.of = match status {
                "PASS" | "LEAK" => {
                    self.passed += 1;
                    Of::Passed
                }
                // A word in between; the test's last one is still to come.
                "SLOW" | "TERMINATING" | "START" | "SKIP" => Of::Nobody,
                _ => {
                    self.fail(name, &how_it_ended(status));
                    Of::Failed(Expecting::Beginning)
                }
            };
            return true;
        }
        if let Some(counts) = line.trim_start().strip_prefix("Summary [") {
            self.of = Of::Nobody;
            self.ignored += number_before(counts, " skipped");
            return true;
        }
        match self.of {
            Of::Nobody => true,
            Of::Passed => {
                self.look_for_skip(line);
                false
            }
            Of::Failed(expecting) => {
                self.look_for_message(line, expecting);
                true
            }
        }
    }

    fn look_for_skip(&mut self, line: &str) {
        if let Some((_, why)) = line.split_once("SKIPPED: ") {
            self.skips.push(why.to_owned());
        }
    }

    fn look_for_message(&mut self, line: &str, expecting: Expecting) {
        let text = line.trim();
        let found = match expecting {
            Expecting::Beginning if text.contains("panicked at ") => {
                self.of = Of::Failed(Expecting::Message);
                return;
            }
            Expecting::Beginning if text.starts_with("Error: ") => text,
            Expecting::Message if !text.is_empty() => text,
            _ => return,
        };
        self.of = Of::Failed(Expecting::Nothing);
        if let Some(failure) = self.failures.last_mut() {
            failure.message = shortened(found);
        }
    }

    /// Takes in a line of `cargo test --doc`.
    pub(crate) fn example_line(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.fail(&format!("example {name}"), "failed");
        } else if let Some((passed, ignored)) = parse_result(line) {
            self.passed += passed;
            self.ignored += ignored;
        }
    }

    /// The program has ended: one that failed without naming a test was not even built, or died.
    pub(crate) fn ended(&mut self, name: &str, succeeded: bool) {
        if !succeeded && self.failures.is_empty() {
            self.fail(name, "failed without saying which test: not built, perhaps");
        }
    }

    pub(crate) fn fail(&mut self, name: &str, message: &str) {
        self.failures.push(Failure {
            name: name.to_owned(),
            message: shortened(message),
        });
    }

    /// The tests that failed, as a filter for another run.
    pub(crate) fn failed_tests(&self) -> String {
        let tests = self.failures.iter().filter_map(|failure| {
            let (binary, test) = failure.name.split_once(' ')?;
            binary
                .contains(|c: char| c.is_alphanumeric())
                .then(|| format!("(binary_id(={binary}) & test(={test}))"))
        });
        tests.collect::<Vec<_>>().join(" | ")
    }

    /// Another run of what failed, alone: what passed in it was flaky.
    pub(crate) fn second_try(&mut self, second: &Self) {
        let (still, flaky) = std::mem::take(&mut self.failures)
            .into_iter()
            .partition(|first| {
                second.passed == 0 || second.failures.iter().any(|one| one.name == first.name)
            });
        self.failures = still;
        self.passed += Vec::len(&flaky);
        self.flaky.extend::<Vec<_>>(flaky);
        self.skips.extend_from_slice(&second.skips);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.flaky.extend(other.flaky);
        self.ignored += other.ignored;
        self.skips.extend(other.skips);
    }

    /// What to read when there is time for one look: which tests did what, and how many they were.
    pub(crate) fn closing_lines(&self) -> String {
        let skips = self.skips.iter().map(|why| format!("SKIPPED: {why}\n"));
        let of = |word: &'static str, tests: &[Failure]| {
            let lines = tests
                .iter()
                .map(move |test| format!("{word} {}: {}\n", test.name, test.message));
            lines.collect::<String>()
        };
        format!(
            "{}{}{}{} passed, {} failed, {} skipped",
            skips.collect::<String>(),
            of("FLAKY", &self.flaky),
            of("FAILED", &self.failures),
            self.passed.saturating_sub(self.skips.len()),
            self.failures.len(),
            self.ignored + self.skips.len(),
        )
    }

    /// Tests ran, and none failed.
    pub(crate) fn verdict(&self) -> Result<()> {
        if !self.failures.is_empty() {
            bail!("{} failed", self.failures.len());
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }
}

/// Reads `        PASS [   0.066s] (858/889) libzmq::programs the_header_is_cpp`: the first word, and binary and test.
fn parse_status(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start();
    // What tests print stands further in than nothing, but never begins with words and a time so.
    let (status, rest) = text.split_once(" [")?;
    if status.is_empty()
        || !status
            .chars()
            .all(|c| c.is_ascii_uppercase() || " +-".contains(c))
    {
        return None;
    }
    let (time, rest) = rest.split_once("] ")?;
    let time = time.trim_start_matches([' ', '>']).strip_suffix('s')?;
    time.parse::<f64>().ok()?;
    let (_place, name) = rest.trim_start().strip_prefix('(')?.split_once(") ")?;
    Some((status, name.trim_start()))
}

fn how_it_ended(status: &str) -> String {
    match status {
        "FAIL" => "failed".to_owned(),
        "TIMEOUT" => "took longer than it may".to_owned(),
        _ => format!("ended by {status}"),
    }
}

/// Messages of thousands of lines' worth in one line do not help at the end of a log.
fn shortened(message: &str) -> String {
    message.chars().take(300).collect()
}

/// Reads `test result: ok. 1 passed; 2 failed; 3 ignored; …`: passed and ignored.
fn parse_result(line: &str) -> Option<(usize, usize)> {
    let counts = line.strip_prefix("test result: ")?;
    counts.contains(" passed;").then(|| {
        (
            number_before(counts, " passed"),
            number_before(counts, " ignored"),
        )
    })
}

/// The number in front of this word; 0 where there is none.
fn number_before(text: &str, word: &str) -> usize {
    let Some((head, _)) = text.split_once(word) else {
        return 0;
    };
    let digits = head.rsplit(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        let mut report = Report::default();
        for line in text.lines() {
            report.line(line);
        }
        report
    }

    const FIRST: &str = "\
        PASS [   0.066s] (1/6) a::one well
  stderr ───

    test b ... SKIPPED: no network here

        FAIL [  55.105s] (2/6) a::one badly
  stdout ───
    test badly ... FAILED
  stderr ───

    thread 'badly' (7) panicked at tests/one.rs:5:9:
    assertion failed: never
    note: run with `RUST_BACKTRACE=1`

        SLOW [> 60.000s] (─────) a::two slowly
        FAIL [   0.005s] (3/6) a tests::returns
  stderr ───
    Error: Failure { text: \"no\" }
     TIMEOUT [ 300.000s] (4/6) a::two slowly
     SIGABRT [   0.005s] (5/6) a::two dies
     Summary [ 503.074s] 6 tests run: 2 passed (1 slow), 4 failed, 3 skipped
";

    #[test]
    fn failures_have_names_and_messages() {
        let report = report(FIRST);
        assert_eq!(
            report.closing_lines(),
            "SKIPPED: no network here\n\
             FAILED a::one badly: assertion failed: never\n\
             FAILED a tests::returns: Error: Failure { text: \"no\" }\n\
             FAILED a::two slowly: took longer than it may\n\
             FAILED a::two dies: ended by SIGABRT\n\
             0 passed, 4 failed, 4 skipped"
        );
        assert!(report.verdict().is_err());
    }

    #[test]
    fn what_passes_when_tried_again_is_flaky() {
        let mut report = report(FIRST);
        assert!(report.failed_tests().starts_with(
            "(binary_id(=a::one) & test(=badly)) | (binary_id(=a) & test(=tests::returns)) | "
        ));
        let second = self::report(
            "        PASS [   0.066s] (1/4) a::one badly
        PASS [   0.066s] (2/4) a tests::returns
        FAIL [   0.066s] (3/4) a::two slowly
        PASS [   0.066s] (4/4) a::two dies",
        );
        report.second_try(&second);
        assert_eq!(report.failures.len(), 1);
        assert_eq!(report.flaky[0].message, "assertion failed: never");
        assert_eq!(report.flaky.len(), 3);
    }

    #[test]
    fn a_second_try_that_was_none_clears_nobody() {
        let mut report = report(FIRST);
        report.second_try(&Report::default());
        assert_eq!(report.failures.len(), 4);
    }

    #[test]
    fn output_of_tests_is_no_status() {
        for line in [
            "    FAIL [yes] (no) at all",
            "Running away",
            "    [0.1s] (1/2) x",
            "PASS",
        ] {
            assert_eq!(parse_status(line), None, "{line}");
        }
    }

    #[test]
    fn examples_are_counted_and_named() {
        let mut report = Report::default();
        for line in [
            "test src/lib.rs - a (line 3) ... FAILED",
            "test src/lib.rs - b (line 9) ... ok",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out",
            "test result: who knows",
        ] {
            report.example_line(line);
        }
        assert_eq!(
            report.closing_lines(),
            "FAILED example src/lib.rs - a (line 3): failed\n1 passed, 1 failed, 2 skipped"
        );
    }

    #[test]
    fn no_test_is_a_failure() {
        assert!(Report::default().verdict().is_err());
        let mut unbuilt = report("        PASS [   0.066s] (1/6) a::one well");
        assert!(unbuilt.verdict().is_ok());
        unbuilt.ended("tests", false);
        assert!(unbuilt.verdict().is_err());
    }
}
