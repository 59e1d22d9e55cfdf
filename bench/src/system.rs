// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the system says about a process, and what it is asked for one.

use std::mem::MaybeUninit;
use std::time::Duration;

use crate::{Failure, Outcome};

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// User and system time, seconds.
    pub cpu: f64,
    /// Context switches of both kinds.
    pub switches: f64,
}

/// Waits for a child's end; whether it ended well, and what it used.
pub fn wait_for(pid: u32) -> Outcome<(bool, Usage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let pid = libc::pid_t::try_from(pid)?;
    loop {
        // SAFETY: valid places for both.
        let answer = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if answer == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(Failure::from(error).within("wait4"));
        }
    }
    // SAFETY: zeroes are a valid one, and wait4 has filled it.
    Ok((status == 0, convert(&unsafe { usage.assume_init() })))
}

/// What this process has used so far.
pub fn own_usage() -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a valid place.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: zeroes are a valid one, and getrusage has filled it.
    convert(&unsafe { usage.assume_init() })
}

fn convert(usage: &libc::rusage) -> Usage {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Usage {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        switches: usage.ru_nvcsw as f64 + usage.ru_nivcsw as f64,
    }
}

/// Has the kernel kill this process after that long, and when its parent dies.
pub fn set_deadline(after: Duration) {
    let seconds = libc::c_uint::try_from(after.as_secs()).unwrap_or(libc::c_uint::MAX);
    // SAFETY: no pointers.
    unsafe { libc::alarm(seconds) };
    // SAFETY: this request takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Lets this process have as many open files as it may.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a valid place.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: a valid place.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// Restricts this thread, and those it starts, to one processor.
pub fn pin(cpu: usize) -> Outcome<()> {
    // SAFETY: zeroes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the macro checks the number.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is as long as stated.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error().into())
    }
}

/// Nanoseconds of the monotonic clock, which all processes share.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid place.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Memory of this process that lies in RAM, bytes. Without the pages of files: code that runs for
/// the first time is no memory of what it works on.
pub fn resident() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = |field| -> Outcome<u64> {
        let word = text.split_ascii_whitespace().nth(field);
        Ok(word.unwrap_or_default().parse()?)
    };
    // proc_pid_statm(5): size, resident, shared.
    let own = pages(1)?.saturating_sub(pages(2)?);
    // SAFETY: no pointers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(own as f64 * page as f64)
}
