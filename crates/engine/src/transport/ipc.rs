// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ipc://`: files, files of our choice, and abstract names.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::{env, fs, io, process};

use ferromq_os::address::UnixAddress;
use ferromq_os::connect::connect_unix;
use ferromq_os::listener::Listener;
use ferromq_vocabulary::{Code, IpcPath, SocketOptions};

use super::{Attempt, Bound, code};

/// A file and its folder that were made for a wildcard; they go with the listener.
#[derive(Debug)]
pub(crate) struct Cleanup {
    folder: PathBuf,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // What is gone already need not be removed.
        fs::remove_file(self.folder.join(SOCKET)).ok();
        fs::remove_dir(&self.folder).ok();
    }
}

const SOCKET: &str = "socket";

pub(super) fn bind(path: &IpcPath, options: &SocketOptions) -> Result<Bound, Code> {
    if options.use_fd >= 0 {
        let listener = Listener::adopt(options.use_fd).map_err(|error| code(&error))?;
        let local = listener.local_address().map_err(|error| code(&error))?;
        return Ok(Bound {
            listener,
            endpoint: format!("ipc://{local}"),
            cleanup: None,
        });
    }
    let (address, cleanup) = match path {
        IpcPath::Wildcard => {
            let folder = make_folder().map_err(|error| code(&error))?;
            (
                UnixAddress::Path(folder.join(SOCKET)),
                Some(Cleanup { folder }),
            )
        }
        IpcPath::Path(file) => {
            // As libzmq does, also when somebody listens there: the newest owns the name.
            remove_socket(Path::new(file));
            (UnixAddress::Path(PathBuf::from(file)), None)
        }
        IpcPath::Abstract(name) => (UnixAddress::Abstract(name.as_bytes().to_vec()), None),
    };
    let listener = Listener::bind_unix(&address, options.backlog).map_err(|error| code(&error))?;
    let endpoint = match &address {
        UnixAddress::Path(file) => format!("ipc://{}", file.display()),
        UnixAddress::Abstract(name) => format!("ipc://@{}", String::from_utf8_lossy(name)),
    };
    Ok(Bound {
        listener,
        endpoint,
        cleanup,
    })
}

fn remove_socket(file: &Path) {
    // A missing file is what is wanted; whatever else is wrong, bind will say.
    fs::remove_file(file).ok();
}

/// A fresh folder that only this user may enter.
fn make_folder() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let parent = ["TMPDIR", "TEMPDIR", "TMP"]
        .iter()
        .find_map(env::var_os)
        .map_or_else(env::temp_dir, PathBuf::from);
    loop {
        let number = COUNT.fetch_add(1, Relaxed);
        let folder = parent.join(format!("fmq-{}-{number}", process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(folder),
        }
    }
}

pub(super) fn address(path: &IpcPath) -> Result<UnixAddress, Code> {
    match path {
        IpcPath::Path(file) => Ok(UnixAddress::Path(PathBuf::from(file))),
        IpcPath::Abstract(name) => Ok(UnixAddress::Abstract(name.as_bytes().to_vec())),
        IpcPath::Wildcard => Err(Code::Invalid),
    }
}

pub(super) fn connect(address: &UnixAddress) -> io::Result<Attempt> {
    let (stream, progress) = connect_unix(address)?;
    Ok(Attempt::Begun(stream, progress))
}
