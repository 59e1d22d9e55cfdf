// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures of what `--csv` has written down: throughput by size, latency, fan-out, memory.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::prelude::{
    ChartBuilder, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor,
    SVGBackend, WHITE,
};

use crate::compare::{median, write};
use crate::workload::Unit;
use crate::{Failure, Outcome};

/// Draws every picture for which the file has figures, and says which.
pub fn draw(csv: &Path, folder: &Path) -> Outcome<Vec<String>> {
    let medians = Medians::read(&fs::read_to_string(csv)?)?;
    fs::create_dir_all(folder)?;
    let mut drawn = Vec::new();
    for picture in PICTURES {
        let lines = picture.lines(&medians);
        if lines.iter().all(|line| line.points.is_empty()) {
            continue;
        }
        let file = format!("{}.svg", picture.name);
        picture
            .draw(&lines, &folder.join(&file))
            .map_err(|error| Failure::new(error.to_string()).within(&file))?;
        drawn.push(file);
    }
    Ok(drawn)
}

/// The medians of all runs, by workload, figure and library.
struct Medians(BTreeMap<(String, String, String), f64>);

impl Medians {
    fn read(text: &str) -> Outcome<Self> {
        let mut runs = BTreeMap::<_, Vec<f64>>::new();
        for line in text.lines().skip(1) {
            let [workload, figure, library, _run, value] = line.split(',').collect::<Vec<_>>()[..]
            else {
                return Err(Failure::new(format!("not a line of figures: {line}")));
            };
            let value = value.parse().map_err(|_error| Failure::new(line))?;
            let key = (workload.to_owned(), figure.to_owned(), library.to_owned());
            runs.entry(key).or_default().push(value);
        }
        let middle = |(key, values): (_, Vec<f64>)| Some((key, median(&values)?));
        Ok(Self(runs.into_iter().filter_map(middle).collect()))
    }

    fn get(&self, workload: &str, figure: &str, library: &str) -> Option<f64> {
        let key = (workload.to_owned(), figure.to_owned(), library.to_owned());
        self.0.get(&key).copied()
    }
}

/// A picture: for each library a line through these places.
struct Picture {
    name: &'static str,
    title: &'static str,
    unit: Unit,
    places: &'static [Place],
}

/// What stands below, and where the figure is found.
struct Place {
    label: &'static str,
    workload: &'static str,
    figure: &'static str,
}

const fn place(label: &'static str, workload: &'static str, figure: &'static str) -> Place {
    Place {
        label,
        workload,
        figure,
    }
}

struct Line {
    library: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

impl Picture {
    fn lines(&self, medians: &Medians) -> Vec<Line> {
        let line = |(library, color)| {
            let found = self.places.iter().enumerate().filter_map(|(at, place)| {
                let value = medians.get(place.workload, place.figure, library)?;
                Some((at as f64, value))
            });
            Line {
                library,
                color,
                points: found.collect(),
            }
        };
        LIBRARIES.map(line).into()
    }

    fn draw(&self, lines: &[Line], file: &Path) -> Result<(), Box<dyn Error + '_>> {
        let root = SVGBackend::new(file, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let values = || {
            lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|(_, value)| *value)
        };
        let (least, most) = (
            values().fold(f64::INFINITY, f64::min) / 2.0,
            values().fold(0.0, f64::max) * 2.0,
        );
        let last = self.places.len() as f64 - 1.0;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(34)
            .y_label_area_size(76)
            .build_cartesian_2d(-0.3..last + 0.3, (least..most).log_scale())?;
        chart
            .configure_mesh()
            .x_labels(self.places.len())
            .disable_x_mesh()
            .x_label_formatter(&|at| self.label(*at))
            .y_label_formatter(&|value| write(self.unit, *value))
            .draw()?;
        for line in lines {
            let color = line.color;
            let series = LineSeries::new(line.points.iter().copied(), color.stroke_width(2));
            chart
                .draw_series(series.point_size(4))?
                .label(line.library)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .draw()?;
        root.present()?;
        Ok(())
    }

