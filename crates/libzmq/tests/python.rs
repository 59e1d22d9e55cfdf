// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs of `examples/python`, as users of pyzmq write them, on our library: with Debian's
//! `python3-zmq`, which asks for `libzmq.so.5` and gets ours through `LD_LIBRARY_PATH`, and with that
//! of PyPI, built from source with its Cython and its cffi back end; under gevent, asyncio and
//! tornado; and in a Jupyter kernel.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nobody waits so long unless something is wrong.
const LIMIT: Duration = Duration::from_secs(120);
const TURN: Duration = Duration::from_secs(1);

/// A pyzmq that is to run on our library.
#[derive(Clone, Copy)]
enum Binding {
    /// Debian's `python3-zmq`.
    Debian,
    /// That of PyPI, built against our header and library by `cargo xtask setup`, with this back
    /// end.
    Built(&'static str),
}

/// A folder where our library has the name that programs ask for.
fn library() -> PathBuf {
    let folder = std::env::current_exe().expect("a test has a path");
    let folder = folder.parent().expect("it lies in a folder").to_owned();
    let named = folder.join("for-python");
    std::fs::create_dir_all(&named).expect("a folder");
    let link = named.join("libzmq.so.5");
    if !link.exists() {
        // Another test may be making it.
        drop(std::os::unix::fs::symlink(folder.join("libzmq.so"), &link));
    }
    named
}

impl Binding {
    /// Python with it, and our library.
    fn python(self) -> Command {
        let mut command = match self {
            Self::Debian => Command::new("/usr/bin/python3"),
            Self::Built(backend) => {
                let folder = built(backend);
                let mut command = Command::new("python3");
                command
                    .env("PYTHONPATH", &folder)
                    .env("JUPYTER_PATH", folder.join("share/jupyter"));
                command
            }
        };
        command
            .env("LD_LIBRARY_PATH", library())
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null());
        command
    }

    /// It can import this, has our library in its hands then, and no other.
    fn check(self, imports: &str) {
        let backend = match self {
            Self::Debian => "cython",
            Self::Built(backend) => backend,
        };
        let question = format!(
            "{imports}; import zmq, zmq.backend\n\
             print(zmq.zmq_version(), zmq.backend.Socket.__module__.split('.')[2])\n\
             print({{line.split()[-1] for line in open('/proc/self/maps') if 'libzmq' in line}})"
        );
        let output = self.python().args(["-c", &question]).output();
        let output = output.expect("Python: cargo xtask setup");
        let library = library().join("libzmq.so.5").canonicalize();
        let library = library.expect("our library").display().to_string();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("4.3.6 {backend}\n{{'{library}'}}\n"),
            "cargo xtask setup: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts a program of `examples/python`.
    fn start(self, name: &str, arguments: &[&str]) -> Program {
        Program::start(self.python(), name, arguments)
    }
}

/// The folder that `cargo xtask setup` has made for a back end.
fn built(backend: &str) -> PathBuf {
    let folder = std::env::current_exe().expect("a test has a path");
    let target = folder.ancestors().nth(3).expect("in the target folder");
    target.join(format!("pyzmq-{backend}"))
}

/// As the reference programs are run: plainly, or under gevent.
#[derive(Clone, Copy)]
struct Way {
    binding: Binding,
    green: bool,
}

impl Way {
    fn start(self, name: &str, arguments: &[&str]) -> Program {
        let mut python = self.binding.python();
        if self.green {
            python.env("GREEN", "1");
        }
        Program::start(python, name, arguments)
    }

    /// Every reference program.
    fn run(self) {
        self.binding
            .check(if self.green { "import gevent" } else { "pass" });
        echo(self);
        publishers(self);
        workers(self);
        multipart(self);
    }
}

/// A running program, ended when dropped; if that is because the test fails, it gives an account of itself.
struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// What has been taken from `lines`.
    seen: Vec<String>,
    complaints: Option<JoinHandle<String>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let fails = std::thread::panicking();
        let state = if fails { self.state() } else { String::new() };
        drop(self.child.kill());
        drop(self.child.wait());
        if !fails {
            return;
        }
        let complaints = self.complaints.take().and_then(|read| read.join().ok());
        let seen = &self.seen[self.seen.len().saturating_sub(10)..];
        let mut unread: Vec<String> = self.lines.try_iter().collect();
        unread.truncate(10);
        eprintln!(
            "{}: {state}\n  lines taken: {}, the last {seen:?}\n  unread: {unread:?}\n  stderr: {}",
            self.name,
            self.seen.len(),
            complaints.unwrap_or_default()
        );
    }
}

