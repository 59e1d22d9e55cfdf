// SPDX-License-Identifier: MIT OR Apache-2.0
//! The matrix against the real libzmq.

#![forbid(unsafe_code)]

mod ours;

use std::path::PathBuf;

use ferromq_interop::side::{Implementation, Real, Side};
use ferromq_interop::{Failure, Outcome};
use ferromq_interop::{matrix, versions};

use crate::ours::{Ferromq, InProcess};

fn real() -> Outcome<Vec<Real>> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_libzmq-peer"));
    let real = |library| Real {
        library,
        program: program.clone(),
    };
    Ok(versions::real_libraries()?.into_iter().map(real).collect())
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
    assert_eq!(failure.to_string().matches("not there").count(), 32);
    let text = std::fs::read_to_string(&table)?;
    std::fs::remove_file(&table)?;
    assert!(text.contains("| nobody | FAILED | FAILED |"), "{text}");
    Ok(())
}
