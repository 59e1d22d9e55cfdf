// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the system lets this process have.

/// How many descriptors the process may have open, `u64::MAX` if there is no limit.
pub fn max_open_files() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer leads to `limit`.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY {
        limit.rlim_cur
    } else {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_some() {
        assert!(super::max_open_files() >= 16);
    }
}
