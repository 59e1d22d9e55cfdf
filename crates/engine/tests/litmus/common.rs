// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every test needs: contexts under each policy, waits with deadlines, other processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferromq_engine::{Context, MonitorEvents, Outgoing, Policy, Socket, Wait};
use ferromq_vocabulary::{Code, MonitorEvent, SocketType, Value};

pub(crate) const POLICIES: [Policy; 3] = [Policy::IoOnly, Policy::Assisted, Policy::Chaos];
pub(crate) const TCP: &str = "tcp://127.0.0.1:*";
pub(crate) const IPC: &str = "ipc://*";
pub(crate) const INPROC: &str = "inproc://litmus";
pub(crate) const STREAMS: [&str; 2] = [TCP, IPC];
pub(crate) const ALL: [&str; 3] = [TCP, IPC, INPROC];

/// One test at a time: they share two processors, and some measure.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test under each policy over each of these transports, each time in a context of its
/// own that must end afterwards.
pub(crate) fn each(endpoints: &[&str], test: impl Fn(&Context, &str)) {
    let _turn = turn();
    for policy in POLICIES {
        for endpoint in endpoints {
            let began = Instant::now();
            let context = Context::new();
            context.set_policy(policy);
            test(&context, endpoint);
            assert!(
                context.terminate(Some(after(PLENTY))),
                "{policy:?} {endpoint} does not end"
            );
            println!("{policy:?} {endpoint}: {:?}", began.elapsed());
        }
    }
}

/// Milliseconds in which anything happens that is going to, on a machine however busy; nobody waits for them when
/// all is well.
pub(crate) const PLENTY: u64 = 30_000;

pub(crate) fn after(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}

pub(crate) fn within(milliseconds: u64) -> Wait {
    Wait::Until(after(milliseconds))
}

/// Long enough for anything that is going to happen.
pub(crate) fn soon() -> Wait {
    within(PLENTY)
}

/// Does this again and again until it has taken no more of the processor than this. On a busy machine it may take more
/// once, or ten times; what spends the processor does so every time.
pub(crate) fn takes_at_most(limit: Duration, mut test: impl FnMut() -> Duration) {
    let mut more = Vec::new();
    while more.len() < 20 {
        let took = test();
        if took < limit {
            return;
        }
        more.push(took);
    }
    panic!("never less than {limit:?}: {more:?}");
}

/// Tries this with times as they are, and four, sixteen and sixty-four times as long, until nobody was late: whoever
/// must do something in time cannot when the machine is busy with other things.
pub(crate) fn at_some_pace(mut test: impl FnMut(u32) -> Result<(), String>) {
    let mut late = Vec::new();
    for pace in [1, 4, 16, 64] {
        match test(pace) {
            Ok(()) => return,
            Err(why) => late.push(why),
        }
    }
    panic!("late at every pace: {late:?}");
}

/// A socket that leaves nothing behind.
pub(crate) fn socket(context: &Context, socket_type: SocketType) -> Socket {
    let mut socket = context.socket(socket_type).unwrap();
    socket.set_option("LINGER", 0).unwrap();
    socket.set_option("RECONNECT_IVL", 10).unwrap();
    socket
}

pub(crate) fn send(socket: &mut Socket, body: &[u8]) {
    socket
        .send_frame(&mut Outgoing::Bytes(body), false, soon())
        .unwrap();
}

pub(crate) fn send_parts(socket: &mut Socket, parts: &[&[u8]]) {
    for (index, part) in parts.iter().enumerate() {
        let more = index + 1 < parts.len();
        socket
            .send_frame(&mut Outgoing::Bytes(part), more, soon())
            .unwrap();
    }
}

pub(crate) fn try_send(socket: &mut Socket, body: &[u8], wait: Wait) -> Result<(), Code> {
    socket.send_frame(&mut Outgoing::Bytes(body), false, wait)
}

pub(crate) fn recv(socket: &mut Socket) -> Vec<u8> {
    socket.recv_frame(soon()).unwrap().to_vec()
}

