// SPDX-License-Identifier: MIT OR Apache-2.0
//! Laying out what C programs need: the libraries, the headers, and the files by which build systems
//! find them; and a Debian package of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{Run, cargo};
use crate::workspace;

/// The version that `zmq_version` tells, and that of the shared library.
const VERSION: &str = "4.3.6";
const SO_VERSION: &str = "5.2.6";
/// What a program linked with the static library needs besides (`rustc --print native-static-libs`).
const PRIVATE_LIBS: [&str; 6] = ["gcc_s", "util", "rt", "pthread", "m", "dl"];

struct Plan {
    prefix: String,
    libdir: String,
    destdir: PathBuf,
    debug: bool,
    /// Where the libraries are built already, if they are.
    built: Option<PathBuf>,
}

/// The word `install`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut plan = Plan {
        prefix: String::new(),
        libdir: "lib".to_owned(),
        destdir: PathBuf::from("/"),
        debug: false,
        built: None,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--debug" {
            plan.debug = true;
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (
                word.as_str(),
                words.next().context("a value is missing")?.clone(),
            ),
        };
        match name {
            "--prefix" => plan.prefix = value,
            "--libdir" => plan.libdir = value,
            "--built" => plan.built = Some(value.into()),
            "--destdir" => plan.destdir = PathBuf::from(value),
            _ => bail!("does not take {word}"),
        }
    }
    ensure!(
        plan.prefix.starts_with('/'),
        "--prefix DIR: an absolute path"
    );
    plan.lay_out()?;
    println!("installed in {}", plan.place("").display());
    Ok(())
}

/// The word `deb`.
pub(crate) fn deb(arguments: &[String]) -> Result<()> {
    let (built, folder) = match arguments {
        [] => (None, workspace::target()),
        // Beside the libraries: what is in the target folder is of a release.
        [word, folder] if word == "--built" => (Some(PathBuf::from(folder)), PathBuf::from(folder)),
        _ => bail!("takes --built DIR or nothing"),
    };
    let architecture = Run::new("dpkg", ["--print-architecture"]).output()?;
    let architecture = architecture.trim().to_owned();
    let triplet = Run::new("gcc", ["-print-multiarch"]).output()?;
    let staging = folder.join("deb");
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    let plan = Plan {
        prefix: "/usr".to_owned(),
        libdir: format!("lib/{}", triplet.trim()),
        destdir: staging.clone(),
        debug: false,
        built,
    };
    plan.lay_out()?;
    let libraries = plan.place(&plan.libdir);
    Run::new("strip", ["--strip-unneeded"])
        .arguments([libraries.join(format!("libzmq.so.{SO_VERSION}"))])
        .status()?;
    Run::new("strip", ["--strip-debug"])
        .arguments([libraries.join("libzmq.a")])
        .status()?;
    let control = staging.join("DEBIAN");
    fs::create_dir_all(&control)?;
    let text = template("control.in")?
        .replace("@VERSION@", VERSION)
        .replace("@ARCHITECTURE@", &architecture);
    fs::write(control.join("control"), text)?;
    fs::write(control.join("shlibs"), "libzmq 5 libzmq5\n")?;
    fs::write(control.join("triggers"), "activate-noawait ldconfig\n")?;
    let package = folder.join(format!("libzmq-ferromq_{VERSION}_{architecture}.deb"));
    Run::new("dpkg-deb", ["--root-owner-group", "--build"])
        .arguments([&staging, &package])
        .status()?;
    println!("{}", package.display());
    Ok(())
}

impl Plan {
    /// A path of the finished installation, where it lies now.
    fn place(&self, path: &str) -> PathBuf {
        let prefix = self.prefix.trim_start_matches('/');
        self.destdir.join(prefix).join(path)
    }

    fn lay_out(&self) -> Result<()> {
        let built = match &self.built {
            Some(folder) => folder.clone(),
            None => build(self.debug)?,
        };
        let library = self.place(&self.libdir);
        fs::create_dir_all(&library)?;
        let shared = format!("libzmq.so.{SO_VERSION}");
        copy(&built.join("libzmq.so"), &library.join(&shared))?;
        copy(&built.join("libzmq.a"), &library.join("libzmq.a"))?;
        link(&shared, &library.join("libzmq.so.5"))?;
        link("libzmq.so.5", &library.join("libzmq.so"))?;
        let headers = self.place("include");
        fs::create_dir_all(&headers)?;
        for name in ["zmq.h", "zmq_utils.h"] {
            copy(&sources().join("include").join(name), &headers.join(name))?;
        }
        self.write("libzmq.pc.in", "pkgconfig/libzmq.pc")?;
        self.write("ZeroMQConfig.cmake.in", "cmake/ZeroMQ/ZeroMQConfig.cmake")?;
        self.write(
            "ZeroMQConfigVersion.cmake.in",
            "cmake/ZeroMQ/ZeroMQConfigVersion.cmake",
        )
    }

    /// Fills a template in.
    fn write(&self, from: &str, to: &str) -> Result<()> {
        let flags: Vec<_> = PRIVATE_LIBS
            .iter()
            .map(|name| format!("-l{name}"))
            .collect();
        // From the folder of the CMake files up to the prefix.
        let depth = self.libdir.split('/').count() + 2;
        let text = template(from)?
            .replace("@PREFIX@", &self.prefix)
            .replace("@LIBDIR@", &self.libdir)
            .replace("@UP@", &vec![".."; depth].join("/"))
            .replace("@VERSION@", VERSION)
            .replace("@SO_VERSION@", SO_VERSION)
            .replace("@PRIVATE_LIBS@", &flags.join(" "))
            .replace("@CMAKE_PRIVATE_LIBS@", &PRIVATE_LIBS.join(";"));
        let place = self.place(&self.libdir).join(to);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&place, text).with_context(|| place.display().to_string())
    }
}

/// Builds the libraries, and says where they are.
fn build(debug: bool) -> Result<PathBuf> {
    let profile: &[&str] = if debug { &[] } else { &["--release"] };
    cargo(["build", "--package", "libzmq"])
        .arguments(profile)
        .status()?;
    Ok(workspace::target().join(if debug { "debug" } else { "release" }))
}

fn sources() -> PathBuf {
    workspace::root().join("crates/libzmq")
}

fn template(name: &str) -> Result<String> {
    let path = sources().join("packaging").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// As a new file: the one in its place may be in use.
fn copy(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    fs::copy(from, to)
        .with_context(|| format!("{} to {}", from.display(), to.display()))
        .map(|_bytes| ())
}

fn link(to: &str, at: &Path) -> Result<()> {
    remove(at)?;
    symlink(to, at).with_context(|| at.display().to_string())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}
