// SPDX-License-Identifier: MIT OR Apache-2.0
//! The word `sanitize`: the tests of the crates that may use `unsafe`, and of those on top of them, under a sanitizer of
//! the nightly compiler.

use anyhow::{Result, bail};

use crate::run::Run;
use crate::workspace;

/// What is told apart by `-Zsanitizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sanitizer {
    /// Bad accesses, double frees and leaks.
    Address,
    /// Data races. Its standard library is built with it, or it would not see what that synchronizes.
    Thread,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

const PACKAGES: [&str; 9] = [
    "ferromq",
    "ferromq-engine",
    "ferromq-message",
    "ferromq-os",
    "ferromq-pattern",
    "ferromq-pgm",
    "ferromq-pipe",
    "ferromq-vocabulary",
    "ferromq-zmtp",
];

/// The allocator's own account: the sanitizer has another allocator.
const NOT_THESE: &str = "not test(memory::tests::what_is_asked_for_is_in_use)";
/// Thousands of peers, and millions of inputs for parsers without threads: too much for one that is ten times as slow.
const NOR_THESE: &str = "not (test(siege::) or test(mutated_inputs) or test(memory::tests::what_is_asked_for_is_in_use))";

impl Sanitizer {
    fn parse(word: &str) -> Result<Self> {
        match word {
            "address" => Ok(Self::Address),
            "thread" => Ok(Self::Thread),
            _ => bail!("the sanitizers are address and thread"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }

    /// Which tests it is for.
    const fn filterset(self) -> &'static str {
        match self {
            Self::Address => NOT_THESE,
            Self::Thread => NOR_THESE,
        }
    }

    /// Where it reads its options: a size nobody has is an error of the call, and no fault.
    const fn options(self) -> (&'static str, &'static str) {
        let variable = match self {
            Self::Address => "ASAN_OPTIONS",
            Self::Thread => "TSAN_OPTIONS",
        };
        (variable, "allocator_may_return_null=1")
    }
}

pub(crate) fn run(words: &[String]) -> Result<()> {
    let (sanitizer, filter) = match words {
        [sanitizer] => (Sanitizer::parse(sanitizer)?, None),
        [sanitizer, filter] => (Sanitizer::parse(sanitizer)?, Some(filter)),
        _ => bail!("takes address or thread, and a filter"),
    };
    let mut run = Run::new("rustup", ["run", "nightly", "cargo", "nextest", "run"]);
    if sanitizer == Sanitizer::Thread {
        Run::new("rustup", ["component", "add", "rust-src"])
            .arguments(["--toolchain", "nightly"])
            .quietly()?;
        run = run.arguments(["-Zbuild-std"]);
    }
    let (variable, options) = sanitizer.options();
    let folder = workspace::target().join(sanitizer.name());
    run.arguments(PACKAGES.iter().flat_map(|name| ["--package", name]))
        .arguments(["--target", TARGET, "--no-fail-fast"])
        .arguments([
            "--success-output",
            "never",
            "--filterset",
            sanitizer.filterset(),
        ])
        .arguments(filter)
        .environment("RUSTFLAGS", format!("-Zsanitizer={}", sanitizer.name()))
        .environment("CARGO_TARGET_DIR", folder)
        .environment("UNDER_SANITIZER", sanitizer.name())
        .environment(variable, options)
        .status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two() -> Result<()> {
        for sanitizer in [Sanitizer::Address, Sanitizer::Thread] {
            assert_eq!(Sanitizer::parse(sanitizer.name())?, sanitizer);
        }
        assert!(Sanitizer::parse("memory").is_err());
        Ok(())
    }
}
