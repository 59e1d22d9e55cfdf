// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs, from the root of the workspace.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program to run; what it is called is what a failure names.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
    words: String,
}

/// The cargo that started this program, with these arguments.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Run {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut run = Run::new(&cargo, arguments);
    run.words = format!("cargo {}", arguments.join(" "));
    run
}

/// Whether a program of this name is on the path.
pub(crate) fn found_on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Run {
    pub(crate) fn new<const N: usize>(program: &str, arguments: [&str; N]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(workspace::root())
            .stdin(Stdio::null());
        Self {
            command,
            words: format!("{program} {}", arguments.join(" ")),
        }
    }

    pub(crate) fn arguments<S: AsRef<OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        for argument in arguments {
            self.words.push(' ');
            self.words.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn folder(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it with our output; fails if it does.
    pub(crate) fn status(mut self) -> Result<()> {
        let status = self.command.status().with_context(|| self.words.clone())?;
        if !status.success() {
            bail!("{}: {status}", self.words);
        }
        Ok(())
    }

    /// Runs it and shows what it wrote only if it fails, as this does then.
    pub(crate) fn quietly(mut self) -> Result<()> {
        let output = self.command.output().with_context(|| self.program())?;
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            bail!("{}: {}", self.program(), output.status);
        }
        Ok(())
    }

    /// Its name without the arguments, which may be many.
    fn program(&self) -> String {
        self.command.get_program().to_string_lossy().into_owned()
    }

    /// Runs it silently; whether it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Runs it silently; what it wrote to its standard output, if it succeeded.
    pub(crate) fn quiet_output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it and gives back what it wrote to its standard output; standard error is ours.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.words.clone())?;
        if !output.status.success() {
            bail!("{}: {}", self.words, output.status);
        }
        String::from_utf8(output.stdout).with_context(|| self.words.clone())
    }

    /// Runs it and gives each line of both outputs, in the order written, to `line`;
    /// whether it succeeded.
    pub(crate) fn lines(mut self, mut line: impl FnMut(&str)) -> Result<bool> {
        let (reader, writer) = std::io::pipe()?;
        self.command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self.command.spawn().with_context(|| self.words.clone())?;
        drop(self.command); // and with it our ends of the pipe
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            bytes.clear();
        }
        Ok(child.wait()?.success())
    }
}
