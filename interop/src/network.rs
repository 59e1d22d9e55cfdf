// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts of their own (network namespaces) on a network (a bridge in another) that loses what it is told to.
//!
//! It needs `ip`, `nft` and either root or user namespaces; nothing outside the namespaces is touched. The namespaces have no
//! names: a process holds each, and ends with this one however that ends, so that nothing is ever left behind.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::{Failure, Outcome};

/// Hosts and what joins them.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<Namespace>,
    /// What joins them is in it, unless it is but a cable.
    _hub: Option<Namespace>,
}

impl Network {
    /// So many hosts that can reach each other, by packets as they are on a wire. What is missing for that is a failure; see
    /// [`is_possible`].
    pub fn new(hosts: usize) -> Outcome<Self> {
        let network = Self::unsegmented(hosts)?;
        for host in &network.hosts {
            host.run("ip link set eth0 gso_max_segs 1")?;
        }
        Ok(network)
    }

    /// The same, but what travels together through the kernel of one host goes on so through that of the next: nothing in
    /// between is a wire.
    pub fn unsegmented(hosts: usize) -> Outcome<Self> {
        let hub = Namespace::new(None)?;
        hub.run("ip link add br0 type bridge")?;
        hub.run("ip link set br0 up")?;
        // Every host gets everything: groups are not learned.
        hub.run("ip link set br0 type bridge mcast_snooping 0")?;
        let hosts = (1..=hosts).map(|number| add_host(&hub, number));
        Ok(Self {
            hosts: hosts.collect::<Outcome<_>>()?,
            _hub: Some(hub),
        })
    }

    /// Two hosts and a cable between them, a veth pair: what a packet costs on its way is the least there is. What travels
    /// together goes on so, too.
    pub fn pair() -> Outcome<Self> {
        let first = Namespace::new(None)?;
        let second = Namespace::new(Some(&first))?;
        first.run(&format!(
            "ip link add eth0 type veth peer name eth0 netns {}",
            second.id()
        ))?;
        first.number(1)?;
        second.number(2)?;
        Ok(Self {
            hosts: vec![first, second],
            _hub: None,
        })
    }

    /// The address of a host; its interface is `eth0`.
    pub fn address(&self, host: usize) -> String {
        format!("10.77.0.{}", host + 1)
    }

    /// Its address of IPv6.
    pub fn address_6(&self, host: usize) -> String {
        format!("fd77::{}", host + 1)
    }

