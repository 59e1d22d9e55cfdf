// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of socket options, as the library has it.

use std::io::{self, Write};

use ferromq_vocabulary::option::OPTIONS;

use crate::Outcome;

/// Prints it.
pub(crate) fn print() -> Outcome<()> {
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "{:<28} {:>4}  {:<12} meaning",
        "option", "no.", "default"
    )?;
    for option in OPTIONS {
        let (name, number) = (option.name, option.number);
        writeln!(
            output,
            "{name:<28} {number:>4}  {:<12} {}",
            option.default, option.doc
        )?;
    }
    Ok(())
}
