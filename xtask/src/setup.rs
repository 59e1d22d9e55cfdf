// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests need beside Rust: the real libzmq in three versions, and pyzmq (`python`).
//!
//! As root the Debian packages are installed; otherwise they are unpacked into
//! `target/sysroot`. What is there already costs no network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{Run, cargo, found_on_path};
use crate::{python, workspace};

/// The word `setup`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let unpack = match arguments {
        [] => false,
        [flag] if flag == "--unpack" => true,
        _ => bail!("takes --unpack or nothing"),
    };
    let missing = everything(unpack).len();
    ensure!(missing == 0, "{missing} things could not be had");
    Ok(())
}

/// Sees to everything; what could not be had, each with the reason.
pub(crate) fn everything(unpack: bool) -> Vec<(&'static str, String)> {
    let steps: [(&'static str, &dyn Fn() -> Result<String>); 7] = [
        ("cargo-nextest", &nextest),
        ("Debian packages", &|| debian(unpack)),
        ("pyzmq", &python::wheel),
        ("libzmq 4.3.5", &built_libzmq),
        ("libzmq 4.1.6", &python::old_libzmq),
        ("pyzmq's Cython back end on ours", &|| {
            python::on_ours("cython")
        }),
        ("pyzmq's cffi back end on ours", &|| python::on_ours("cffi")),
    ];
    let mut missing = Vec::new();
    for (name, step) in steps {
        match step() {
            Ok(how) => println!("setup: {name}: {how}"),
            Err(error) => {
                println!("setup: {name}: FAILED: {error:#}");
                missing.push((name, format!("{error:#}")));
            }
        }
    }
    missing
}

/// What runs the tests: `cargo nextest`.
fn nextest() -> Result<String> {
    install("cargo-nextest")
}

/// A program of crates.io, which takes some minutes to build where it is missing.
pub(crate) fn install(program: &str) -> Result<String> {
    if found_on_path(program) {
        return Ok("installed".to_owned());
    }
    cargo(["install", "--locked", "--quiet"])
        .arguments([program])
        .status()?;
    Ok(format!("installed {program}"))
}

fn debian(unpack: bool) -> Result<String> {
    let missing: Vec<&str> = DEBIAN
        .into_iter()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() && !unpack {
        return Ok("installed".to_owned());
    }
    ensure!(
        found_on_path("apt-get"),
        "{}: no apt-get here",
        missing.join(", ")
    );
    if unpack || !is_root()? {
        return unpack_into_sysroot(if unpack { &DEBIAN } else { &missing });
    }
    let install = || {
        Run::new(
            "apt-get",
            ["install", "--yes", "--quiet", "--no-install-recommends"],
        )
        .arguments(&missing)
        .environment("DEBIAN_FRONTEND", "noninteractive")
    };
    // The package lists of a fresh machine are empty or old: fetched once, then tried for good.
    if !install().succeeds() {
        Run::new("apt-get", ["update", "--quiet"]).status()?;
        install().status().with_context(|| missing.join(", "))?;
    }
    Ok(format!("installed {}", missing.join(", ")))
}

/// Fetches the packages and what they need that is not on this machine, and unpacks them.
fn unpack_into_sysroot(packages: &[&str]) -> Result<String> {
    let sysroot = workspace::target().join("sysroot");
    let done = |package: &str| sysroot.join("unpacked").join(package);
    if packages.iter().all(|package| done(package).exists()) {
        return Ok(format!("unpacked in {}", sysroot.display()));
    }
    let archives = sysroot.join("archives");
    fs::create_dir_all(&archives)?;
    fs::create_dir_all(sysroot.join("unpacked"))?;
    let apt = Apt::new(&sysroot.join("apt"))?;
    for package in packages {
        for needed in apt.with_dependencies(package)? {
            if done(&needed).exists() {
                continue;
            }
            apt.get(["download", "--quiet", &needed])
                .folder(&archives)
                .status()
                .with_context(|| format!("{needed}, for {package}"))?;
            for archive in fs::read_dir(&archives)? {
                let archive = archive?.path();
                let (from, to) = (archive.to_string_lossy(), sysroot.to_string_lossy());
                Run::new("dpkg", ["-x", &from, &to]).status()?;
                fs::remove_file(&archive)?;
            }
            fs::write(done(&needed), "")?;
        }
    }
    Ok(format!("unpacked into {}", sysroot.display()))
}

/// apt with package lists of its own, which anybody may fetch.
struct Apt {
    options: [String; 5],
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let apt = Self {
            options: [
                format!("--option=Dir::State::Lists={}", path("lists")),
                format!("--option=Dir::Cache={}", path("cache")),
                // Root would otherwise hand over to a user who may not write here.
                "--option=APT::Sandbox::User=root".to_owned(),
                "--option=Debug::NoLocking=true".to_owned(),
                "--option=Acquire::Languages=none".to_owned(),
            ],
        };
        apt.get(["update", "--quiet"]).status()?;
        Ok(apt)
    }

    fn get<const N: usize>(&self, arguments: [&str; N]) -> Run {
        Run::new("apt-get", arguments).arguments(&self.options)
    }

    /// The package itself and every package it depends on that is not installed.
    fn with_dependencies(&self, package: &str) -> Result<Vec<String>> {
        let text = Run::new("apt-cache", ["depends", "--recurse", "--no-recommends"])
            .arguments([
                "--no-suggests",
                "--no-conflicts",
                "--no-breaks",
                "--no-replaces",
            ])
            .arguments(["--no-enhances", package])
            .arguments(&self.options)
            .output()
            .with_context(|| package.to_owned())?;
        let others = text
            .lines()
            .filter(|line| !line.starts_with([' ', '|', '<']))
            .filter(|name| *name != package && !is_installed(name));
        Ok(std::iter::once(package)
            .chain(others)
            .map(str::to_owned)
            .collect())
    }
}

fn is_installed(package: &str) -> bool {
    Run::new(
        "dpkg-query",
        ["--show", "--showformat", "${db:Status-Status}", package],
    )
    .quiet_output()
    .is_some_and(|text| text.starts_with("installed"))
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(Run::new("id", ["-u"]).output()?.trim() == "0")
}

/// Built by the interop crate, which knows where the sources are.
fn built_libzmq() -> Result<String> {
    let text = cargo([
        "run",
        "--quiet",
        "--package",
        "ferromq-interop",
        "--bin",
        "libzmq-build",
    ])
    .output()?;
    let mut libraries = text.lines().filter_map(|line| line.split_once(' '));
    let (_, path) = libraries
        .find(|(name, _)| *name == "4.3.5")
        .context("was not built")?;
    Ok(PathBuf::from(path).display().to_string())
}

/// The real libzmq with its header, its Python binding, the event loops that go with that, what the
/// sources of libzmq and of its tests include, Kerberos for GSSAPI, JeroMQ (for a Java that may be
/// there), what C programs are built and checked with, and what several hosts on one machine are made
/// and watched with.
const DEBIAN: [&str; 16] = [
    "libzmq5",
    "libzmq3-dev",
    "libsodium-dev",
    "libkrb5-dev",
    "krb5-kdc",
    "krb5-admin-server",
    "krb5-user",
    "python3-zmq",
    "python3-gevent",
    "python3-tornado",
    "libjeromq-java",
    "cmake",
    "valgrind",
    "iproute2",
    "nftables",
    "tshark",
];
