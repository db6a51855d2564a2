//! Draws documents of a schema, near the edges of it and of another one. Shares no
//! code with the checker.

use std::collections::HashMap;

use fastrand::Rng;
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::RegexGeneratorStrategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

/// What two schemas mention: where they may differ.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    numbers: Vec<f64>,
    texts: Vec<String>,
    names: Vec<String>,
}

impl Hints {
    /// Gathers what `schema` mentions.
    pub(crate) fn gather(&mut self, schema: &Value) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    if key == "properties"
                        && let Some(members) = value.as_object()
                    {
                        self.names.extend(members.keys().cloned());
                    }
                    if let Some(number) = value.as_f64() {
                        self.numbers.push(number);
                    }
                    if let ("const", Value::String(text)) = (key.as_str(), value) {
                        self.texts.push(text.clone());
                    }
                    if let ("enum", Value::Array(all)) = (key.as_str(), value) {
                        self.texts
                            .extend(all.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    self.gather(value);
                }
            }
            Value::Array(all) => all.iter().for_each(|it| self.gather(it)),
            _ => {}
        }
        for all in [&mut self.names, &mut self.texts] {
            all.sort();
            all.dedup();
        }
    }
}

/// Draws documents.
pub(crate) struct Draw<'a> {
    pub(crate) root: &'a Value,
    pub(crate) hints: &'a Hints,
    pub(crate) rng: Rng,
    pub(crate) runner: TestRunner,
    pub(crate) strategies: HashMap<String, RegexGeneratorStrategy<String>>,
}

/// A runner whose strings are the same each time.
pub(crate) fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

