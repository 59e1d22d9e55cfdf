// SPDX-License-Identifier: MIT OR Apache-2.0
//! pyzmq, in folders of the target folder: as PyPI has it, with a libzmq of its own, and built from
//! source against our library, once for each of its back ends. And the libzmq of an old one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{Run, cargo, found_on_path};
use crate::{setup, workspace};

/// The versions asked of PyPI.
pub(crate) const PYZMQ: &str = "pyzmq>=26,<28";

/// pyzmq with a libzmq of its own, for the `python3` on the path.
pub(crate) fn wheel() -> Result<String> {
    let folder = workspace::target().join("pyenv");
    if imports(&folder, "zmq.backend") {
        return Ok(format!("in {}", folder.display()));
    }
    begin(&folder)?;
    pip(&folder).arguments([PYZMQ]).status()?;
    finish(&folder, "zmq.backend")
}

/// A libzmq of the time of ZMTP 3.0, which an old wheel of pyzmq has within it.
pub(crate) fn old_libzmq() -> Result<String> {
    let folder = workspace::target().join("libzmq-4.1.6");
    let library = folder.join("libzmq.so.5");
    if library.exists() {
        return Ok(format!("in {}", folder.display()));
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Ok("no wheel for this machine has one".to_owned());
    }
    begin(&folder)?;
    fs::create_dir_all(&folder)?;
    // For whichever Python it was: nothing but the library is taken.
    Run::new("python3", ["-m", "pip", "download", "--quiet", "--no-deps"])
        .arguments(["--no-input", "--disable-pip-version-check"])
        .arguments(["--only-binary=:all:", "--platform=manylinux1_x86_64"])
        .arguments(["--implementation=cp", "--python-version=36", "--dest"])
        .arguments([&folder])
        .arguments(["pyzmq==16.0.4"])
        .status()?;
    let wheel = find(&folder, "pyzmq-")?;
    Run::new("python3", ["-m", "zipfile", "--extract"])
        .arguments([&wheel, &folder])
        .status()?;
    fs::rename(find(&folder.join("zmq/.libs"), "libzmq-")?, library)?;
    Ok(format!("into {}", folder.display()))
}

/// The file of this folder whose name begins so.
fn find(folder: &Path, start: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(start) {
            return Ok(path);
        }
    }
    bail!("no {start}* in {}", folder.display())
}

/// pyzmq built against our header and library, with one of its back ends and the event loops and
/// the kernel that are tested on it.
pub(crate) fn on_ours(backend: &str) -> Result<String> {
    let folder = workspace::target().join(format!("pyzmq-{backend}"));
    let header = fs::read(workspace::root().join("crates/libzmq/include/zmq.h"))?;
    let stamp = folder.join("built-with-zmq.h");
    let own = format!("zmq.backend.{backend}");
    if fs::read(&stamp).is_ok_and(|with| with == header) && imports(&folder, &own) {
        return Ok(format!("in {}", folder.display()));
    }
    begin(&folder)?;
    let prefix = install_ours()?;
    pip(&folder)
        .arguments(["--no-cache-dir", "--no-binary", "pyzmq", PYZMQ])
        .arguments(extras(backend))
        .environment("PYZMQ_BACKEND", backend)
        .environment("ZMQ_PREFIX", &prefix)
        .environment("ZMQ_DRAFT_API", "1")
        .environment("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .status()?;
    let how = finish(&folder, &own)?;
    fs::write(stamp, header)?;
    Ok(how)
}

/// What goes beside pyzmq: the cffi back end needs cffi at run time.
fn extras(backend: &str) -> &'static [&'static str] {
    match backend {
        "cffi" => &["cffi", "tornado"],
        _ => &["tornado", "gevent", "ipykernel", "nbclient", "nbformat"],
    }
}

/// Our library and header where a build finds them.
pub(crate) fn install_ours() -> Result<PathBuf> {
    let prefix = workspace::target().join("installed-for-bindings");
    cargo(["xtask", "install", "--debug", "--prefix"])
        .arguments([&prefix])
        .status()?;
    Ok(prefix)
}

/// Makes place, and sees to pip.
fn begin(folder: &Path) -> Result<()> {
    ensure!(found_on_path("python3"), "no python3 here");
    if folder.exists() {
        fs::remove_dir_all(folder)?; // of another Python, or half there
    }
    if !Run::new("python3", ["-m", "pip", "--version"]).succeeds() && setup::is_root()? {
        Run::new("apt-get", ["install", "--yes", "--quiet", "python3-pip"]).status()?;
    }
    Ok(())
}

fn pip(folder: &Path) -> Run {
    let words = ["-m", "pip", "install", "--quiet", "--no-input", "--target"];
    Run::new("python3", words)
        .arguments([folder])
        .arguments(["--disable-pip-version-check", "--root-user-action=ignore"])
}

fn finish(folder: &Path, module: &str) -> Result<String> {
    ensure!(
        imports(folder, module),
        "{module} is installed but cannot be imported"
    );
    let version = ask(folder, "import zmq; print(zmq.__version__)").context("its version")?;
    Ok(format!("{} into {}", version.trim(), folder.display()))
}

/// Whether it is there, and of that folder.
fn imports(folder: &Path, module: &str) -> bool {
    let check =
        format!("import {module} as m, sys; sys.exit(not m.__file__.startswith(sys.argv[1]))");
    python(folder)
        .arguments(["-c", &check])
        .arguments([folder])
        .succeeds()
}

fn ask(folder: &Path, what: &str) -> Option<String> {
    python(folder).arguments(["-c", what]).quiet_output()
}

/// Python with this folder before all others, and our library where pyzmq was built with it.
fn python(folder: &Path) -> Run {
    Run::new("python3", []).environment("PYTHONPATH", folder)
}
