// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzz targets on the stable toolchain, for the tests of the crates that have some: replays the committed corpora and
//! mutates them for a while.

use std::fs;
use std::path::{Path, PathBuf};

/// A target and its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Inputs by name.
pub(crate) type Inputs = Vec<(String, Vec<u8>)>;

const LONGEST: usize = 4096;

fn corpus_dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut inputs: Vec<_> = fs::read_dir(corpus_dir(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// Says which input it was when a target panics.
struct Running<'a>(String, &'a [u8]);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}: {}", self.0, self.1.escape_ascii());
        }
    }
}

/// Runs every committed input.
pub(crate) fn committed(targets: &[Target]) {
    for (target, entry) in targets {
        let inputs = corpus(target);
        assert!(inputs.len() >= 10, "the corpus of {target} is missing");
        for (path, input) in &inputs {
            let _running = Running(path.display().to_string(), input);
            entry(input);
        }
    }
}

/// Runs so many mutated inputs for each target.
pub(crate) fn mutated(targets: &[Target], mutations: u64) {
    for (target, entry) in targets {
        let inputs: Vec<_> = corpus(target).into_iter().map(|(_, input)| input).collect();
        for seed in 0..mutations {
            let mut rng = Rng(seed);
            let mut input = inputs[rng.below(inputs.len())].clone();
            for _ in 0..=rng.below(4) {
                let other = &inputs[rng.below(inputs.len())];
                mutate(&mut input, other, &mut rng);
            }
            input.truncate(LONGEST);
            let _running = Running(format!("{target}, seed {seed}"), &input);
            entry(&input);
        }
    }
}

/// Writes the hand-made part of the corpora.
pub(crate) fn write(corpora: &[(&str, Inputs)]) {
    for (target, inputs) in corpora {
        let dir = corpus_dir(target);
        fs::create_dir_all(&dir).unwrap();
        for (name, input) in inputs {
            fs::write(dir.join(name), input).unwrap();
        }
    }
}

/// An input of the hand-made part.
pub(crate) fn named(name: &str, bytes: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.into())
}

/// Where lengths, types and flags change their meaning.
const BOUNDARIES: [u8; 13] = [
    0x00, 0x01, 0x02, 0x04, 0x06, 0x3f, 0x7f, 0x80, 0xc0, 0xf8, 0xfd, 0xfe, 0xff,
];

fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.below(input.len() + 1);
    let end = (at + rng.below(32)).min(input.len());
    match rng.below(7) {
        0 => {
            let bit = 1 << rng.below(8);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= bit;
            }
        }
        1 => {
            let boundary = BOUNDARIES[rng.below(BOUNDARIES.len())];
            if let Some(byte) = input.get_mut(at) {
                *byte = boundary;
            }
        }
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 => input.insert(at, (rng.next() & 0xff) as u8),
        5 => input.truncate(at),
        _ => {
            let from = rng.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