impl Draw<'_> {
    /// A document that mostly fits `node`.
    pub(crate) fn value(&mut self, node: &Value, depth: usize) -> Value {
        let Some(keywords) = node.as_object() else {
            return self.anything(depth);
        };
        if let Some(there) = keywords.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            let target = root.pointer(there.trim_start_matches('#')).unwrap();
            return self.value(target, depth);
        }
        if let Some(parts) = keywords.get("allOf").and_then(Value::as_array) {
            let mut whole = Map::new();
            for part in parts {
                if let Value::Object(members) = self.value(part, depth) {
                    whole.extend(members);
                }
            }
            return whole.into();
        }
        for either in ["oneOf", "anyOf"] {
            if let Some(branches) = keywords.get(either).and_then(Value::as_array) {
                let n = self.rng.usize(..branches.len());
                let mut drawn = self.value(&branches[n], depth);
                // One object, said in parts.
                if keywords.contains_key("properties")
                    && let (Value::Object(own), Value::Object(part)) =
                        (self.object(keywords, depth), &mut drawn)
                {
                    part.extend(own);
                }
                return drawn;
            }
        }
        if let Some(value) = keywords.get("const") {
            return value.clone();
        }
        if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
            return values
                .get(self.rng.usize(..values.len().max(1)))
                .cloned()
                .unwrap_or(Value::Null);
        }
        let types: Vec<&str> = match keywords.get("type") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => return self.anything(depth),
        };
        let kind = types[self.rng.usize(..types.len())];
        match kind {
            "null" => Value::Null,
            "boolean" => self.rng.bool().into(),
            "integer" => self.number(keywords, true),
            "number" => self.number(keywords, false),
            "string" => self.text(keywords),
            "array" => self.list(keywords, depth),
            _ => self.object(keywords, depth),
        }
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.rng.u8(..if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => true.into(),
            2 => 1.into(),
            3 => json!(1.5),
            4 => "a".into(),
            5 => self.text(&Map::new()),
            6 => json!([1]),
            _ => json!({ "a": 1 }),
        }
    }

    fn number(&mut self, keywords: &Map<String, Value>, whole: bool) -> Value {
        let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
        let near: Vec<f64> = [bound("minimum"), bound("maximum")]
            .into_iter()
            .flatten()
            .chain(self.hints.numbers.iter().copied())
            .chain([0.0, 1.0, 4_294_967_295.0])
            .collect();
        let around = near[self.rng.usize(..near.len())];
        let step = [0.0, 1.0, -1.0, 0.5, -0.5, 10.0, -10.0][self.rng.usize(..7)];
        let number = around + step;
        let number = if whole { number.trunc() } else { number };
        if number.fract() == 0.0 && number.abs() < 9.0e18 {
            #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
            return (number as i64).into();
        }
        number.into()
    }

    fn text(&mut self, keywords: &Map<String, Value>) -> Value {
        if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) {
            let inner = pattern.trim_start_matches('^').trim_end_matches('$');
            let strategies = &mut self.strategies;
            let strategy = strategies
                .entry(inner.to_owned())
                .or_insert_with(|| proptest::string::string_regex(inner).unwrap());
            // The longest and the shortest are rare by chance.
            let some = if self.rng.bool() { 1 } else { 16 };
            let mut some: Vec<String> = (0..some)
                .map(|_| strategy.new_tree(&mut self.runner).unwrap().current())
                .collect();
            some.sort_by_key(String::len);
            let end = if self.rng.bool() { 0 } else { some.len() - 1 };
            return some.swap_remove(end).into();
        }
        if keywords.contains_key("format") && self.rng.u8(..4) > 0 {
            return "2026-01-01T00:00:00Z".into();
        }
        if !self.hints.texts.is_empty() && self.rng.u8(..4) == 0 {
            return self.hints.texts[self.rng.usize(..self.hints.texts.len())]
                .clone()
                .into();
        }
        let sizes: Vec<usize> = self
            .hints
            .numbers
            .iter()
            .filter(|it| **it >= 0.0 && **it < 500.0)
            .flat_map(|it| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small"
                )]
                let size = *it as usize;
                [size.saturating_sub(1), size, size + 1]
            })
            .chain([0, 1, 2, 3, 70])
            .collect();
        let size = sizes[self.rng.usize(..sizes.len())];
        let letter = ["a", "B", "7", "\u{e4}", " "][self.rng.usize(..5)];
        letter.repeat(size).into()
    }

    fn list(&mut self, keywords: &Map<String, Value>, depth: usize) -> Value {
        let size = if depth == 0 { 0 } else { self.rng.usize(..6) };
        let node = keywords.get("items").unwrap_or(&Value::Bool(true));
        let mut all: Vec<Value> = (0..size)
            .map(|_| self.value(node, depth.saturating_sub(1)))
            .collect();
        if all.len() > 1 && self.rng.u8(..4) == 0 {
            all[1] = all[0].clone();
        }
        all.into()
    }

    fn object(&mut self, keywords: &Map<String, Value>, depth: usize) -> Value {
        let mut members = Map::new();
        let required = keywords.get("required").and_then(Value::as_array);
        let required: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = keywords.get("properties").and_then(Value::as_object);
        for (name, node) in properties.into_iter().flatten() {
            let is_there = required.contains(&name.as_str());
            if is_there || (depth > 0 && self.rng.bool()) {
                members.insert(name.clone(), self.value(node, depth.saturating_sub(1)));
            }
        }
        let rest = keywords.get("additionalProperties");
        let takes_any = properties.is_none() && rest.is_none();
        if takes_any || rest.is_some_and(|rest| *rest != Value::Bool(false)) {
            let node = rest.unwrap_or(&Value::Bool(true));
            for name in required
                .iter()
                .map(|it| (*it).to_owned())
                .chain(self.hints.names.clone())
            {
                if !members.contains_key(&name) && self.rng.u8(..3) == 0 {
                    members.insert(name, self.value(node, depth.saturating_sub(1)));
                }
            }
            if self.rng.bool() {
                members.insert(
                    "other".to_owned(),
                    self.value(node, depth.saturating_sub(1)),
                );
            }
        }
        members.into()
    }
}