impl Program {
    fn start(mut command: Command, name: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python");
        command.arg(folder.join(name)).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let output = child.stdout.take().expect("it was asked for");
        let mut errors = child.stderr.take().expect("it was asked for");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            drop(errors.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            name: format!("{name} {arguments:?}"),
            child,
            lines,
            seen: Vec::new(),
            complaints: Some(complaints),
        }
    }

    /// The next line, or nothing when there are no more.
    fn next(&mut self) -> Option<String> {
        let name = &self.name;
        let line = patiently(
            || match self.lines.recv_timeout(TURN) {
                Ok(line) => Some(Some(line)),
                Err(RecvTimeoutError::Disconnected) => Some(None),
                Err(RecvTimeoutError::Timeout) => None,
            },
            || format!("{name}: no line"),
        )?;
        self.seen.push(line.clone());
        Some(line)
    }

    fn line(&mut self) -> String {
        let line = self.next();
        line.unwrap_or_else(|| panic!("{}: has ended its output", self.name))
    }

    /// Waits for its end and returns what is left of its lines.
    fn rest(mut self) -> Vec<String> {
        let lines: Vec<String> = std::iter::from_fn(|| self.next()).collect();
        let name = &self.name;
        let child = &mut self.child;
        let status = patiently(
            || {
                let status = child.try_wait().expect("an end");
                if status.is_none() {
                    std::thread::sleep(TURN / 100);
                }
                status
            },
            || format!("{name}: has closed its output, but goes on"),
        );
        assert!(status.success(), "{name}: {status}");
        lines
    }

    /// Whether it has ended, and if not, what its threads are at.
    fn state(&mut self) -> String {
        match self.child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) => {}
            Err(error) => return error.to_string(),
        }
        let mut state = "goes on".to_owned();
        let threads = format!("/proc/{}/task", self.child.id());
        for thread in std::fs::read_dir(threads).into_iter().flatten().flatten() {
            let read = |file| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let (name, call, place) = (read("comm"), read("syscall"), read("wchan"));
            let call = call.split(' ').next().unwrap_or_default();
            state += &format!("; {}: system call {}, {place}", name.trim(), call.trim());
        }
        state
    }
}

/// Tries this, which waits for a moment, again and again. Only time in which the test could have done something
/// counts: the whole machine may stand still.
fn patiently<T>(mut attempt: impl FnMut() -> Option<T>, what: impl Fn() -> String) -> T {
    let mut waited = Duration::ZERO;
    while waited < LIMIT {
        let began = Instant::now();
        if let Some(found) = attempt() {
            return found;
        }
        waited += began.elapsed().min(2 * TURN);
    }
    panic!("{} within {LIMIT:?}", what())
}

/// An endpoint that nobody else has: every process has a loopback address of its own.
fn endpoint() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let network = 1 + u16::from(high);
    let port = 5600 + NEXT.fetch_add(1, Relaxed);
    format!("tcp://127.{network}.{middle}.{low}:{port}")
}

fn echo(way: Way) {
    // Several tests of this process echo at the same time: who binds a file that another has bound takes it over.
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Relaxed));
    let file = format!("ipc://{}/echo-{process}-{next}", library().display());
    for at in [endpoint(), file] {
        let server = way.start("echo_server.py", &[&at]);
        for _ in 0..2 {
            // The server stays connected while one client after the other binds.
            let client = way.start("echo_client.py", &[&at, "3"]);
            let expected = [0, 1, 2].map(|number| format!("Echoing: question {number}"));
            assert_eq!(client.rest(), expected);
        }
        drop(server);
    }
}

fn publishers(way: Way) {
    let (one, two) = (endpoint(), endpoint());
    let _one = way.start("publisher.py", &[&one, "weather.rain"]);
    let _two = way.start("publisher.py", &[&two, "weather.sun"]);
    let _three = way.start("publisher.py", &[&endpoint(), "sports"]);
    let mut subscriber = way.start("subscriber.py", &["100000", &one, &two]);
    let (mut rain, mut sun) = (false, false);
    // One of them alone would be heard forever.
    for _ in 0..LIMIT.as_millis() / 10 {
        if rain && sun {
            return;
        }
        let line = subscriber.line();
        rain |= line.starts_with("weather.rain");
        sun |= line.starts_with("weather.sun");
    }
    panic!("one publisher is not heard: rain {rain}, sun {sun}");
}

