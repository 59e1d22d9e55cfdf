// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pipe into any socket: lines become messages, messages lines.

use std::io::{self, BufRead, Write};

use clap::Args;
use ferromq::{AnySocket, Context, Multipart, SocketType};

use crate::Outcome;

/// Which socket, and where.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// PUSH, PULL, PUB, SUB, REQ, REP or PAIR.
    #[arg(value_name = "TYPE", value_parser = socket_type)]
    socket_type: SocketType,
    /// Where to connect to, as `tcp://host:port`.
    endpoint: String,
    /// Bind there instead.
    #[arg(long)]
    bind: bool,
    /// Stop after so many messages.
    #[arg(long)]
    count: Option<usize>,
    /// What a line is split at into parts, and parts are joined with.
    #[arg(long, default_value = "\t")]
    separator: String,
    /// What a SUB subscribes to.
    #[arg(long, default_value = "")]
    topic: String,
    /// Set an option, as `NAME=VALUE`; `ferromq options` lists them.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = assignment)]
    options: Vec<(String, String)>,
}

/// Sends lines.
pub(crate) fn send(arguments: &Arguments) -> Outcome<()> {
    let context = Context::new();
    let mut socket = open(&context, arguments)?;
    let limit = arguments.count.unwrap_or(usize::MAX);
    for line in io::stdin().lock().lines().take(limit) {
        let line = line?;
        let parts: Multipart = line.split(&arguments.separator).collect();
        socket.send(parts)?;
        if socket.socket_type() == SocketType::Req {
            print(&mut socket, arguments)?;
        }
    }
    // What is sent is delivered before the context is gone.
    Ok(())
}

/// Receives lines.
pub(crate) fn recv(arguments: &Arguments) -> Outcome<()> {
    let context = Context::new();
    let mut socket = open(&context, arguments)?;
    for _ in 0..arguments.count.unwrap_or(usize::MAX) {
        let message = print(&mut socket, arguments)?;
        if socket.socket_type() == SocketType::Rep {
            socket.send(message)?;
        }
    }
    Ok(())
}

fn open(context: &Context, arguments: &Arguments) -> Outcome<AnySocket> {
    let mut socket = context.any_socket(arguments.socket_type)?;
    for (name, value) in &arguments.options {
        let spec = ferromq_vocabulary::SocketOptions::find(name.as_str())?;
        socket.set_option(spec.number, spec.kind.parse(value)?)?;
    }
    if arguments.socket_type == SocketType::Sub {
        socket.subscribe(&arguments.topic)?;
    }
    if arguments.bind {
        let bound = socket.bind(&arguments.endpoint)?;
        writeln!(io::stderr(), "{bound}")?;
    } else {
        socket.connect(&arguments.endpoint)?;
    }
    Ok(socket)
}

fn print(socket: &mut AnySocket, arguments: &Arguments) -> Outcome<Multipart> {
    let message = socket.recv_multipart()?;
    let mut output = io::stdout().lock();
    for (at, part) in message.iter().enumerate() {
        if at > 0 {
            output.write_all(arguments.separator.as_bytes())?;
        }
        output.write_all(part)?;
    }
    output.write_all(b"\n")?;
    Ok(message)
}

fn socket_type(name: &str) -> Result<SocketType, String> {
    SocketType::from_name(&name.to_uppercase()).ok_or_else(|| "no such socket type".to_owned())
}

pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
