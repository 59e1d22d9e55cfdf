// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which real libraries there are on this machine: Debian's, one built from the sources of the
//! `zeromq-src` crate, and an old one, which speaks ZMTP 3.0, out of a wheel of pyzmq.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::{Failure, Outcome};

/// A real libzmq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealLibrary {
    /// Its version, as `zmq_version` is to answer it.
    pub name: &'static str,
    /// Where it lies: an absolute path.
    pub path: PathBuf,
    /// Whether it was built with the draft interface.
    pub has_drafts: bool,
}

impl RealLibrary {
    /// Whether it is of the time of ZMTP 3.0: it has no heartbeats, and its monitors tell of the
    /// transport alone, not when a handshake is over.
    pub fn is_old(&self) -> bool {
        self.name == OLD
    }
}

/// Every real libzmq that tests run against. The first call on a machine takes a minute; one that
/// cannot be had is a failure that names it.
pub fn real_libraries() -> Outcome<Vec<RealLibrary>> {
    let debian = RealLibrary {
        name: DEBIAN,
        path: debian()?,
        has_drafts: false,
    };
    let built = RealLibrary {
        name: BUILT,
        path: built()?,
        has_drafts: true,
    };
    Ok(vec![debian, built])
}

/// A libzmq that speaks ZMTP 3.0, where subscriptions are messages and nobody beats. It is there if
/// `cargo xtask setup` has fetched it, for which there must be a wheel for this machine.
pub fn old_library() -> Option<RealLibrary> {
    let path = target().join(format!("libzmq-{OLD}/libzmq.so.5"));
    path.exists().then_some(RealLibrary {
        name: OLD,
        path,
        has_drafts: false,
    })
}

/// Where cargo builds: the folder that also holds what the tests fetch and leave behind.
pub fn target() -> PathBuf {
    let workspace = workspace();
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace.join(folder),
        None => workspace.join("target"),
    }
}

fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().unwrap_or(folder).to_path_buf()
}

/// Debian's, installed, or unpacked by `cargo xtask setup` where there is no root.
fn debian() -> Outcome<PathBuf> {
    let inside = format!("usr/lib/{}-linux-gnu/libzmq.so.5", env::consts::ARCH);
    let places = [
        Path::new("/").join(&inside),
        target().join("sysroot").join(&inside),
    ];
    places
        .into_iter()
        .find(|place| place.exists())
        .ok_or_else(|| {
            Failure::new(format!(
                "libzmq {DEBIAN} (Debian's libzmq5): run `cargo xtask setup`"
            ))
        })
}

/// The one built here, once: a stamp beside it says from what and how.
fn built() -> Outcome<PathBuf> {
    let folder = target().join(format!("libzmq-{BUILT}"));
    fs::create_dir_all(&folder)?;
    let library = folder.join("libzmq.so");
    let (stamp, stamped) = (folder.join("stamp"), format!("{FLAGS:?}\n{PLATFORM}"));
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?; // held to the end: several test binaries may want it at once
    if fs::read_to_string(&stamp).is_ok_and(|text| text == stamped) && library.exists() {
        return Ok(library);
    }
    build(&folder, &library).map_err(|failure| failure.within(format!("libzmq {BUILT}")))?;
    fs::write(&stamp, stamped)?;
    Ok(library)
}