pub(crate) fn recv_parts(socket: &mut Socket) -> Vec<Vec<u8>> {
    let mut parts = vec![recv(socket)];
    while socket.receive_more() {
        parts.push(recv(socket));
    }
    parts
}

pub(crate) fn nothing(socket: &mut Socket, milliseconds: u64) {
    assert_eq!(
        socket.recv_frame(within(milliseconds)).err(),
        Some(Code::Again)
    );
}

pub(crate) fn number(body: &[u8]) -> u64 {
    u64::from_be_bytes(body[..8].try_into().unwrap())
}

pub(crate) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut body = vec![u8::try_from(number % 251).unwrap(); len.max(8)];
    body[..8].copy_from_slice(&number.to_be_bytes());
    body
}

/// Waits for the next event of this name; what comes before it is passed over.
pub(crate) fn wait_for(events: &MonitorEvents, name: &str) -> MonitorEvent {
    let deadline = after(PLENTY);
    let mut passed = Vec::new();
    loop {
        let Some(event) = events.next_before(Some(deadline)) else {
            panic!("no {name}, only {passed:?}");
        };
        if event.event.name() == name {
            return event;
        }
        passed.push(event.event);
    }
}

/// Tries until it is true.
pub(crate) fn until(what: &str, mut test: impl FnMut() -> bool) {
    let deadline = after(PLENTY);
    while !test() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Until a publisher knows of so many topics, without a message on the way that could come late.
pub(crate) fn until_subscribed(publisher: &mut Socket, topics: i32) {
    until("no subscription", || {
        publisher.readiness().unwrap();
        publisher.get_option("TOPICS_COUNT") == Ok(Value::Int(topics))
    });
}

pub(crate) fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::IoOnly => "io-only",
        Policy::Assisted => "assisted",
        Policy::Chaos => "chaos",
    }
}

/// How many descriptors this process has; none under ThreadSanitizer, which does not see how ours are closed, and so takes
/// two of one number, one after the other, for a race.
pub(crate) fn descriptors() -> usize {
    if std::env::var_os("UNDER_SANITIZER").is_some_and(|name| name == "thread") {
        return 0;
    }
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How much memory of this process is resident; nothing under a sanitizer, which keeps more memory than we have.
pub(crate) fn resident_bytes() -> usize {
    if std::env::var_os("UNDER_SANITIZER").is_some() {
        return 0;
    }
    ferromq_os::process::resident_bytes()
}

/// Another process: this binary, as the test `role` with an argument.
pub(crate) struct Process {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

/// What this process was started to do, if it is a helper of a test.
pub(crate) fn role() -> Option<String> {
    std::env::var("LITMUS_ARGUMENT").ok()
}

impl Process {
    pub(crate) fn start(role: &str, policy: Policy, argument: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", role, "--nocapture", "--test-threads=1"]);
        command.env("FERROMQ_POLICY", policy_name(policy));
        Self::from_command(command, argument)
    }

    pub(crate) fn from_command(mut command: Command, argument: &str) -> Self {
        let mut child = command
            .env("LITMUS_ARGUMENT", argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line the role wrote with [`say`].
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "the other process has ended"
            );
            if let Some((_, said)) = line.trim_end().split_once("says: ") {
                return said.to_owned();
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Whether it goes on; it does not if it has found a fault.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends its [`sit_still`].
    pub(crate) fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn wait(&mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether this is a process whose allocator keeps nothing back for its threads: what it says is in use is in use. If not, runs
/// this test in one.
pub(crate) fn counts_every_byte(test: &str) -> bool {
    const MARK: &str = "LITMUS_EVERY_BYTE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(
            "GLIBC_TUNABLES",
            "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0",
        )
        .env(MARK, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}");
    false
}

/// Tells the process that started this one.
pub(crate) fn say(line: &str) {
    println!("says: {line}");
}

/// Until the process that started this one closes our input, or kills us.
pub(crate) fn sit_still() {
    let mut line = String::new();
    while std::io::stdin()
        .read_line(&mut line)
        .is_ok_and(|read| read > 0)
    {}
}
