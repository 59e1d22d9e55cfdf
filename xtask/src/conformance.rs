// SPDX-License-Identifier: MIT OR Apache-2.0
//! libzmq's own test programs, run on our library.
//!
//! They come from the registry's copy of the crate `zeromq-src` (libzmq 4.3.5) and are compiled in
//! an overlay in the target folder with our `zmq.h`; none of them is in this repository. Each
//! program runs in a process and, where allowed, a network namespace of its own, with a time
//! limit. What is known not to pass stands in `conformance/expectations.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::cargo;
use crate::workspace;

/// The crate that carries the programs.
const SOURCE: &str = "zeromq-src-0.3.6";
/// What all programs are linked with.
const SHARED: [&str; 4] = [
    "testutil.cpp",
    "testutil_unity.cpp",
    "testutil_monitoring.cpp",
    "testutil_security.cpp",
];
/// Longest time a program may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Runs the programs whose names contain one of the words (all without words) and compares with
/// the expectations. `--library PATH` takes that library instead of ours.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut filters = Vec::new();
    let mut library = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--library" {
            library = Some(PathBuf::from(
                words.next().context("--library needs a path")?,
            ));
        } else {
            filters.push(word.clone());
        }
    }
    let vendor = find_vendor()
        .with_context(|| format!("no copy of {SOURCE} in the registry: run `cargo xtask setup`"))?;
    let ours = library.is_none();
    let library = match library {
        Some(library) => library,
        None => build_ours()?,
    };
    let overlay = Overlay::make(&vendor, &library)?;
    let programs = overlay.programs(&filters)?;
    let mut results = run_all(&overlay, &programs);
    if ours {
        run_again(&overlay, &mut results)?;
    }
    report(&results, ours)
}

fn build_ours() -> Result<PathBuf> {
    cargo(["build", "--release", "--package", "libzmq"]).status()?;
    Ok(workspace::target().join("release/libzmq.so"))
}

fn find_vendor() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    for registry in registries.flatten() {
        for package in fs::read_dir(registry.path()).ok()?.flatten() {
            if package.file_name().to_string_lossy().starts_with(SOURCE) {
                return Some(package.path().join("vendor"));
            }
        }
    }
    None
}

/// The folder in which the programs are compiled.
struct Overlay {
    folder: PathBuf,
    objects: Vec<PathBuf>,
    isolated: bool,
}

impl Overlay {
    fn make(vendor: &Path, library: &Path) -> Result<Self> {
        let folder = workspace::target().join("conformance");
        let lib = folder.join("lib");
        for name in ["include", "src", "tests", "lib", "bin", "obj"] {
            fs::create_dir_all(folder.join(name))?;
        }
        link(&vendor.join("external"), &folder.join("external"))?;
        let headers = workspace::root().join("crates/libzmq/include");
        for header in ["zmq.h", "zmq_utils.h"] {
            if headers.join(header).exists() {
                link(&headers.join(header), &folder.join("include").join(header))?;
            }
        }
        // Each by itself: what they include as `../include/zmq.h` is to be ours.
        for name in ["src", "tests"] {
            for entry in fs::read_dir(vendor.join(name))?.flatten() {
                link(&entry.path(), &folder.join(name).join(entry.file_name()))?;
            }
        }
        // As libzmq's own configuration would write it here.
        fs::write(folder.join("src/platform.hpp"), PLATFORM)?;
        let library = library.canonicalize().context("the library")?;
        link(&library, &lib.join("libzmq.so.5"))?;
        link(&library, &lib.join("libzmq.so"))?;
        let mut overlay = Self {
            isolated: can_isolate(),
            objects: Vec::new(),
            folder,
        };
        overlay.compile_shared()?;
        Ok(overlay)
    }

    fn compile_shared(&mut self) -> Result<()> {
        for name in SHARED {
            let source = self.folder.join("tests").join(name);
            let object = self.folder.join("obj").join(name).with_extension("o");
            self.compile("g++", &source, &object, &["-c"])?;
            self.objects.push(object);
        }
        for name in OWN {
            let source = self.folder.join("src").join(name);
            let object = self.folder.join("obj").join(name).with_extension("o");
            self.compile("g++", &source, &object, &["-c"])?;
            self.objects.push(object);
        }
        let source = self.folder.join("external/unity/unity.c");
        let object = self.folder.join("obj/unity.o");
        self.compile("gcc", &source, &object, &["-c"])?;
        self.objects.push(object);
        Ok(())
    }

