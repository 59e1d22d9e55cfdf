// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interleaved pairs of runs, and the table made of them.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::Outcome;
use crate::role::Choice;
use crate::runner::{Figures, run};
use crate::workload::{Bar, Row, Unit, Workload};

/// Every run of a workload: of each library, in the order in which they were measured.
#[derive(Debug)]
pub struct Measured {
    workload: Workload,
    ours: Vec<Figures>,
    theirs: Vec<Figures>,
}

/// Measures one workload: ours, theirs, ours, theirs, …
pub fn measure(
    workload: &Workload,
    ours: &Choice,
    against: Option<&Choice>,
    runs: usize,
    seconds: f64,
) -> Outcome<Measured> {
    let mut ours = Series::new(ours.clone(), workload, seconds)?;
    let mut theirs = against
        .map(|theirs| Series::new(theirs.clone(), workload, seconds))
        .transpose()?;
    for _ in 0..runs {
        ours.run()?;
        if let Some(theirs) = &mut theirs {
            theirs.run()?;
        }
    }
    Ok(Measured {
        workload: workload.clone(),
        ours: ours.figures,
        theirs: theirs.map(|theirs| theirs.figures).unwrap_or_default(),
    })
}

/// The runs of one library.
struct Series {
    choice: Choice,
    workload: Workload,
    figures: Vec<Figures>,
}

impl Series {
    fn new(choice: Choice, workload: &Workload, seconds: f64) -> Outcome<Self> {
        let workload = scaled(&choice, workload, seconds)?;
        Ok(Self {
            choice,
            workload,
            figures: Vec::new(),
        })
    }

    fn run(&mut self) -> Outcome<()> {
        let place = format!("{}, {}", self.workload.name, self.choice);
        let figures =
            run(&self.choice, &self.workload.task).map_err(|failure| failure.within(place))?;
        self.figures.push(figures);
        Ok(())
    }
}

/// The workload with as large a count as this library gets through in about that time.
#[expect(clippy::cast_sign_loss, reason = "a count is positive")]
pub fn scaled(choice: &Choice, workload: &Workload, seconds: f64) -> Outcome<Workload> {
    let mut workload = workload.clone();
    if workload.scaled {
        // Once to see the order of magnitude, once for the figure: a start costs time of its own.
        for seconds in [seconds / 5.0, seconds] {
            let figures = run(choice, &workload.task)
                .map_err(|failure| failure.within(format!("{}, {choice}", workload.name)))?;
            let took = figures.get("seconds").copied().unwrap_or(seconds).max(1e-4);
            let count = workload.task.count as f64 * (seconds / took).max(0.1);
            workload.task.count = (count as u64).max(10);
        }
    }
    Ok(workload)
}

impl Measured {
    /// Its lines of the table, and how many bars are missed.
    #[must_use]
    pub fn lines(&self) -> (String, usize) {
        let (mut text, mut missed) = (String::new(), 0);
        for row in &self.workload.rows {
            let (line, passed) = self.line(row);
            if passed == Some(false) {
                missed += 1;
            }
            text.push_str(&line);
            text.push('\n');
        }
        (text, missed)
    }

    fn line(&self, row: &Row) -> (String, Option<bool>) {
        let values = |runs: &[Figures]| -> Vec<f64> {
            runs.iter()
                .filter_map(|figures| figures.get(row.figure).copied())
                .collect()
        };
        let (ours, theirs) = (values(&self.ours), values(&self.theirs));
        let mut ratios: Vec<f64> = ours
            .iter()
            .zip(&theirs)
            .filter(|(_, theirs)| **theirs > 0.0)
            .map(|(ours, theirs)| ours / theirs)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = median(&ratios);
        let passed = match row.bar {
            Bar::AtLeast(bar) => ratio.map(|ratio| ratio >= bar),
            Bar::AtMost(bar) => ratio.map(|ratio| ratio <= bar),
            Bar::Below(bar) => median(&ours).map(|ours| ours < bar),
            Bar::Above(bar) => median(&ours).map(|ours| ours >= bar),
            Bar::NoMore => median(&ours)
                .zip(median(&theirs))
                .map(|(ours, theirs)| ours <= theirs),
            Bar::Open => None,
        };
        let value =
            |values: &[f64]| median(values).map_or_else(|| "–".to_owned(), |v| write(row.unit, v));
        let spread = match (ratio, ratios.first(), ratios.last()) {
            (Some(ratio), Some(least), Some(most)) => {
                format!("{} [{}–{}]", short(ratio), short(*least), short(*most))
            }
            _ => "–".to_owned(),
        };
        let bar = match row.bar {
            Bar::AtLeast(bar) => format!("≥ {bar}"),
            Bar::AtMost(bar) => format!("≤ {bar}"),
            Bar::Below(bar) => format!("< {}", write(row.unit, bar)),
            Bar::Above(bar) => format!("≥ {}", write(row.unit, bar)),
            Bar::NoMore => "no more".to_owned(),
            Bar::Open => String::new(),
        };
        let verdict = match passed {
            Some(true) => "pass",
            Some(false) => "MISS",
            None => "",
        };
        let (ours, theirs) = (value(&ours), value(&theirs));
        (
            format!(
                "| {} | {ours} | {theirs} | {spread} | {bar} | {verdict} |",
                row.label
            ),
            passed,
        )
    }

    /// Every figure of every run: workload, figure, library, run, value.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::new();
        for (library, runs) in [("ferromq", &self.ours), ("libzmq", &self.theirs)] {
            for (number, figures) in runs.iter().enumerate() {
                for (name, value) in figures {
                    // A String takes everything.
                    writeln!(
                        text,
                        "{},{name},{library},{number},{value}",
                        self.workload.name
                    )
                    .ok();
                }
            }
        }
        text
    }
}

/// The head of the table.
#[must_use]
pub fn head(theirs: &str) -> String {
    format!("| work | ferromq | {theirs} | ratio | bar | |\n|---|---|---|---|---|---|\n")
}

/// Prints at once: a table is long in the making.
pub fn print(text: &str) -> Outcome<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

/// The middle one, or the mean of the two in the middle.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    values
        .get(middle.wrapping_sub(1))
        .map(|lower| f64::midpoint(*lower, *upper))
}

/// A figure as people read it.
#[must_use]
pub fn write(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::Rate if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
        Unit::Rate => format!("{value:.0} /s"),
        Unit::Nanoseconds => format!("{value:.0} ns"),
        Unit::Microseconds => format!("{value:.1} µs"),
        Unit::Seconds => format!("{value:.3} s"),
        Unit::Percent => format!("{value:.2} %"),
        Unit::Bytes => format!("{value:.0} B"),
    }
}

fn short(ratio: f64) -> String {
    if ratio >= 10.0 {
        format!("{ratio:.1}")
    } else {
        format!("{ratio:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_line_says_whether_the_bar_is_met() {
        let workload = Workload::fan_out(64, Bar::AtLeast(6.0));
        let rates = |rates: &[f64]| -> Vec<Figures> {
            rates
                .iter()
                .map(|rate| Figures::from([("rate".to_owned(), *rate)]))
                .collect()
        };
        let measured = Measured {
            workload,
            ours: rates(&[6e6, 8e6]),
            theirs: rates(&[1e6, 1e6]),
        };
        let (text, missed) = measured.lines();
        assert!(
            text.contains("| 7.00 M/s | 1.00 M/s | 7.00 [6.00–8.00] | ≥ 6 | pass |"),
            "{text}"
        );
        assert_eq!(missed, 0);
    }
}
