// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiling programs against our header, and running them.

use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the real library stands, if it does.
pub(crate) const REAL: &str = "/usr/lib/x86_64-linux-gnu/libzmq.so.5";

pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with our library: cargo puts it beside the tests.
pub(crate) fn ours() -> PathBuf {
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
pub(crate) fn compile(
    compiler: &str,
    name: &str,
    suffix: &str,
    flags: &[&str],
    library: &Path,
) -> PathBuf {
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

/// How a program is to be run.
pub(crate) struct Terms {
    /// How often at most, until it ends well.
    pub(crate) tries: u32,
    /// What it waits for in vain it waits for so many times as long.
    pub(crate) patience: u32,
}

/// On our library nothing may go wrong.
pub(crate) const OURS: Terms = Terms {
    tries: 1,
    patience: 1,
};

/// The real library now and then hangs, or aborts over an assertion of its own. A program that expects what is not
/// so fails every time.
pub(crate) const REAL_ONE: Terms = Terms {
    tries: 10,
    patience: 1,
};

/// What a program prints with the library of this folder.
pub(crate) fn output_of(program: &Path, folder: &Path, terms: &Terms) -> String {
    // A hang among several tries is to cost less than one that is an error.
    let limit = if terms.tries > 1 { 60 } else { 300 };
    let mut command = Command::new(program);
    command
        .env("LD_LIBRARY_PATH", folder)
        .env("PATIENCE", terms.patience.to_string())
        .env("LIMIT", (limit * terms.patience).to_string());
    let mut failures = String::new();
    for _ in 0..terms.tries {
        let output = command.output().expect("just compiled");
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        failures.push_str(&format!("\n{}: {errors}", output.status));
    }
    panic!("{} on {}:{failures}", program.display(), folder.display());
}

pub(crate) fn run_ours(name: &str) {
    let library = ours().join("libzmq.so");
    let flags = ["-DFERROMQ", "-DZMQ_BUILD_DRAFT_API"];
    output_of(
        &compile("gcc", name, "ours", &flags, &library),
        &ours(),
        &OURS,
    );
}

/// Whether there is a real library to compare with; what needs it says so where not.
pub(crate) fn real_is_here() -> bool {
    let here = Path::new(REAL).exists();
    if !here {
        // Past the harness, which keeps what passing tests print to itself; xtask counts these lines.
        writeln!(
            stderr(),
            "SKIPPED: no {REAL}: run `cargo xtask setup` as root"
        )
        .ok();
    }
    here
}

/// The real library of the last release, with drafts: `cargo xtask setup` builds it.
pub(crate) fn real_with_drafts() -> PathBuf {
    let folder = ours();
    let target = folder.ancestors().nth(2).expect("a target folder");
    let library = target.join("libzmq-4.3.5/libzmq.so");
    assert!(
        library.exists(),
        "no libzmq 4.3.5 here: cargo xtask setup makes it"
    );
    library
}

/// A folder where programs find this library by its soname.
pub(crate) fn folder_of(library: &Path, purpose: &str) -> PathBuf {
    let name = library.parent().expect("a folder").display().to_string();
    let folder = ours().join(format!("on-{}-{purpose}", name.len()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let link = folder.join("libzmq.so.5");
    let _gone = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(library, &link).expect("a link");
    folder
}

/// With our library and with the real one, and the draft interface of both.
pub(crate) fn run_both_with_drafts(name: &str) {
    run_ours(name);
    let real = real_with_drafts();
    let program = compile("gcc", name, "drafts", &["-DZMQ_BUILD_DRAFT_API"], &real);
    output_of(&program, &folder_of(&real, name), &REAL_ONE);
}

pub(crate) fn run_both(name: &str) {
    run_ours(name);
    if real_is_here() {
        let program = compile("gcc", name, "real", &[], Path::new(REAL));
        output_of(&program, Path::new("/usr/lib/x86_64-linux-gnu"), &REAL_ONE);
    }
}