    fn compile(&self, compiler: &str, source: &Path, to: &Path, more: &[&str]) -> Result<()> {
        let mut command = Command::new(compiler);
        command.args([
            "-O1",
            "-w",
            "-DZMQ_BUILD_DRAFT_API",
            "-DZMQ_CUSTOM_PLATFORM_HPP",
        ]);
        command.args(["-DUNITY_USE_COMMAND_LINE_ARGS", "-DUNITY_EXCLUDE_FLOAT"]);
        for folder in ["src", "include", "external/unity"] {
            command.arg("-I").arg(self.folder.join(folder));
        }
        command.args(more).arg(source).arg("-o").arg(to);
        if !more.contains(&"-c") {
            command.args(&self.objects);
            command.arg("-L").arg(self.folder.join("lib"));
            command.args(["-lzmq", "-lpthread", "-lsodium"]);
        }
        let output = command.output().with_context(|| compiler.to_owned())?;
        if !output.status.success() {
            bail!(
                "{}: {}",
                source.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn programs(&self, filters: &[String]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.folder.join("tests"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".cpp") else {
                continue;
            };
            let wanted = filters.is_empty() || filters.iter().any(|word| name.contains(word));
            if name.starts_with("test_") && !name.ends_with("_fuzzer") && wanted {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Compiles and runs a program; the fate of each of its cases.
    fn fates(&self, name: &str) -> BTreeMap<String, Fate> {
        let source = self.folder.join("tests").join(name).with_extension("cpp");
        let program = self.folder.join("bin").join(name);
        if let Err(error) = self.compile("g++", &source, &program, &[]) {
            return BTreeMap::from([(name.to_owned(), Fate::Failed(format!("{error:#}")))]);
        }
        let output = self.folder.join("bin").join(format!("{name}.out"));
        let ended = self.execute(&program, &output);
        let text = fs::read(&output).unwrap_or_default();
        parse(name, &String::from_utf8_lossy(&text), ended)
    }

    fn execute(&self, program: &Path, output: &Path) -> Ended {
        let mut command = if self.isolated {
            let mut command = Command::new("unshare");
            command.args(["--net", "sh", "-c", NETWORK]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let Ok(file) = fs::File::create(output) else {
            return Ended::Badly("no output file".to_owned());
        };
        let Ok(errors) = file.try_clone() else {
            return Ended::Badly("no output file".to_owned());
        };
        command
            .env("LD_LIBRARY_PATH", self.folder.join("lib"))
            .current_dir(self.folder.join("bin"))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors);
        match command.spawn() {
            Ok(child) => wait(child),
            Err(error) => Ended::Badly(error.to_string()),
        }
    }
}

/// How a program ended.
enum Ended {
    Well,
    /// By `TEST_IGNORE` alone, or because it found nothing to test.
    Skipped,
    Badly(String),
}

fn wait(mut child: std::process::Child) -> Ended {
    let deadline = Instant::now() + LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ended::Well,
            Ok(Some(status)) if status.code() == Some(77) => return Ended::Skipped,
            Ok(Some(status)) => return Ended::Badly(status.to_string()),
            Ok(None) if Instant::now() >= deadline => {
                drop(child.kill());
                drop(child.wait());
                return Ended::Badly("out of time".to_owned());
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Ended::Badly(error.to_string()),
        }
    }
}

/// What became of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    Passed,
    /// What it says is missing.
    Skipped(String),
    Failed(String),
}

/// Reads Unity's lines, `file:line:case:PASS`.
fn parse(name: &str, text: &str, ended: Ended) -> BTreeMap<String, Fate> {
    let mut fates = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(4, ':');
        let (Some(file), Some(number), Some(case), Some(verdict)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if !file.contains(".cpp") || number.parse::<u32>().is_err() {
            continue;
        }
        let fate = if verdict == "PASS" {
            Fate::Passed
        } else if let Some(why) = verdict.strip_prefix("IGNORE") {
            Fate::Skipped(why.trim_start_matches([':', ' ']).to_owned())
        } else if verdict.starts_with("FAIL") {
            Fate::Failed(format!("line {number} {verdict}"))
        } else {
            continue;
        };
        fates.insert(format!("{name}::{case}"), fate);
    }
    let failed = fates.values().any(|fate| matches!(fate, Fate::Failed(_)));
    match ended {
        Ended::Well | Ended::Skipped if fates.is_empty() => {
            let skipped = matches!(ended, Ended::Skipped);
            let why = text.lines().last().unwrap_or_default();
            let fate = if skipped {
                Fate::Skipped(why.to_owned())
            } else {
                Fate::Passed
            };
            fates.insert(name.to_owned(), fate);
        }
        Ended::Badly(why) if !failed => {
            let last = text.lines().last().unwrap_or_default();
            fates.insert(name.to_owned(), Fate::Failed(format!("{why}: {last}")));
        }
        _ => {}
    }
    fates
}

fn run_all(overlay: &Overlay, programs: &[String]) -> BTreeMap<String, Fate> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(BTreeMap::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fates = overlay.fates(name);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend(fates);
                }
            });
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what has failed against expectation once more, each program by itself: many of them count on
/// a machine that has nothing else to do.
fn run_again(overlay: &Overlay, results: &mut BTreeMap<String, Fate>) -> Result<()> {
    let expected = expectations()?;
    let program = |name: &str| name.split("::").next().unwrap_or(name).to_owned();
    let failed: BTreeSet<String> = results
        .iter()
        .filter(|(name, fate)| {
            let known = expected.contains_key(*name) || expected.contains_key(&program(name));
            matches!(fate, Fate::Failed(_)) && !known
        })
        .map(|(name, _)| program(name))
        .collect();
    for name in failed {
        println!("once more, by itself: {name}");
        let second = overlay.fates(&name);
        for (case, first) in results.iter().filter(|(case, _)| program(case) == name) {
            if let (Fate::Failed(why), Some(Fate::Passed)) = (first, second.get(case)) {
                println!("FLAKY {case}: {}", why.lines().next().unwrap_or_default());
            }
        }
        results.retain(|case, _| program(case) != name);
        results.extend(second);
    }
    Ok(())
}

/// What is known not to pass: `name: reason` a line.
fn expectations() -> Result<BTreeMap<String, String>> {
    let path = workspace::root().join("conformance/expectations.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, reason) = line
                .split_once(": ")
                .with_context(|| format!("no reason in {line:?}"))?;
            Ok((name.to_owned(), reason.to_owned()))
        })
        .collect()
}

fn report(results: &BTreeMap<String, Fate>, compare: bool) -> Result<()> {
    let expected = if compare {
        expectations()?
    } else {
        BTreeMap::new()
    };
    let known = |name: &str| {
        let program = name.split("::").next().unwrap_or(name);
        expected.get(name).or_else(|| expected.get(program))
    };
    let (mut passed, mut skipped, mut foreseen, mut bad) = (0, 0, 0, Vec::new());
    for (name, fate) in results {
        match fate {
            Fate::Passed => {
                passed += 1;
                if expected.contains_key(name) {
                    println!("passes, though it stands in the expectations: {name}");
                }
            }
            Fate::Skipped(why) => {
                skipped += 1;
                println!("skipped: {name} ({why})");
            }
            Fate::Failed(why) => {
                let why = why.lines().next().unwrap_or_default();
                if let Some(reason) = known(name) {
                    foreseen += 1;
                    println!("fails as foreseen: {name} ({reason}) {why}");
                } else {
                    bad.push(format!("{name}: {why}"));
                }
            }
        }
    }
    for line in &bad {
        println!("FAILED {line}");
    }
    println!(
        "conformance: {passed} passed, {} failed, {foreseen} failed as foreseen, {skipped} skipped",
        bad.len()
    );
    if bad.is_empty() {
        Ok(())
    } else {
        bail!("{} cases failed", bad.len())
    }
}

fn link(to: &Path, at: &Path) -> Result<()> {
    // What stands there is of an earlier run.
    drop(fs::remove_file(at));
    symlink(to, at).with_context(|| at.display().to_string())
}

/// Whether network namespaces may be made here.
fn can_isolate() -> bool {
    let made = Command::new("unshare")
        .args(["--net", "ip", "link", "set", "lo", "up"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

/// A network of its own: loopback, and an interface for multicast, which loopback cannot be kept from
/// hearing.
const NETWORK: &str = "\
ip link set lo up 2>/dev/null
if ip link add mc0 type veth peer name mc1 2>/dev/null; then
    echo 1 >/proc/sys/net/ipv6/conf/mc1/disable_ipv6
    ip link set mc0 addrgenmode none
    ip addr add 10.77.0.1/24 dev mc0
    ip addr add fd77::1/64 dev mc0 nodad
    ip link set mc1 up
    ip link set mc0 up
    ip route add 224.0.0.0/4 dev mc0
fi
exec \"$0\"
";

/// Of libzmq's own sources: what test programs take from within the library.
const OWN: [&str; 3] = ["clock.cpp", "err.cpp", "random.cpp"];

/// What libzmq's sources must know of this system, and its tests of what the library can.
const PLATFORM: &str = "\
#define ZMQ_HAVE_LINUX 1
#define ZMQ_HAVE_SO_KEEPALIVE 1
#define ZMQ_HAVE_TCP_KEEPCNT 1
#define ZMQ_HAVE_TCP_KEEPIDLE 1
#define ZMQ_HAVE_TCP_KEEPINTVL 1
#define ZMQ_HAVE_IPC 1
#define ZMQ_HAVE_IFADDRS 1
#define ZMQ_HAVE_PPOLL 1
#define ZMQ_HAVE_UIO 1
#define ZMQ_HAVE_STRLCPY 0
#undef ZMQ_HAVE_STRLCPY
#define ZMQ_HAVE_EVENTFD 1
#define ZMQ_IOTHREAD_POLLER_USE_EPOLL 1
#define ZMQ_POLL_BASED_ON_POLL 1
#define ZMQ_HAVE_BUSY_POLL 1
#define ZMQ_HAVE_SO_PRIORITY 1
#define ZMQ_HAVE_FORK 1
#define HAVE_FORK 1
#define ZMQ_HAVE_SO_PEERCRED 1
#define ZMQ_HAVE_CURVE 1
#define ZMQ_USE_LIBSODIUM 1
#define ZMQ_HAVE_OPENPGM 1
#define HAVE_LIBGSSAPI_KRB5 1
";
