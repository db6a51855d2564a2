//! Damage to documents, drawn from a seed: for tests that no text makes a reader panic.
//!
//! Half of it is done to the tree of a JSON document, so that it stays JSON and gets past the reader of that; half to the
//! text. Crates take this file in by its path.

use fastrand::Rng;
use serde_json::Value;

/// Texts that are something to most readers.
const ODD: [&str; 28] = [
    "",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    ":",
    ",",
    ".",
    "$",
    "$$",
    "*",
    "**",
    "{%",
    "%}",
    "${",
    "<",
    ">",
    "(",
    ")",
    "é",
    "\u{0}",
    "\u{1F600}",
    "-0",
    "1e400",
    "99999999999999999999",
];

/// Says which document it was, if reading it panics.
pub(crate) struct Shown<'t>(pub(crate) &'t str);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with {:?}", self.0);
        }
    }
}

/// Documents to damage, and pieces to damage them with.
pub(crate) struct Garbler {
    random: Rng,
    texts: Vec<String>,
    trees: Vec<Value>,
    pieces: Vec<String>,
}

impl Garbler {
    /// What is JSON among `texts` is damaged as a tree, too. All texts and names in the trees are pieces, beside `pieces`.
    pub(crate) fn new(seed: u64, texts: Vec<String>, pieces: &[&str]) -> Self {
        let trees: Vec<Value> = texts
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        let mut all: Vec<String> = ODD
            .iter()
            .chain(pieces)
            .map(|it| (*it).to_owned())
            .collect();
        trees.iter().for_each(|tree| words(tree, &mut all));
        all.sort_unstable();
        all.dedup();
        Self {
            random: Rng::with_seed(seed),
            texts,
            trees,
            pieces: all,
        }
    }

    /// The next document.
    pub(crate) fn next(&mut self) -> String {
        let times = self.random.usize(1..4);
        if !self.trees.is_empty() && self.random.bool() {
            let mut tree = self.trees[self.random.usize(..self.trees.len())].clone();
            (0..times).for_each(|_| self.damage(&mut tree));
            return tree.to_string();
        }
        let mut text = self.texts[self.random.usize(..self.texts.len())].clone();
        (0..times).for_each(|_| self.scratch(&mut text));
        text
    }

    /// One of the pieces.
    pub(crate) fn piece(&mut self) -> String {
        self.pieces[self.random.usize(..self.pieces.len())].clone()
    }

    /// Up to so many pieces in a row.
    pub(crate) fn phrase(&mut self, most: usize) -> String {
        (0..self.random.usize(..=most))
            .map(|_| self.piece())
            .collect()
    }

    /// Puts something else in the place of one value of the tree.
    fn damage(&mut self, tree: &mut Value) {
        let mut left = self.random.usize(..count(tree));
        let other = self.value();
        let rename = self.random.u8(..4) == 0;
        let name = self.piece();
        let Some(node) = nth(tree, &mut left) else {
            return;
        };
        match node {
            Value::Object(members) if rename && !members.is_empty() => {
                let old = members.keys().nth(name.len() % members.len()).cloned();
                if let Some(value) = old.and_then(|old| members.remove(&old)) {
                    members.insert(name, value);
                }
            }
            Value::String(text) if rename => self.scratch(text),
            node => *node = other,
        }
    }

    fn value(&mut self) -> Value {
        match self.random.u8(..10) {
            0 => Value::Null,
            1 => self.random.bool().into(),
            2 => self.random.i64(..).into(),
            3 => [0.5, -1.0, 1e300, -1e-300, 5e9, 1e9][self.random.usize(..6)].into(),
            4 => Value::Array(vec![self.piece().into(); self.random.usize(..3)]),
            5 => serde_json::json!({self.piece(): self.piece()}),
            6 => self.phrase(6).into(),
            7 | 8 => {
                let from = self.random.usize(..self.trees.len());
                let mut left = self.random.usize(..count(&self.trees[from]));
                nth(&mut self.trees[from].clone(), &mut left).map_or(Value::Null, Value::take)
            }
            _ => self.piece().into(),
        }
    }

    /// Does one thing to a text.
    fn scratch(&mut self, text: &mut String) {
        let (mut from, mut to) = (self.place(text), self.place(text));
        if from > to {
            (from, to) = (to, from);
        }
        match self.random.u8(..6) {
            0 => text.replace_range(from..to, ""),
            1 => text.truncate(from),
            2 if to - from < 256 => {
                let copy = text[from..to].to_owned();
                text.insert_str(to, &copy);
            }
            3 => {
                let piece = self.piece();
                let end = text[from..]
                    .char_indices()
                    .nth(1)
                    .map_or(text.len(), |(at, _)| from + at);
                text.replace_range(from..end, &piece);
            }
            _ => {
                let piece = self.piece();
                text.insert_str(from, &piece);
            }
        }
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let at = self.random.usize(..=text.len());
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0)
    }
}

fn words(tree: &Value, all: &mut Vec<String>) {
    match tree {
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| words(item, all)),
        Value::Object(members) => {
            for (name, member) in members {
                all.push(name.clone());
                words(member, all);
            }
        }
        _ => {}
    }
}

fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'t>(tree: &'t mut Value, left: &mut usize) -> Option<&'t mut Value> {
    if *left == 0 {
        return Some(tree);
    }
    *left -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, left)),
        _ => None,
    }
}
