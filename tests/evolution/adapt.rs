//! What a service of another release would say in place of what one of this said.

use std::collections::HashMap;

use fastrand::Rng;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::draw::{Draw, Hints, runner};
use crate::oracle::{closed, validator};

/// How often a document is tried until it fits.
const TRIES: usize = 40;

/// Who writes a fact by the schema `new`, where this release writes it by `old`.
pub(crate) struct Adapter {
    old: Value,
    new: Value,
    hints: Hints,
    fits: Validator,
    /// Whether a value fits a part of the new schema, by the part's text.
    parts: HashMap<String, Validator>,
}

impl Adapter {
    pub(crate) fn new(old: &Value, new: &Value) -> Self {
        let mut hints = Hints::default();
        hints.gather(old);
        hints.gather(new);
        Self {
            old: old.clone(),
            new: new.clone(),
            hints,
            fits: validator(&closed(new)),
            parts: HashMap::new(),
        }
    }

    /// `said` as it would be said anew: what of it fits stays, all else is drawn, and so
    /// is, at times, what the change is about. None where chance finds nothing that fits.
    pub(crate) fn adapted(&mut self, said: &Value, seed: u64) -> Option<Value> {
        let mut rng = Rng::with_seed(seed);
        for _ in 0..TRIES {
            let (new, old) = (self.new.clone(), self.old.clone());
            let written = self.value(Some(said), &new, Some(&old), &mut rng);
            if self.fits.is_valid(&written) {
                return Some(written);
            }
        }
        None
    }

    fn value(
        &mut self,
        said: Option<&Value>,
        node: &Value,
        was: Option<&Value>,
        rng: &mut Rng,
    ) -> Value {
        let (node, was) = (
            resolved(&self.new, node),
            was.map(|it| resolved(&self.old, it)),
        );
        let is_whole = ["oneOf", "anyOf", "allOf"]
            .iter()
            .any(|it| node.get(it).is_some());
        let properties = node.get("properties").and_then(Value::as_object).cloned();
        match (said, properties) {
            (Some(Value::Object(said)), Some(properties)) if !is_whole => {
                self.object(said, &node, &properties, was.as_ref(), rng)
            }
            (Some(Value::Array(said)), _) if node.get("items").is_some() && !is_whole => {
                let of = was.as_ref().and_then(|it| it.get("items"));
                let each = said
                    .iter()
                    .map(|it| self.value(Some(it), &node["items"], of, rng));
                each.collect()
            }
            (Some(said), _) if self.takes(&node, said) => {
                let is_new = was.as_ref() != Some(&node);
                match is_new && rng.u8(..3) == 0 {
                    true => self.fresh(&node, rng),
                    false => said.clone(),
                }
            }
            _ => self.fresh(&node, rng),
        }
    }

    fn object(
        &mut self,
        said: &Map<String, Value>,
        node: &Value,
        properties: &Map<String, Value>,
        was: Option<&Value>,
        rng: &mut Rng,
    ) -> Value {
        let required = node.get("required").and_then(Value::as_array).cloned();
        let is_required = |name: &str| required.iter().flatten().any(|it| it == name);
        let mut members = Map::new();
        for (name, of) in properties {
            let before = was.and_then(|it| it.get("properties")?.get(name));
            // What it may leave out it does at times, where that is new.
            let may_go = !is_required(name) && was != Some(node);
            match said.get(name) {
                Some(_) if may_go && rng.u8(..4) == 0 => {}
                None if !is_required(name) && rng.bool() => {}
                there => {
                    members.insert(name.clone(), self.value(there, of, before, rng));
                }
            }
        }
        members.into()
    }

    fn fresh(&self, node: &Value, rng: &mut Rng) -> Value {
        let seed = rng.u64(..);
        let mut draw = Draw {
            root: &self.new,
            hints: &self.hints,
            rng: Rng::with_seed(seed),
            runner: runner(seed),
            strategies: HashMap::new(),
        };
        draw.value(node, 4)
    }

    /// Whether `said` fits `node`, a part of the new schema.
    fn takes(&mut self, node: &Value, said: &Value) -> bool {
        let part = self.parts.entry(node.to_string()).or_insert_with(|| {
            let mut whole = node.clone();
            if let (Some(whole), Some(defs)) = (whole.as_object_mut(), self.new.get("$defs")) {
                whole.insert("$defs".to_owned(), defs.clone());
            }
            validator(&closed(&whole))
        });
        part.is_valid(said)
    }
}

/// What `node` stands for in `root`.
fn resolved(root: &Value, node: &Value) -> Value {
    let mut node = node;
    while let Some(there) = node.get("$ref").and_then(Value::as_str) {
        match root.pointer(there.trim_start_matches('#')) {
            Some(target) => node = target,
            None => break,
        }
    }
    match node {
        Value::Bool(true) => json!({}),
        node => node.clone(),
    }
}