fn build(folder: &Path, library: &Path) -> Outcome<()> {
    let vendor = sources()?.join("vendor");
    fs::write(folder.join("platform.hpp"), PLATFORM)?;
    let mut sources = Vec::new();
    for entry in fs::read_dir(vendor.join("src"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Encrypted WebSockets want GnuTLS.
        if name.ends_with(".cpp") && !name.starts_with("wss_") {
            sources.push(path);
        }
    }
    sources.push(vendor.join("external/sha1/sha1.c"));

    let objects: Vec<PathBuf> = sources
        .iter()
        .map(|source| {
            folder
                .join(source.file_name().unwrap_or_default())
                .with_extension("o")
        })
        .collect();
    let next = AtomicUsize::new(0);
    let compile_all = || -> Outcome<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(source), Some(object)) = (sources.get(at), objects.get(at)) else {
                return Ok(());
            };
            let is_c = source.extension().is_some_and(|extension| extension == "c");
            let mut compiler = Command::new(if is_c { "gcc" } else { "g++" });
            compiler.args(FLAGS).arg("-I").arg(folder);
            for include in ["include", "src", "external/sha1"] {
                compiler.arg("-I").arg(vendor.join(include));
            }
            run(compiler.arg("-c").arg(source).arg("-o").arg(object))?;
        }
    };
    thread::scope(|scope| {
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(compile_all)).collect();
        jobs.into_iter().try_for_each(|job| {
            job.join()
                .unwrap_or_else(|_panic| Err(Failure::new("a compiling thread panicked")))
        })
    })?;

    let unfinished = library.with_extension("so.unfinished");
    let mut linker = Command::new("g++");
    linker
        .args(["-shared", "-Wl,-soname,libzmq.so.5", "-o"])
        .arg(&unfinished);
    run(linker
        .args(&objects)
        .args(["-lpthread", "-lrt", "-lsodium", "-lgssapi_krb5"]))?;
    fs::rename(&unfinished, library)?;
    for object in &objects {
        fs::remove_file(object)?;
    }
    Ok(())
}

/// The folder of the `zeromq-src` crate, which `cargo metadata` fetches if need be.
fn sources() -> Outcome<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["metadata", "--format-version", "1"])
        .current_dir(workspace());
    let metadata = run(&mut cargo)?;
    metadata
        .split('"')
        .map(Path::new)
        .filter(|path| path.ends_with("Cargo.toml"))
        .filter_map(Path::parent)
        .find(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("zeromq-src-") && name.ends_with(BUILT)
        })
        .map(Path::to_path_buf)
        .ok_or_else(|| Failure::new(format!("cargo metadata shows no zeromq-src of {BUILT}")))
}

fn run(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|e| Failure::from(e).within(&name))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("{name}: {}\n{text}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const DEBIAN: &str = "4.3.4";
const BUILT: &str = "4.3.5";
const OLD: &str = "4.1.6";

/// With the draft interface, CURVE and GSSAPI, so that everything can be compared.
const FLAGS: [&str; 5] = [
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-D_GNU_SOURCE",
    "-DZMQ_BUILD_DRAFT_API",
];

/// What libzmq's configure script finds on Linux with glibc.
const PLATFORM: &str = "\
#define ZMQ_HAVE_LINUX
#define ZMQ_USE_CV_IMPL_STL11
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC
#define ZMQ_POLL_BASED_ON_POLL
#define ZMQ_HAVE_PPOLL
#define ZMQ_CACHELINE_SIZE 64
#define ZMQ_HAVE_UIO
#define ZMQ_HAVE_NOEXCEPT
#define ZMQ_HAVE_EVENTFD
#define ZMQ_HAVE_EVENTFD_CLOEXEC
#define ZMQ_HAVE_IFADDRS
#define ZMQ_HAVE_IPC
#define ZMQ_HAVE_STRUCT_SOCKADDR_UN
#define ZMQ_HAVE_SO_BINDTODEVICE
#define ZMQ_HAVE_SO_PEERCRED
#define ZMQ_HAVE_SO_KEEPALIVE
#define ZMQ_HAVE_SO_PRIORITY
#define ZMQ_HAVE_SOCK_CLOEXEC
#define ZMQ_HAVE_O_CLOEXEC
#define ZMQ_HAVE_BUSY_POLL
#define ZMQ_HAVE_TCP_KEEPCNT
#define ZMQ_HAVE_TCP_KEEPIDLE
#define ZMQ_HAVE_TCP_KEEPINTVL
#define ZMQ_HAVE_TCP_KEEPALIVE
#define ZMQ_HAVE_PTHREAD_SETNAME_2
#define ZMQ_HAVE_PTHREAD_SET_AFFINITY
#define ZMQ_HAVE_TIPC
#define ZMQ_HAVE_WS
#define ZMQ_USE_BUILTIN_SHA1
#define HAVE_POSIX_MEMALIGN 1
#define HAVE_CLOCK_GETTIME
#define HAVE_FORK
#define HAVE_MKDTEMP
#define HAVE_ACCEPT4
#define HAVE_STRNLEN
#define HAVE_IF_NAMETOINDEX
#define ZMQ_HAVE_CURVE
#define ZMQ_USE_LIBSODIUM
#define HAVE_LIBGSSAPI_KRB5 1
";
