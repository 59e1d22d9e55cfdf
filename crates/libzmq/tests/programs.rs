// SPDX-License-Identifier: MIT OR Apache-2.0
//! C programs, compiled against `include/zmq.h` and run with our library and, those that do not
//! name what only we define, with the real one: both must give the same answers.
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the real library stands, if it does.
const REAL: &str = "/usr/lib/x86_64-linux-gnu/libzmq.so.5";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with our library: cargo puts it beside the tests.
fn ours() -> PathBuf {
    let folder = std::env::current_exe().expect("a test has a path");
    let folder = folder.parent().expect("it lies in a folder").to_owned();
    assert!(folder.join("libzmq.so").exists(), "{}", folder.display());
    // Programs ask for the library by its soname.
    let link = folder.join("libzmq.so.5");
    if !link.exists() {
        // Another test may be making it.
        let _made = std::os::unix::fs::symlink("libzmq.so", &link);
    }
    folder
}

/// Compiles a program.
fn compile(compiler: &str, name: &str, suffix: &str, flags: &[&str], library: &Path) -> PathBuf {
    let program = ours().join(format!("c-{name}-{suffix}"));
    let source = here().join("tests/c").join(name);
    let status = Command::new(compiler)
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(flags)
        .arg("-I")
        .arg(here().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&program)
        .args(["-x", "none"])
        .arg(library)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "{name} does not compile");
    program
}

fn execute(program: &Path) {
    let output = Command::new(program)
        .env("LD_LIBRARY_PATH", ours())
        .output()
        .expect("just compiled");
    assert!(
        output.status.success(),
        "{}: {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run_ours(name: &str) {
    let library = ours().join("libzmq.so");
    let flags = ["-DFERROMQ", "-DZMQ_BUILD_DRAFT_API"];
    execute(&compile("gcc", name, "ours", &flags, &library));
}

fn run_both(name: &str) {
    run_ours(name);
    if Path::new(REAL).exists() {
        let program = compile("gcc", name, "real", &[], Path::new(REAL));
        let output = Command::new(&program)
            .env("LD_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu")
            .output()
            .expect("just compiled");
        assert!(
            output.status.success(),
            "the real library: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn messages() {
    run_both("messages.c");
}

#[test]
fn contexts() {
    run_both("contexts.c");
}

#[test]
fn sockets() {
    run_both("sockets.c");
}

#[test]
fn signals() {
    run_both("signals.c");
}

#[test]
fn threads() {
    run_ours("threads.c");
}

#[test]
fn the_header_is_cpp() {
    let library = ours().join("libzmq.so");
    let flags = [
        "-x",
        "c++",
        "-DFERROMQ",
        "-DZMQ_BUILD_DRAFT_API",
        "-fsyntax-only",
    ];
    compile("g++", "messages.c", "cpp", &flags, &library);
}

/// All names with a number that a header defines.
fn constants(header: &Path) -> BTreeMap<String, String> {
    let output = Command::new("gcc")
        .args(["-E", "-dM", "-DZMQ_BUILD_DRAFT_API"])
        .arg(header)
        .output()
        .expect("a C compiler");
    let names = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .filter(|name| name.starts_with("ZMQ_") || ["EFSM", "ETERM"].contains(&name.as_str()))
        .filter(|name| !name.contains('(') && !name.starts_with("ZMQ_VERSION"))
        .collect::<Vec<_>>();
    let mut probe = format!("#include \"{}\"\n", header.display());
    for name in &names {
        probe.push_str(&format!("value_of {name} = {name}\n"));
    }
    let source = ours().join(format!("constants-{}.c", probe.len()));
    std::fs::write(&source, probe).expect("a place for the test");
    let output = Command::new("gcc")
        .args(["-E", "-P", "-DZMQ_BUILD_DRAFT_API"])
        .arg(&source)
        .output()
        .expect("a C compiler");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("value_of "))
        .zip(names)
        .filter_map(|(line, name)| {
            let value = line.rsplit_once(" = ")?.1;
            Some((name, value.replace(['(', ')', ' '], "")))
        })
        .collect()
}

/// Every constant of the real header is in ours, with the same value.
#[test]
fn the_header_has_every_constant() {
    let real = Path::new("/usr/include/zmq.h");
    if !real.exists() {
        return;
    }
    let ours = constants(&here().join("include/zmq.h"));
    let real = constants(real);
    assert!(real.len() > 200, "{}", real.len());
    // Was 3 until 4.3.4.
    let changed = "ZMQ_RECONNECT_STOP_AFTER_DISCONNECT";
    let missing: Vec<_> = real
        .iter()
        .filter(|(name, value)| {
            *name != changed && !value.is_empty() && ours.get(*name) != Some(value)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
