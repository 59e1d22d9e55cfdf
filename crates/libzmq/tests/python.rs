// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs of `examples/python`, as users of pyzmq write them, on our library: with Debian's
//! `python3-zmq`, which asks for `libzmq.so.5` and gets ours through `LD_LIBRARY_PATH`; and under
//! gevent, where that is installed.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Debian's own, whose packages are Debian's.
const PYTHON: &str = "/usr/bin/python3";
const LIMIT: Duration = Duration::from_secs(40);

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

fn python() -> Command {
    let mut command = Command::new(PYTHON);
    command
        .env("LD_LIBRARY_PATH", library())
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    command
}

/// Whether Python can import this, and has our library in its hands then.
fn can(import: &str) -> bool {
    let check = format!("{import}; import zmq; print(zmq.zmq_version())");
    let output = python().args(["-c", &check]).output();
    output.is_ok_and(|output| output.stdout == b"4.3.6\n")
}

/// A running program, ended when dropped.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Program {
    fn start(name: &str, green: bool, arguments: &[&str]) -> Self {
        Self::start_with(python(), name, green, arguments)
    }

    fn start_with(mut command: Command, name: &str, green: bool, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python");
        if green {
            command.env("GREEN", "1");
        }
        command.arg(folder.join(name)).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let output = child.stdout.take().expect("it was asked for");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line in time")
    }

    /// Waits for its end and returns what is left of its lines.
    fn rest(mut self) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut lines = Vec::new();
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            lines.push(line);
        }
        assert!(self.child.wait().expect("an end").success());
        lines
    }
}

/// A port that nobody has just now.
fn endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("tcp://{}", listener.local_addr().expect("its address"))
}

fn echo(green: bool) {
    let at = endpoint();
    let server = Program::start("echo_server.py", green, &[&at]);
    for _ in 0..2 {
        // The server stays connected while one client after the other binds.
        let client = Program::start("echo_client.py", green, &[&at, "3"]);
        let expected = [0, 1, 2].map(|number| format!("Echoing: question {number}"));
        assert_eq!(client.rest(), expected);
    }
    drop(server);
}

fn publishers(green: bool) {
    let (one, two) = (endpoint(), endpoint());
    let _one = Program::start("publisher.py", green, &[&one, "weather.rain"]);
    let _two = Program::start("publisher.py", green, &[&two, "weather.sun"]);
    let _three = Program::start("publisher.py", green, &[&endpoint(), "sports"]);
    let subscriber = Program::start("subscriber.py", green, &["100000", &one, &two]);
    let (mut rain, mut sun) = (false, false);
    let deadline = Instant::now() + LIMIT;
    while !(rain && sun) {
        assert!(Instant::now() < deadline, "one publisher is not heard");
        let line = subscriber.line();
        rain |= line.starts_with("weather.rain");
        sun |= line.starts_with("weather.sun");
    }
}

fn workers(green: bool) {
    let (one, two) = (endpoint(), endpoint());
    let pullers = [&one, &two].map(|at| Program::start("puller.py", green, &["200", at]));
    let pushers =
        ["a", "b"].map(|name| Program::start("pusher.py", green, &[name, "200", &one, &two]));
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

fn multipart(green: bool) {
    for at in [endpoint(), "inproc://parts".to_owned()] {
        let parts = Program::start("multipart.py", green, &[&at]).rest();
        assert_eq!(parts, ["first", "", "third", "last"]);
    }
}

#[test]
fn programs_on_debians_pyzmq() {
    if !can("import zmq") {
        println!("SKIPPED: no python3-zmq");
        return;
    }
    echo(false);
    publishers(false);
    workers(false);
    multipart(false);
}

#[test]
fn programs_under_gevent() {
    if !can("import zmq, gevent") {
        println!("SKIPPED: no python3-gevent");
        return;
    }
    echo(true);
    publishers(true);
    workers(true);
    multipart(true);
}

#[test]
fn programs_under_asyncio_and_tornado() {
    const PROGRAM: &str = "
import asyncio, zmq, zmq.asyncio
async def main():
    context = zmq.asyncio.Context()
    rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
    port = rep.bind_to_random_port('tcp://127.0.0.1')
    req.connect(f'tcp://127.0.0.1:{port}')
    async def answer():
        for _ in range(100):
            await rep.send(b'Echoing: ' + await rep.recv())
    task = asyncio.ensure_future(answer())
    for number in range(100):
        await req.send(b'%d' % number)
        assert await req.recv() == b'Echoing: %d' % number
    await task
    req.close(); rep.close(); context.term()
asyncio.run(main())
print('asyncio')
from zmq.eventloop.zmqstream import ZMQStream
async def stream():
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    port = pull.bind_to_random_port('tcp://127.0.0.1')
    push.connect(f'tcp://127.0.0.1:{port}')
    got, done = [], asyncio.Event()
    def on(parts):
        got.extend(parts)
        if len(got) == 100: done.set()
    stream = ZMQStream(pull); stream.on_recv(on)
    for number in range(100): push.send(b'%d' % number)
    await asyncio.wait_for(done.wait(), 20)
    assert got == [b'%d' % number for number in range(100)]
    stream.close(); push.close(); context.term()
asyncio.run(stream())
print('tornado')
";
    if !can("import zmq.asyncio") {
        println!("SKIPPED: no python3-zmq");
        return;
    }
    let output = python()
        .args(["-c", PROGRAM])
        .output()
        .expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"asyncio\ntornado\n", "{errors}");
}

/// PLAIN and CURVE between our library and the real one, with pyzmq's authenticator on both.
#[test]
fn security_across_libraries() {
    let real = || {
        let mut command = python();
        command.env_remove("LD_LIBRARY_PATH");
        command
    };
    let output = real()
        .args([
            "-c",
            "import zmq; print(zmq.zmq_version(), zmq.has('curve'))",
        ])
        .output();
    if !output.is_ok_and(|output| output.stdout.ends_with(b" True\n")) {
        println!("SKIPPED: no python3-zmq with CURVE");
        return;
    }
    let key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    for (mechanism, user) in [("plain", "admin"), ("curve", key)] {
        for (server_side, client_side) in [("bind", "connect"), ("connect", "bind")] {
            for ours_serves in [true, false] {
                let endpoint = endpoint();
                let (serving, asking) = if ours_serves {
                    (python(), real())
                } else {
                    (real(), python())
                };
                let start = |command, role, side| {
                    let arguments = [role, mechanism, side, endpoint.as_str()];
                    Program::start_with(command, "secured_echo.py", false, &arguments)
                };
                let server = start(serving, "server", server_side);
                let client = start(asking, "client", client_side);
                assert_eq!(client.rest(), ["client "]);
                assert_eq!(server.rest(), [format!("server {user}")]);
            }
        }
    }
}
