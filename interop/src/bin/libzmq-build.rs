// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sees to it that every real libzmq is there, and prints version and path of each.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command-line tool prints")]

fn main() -> Result<(), ferromq_interop::Failure> {
    for library in ferromq_interop::versions::real_libraries()? {
        println!("{} {}", library.name, library.path.display());
    }
    Ok(())
}
