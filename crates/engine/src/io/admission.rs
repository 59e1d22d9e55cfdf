// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accept filters: who may connect at all, before a word is said.

use std::sync::Arc;

use ferromq_os::stream::Stream;
use ferromq_os::{account, thread};
use ferromq_vocabulary::SocketOptions;

use super::IoHandle;
use crate::command::Order;

/// What becomes of a connection that has just been accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    Refused,
    /// If the user is in one of the groups, which the system's databases know.
    IfMember {
        user: u32,
        groups: Vec<u32>,
    },
}

/// contract 1.4, of IPC_FILTER_PID, UID and GID: "additive sets OR-ed; [...] gid also via
/// supplementary group lookup".
pub(super) fn judge(stream: &Stream, options: &SocketOptions) -> Admission {
    if let Some(ip) = stream.peer_ip() {
        let filter = &options.tcp_accept_filter;
        let fits = filter.is_empty() || filter.iter().any(|network| network.contains(ip));
        return if fits {
            Admission::Granted
        } else {
            Admission::Refused
        };
    }
    let SocketOptions {
        ipc_filter_pid: processes,
        ipc_filter_uid: users,
        ipc_filter_gid: groups,
        ..
    } = options;
    if processes.is_empty() && users.is_empty() && groups.is_empty() {
        return Admission::Granted;
    }
    let Some((user, group, process)) = stream.peer_credentials() else {
        return Admission::Refused;
    };
    if processes.contains(&process) || users.contains(&user) || groups.contains(&group) {
        return Admission::Granted;
    }
    if groups.is_empty() {
        return Admission::Refused;
    }
    Admission::IfMember {
        user,
        groups: groups.clone(),
    }
}

/// Asks the system's databases on a thread of its own: they may be far away.
pub(super) fn look_up(
    handle: &Arc<IoHandle>,
    listener: u64,
    stream: Stream,
    user: u32,
    groups: Vec<u32>,
) {
    let handle = Arc::clone(handle);
    let look = move || {
        thread::set_name("ZMQbg/Groups");
        let is_member = |group: &u32| account::is_in_group(user, *group).unwrap_or(false);
        let granted = groups.iter().any(is_member);
        handle.post(Order::Admit {
            listener,
            stream: Box::new(stream),
            granted,
        });
    };
    let blocked = thread::block_all_signals();
    // Without a thread the connection is refused: its stream goes with the closure.
    drop(std::thread::Builder::new().spawn(look));
    drop(blocked);
}
