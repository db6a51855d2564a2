//! Strings as schemas bound them: lengths, patterns, formats.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde_json::Value;

use crate::number::both;

/// The longest string that is made to try a bound.
const LONGEST: usize = 4_096;

/// The strings that a type admits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a> {
    /// The fewest characters.
    pub(crate) least: usize,
    /// The most characters.
    pub(crate) most: Option<usize>,
    /// The patterns it fits, each.
    pub(crate) patterns: Vec<&'a str>,
    /// The formats it has, each.
    pub(crate) formats: Vec<&'a str>,
}

impl<'a> Text<'a> {
    /// What is in this and in `other`.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.least = self.least.max(other.least);
        self.most = match (self.most, other.most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        add(&mut self.patterns, other.patterns);
        add(&mut self.formats, other.formats);
        self
    }

    /// Whether `text` is one of them; `None` when that cannot be said.
    pub(crate) fn has(&self, text: &str) -> Option<bool> {
        let length = text.chars().count();
        if length < self.least || self.most.is_some_and(|most| length > most) {
            return Some(false);
        }
        let patterns = self.patterns.iter().map(|it| fits(it, text));
        let formats = self.formats.iter().map(|it| is_format(it, text));
        patterns.chain(formats).reduce(both).unwrap_or(Some(true))
    }

    /// Whether each of them is surely one of `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        let (least, most) = self.lengths();
        let least_fits = least >= other.least;
        let most_fits = match (most, other.most) {
            (_, None) => true,
            (Some(own), Some(others)) => own <= others,
            (None, Some(_)) => false,
        };
        let has = |own: &[&str], it: &&&str| own.contains(*it);
        least_fits
            && most_fits
            && other.patterns.iter().all(|it| has(&self.patterns, &it))
            && other.formats.iter().all(|it| has(&self.formats, &it))
    }

    /// Whether nothing is surely in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.most.is_some_and(|most| most < self.least)
    }

    /// Bounds of the length, by the patterns too.
    fn lengths(&self) -> (usize, Option<usize>) {
        let mut bounds = (self.least, self.most);
        for pattern in &self.patterns {
            let Some((least, most)) = lengths(pattern) else {
                continue;
            };
            bounds.0 = bounds.0.max(least);
            bounds.1 = match (bounds.1, most) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        bounds
    }

    /// Strings near its bounds and near those of `other`: where a difference shows.
    pub(crate) fn samples(&self, other: Option<&Self>) -> Vec<Value> {
        let mut found: Vec<String> = Vec::new();
        for format in &self.formats {
            found.extend(of_format(format).map(str::to_owned));
        }
        let mut sizes = vec![self.least, self.least + 1];
        sizes.extend(self.most);
        if let Some(other) = other {
            sizes.extend([other.least.saturating_sub(1), other.least]);
            sizes.extend(other.most.into_iter().flat_map(|most| [most, most + 1]));
        }
        sizes.retain(|size| *size <= LONGEST);
        for pattern in &self.patterns {
            found.extend(of_pattern(pattern));
        }
        for letter in ["a", "A", "0", " ", "\u{e9}"] {
            found.extend(sizes.iter().map(|size| letter.repeat(*size)));
        }
        found.retain(|text| self.has(text) == Some(true));
        found.into_iter().map(Value::String).collect()
    }
}

fn add<'a>(to: &mut Vec<&'a str>, more: Vec<&'a str>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}

fn fits(pattern: &str, text: &str) -> Option<bool> {
    Some(Regex::new(pattern).ok()?.is_match(text))
}

/// Bounds of the length of what fits `pattern`, in characters. A pattern that does
/// not say how a string begins and ends bounds it from below only.
fn lengths(pattern: &str) -> Option<(usize, Option<usize>)> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let of = hir.properties();
    // A character is at most four bytes.
    let least = of.minimum_len().unwrap_or(0).div_ceil(4);
    let whole =
        of.look_set_prefix().contains(Look::Start) && of.look_set_suffix().contains(Look::End);
    Some((least, of.maximum_len().filter(|_| whole)))
}

/// Strings that may fit `pattern`: as short, as long, and as other as it allows.
fn of_pattern(pattern: &str) -> Vec<String> {
    let Ok(hir) = regex_syntax::parse(pattern) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for long in [false, true] {
        for pick in 0..6 {
            let mut text = String::new();
            write(&hir, long, pick, &mut text);
            found.push(text);
        }
    }
    found
}

/// Writes one string of `hir`: of each choice the one that `pick` says.
fn write(hir: &Hir, long: bool, pick: usize, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let ends: Vec<char> = class
                .iter()
                .flat_map(|range| [range.start(), range.end()])
                .collect();
            text.extend(ends.get(pick % ends.len().max(1)));
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ends = class.iter().flat_map(|range| [range.start(), range.end()]);
            let ends: Vec<u8> = ends.collect();
            text.extend(ends.get(pick % ends.len().max(1)).map(|it| char::from(*it)));
        }
        HirKind::Repetition(repeated) => {
            let most = repeated.max.unwrap_or(repeated.min + 2);
            for _ in 0..if long { most } else { repeated.min } {
                write(&repeated.sub, long, pick, text);
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, long, pick, text),
        HirKind::Concat(all) => all.iter().for_each(|it| write(it, long, pick, text)),
        HirKind::Alternation(some) => {
            if let Some(one) = some.get(pick % some.len().max(1)) {
                write(one, long, pick, text);
            }
        }
    }
}

/// One string that has the format.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-01T00:00:00Z",
        "date" => "2026-01-01",
        "time" => "00:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "email" => "a@example.org",
        "uri" => "https://example.org/",
        "ipv4" => "192.0.2.1",
        _ => return None,
    })
}

/// Whether `text` has the format: surely so only for the example of it, surely not
/// for what is too plain to have any; all else is not known.
fn is_format(format: &str, text: &str) -> Option<bool> {
    if of_format(format) == Some(text) {
        return Some(true);
    }
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == ' ' || c == '\u{e9}');
    let is_date = text == "2026-01-01";
    match format {
        "date-time" | "date" | "uuid" | "email" | "uri" | "ipv4" | "time" if plain => Some(false),
        "date-time" | "time" | "uuid" | "email" | "uri" | "ipv4" if is_date => Some(false),
        _ => None,
    }
}
