//! The way from a value of an event to the alternatives that may hold because of it.
//!
//! An alternative holds only if each field that may not be absent has a value that one of its tests accepts. So it is
//! entered under the tests of one such field, and tried when a value passes one of them. Exact values, beginnings and ends
//! of texts are looked up, however many there are; whatever else is asked for is tried, each test once for all
//! alternatives that share it. This module must not know whether an alternative does hold.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::event::FieldId;
use crate::number::millionths;
use crate::operator::{Operator, Test};

/// The alternatives that are entered under one field.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) field: FieldId,
    texts: FxHashMap<Box<str>, Vec<u32>>,
    /// By their value in millionths.
    numbers: FxHashMap<i64, Vec<u32>>,
    beginnings: Parts,
    ends: Parts,
    /// All other tests, each once.
    tests: Vec<(Operator, Vec<u32>)>,
}

/// Parts of texts, with all lengths that occur among them.
#[derive(Debug, Clone, Default)]
struct Parts {
    lengths: Vec<usize>,
    by_part: FxHashMap<Box<[u8]>, Vec<u32>>,
}

/// How many alternatives a field leads to for nothing, by kind of its tests first: the less, the better.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crowd {
    kind: u8,
    most: usize,
    tests: usize,
}

impl Index {
    pub(crate) fn new(field: FieldId) -> Self {
        Self {
            field,
            texts: FxHashMap::default(),
            numbers: FxHashMap::default(),
            beginnings: Parts::default(),
            ends: Parts::default(),
            tests: Vec::new(),
        }
    }

    /// Enters an alternative under each of the tests.
    pub(crate) fn enter(&mut self, tests: &[Test], alternative: u32) {
        for test in tests {
            let found = match &test.operator {
                Operator::Text(text) => self.texts.entry(text.clone()).or_default(),
                Operator::Number {
                    millionths: Some(number),
                    ..
                } => self.numbers.entry(*number).or_default(),
                Operator::Prefix(prefix) => self.beginnings.entry(prefix),
                Operator::Suffix(suffix) => self.ends.entry(suffix),
                other => {
                    let known = self.tests.iter().position(|(test, _)| test == other);
                    let at = known.unwrap_or_else(|| {
                        self.tests.push((other.clone(), Vec::new()));
                        self.tests.len() - 1
                    });
                    &mut self.tests[at].1
                }
            };
            // The same test may be listed twice in one pattern.
            if found.last() != Some(&alternative) {
                found.push(alternative);
            }
        }
    }

    /// Calls `lead` with each alternative that is entered under a test that accepts the value; with some more than once.
    pub(crate) fn follow(&self, value: &Value, mut lead: impl FnMut(u32)) {
        let mut all = |found: &Vec<u32>| found.iter().for_each(|at| lead(*at));
        match value {
            Value::String(text) => {
                self.texts.get(text.as_str()).map(&mut all);
                let text = text.as_bytes();
                let parts = |len: &usize| text.split_at_checked(*len);
                for (beginning, _) in self.beginnings.lengths.iter().map_while(parts) {
                    self.beginnings.by_part.get(beginning).map(&mut all);
                }
                let parts = |len: &usize| text.len().checked_sub(*len).map(|at| &text[at..]);
                for end in self.ends.lengths.iter().map_while(parts) {
                    self.ends.by_part.get(end).map(&mut all);
                }
            }
            Value::Number(number) if !self.numbers.is_empty() => {
                let number = millionths(number).ok();
                number.and_then(|n| self.numbers.get(&n)).map(&mut all);
            }
            _ => {}
        }
        for (test, found) in &self.tests {
            if test.accepts(value) {
                all(found);
            }
        }
    }

    /// What it would mean to enter an alternative under these tests of this field, beside those that are there.
    pub(crate) fn crowd(index: Option<&Self>, tests: &[Test]) -> Crowd {
        let beside = |test: &Test| index.map_or(0, |index| index.beside(&test.operator));
        Crowd {
            kind: tests.iter().map(kind).max().unwrap_or(0),
            most: tests.iter().map(beside).max().unwrap_or(0),
            tests: tests.len(),
        }
    }

    fn beside(&self, operator: &Operator) -> usize {
        let found = match operator {
            Operator::Text(text) => self.texts.get(text),
            Operator::Number {
                millionths: Some(number),
                ..
            } => self.numbers.get(number),
            Operator::Prefix(prefix) => self.beginnings.by_part.get(prefix.as_bytes()),
            Operator::Suffix(suffix) => self.ends.by_part.get(suffix.as_bytes()),
            other => {
                let known = self.tests.iter().find(|(test, _)| test == other);
                known.map(|(_, found)| found)
            }
        };
        found.map_or(0, Vec::len)
    }
}

impl Parts {
    fn entry(&mut self, part: &str) -> &mut Vec<u32> {
        if let Err(at) = self.lengths.binary_search(&part.len()) {
            self.lengths.insert(at, part.len());
        }
        self.by_part.entry(part.as_bytes().into()).or_default()
    }
}

/// Exact values accept least, then parts and ranges; what is refused or only asked to be there accepts nearly all.
fn kind(test: &Test) -> u8 {
    match test.operator {
        Operator::Text(_) | Operator::Number { .. } | Operator::Address(_) => 0,
        Operator::NoneOf(_) | Operator::Exists => 2,
        _ => 1,
    }
}