    /// What stands below a place; nothing between two of them.
    fn label(&self, at: f64) -> String {
        let place = self
            .places
            .iter()
            .enumerate()
            .find(|(index, _)| (at - *index as f64).abs() < 0.01);
        place.map_or_else(String::new, |(_, place)| place.label.to_owned())
    }
}

const SIZE: (u32, u32) = (720, 400);
const LIBRARIES: [(&str, RGBColor); 2] = [
    ("ferromq", RGBColor(178, 60, 23)),
    ("libzmq", RGBColor(70, 90, 120)),
];

const PICTURES: [Picture; 7] = [
    Picture {
        name: "throughput-tcp",
        title: "PUSH to PULL over tcp, messages per second",
        unit: Unit::Rate,
        places: &[
            place("16 B", "thr-tcp-16", "rate"),
            place("64 B", "thr-tcp-64", "rate"),
            place("256 B", "thr-tcp-256", "rate"),
            place("1 KiB", "thr-tcp-1024", "rate"),
            place("4 KiB", "thr-tcp-4096", "rate"),
            place("64 KiB", "thr-tcp-65536", "rate"),
            place("1 MiB", "thr-tcp-1048576", "rate"),
        ],
    },
    Picture {
        name: "throughput-ipc",
        title: "PUSH to PULL over ipc, messages per second",
        unit: Unit::Rate,
        places: &[
            place("64 B", "thr-ipc-64", "rate"),
            place("1 KiB", "thr-ipc-1024", "rate"),
            place("64 KiB", "thr-ipc-65536", "rate"),
        ],
    },
    Picture {
        name: "throughput-inproc",
        title: "PUSH to PULL over inproc, messages per second",
        unit: Unit::Rate,
        places: &[
            place("16 B", "thr-inproc-16", "rate"),
            place("64 B", "thr-inproc-64", "rate"),
            place("1 KiB", "thr-inproc-1024", "rate"),
        ],
    },
    Picture {
        name: "latency-tcp",
        title: "REQ and REP over tcp, 64 B, one way",
        unit: Unit::Microseconds,
        places: &[
            place("p50", "lat-tcp", "p50"),
            place("p90", "lat-tcp", "p90"),
            place("p99", "lat-tcp", "p99"),
            place("p99.9", "lat-tcp", "p99.9"),
            place("max", "lat-tcp", "max"),
        ],
    },
    Picture {
        name: "latency-proxy",
        title: "REQ and REP through a proxy, tcp, 64 B, half the trip",
        unit: Unit::Microseconds,
        places: &[
            place("p50", "proxy-lat", "p50"),
            place("p90", "proxy-lat", "p90"),
            place("p99", "proxy-lat", "p99"),
            place("p99.9", "proxy-lat", "p99.9"),
            place("max", "proxy-lat", "max"),
        ],
    },
    Picture {
        name: "fan-out",
        title: "A PUB that drops nothing, 64 B over tcp, messages delivered per second",
        unit: Unit::Rate,
        places: &[
            place("1 SUB", "fan-out-1", "rate"),
            place("8 SUBs", "fan-out-8", "rate"),
            place("64 SUBs", "fan-out-64", "rate"),
        ],
    },
    Picture {
        name: "memory",
        title: "Memory for each of 3,000 connections",
        unit: Unit::Bytes,
        places: &[
            place("idle, PULL", "memory-3000", "bytes"),
            place("after a message, ROUTER", "memory-used-3000", "bytes"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_drawn_of_what_there_is() {
        let text = "workload,figure,library,run,value\n\
            thr-tcp-16,rate,ferromq,0,10\nthr-tcp-16,rate,ferromq,1,30\nthr-tcp-16,rate,libzmq,0,2\n\
            thr-tcp-64,rate,ferromq,0,9\n";
        let folder = std::env::temp_dir().join(format!("ferromq-plot-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let csv = folder.join("figures.csv");
        fs::write(&csv, text).unwrap();
        let medians = Medians::read(text).unwrap();
        assert_eq!(medians.get("thr-tcp-16", "rate", "ferromq"), Some(20.0));
        assert_eq!(draw(&csv, &folder).unwrap(), ["throughput-tcp.svg"]);
        let svg = fs::read_to_string(folder.join("throughput-tcp.svg")).unwrap();
        assert!(svg.contains("<svg") && svg.contains("16 B") && svg.contains("libzmq"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
