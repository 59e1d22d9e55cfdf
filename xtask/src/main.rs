// SPDX-License-Identifier: MIT OR Apache-2.0
//! What CI runs, each job a word: `cargo xtask WORD`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool prints"
)]

mod bindings;
mod code;
mod conformance;
mod contract;
mod duplicates;
mod features;
mod fuzz;
mod install;
mod instructions;
mod layers;
mod python;
mod report;
mod run;
mod sanitize;
mod setup;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use run::cargo;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((word, rest)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match perform(word, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {word}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(word: &str, rest: &[String]) -> Result<()> {
    match word {
        "test" => return test::run(&test::Arguments::parse(rest)?),
        "conformance" => return conformance::run(rest),
        "bindings" => return bindings::run(rest),
        "install" => return install::run(rest),
        "instructions" => return instructions::run(rest),
        "deb" => return install::deb(rest),
        "setup" => return setup::run(rest),
        "sanitize" => return sanitize::run(rest),
        "soak" => return soak::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            return Ok(());
        }
        _ => {}
    }
    let (full, fix) = match rest {
        [] => (false, false),
        [flag] if flag == "--full" && word == "loom" => (true, false),
        [flag] if flag == "--fix" && word == "fmt" => (false, true),
        _ => bail!("does not take {}", rest.join(" ")),
    };
    match word {
        "fmt" if fix => cargo(["fmt", "--all"]).status(),
        "fmt" => cargo(["fmt", "--all", "--check"]).status(),
        "clippy" => cargo(["clippy", "--workspace", "--all-targets"])
            .arguments(["--", "-D", "warnings"])
            .status(),
        "doc" => cargo(["doc", "--workspace", "--lib", "--no-deps"])
            .environment("RUSTDOCFLAGS", "-D warnings")
            .status(),
        "contract" => contract::run(),
        "layers" => layers::run(),
        "loom" => test::loom(full),
        "features" => features::run(),
        "fuzz" => fuzz::run(),
        "interop" => test::interop(),
        "deny" => deny(),
        "duplicates" => duplicates::run(),
        "ci" => run::Run::new("bash", [".ci/run"]).status(),
        _ => bail!("no such word\n{USAGE}"),
    }
}

/// Licences and sources of all dependencies, by cargo-deny.
fn deny() -> Result<()> {
    println!("deny: cargo-deny: {}", setup::install("cargo-deny")?);
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        cargo(["deny", "--manifest-path", manifest, "--config", "deny.toml"])
            .arguments(["check", "--hide-inclusion-graph"])
            .arguments(["licenses", "bans", "sources"])
            .status()?;
    }
    Ok(())
}

const USAGE: &str = "\
cargo xtask WORD

  fmt [--fix]            formatting is as rustfmt.toml says
  clippy                 no warnings, every target of the workspace
  doc                    the documentation builds without warnings
  layers                 dependencies and `unsafe` are as ARCHITECTURE.md lists them
  contract               every numbered item of the contract has a test that names it
  loom [--full]          the models of the lock-free structures
  features               every crate with features builds without any, and with each alone
  fuzz                   the fuzz targets build, and keep their promises on every committed input
  interop                the matrix against the real libzmq, shown and in target/interop-*.md
  conformance [FILTER]   libzmq's own test programs on our library; --library PATH: on that one
  bindings [NAME ...]    the suites of pyzmq, CZMQ and cppzmq on our library
  install --prefix DIR [--destdir DIR] [--libdir lib]
                         the C libraries, headers, pkg-config and CMake files; --debug: unoptimized; --built DIR:
                         what is there already
  deb [--built DIR]      a Debian package in place of libzmq5 and libzmq3-dev; --built DIR: of what is there
  deny                   licences and sources of dependencies (installs cargo-deny)
  duplicates             no dependency is there in two versions
  setup [--unpack]       installs what the tests need; --unpack: into target/, as without root
  test [--full] [--profile ci] [FILTER]
                         setup, then every test; --full adds ignored tests and long loom runs; under the profile
                         ci what fails is tried once more, alone, and listed as FLAKY if it passes then
  instructions [--write] what a message costs on the hot paths through C, by callgrind, beside bench/instructions/counts.txt
  soak [SECONDS [LOSSES]]
                         600 s of everything at once, and 2000 lost connections of each kind, with accounts of
                         messages, memory and descriptors: the long form of tests
  sanitize address|thread [FILTER]
                         the Rust tests under AddressSanitizer or ThreadSanitizer; needs a nightly toolchain
  ci                     everything .ci/run runs
";