    /// A program to be run on a host.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn command(&self, host: usize, program: &Path) -> Command {
        self.hosts[host].command(program)
    }

    /// From now on a host loses of what comes in what these conditions of nft say; nothing if they are empty.
    pub fn lose(&self, host: usize, conditions: &str) -> Outcome<()> {
        let rule = if conditions.is_empty() {
            String::new()
        } else {
            format!("    {conditions} counter drop\n")
        };
        // Braces on lines of their own: old parsers want them so.
        let table = format!(
            "table inet loss\ndelete table inet loss\ntable inet loss {{\n  chain in {{\n    \
             type filter hook prerouting priority -300; policy accept;\n{rule}  }}\n}}\n"
        );
        let mut child = self
            .command(host, Path::new("nft"))
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(table.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::new(said).within(format!("nft: {table}")))
    }

    /// How many packets the last rule of a host has dropped.
    pub fn dropped(&self, host: usize) -> Outcome<u64> {
        let output = self
            .command(host, Path::new("nft"))
            .args(["list", "table", "inet", "loss"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = text
            .split_once("counter packets ")
            .ok_or_else(|| Failure::new(format!("no counter in {text}")))?;
        let number = rest.split(' ').next().unwrap_or_default();
        number.parse().map_err(|_error| Failure::new(text.clone()))
    }

    /// Writes down what passes a host's interface, from when this returns.
    pub fn capture(&self, host: usize, file: &Path) -> Outcome<Capture> {
        let mut child = self
            .command(host, Path::new("tshark"))
            // It is ended, unless nobody is left to do so.
            .args(["-n", "-i", "eth0", "-a", "duration:1800", "-w"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take();
        let mut lines = BufReader::new(stderr.ok_or_else(|| Failure::new("no pipe"))?).lines();
        for line in &mut lines {
            if line?.contains("Capturing on") {
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                let capture = Capture {
                    child,
                    file: file.to_owned(),
                    host: self.hosts[host].id(),
                };
                // It says so before it does.
                capture.catch_up("begin of what is captured")?;
                return Ok(capture);
            }
        }
        Err(Failure::new("tshark does not begin"))
    }
}

fn add_host(hub: &Namespace, number: usize) -> Outcome<Namespace> {
    let host = Namespace::new(Some(hub))?;
    let id = host.id();
    hub.run(&format!(
        "ip link add p{number} type veth peer name eth0 netns {id}"
    ))?;
    hub.run(&format!("ip link set p{number} master br0 up"))?;
    host.number(number)?;
    Ok(host)
}

/// Namespaces of network and mounts, which are there as long as this is.
#[derive(Debug)]
struct Namespace(Child);

impl Namespace {
    /// New ones, where the user is who made the others.
    fn new(beside: Option<&Self>) -> Outcome<Self> {
        let mut command = match (beside, is_root()) {
            (Some(other), false) => {
                let mut command = inside(other.id(), &["--user", "--preserve-credentials"]);
                command.arg("unshare");
                command
            }
            (None, false) => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user"]);
                command
            }
            (_, true) => Command::new("unshare"),
        };
        let mut child = command
            .args(["--net", "--mount", "sh", "-c", HOLD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::from(error).within("unshare"))?;
        let mut word = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut word)?;
        }
        if word == "here\n" {
            return Ok(Self(child));
        }
        drop(child.kill());
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(said).within("no network namespaces here"))
    }

    /// The process that holds it.
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn command(&self, program: &Path) -> Command {
        command_in(self.id(), program)
    }

    /// Its interface, `eth0`, gets the addresses of this number.
    fn number(&self, number: usize) -> Outcome<()> {
        for line in [
            &format!("ip addr add 10.77.0.{number}/24 dev eth0"),
            &format!("ip addr add fd77::{number}/64 dev eth0 nodad"),
            "ip link set lo up",
            "ip link set eth0 up",
            "ip route add 224.0.0.0/4 dev eth0",
        ] {
            self.run(line)?;
        }
        Ok(())
    }

    fn run(&self, line: &str) -> Outcome<()> {
        let mut words = line.split(' ');
        let program = Path::new(words.next().unwrap_or_default());
        let output = self
            .command(program)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Failure::from(error).within(line))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(said).within(line))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a holder does: OpenPGM would ask name servers about the names of interfaces, and there are none. Then it waits for the
/// end of its input, which is the end of whoever holds the other side.
const HOLD: &str = "set -e
if [ -e /etc/nsswitch.conf ]; then
    mount -t tmpfs none /mnt
    echo 'hosts: files' > /mnt/nsswitch.conf
    mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
    umount /mnt
fi
echo here
exec cat > /dev/null";

/// A program to be run in the namespaces of this process.
fn command_in(holder: u32, program: &Path) -> Command {
    let user: &[&str] = if is_root() {
        &[]
    } else {
        &["--user", "--preserve-credentials"]
    };
    let mut command = inside(holder, user);
    command.args(["--net", "--mount", "--"]).arg(program);
    command
}

fn inside(holder: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &holder.to_string()])
        .args(arguments);
    command
}

/// Whether namespaces can be had without one for users around them.
fn is_root() -> bool {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| {
        let output = Command::new("id").arg("-u").output();
        output.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
    })
}

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
    /// Who holds the host where it is taken.
    host: u32,
}

/// What a capture shows of PGM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Packets by type.
    pub types: Vec<(String, usize)>,
    /// With a wrong checksum, or that cannot be dissected.
    pub bad: usize,
    /// With OPT_FRAGMENT.
    pub fragments: usize,
    /// Each of them, in order.
    pub packets: Vec<SeenPacket>,
}

/// A packet of PGM and what carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPacket {
    /// Its type, `ODATA` or `NAK`.
    pub kind: String,
    /// Where to.
    pub to: String,
    /// Its TTL, or hop limit.
    pub hops: u32,
    /// Bytes, from the header of IP on.
    pub len: usize,
}

impl Seen {
    /// How many packets of a type, `ODATA` or `NAK`, there were.
    pub fn count(&self, name: &str) -> usize {
        let of = |(other, count): &(String, usize)| if other == name { *count } else { 0 };
        self.types.iter().map(of).sum()
    }
}

