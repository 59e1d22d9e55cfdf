// SPDX-License-Identifier: MIT OR Apache-2.0
//! The matrix against the real libzmq.

#![forbid(unsafe_code)]

mod jeromq;
#[path = "../ours/mod.rs"]
mod ours;

use std::io::{Write as _, stderr};
use std::path::PathBuf;

use ferromq_interop::side::{Implementation, Real, Side, Transport};
use ferromq_interop::versions::RealLibrary;
use ferromq_interop::{Failure, Outcome};
use ferromq_interop::{matrix, versions};

use crate::ours::{Ferromq, OurSide};

fn real() -> Outcome<Vec<Real>> {
    let libraries = versions::real_libraries()?;
    Ok(libraries.into_iter().map(peer).collect())
}

fn peer(library: RealLibrary) -> Real {
    Real {
        library,
        program: PathBuf::from(env!("CARGO_BIN_EXE_libzmq-peer")),
    }
}

/// ferromq, all of it in one context.
#[derive(Debug)]
struct InProcess(ferromq::Context);

impl Implementation for InProcess {
    fn name(&self) -> String {
        "ferromq".to_owned()
    }

    fn transports(&self) -> &'static [Transport] {
        &[Transport::Inproc]
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Ok(Box::new(OurSide::within(Some(self.0.clone()))))
    }
}

/// ferromq against each real library, and against itself.
#[test]
fn ferromq_against_all() -> Outcome<()> {
    let real = real()?;
    let mut theirs: Vec<&dyn Implementation> = real.iter().map(|real| real as _).collect();
    theirs.push(&Ferromq);
    let table = versions::target().join("interop-matrix.md");
    matrix::run(&Ferromq, &theirs, &table)
}

/// ferromq against a libzmq that speaks ZMTP 3.0.
#[test]
fn ferromq_against_an_old_one() -> Outcome<()> {
    let Some(library) = versions::old_library() else {
        writeln!(stderr(), "SKIPPED: no libzmq 4.1: run `cargo xtask setup`").ok();
        return Ok(());
    };
    let table = versions::target().join("interop-old.md");
    matrix::run(&Ferromq, &[&peer(library)], &table)
}

#[test]
fn ferromq_within_a_process() -> Outcome<()> {
    let ours = InProcess(ferromq::Context::new());
    let table = versions::target().join("interop-inproc.md");
    matrix::run(&ours, &[&ours], &table)
}

/// The harness itself: one real library against the other.
#[test]
fn real_against_real() -> Outcome<()> {
    let real = real()?;
    let (ours, theirs) = real.split_first().expect("there are two");
    let theirs: Vec<&dyn Implementation> = theirs.iter().map(|real| real as _).collect();
    matrix::run(
        ours,
        &theirs,
        &versions::target().join("interop-harness.md"),
    )
}

/// Has a name and nothing else.
struct Nobody;

impl Implementation for Nobody {
    fn name(&self) -> String {
        "nobody".to_owned()
    }

    fn side(&self) -> Outcome<Box<dyn Side>> {
        Err(Failure::new("not there"))
    }
}

#[test]
fn an_empty_cell_fails() -> Outcome<()> {
    let table = versions::target().join("interop-nobody.md");
    let failure = matrix::run(&Nobody, &[&Nobody], &table).expect_err("nothing came through");
    assert_eq!(failure.to_string().matches("not there").count(), 136);
    let text = std::fs::read_to_string(&table)?;
    std::fs::remove_file(&table)?;
    assert!(text.contains("| nobody | FAILED | FAILED |"), "{text}");
    Ok(())
}
