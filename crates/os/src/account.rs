// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system's users and groups.

use std::ffi::CStr;
use std::{io, mem, ptr};

/// Whether the group lists the user as a member. The user's primary group does not count as such.
///
/// Asks the system's databases, which may be far away: not for a thread that must not block.
pub fn is_in_group(user: u32, group: u32) -> io::Result<bool> {
    let mut user_text = Vec::new();
    // SAFETY: all bytes zero is a valid passwd, of null pointers.
    let mut user_entry: libc::passwd = unsafe { mem::zeroed() };
    let found = look_up(&mut user_text, |buffer| {
        let mut found = ptr::null_mut();
        // SAFETY: the pointers lead to places that live through the call, the buffer is as long as
        // stated.
        let answer = unsafe {
            libc::getpwuid_r(
                user,
                &raw mut user_entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (answer, !found.is_null())
    })?;
    if !found {
        return Ok(false);
    }

    let mut group_text = Vec::new();
    // SAFETY: all bytes zero is a valid group, of null pointers.
    let mut group_entry: libc::group = unsafe { mem::zeroed() };
    let found = look_up(&mut group_text, |buffer| {
        let mut found = ptr::null_mut();
        // SAFETY: the pointers lead to places that live through the call, the buffer is as long as
        // stated.
        let answer = unsafe {
            libc::getgrgid_r(
                group,
                &raw mut group_entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        (answer, !found.is_null())
    })?;
    if !found || group_entry.gr_mem.is_null() {
        return Ok(false);
    }

    // SAFETY: a found entry has a name, which lies in `user_text`.
    let name = unsafe { CStr::from_ptr(user_entry.pw_name) };
    let mut next = group_entry.gr_mem;
    loop {
        // SAFETY: the list ends with a null pointer, and we have not passed it.
        let member = unsafe { next.read() };
        if member.is_null() {
            return Ok(false);
        }
        // SAFETY: a member that is not null is a name, which lies in `group_text`.
        if unsafe { CStr::from_ptr(member) } == name {
            return Ok(true);
        }
        // SAFETY: behind an entry that is not null there is another one.
        next = unsafe { next.add(1) };
    }
}

/// Calls `query`, which answers an error number and whether it found something, with a buffer that
/// is large enough.
fn look_up(
    buffer: &mut Vec<libc::c_char>,
    mut query: impl FnMut(&mut [libc::c_char]) -> (libc::c_int, bool),
) -> io::Result<bool> {
    let mut size = 1024;
    while size <= MAX_ENTRY {
        buffer.clear();
        buffer.resize(size, 0);
        match query(buffer) {
            (0, found) => return Ok(found),
            (libc::ERANGE, _) => size *= 4,
            (libc::EINTR, _) => {}
            // How the manual says that some systems say "not found".
            (libc::ENOENT | libc::ESRCH, _) => return Ok(false),
            (number, _) => return Err(io::Error::from_raw_os_error(number)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ERANGE))
}

/// A group with some hundred thousand members.
const MAX_ENTRY: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_in_no_group() {
        assert!(!is_in_group(u32::MAX - 7, 0).unwrap());
        assert!(!is_in_group(0, u32::MAX - 7).unwrap());
    }

    #[test]
    fn agrees_with_the_group_file() {
        let Ok(groups) = std::fs::read_to_string("/etc/group") else {
            return;
        };
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let users: Vec<(&str, u32)> = users
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                Some((fields.next()?, fields.nth(1)?.parse().ok()?))
            })
            .collect();
        for line in groups.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, id, members] = fields[..] else {
                continue;
            };
            let id = id.parse().unwrap();
            for (name, user) in users.iter().take(30) {
                let first = users
                    .iter()
                    .find(|(_, other)| other == user)
                    .map(|(name, _)| name);
                if first == Some(name) {
                    let listed = members.split(',').any(|member| member == *name);
                    assert_eq!(is_in_group(*user, id).unwrap(), listed, "{name} {line}");
                }
            }
        }
    }
}
