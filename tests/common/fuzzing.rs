//! Mutation of bytes and trees, case by case from seeds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "numbers and seeds are printed"
)]

use std::time::Instant;

use fastrand::Rng;
use serde_json::{Value, json};

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Names the seed of a case that panics.
pub struct SeedOfPanic(pub u64);

impl Drop for SeedOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was the case of TRAY_SEED={}", self.0);
        }
    }
}

/// Runs so many thousandths of all cases, each from a seed of its own, which is printed where one fails.
pub fn fuzz(what: &str, share: u64, mut case: impl FnMut(&mut Rng)) {
    let (first, count) = (
        number("TRAY_SEED", 1),
        number("TRAY_FUZZ", 20_000) * share / 1000,
    );
    let started = Instant::now();
    for seed in first..first + count {
        let _told = SeedOfPanic(seed);
        case(&mut Rng::with_seed(seed));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {count} cases in {seconds:.1} s");
}

/// Bytes that mean something to one of the readers.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b",",
    b"\t",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"null",
    b"1e999",
    b"-",
    b"{\"a\":{\"a\":",
    b"[[[[[[[[[[[[[[[[",
    "\u{2028}ü".as_bytes(),
];

/// One to six changes: flipped bits, cuts, repeated or moved parts, parts of `other`, tokens.
pub fn mutated(random: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..=6) {
        let at = random.usize(0..=bytes.len());
        let to = (at + random.usize(0..=40)).min(bytes.len());
        match random.u8(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => drop(bytes.drain(at..to)),
            3 if random.u8(0..4) == 0 => bytes.truncate(at),
            4 => {
                let from = random.usize(0..=other.len());
                let part = &other[from..(from + random.usize(0..=80)).min(other.len())];
                drop(bytes.splice(at..to, part.iter().copied()));
            }
            5 => {
                let part = bytes[at..to].repeat(random.usize(1..=3));
                drop(bytes.splice(at..at, part));
            }
            _ => {
                let token = TOKENS[random.usize(0..TOKENS.len())];
                drop(bytes.splice(at..at, token.repeat(random.usize(1..=2))));
            }
        }
    }
    bytes
}

/// Replaces, drops, renames or moves one value somewhere in a tree.
pub fn bent(random: &mut Rng, value: &mut Value, others: &[Value]) {
    let children = match value {
        Value::Object(map) => map.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if children > 0 && random.u8(0..5) > 0 {
        let at = random.usize(0..children);
        return match value {
            Value::Array(items) => bent(random, &mut items[at], others),
            Value::Object(map) => {
                let key = map.keys().nth(at).unwrap().clone();
                match random.u8(0..8) {
                    0 => drop(map.shift_remove(&key)),
                    1 => {
                        let value = map.shift_remove(&key).unwrap();
                        let name = mutated(random, key.as_bytes(), b"$ref");
                        map.insert(String::from_utf8_lossy(&name).into_owned(), value);
                    }
                    _ => bent(random, &mut map[&key], others),
                }
            }
            _ => {}
        };
    }
    *value = match random.u8(0..10) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(""),
        5 => json!([]),
        6 => json!({}),
        7 => json!({ "$ref": "#" }),
        8 => json!("oauth1"),
        _ => others[random.usize(0..others.len())].clone(),
    };
}