fn workers(way: Way) {
    let (one, two) = (endpoint(), endpoint());
    let pullers = [&one, &two].map(|at| way.start("puller.py", &["200", at]));
    let pushers = ["a", "b"].map(|name| way.start("pusher.py", &[name, "200", &one, &two]));
    let mut all: Vec<String> = Vec::new();
    for puller in pullers {
        all.extend(puller.rest());
    }
    for pusher in pushers {
        assert_eq!(pusher.rest(), [] as [String; 0]);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 400, "each message once");
}

fn multipart(way: Way) {
    for at in [endpoint(), "inproc://parts".to_owned()] {
        let parts = way.start("multipart.py", &[&at]).rest();
        assert_eq!(parts, ["first", "", "third", "last"]);
    }
}

#[test]
fn programs_on_debians_pyzmq() {
    let (binding, green) = (Binding::Debian, false);
    Way { binding, green }.run();
}

#[test]
fn programs_on_the_cython_back_end() {
    let (binding, green) = (Binding::Built("cython"), false);
    Way { binding, green }.run();
}

#[test]
fn programs_on_the_cffi_back_end() {
    let (binding, green) = (Binding::Built("cffi"), false);
    Way { binding, green }.run();
}

#[test]
fn programs_under_gevent() {
    for binding in [Binding::Debian, Binding::Built("cython")] {
        let green = true;
        Way { binding, green }.run();
    }
}

#[test]
fn programs_under_asyncio_and_tornado() {
    let bindings = [
        Binding::Debian,
        Binding::Built("cython"),
        Binding::Built("cffi"),
    ];
    for binding in bindings {
        binding.check("import zmq.asyncio, tornado");
        for at in [endpoint(), "inproc://here".to_owned()] {
            let echoes = binding.start("asyncio_echo.py", &[&at, "100"]).rest();
            let expected: Vec<_> = (0..100).map(|n| format!("Echoing: question {n}")).collect();
            assert_eq!(echoes, expected);
            let messages = binding.start("tornado_workers.py", &[&at, "100"]).rest();
            let expected: Vec<_> = (0..100).map(|n| format!("message {n}")).collect();
            assert_eq!(messages, expected);
        }
    }
}

/// The client and the kernel, a process of its own, speak over five sockets.
#[test]
fn a_jupyter_kernel_executes_a_cell() {
    let binding = Binding::Built("cython");
    binding.check("import ipykernel, nbclient");
    let cells = [
        "import zmq; print(6 * 7, zmq.zmq_version())",
        "print({line.split()[-1] for line in open('/proc/self/maps') if 'libzmq' in line})",
    ];
    let library = library().join("libzmq.so.5").canonicalize();
    let library = library.expect("our library");
    assert_eq!(
        binding.start("notebook.py", &cells).rest(),
        ["42 4.3.6", &format!("{{'{}'}}", library.display())]
    );
}

/// PLAIN and CURVE between our library and the real one, with pyzmq's authenticators, for threads and for asyncio, on both.
#[test]
fn security_across_libraries() {
    let real = || {
        let mut command = Binding::Debian.python();
        command.env_remove("LD_LIBRARY_PATH");
        command
    };
    let output = real()
        .args([
            "-c",
            "import zmq; print(zmq.zmq_version(), zmq.has('curve'))",
        ])
        .output();
    let output = output.expect("Debian's Python");
    assert!(
        output.stdout.ends_with(b" True\n"),
        "python3-zmq: cargo xtask setup"
    );
    let key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    for (mechanism, user) in [("plain", "admin"), ("curve", key)] {
        for (server_side, client_side) in [("bind", "connect"), ("connect", "bind")] {
            for (ours_serves, in_asyncio) in
                [(true, false), (true, true), (false, false), (false, true)]
            {
                let endpoint = endpoint();
                let (serving, asking) = if ours_serves {
                    (Binding::Debian.python(), real())
                } else {
                    (real(), Binding::Debian.python())
                };
                let shared = [mechanism, server_side, &endpoint];
                let server = if in_asyncio {
                    Program::start(serving, "secured_echo_asyncio.py", &shared)
                } else {
                    let arguments = [&["server"][..], &shared].concat();
                    Program::start(serving, "secured_echo.py", &arguments)
                };
                let arguments = ["client", mechanism, client_side, &endpoint];
                let client = Program::start(asking, "secured_echo.py", &arguments);
                assert_eq!(client.rest(), ["client "]);
                assert_eq!(server.rest(), [format!("server {user}")]);
            }
        }
    }
}