impl Capture {
    /// Waits until what has been sent so far is in the file: tshark writes in its own time, and what it has not written
    /// when it ends is gone.
    fn catch_up(&self, mark: &str) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut send = command_in(self.host, Path::new("bash"));
        send.args(["-c", &format!("printf '{mark}' > /dev/udp/239.1.1.1/9")]);
        while Instant::now() < deadline {
            send.status()?;
            // It may not be there yet.
            let bytes = fs::read(&self.file).unwrap_or_default();
            let mut windows = bytes.windows(mark.len());
            if windows.any(|window| window == mark.as_bytes()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Failure::new("the capture does not go on"))
    }

    /// Ends it, and looks at every packet of PGM: over UDP at this port, over IP without one.
    pub fn finish(mut self, port: u16) -> Outcome<Seen> {
        self.catch_up("end of what is captured")?;
        Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()?;
        self.child.wait()?;
        let output = Command::new("tshark")
            .args(["-n", "-r"])
            .arg(&self.file)
            .args(["-d", &format!("udp.port=={port},pgm")])
            .args(["-o", "pgm.check_checksum:TRUE", "-Y", "pgm"])
            .args(["-T", "fields", "-E", "separator=|"])
            .args(["-e", "pgm.hdr.type", "-e", "pgm.hdr.cksum.status"])
            .args(["-e", "_ws.malformed", "-e", "pgm.genopts.type"])
            .args(["-e", "ip.dst", "-e", "ip.ttl", "-e", "ip.len"])
            .args(["-e", "ipv6.dst", "-e", "ipv6.hlim", "-e", "ipv6.plen"])
            .output()?;
        let mut seen = Seen::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            seen.look(line);
        }
        // What is odd stays, to be looked at.
        if (seen.bad, seen.fragments) == (0, 0) {
            fs::remove_file(&self.file)?;
        }
        Ok(seen)
    }
}

impl Seen {
    fn look(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('|').collect();
        let [kind, status, malformed, options, carrier @ ..] = fields.as_slice() else {
            return;
        };
        let name = match *kind {
            "0x00" => "SPM",
            "0x04" => "ODATA",
            "0x05" => "RDATA",
            "0x08" => "NAK",
            "0x0a" => "NCF",
            other => other,
        };
        self.packets.extend(SeenPacket::read(name, carrier));
        match self.types.iter_mut().find(|(other, _)| other == name) {
            Some((_, count)) => *count += 1,
            None => self.types.push((name.to_owned(), 1)),
        }
        // 0 is "bad"; packets without a checksum are "not present".
        self.bad += usize::from(*status == "0" || !malformed.is_empty());
        self.fragments += usize::from(options.split(',').any(|option| option == "0x01"));
    }
}

impl SeenPacket {
    /// The fields of IPv4, then those of IPv6, which counts no header.
    fn read(kind: &str, fields: &[&str]) -> Option<Self> {
        let (to, hops, len, header) = match *fields {
            [to, hops, len, "", "", ""] => (to, hops, len, 0),
            ["", "", "", to, hops, len] => (to, hops, len, 40),
            _ => return None,
        };
        Some(Self {
            kind: kind.to_owned(),
            to: to.to_owned(),
            hops: hops.parse().ok()?,
            len: len.parse::<usize>().ok()? + header,
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It has ended, unless a test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether such a network can be made here, and lose and be looked at; why not, if not. Found out once.
pub fn is_possible() -> Result<(), String> {
    static POSSIBLE: OnceLock<Result<(), String>> = OnceLock::new();
    let tools = || ["nft", "tshark"].into_iter().try_for_each(find);
    let possible = POSSIBLE.get_or_init(|| tools().and_then(|()| hosts_are_possible()));
    possible.clone()
}

/// Whether such a network can be made here, if it need not lose anything.
pub fn hosts_are_possible() -> Result<(), String> {
    ["ip", "nsenter", "unshare"]
        .into_iter()
        .try_for_each(find)?;
    let up = Namespace::new(None).and_then(|namespace| namespace.run("ip link set lo up"));
    up.map_err(|failure| failure.to_string())
}

fn find(program: &str) -> Result<(), String> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(format!("there is no {program} here"))
}
