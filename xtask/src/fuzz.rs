// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzz targets: they build, and keep their promises on every committed input.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::run::{Run, cargo};
use crate::workspace;

/// Builds every target as libFuzzer wants it, without its instrumentation, and runs each on its corpus.
pub(crate) fn run() -> Result<()> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let target = workspace::target().join("fuzz");
    cargo(["build", "--manifest-path", "fuzz/Cargo.toml", "--bins"])
        .environment("RUSTFLAGS", format!("{flags} --cfg fuzzing"))
        .environment("CARGO_TARGET_DIR", &target)
        .status()?;
    let fuzz = workspace::root().join("fuzz");
    for entry in fs::read_dir(fuzz.join("targets"))? {
        let path = entry?.path();
        let name = path.file_stem().context("a target has a name")?;
        let name = name.to_string_lossy();
        let corpus = fs::read_dir(fuzz.join("corpus").join(name.as_ref()))
            .with_context(|| format!("the corpus of {name}"))?;
        let inputs: Vec<PathBuf> = corpus
            .map(|input| Ok(input?.path()))
            .collect::<Result<_>>()?;
        ensure!(inputs.len() >= 10, "{name} has {} inputs", inputs.len());
        let program = target.join("debug").join(name.as_ref());
        Run::new(&program.to_string_lossy(), [])
            .arguments(&inputs)
            .quietly()?;
        println!("fuzz: {name}: {} inputs", inputs.len());
    }
    Ok(())
}
