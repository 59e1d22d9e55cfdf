// SPDX-License-Identifier: MIT OR Apache-2.0
//! Noticing that files have changed: by what the system says about them, now and then.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a look is worth it.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How often for somebody who is not on the list: perhaps it has just been changed.
pub(super) const LOOK_FOR_STRANGER: Duration = Duration::from_millis(20);
/// Folders below folders.
const DEEPEST: usize = 8;
/// Files of a folder that count.
pub(super) const MOST_FILES: usize = 100_000;

/// When somebody last looked, and what there was.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looked: Option<Instant>,
    seen: Vec<Print>,
}

/// What tells one state of a file from the next.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Print {
    pub(super) path: PathBuf,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Print {
    fn of(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            path,
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Watch {
    /// Whether the last look is this long ago, or there was none.
    pub(super) fn is_due(&self, after: Duration) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= after)
    }

    /// Looks; if something has changed, what there is now.
    pub(super) fn look(&mut self, path: &Path) -> Option<&[Print]> {
        let first = self.looked.is_none();
        self.looked = Some(Instant::now());
        let mut found = Vec::new();
        collect(path, DEEPEST, &mut found);
        found.sort_unstable();
        if !first && found == self.seen {
            return None;
        }
        self.seen = found;
        Some(&self.seen)
    }
}

/// The file, or all files in the folder and below.
fn collect(path: &Path, depth: usize, found: &mut Vec<Print>) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    if metadata.is_file() {
        found.push(Print::of(path.to_owned(), &metadata));
    }
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        // A link may lead anywhere, but a folder only downwards.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if found.len() >= MOST_FILES {
            return;
        }
        if is_folder && depth > 0 {
            collect(&entry.path(), depth - 1, found);
        } else if let Ok(metadata) = fs::metadata(entry.path())
            && metadata.is_file()
        {
            found.push(Print::of(entry.path(), &metadata));
        }
    }
}
