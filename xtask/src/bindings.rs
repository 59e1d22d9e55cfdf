// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test suites of language bindings, on our library: pyzmq's with both of its back ends, CZMQ's
//! and cppzmq's with and without drafts. Sources come from PyPI and from Debian's archive into
//! `target/bindings`; none of them is in this repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{Run, cargo};
use crate::{python, workspace};

/// Where Debian's sources are looked for, in this order.
const SUITES: [&str; 3] = ["bookworm", "trixie", "sid"];

/// Longest time a program may take, in seconds.
const LIMIT: &str = "300";

/// What runs a binding's own tests, in the folder for it.
type Suite = fn(&Path) -> Result<()>;

/// The word `bindings`: one of them, or all.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let all: [(&str, Suite); 3] = [("pyzmq", pyzmq), ("czmq", czmq), ("cppzmq", cppzmq)];
    let asked = |name: &str| arguments.is_empty() || arguments.iter().any(|word| word == name);
    ensure!(
        arguments
            .iter()
            .all(|word| all.iter().any(|(name, _)| name == word)),
        "bindings: pyzmq, czmq, cppzmq"
    );
    let folder = workspace::target().join("bindings");
    fs::create_dir_all(&folder)?;
    let prefix = folder.join("ours");
    cargo(["xtask", "install", "--prefix"])
        .arguments([&prefix])
        .status()?;
    let mut failed = Vec::new();
    for (name, suite) in all.into_iter().filter(|(name, _)| asked(name)) {
        println!("bindings: {name}");
        if let Err(error) = suite(&folder) {
            println!("bindings: {name}: FAILED: {error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "{} failed", failed.join(", "));
    Ok(())
}

/// Has a program find our library and header, and no other.
trait WithOurs {
    fn with_ours(self, folder: &Path) -> Self;
}

impl WithOurs for Run {
    fn with_ours(self, folder: &Path) -> Self {
        let library = folder.join("ours/lib");
        self.environment("PKG_CONFIG_PATH", library.join("pkgconfig"))
            .environment("LD_LIBRARY_PATH", &library)
    }
}

// ---- pyzmq -----------------------------------------------------------------------------------------

fn pyzmq(folder: &Path) -> Result<()> {
    let tests = pyzmq_tests(folder)?;
    for backend in ["cython", "cffi"] {
        python::on_ours(backend)?;
        let packages = workspace::target().join(format!("pyzmq-{backend}"));
        let pytest = |again: bool| {
            Run::new("python3", ["-P", "-m", "pytest", "tests", "--quiet"])
                .arguments(["--timeout", "60"])
                .arguments(again.then_some("--last-failed"))
                .folder(&tests)
                .with_ours(folder)
                .environment(
                    "PYTHONPATH",
                    format!("{}:{}", packages.display(), tests.join("pytest").display()),
                )
        };
        // Some of its tests are races that the real library loses, too, on a busy machine.
        if pytest(false).status().is_err() {
            pytest(true)
                .status()
                .with_context(|| format!("the {backend} back end, twice"))?;
        }
    }
    Ok(())
}

/// The tests of the source distribution, away from the sources beside them.
fn pyzmq_tests(folder: &Path) -> Result<PathBuf> {
    let tests = folder.join("pyzmq");
    if tests.join("pytest.ini").exists() {
        return Ok(tests);
    }
    fs::create_dir_all(&tests)?;
    let pip = |words: &[&str]| Run::new("python3", ["-m", "pip", "--quiet"]).arguments(words);
    pip(&[
        "download",
        "--no-binary",
        "pyzmq",
        "--no-deps",
        python::PYZMQ,
    ])
    .folder(&tests)
    .status()?;
    let archive = find(&tests, "pyzmq-", ".tar.gz")?;
    Run::new("tar", ["--strip-components=1", "-xf"])
        .arguments([&archive])
        .arguments(["--wildcards", "*/tests", "*/pytest.ini"])
        .folder(&tests)
        .status()?;
    let pytest = tests.join("pytest").display().to_string();
    let wanted = [
        "pytest",
        "pytest-asyncio",
        "pytest-timeout",
        "cython",
        "setuptools",
    ];
    pip(&["install", "--root-user-action=ignore", "--target", &pytest])
        .arguments(wanted)
        .status()?;
    Ok(tests)
}

// ---- CZMQ ------------------------------------------------------------------------------------------

fn czmq(folder: &Path) -> Result<()> {
    let archive = debian_source(folder, "czmq")?;
    for drafts in ["no", "yes"] {
        let place = folder.join(format!("czmq-drafts-{drafts}"));
        let program = place.join("src/czmq_selftest");
        if !program.exists() {
            unpack(&archive, &place)?;
            let without = [
                "uuid",
                "libmicrohttpd",
                "nss",
                "liblz4",
                "libsystemd",
                "libcurl",
            ];
            Run::new("./configure", ["--quiet"])
                .arguments([format!("--enable-drafts={drafts}")])
                .arguments(without.map(|name| format!("--without-{name}")))
                .folder(&place)
                .with_ours(folder)
                .status()?;
            Run::new(
                "make",
                ["--silent", "-j2", "src/czmq_selftest", "CFLAGS=-w -O1"],
            )
            .folder(&place)
            .with_ours(folder)
            .status()?;
        }
        // libtool's wrapper puts CZMQ's own library before ours, which has another name.
        Run::new("timeout", [LIMIT, "src/czmq_selftest"])
            .folder(&place)
            .with_ours(folder)
            .status()
            .with_context(|| format!("drafts: {drafts}"))?;
    }
    Ok(())
}

// ---- cppzmq ----------------------------------------------------------------------------------------

fn cppzmq(folder: &Path) -> Result<()> {
    ensure!(
        Path::new("/usr/include/catch2/catch.hpp").exists(),
        "needs Debian's catch2: apt-get install catch2"
    );
    let archive = debian_source(folder, "cppzmq")?;
    let place = folder.join("cppzmq");
    if !place.exists() {
        unpack(&archive, &place)?;
    }
    let sources: Vec<PathBuf> = fs::read_dir(place.join("tests"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "cpp"))
        .collect();
    for (name, flag) in [("stable", "-DSTABLE"), ("drafts", "-DZMQ_BUILD_DRAFT_API")] {
        let program = place.join(name);
        if !program.exists() {
            Run::new("g++", ["-std=c++17", "-w", "-pthread", flag, "-I."])
                .arguments([format!("-I{}", folder.join("ours/include").display())])
                .arguments(&sources)
                .arguments([format!("-L{}", folder.join("ours/lib").display())])
                .arguments(["-lzmq", "-o", name])
                .folder(&place)
                .status()?;
        }
        Run::new("timeout", [LIMIT])
            .arguments([&program])
            .with_ours(folder)
            .status()
            .context(name)?;
    }
    Ok(())
}

// ---- Debian's sources ------------------------------------------------------------------------------

/// Fetches the upstream archive of a Debian source package.
fn debian_source(folder: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    if let Ok(archive) = find(folder, &prefix, ".orig.tar.gz") {
        return Ok(archive);
    }
    for suite in SUITES {
        let apt = folder.join(format!("apt-{suite}"));
        for part in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(apt.join(part))?;
        }
        let source = format!(
            "Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: {suite}\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        );
        fs::write(apt.join("parts/source.sources"), source)?;
        let options = [
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("Dir::Etc::sourceparts={}", apt.join("parts").display()),
            format!("Dir::State::Lists={}", apt.join("lists").display()),
            format!("Dir::Cache={}", apt.join("cache").display()),
            "APT::Sandbox::User=root".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ];
        let options = options.map(|option| format!("--option={option}"));
        let get = |words: &[&str]| {
            Run::new("apt-get", ["--quiet"])
                .arguments(&options)
                .arguments(words)
                .folder(folder)
        };
        if get(&["update"]).succeeds()
            && get(&["source", "--download-only", package]).succeeds()
            && let Ok(archive) = find(folder, &prefix, ".orig.tar.gz")
        {
            return Ok(archive);
        }
    }
    bail!(
        "{package}: its sources are in none of {}",
        SUITES.join(", ")
    )
}

fn find(folder: &Path, prefix: &str, suffix: &str) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(suffix)
        })
        .with_context(|| format!("{prefix}*{suffix}"))
}

fn unpack(archive: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?; // half there
    }
    fs::create_dir_all(place)?;
    Run::new("tar", ["--strip-components=1", "-xf"])
        .arguments([archive])
        .folder(place)
        .status()
}
