//! The types that a schema asks for.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

pub(super) use self::words::about;
use self::words::{is_null, listed, nullable, tag, whole, words_of};
use super::names::{field_name, type_name, unique};
use crate::keywords::{list, range, text};
use crate::number::Num;

/// How deep `allOf` is merged.
const DEPTH: usize = 8;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// One of Rust's own, by its path.
    Plain(&'static str),
    /// One that is defined, by its name.
    Named(String),
    /// One that contains itself this way.
    Boxed(Box<Type>),
    /// Or null.
    Nullable(Box<Type>),
    /// A list.
    List(Box<Type>),
    /// An object with members of any name.
    Map(Box<Type>),
}

impl Type {
    /// Whether a time is in it, in a type that has no name.
    pub(super) fn has_time(&self) -> bool {
        match self {
            Self::Boxed(of) | Self::Nullable(of) | Self::List(of) | Self::Map(of) => of.has_time(),
            Self::Plain(_) => *self == TIME,
            Self::Named(_) => false,
        }
    }
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) json: String,
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) is_required: bool,
    pub(super) about: String,
}

/// One of several: its name, its word or none, its type, what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) word: String,
    pub(super) of: Type,
    pub(super) about: String,
}

/// What a defined type is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// An object; what members fit that are not named, or none where there are none.
    Object(Vec<Field>, Option<Type>),
    /// A string with rules: fewest and most characters, a pattern, and whether it is a
    /// time.
    Text(usize, Option<usize>, Option<String>, bool),
    /// A whole number with rules.
    Whole(&'static str, i128, i128, i128),
    /// A number with rules: its ends as Rust has them.
    Real(String, String),
    /// Words.
    Words(Vec<Variant>),
    /// Objects that say in a member what they are.
    Kinds(String, Vec<Variant>),
    /// One of several types.
    Either(Vec<Variant>),
    /// A list with rules: fewest and most elements, and whether all differ.
    List(Type, usize, Option<usize>, bool),
    /// Another type.
    Wrapper(Type),
}

/// A defined type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Def {
    pub(super) shape: Shape,
    pub(super) about: String,
}

const VALUE: Type = Type::Plain("serde_json::Value");
const STRING: Type = Type::Plain("String");
const TIME: Type = Type::Plain("crate::time::DateTime");

/// Takes one document apart.
pub(super) struct Builder<'a> {
    root: &'a Value,
    /// The types of the places that have one.
    places: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    pub(super) defs: BTreeMap<String, Def>,
}

enum Found {
    Shape(Shape),
    Type(Type),
}

impl<'a> Builder<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self {
            root,
            places: BTreeMap::new(),
            taken: BTreeSet::new(),
            defs: BTreeMap::new(),
        }
    }

    /// The type of what stands at `place`, called `wish` if that is free.
    pub(super) fn named(&mut self, place: &str, wish: &str) -> String {
        if let Some(known) = self.places.get(place) {
            return known.clone();
        }
        let name = unique(type_name(wish), &mut self.taken);
        self.places.insert(place.to_owned(), name.clone());
        let node = self.root.pointer(place).cloned().unwrap_or(Value::Null);
        let shape = match self.found(&node, &name) {
            Found::Shape(shape) => shape,
            Found::Type(of) => Shape::Wrapper(of),
        };
        let about = about(&node);
        self.defs.insert(name.clone(), Def { shape, about });
        name
    }

    /// The type of `node`; one that has to be defined is called `wish`.
    fn of(&mut self, node: &Value, wish: &str) -> Type {
        match self.found(node, wish) {
            Found::Type(of) => of,
            Found::Shape(shape) => {
                let name = unique(type_name(wish), &mut self.taken);
                let about = about(node);
                self.defs.insert(name.clone(), Def { shape, about });
                Type::Named(name)
            }
        }
    }

    fn found(&mut self, node: &Value, name: &str) -> Found {
        let Some(keywords) = node.as_object() else {
            return Found::Type(VALUE);
        };
        if keywords.get("nullable") == Some(&json!(true)) {
            let mut rest = keywords.clone();
            rest.remove("nullable");
            return Found::Type(nullable(self.of(&rest.into(), name)));
        }
        if let Some(there) = keywords.get("$ref").and_then(Value::as_str) {
            let place = there
                .strip_prefix('#')
                .filter(|it| self.root.pointer(it).is_some());
            return Found::Type(match place {
                Some("") | None => VALUE,
                Some(place) => {
                    let wish = place.rsplit('/').next().unwrap_or(place);
                    Type::Named(self.named(place, &wish.replace("~1", "/").replace("~0", "~")))
                }
            });
        }
        if keywords.contains_key("allOf") {
            return match self.merged(node, DEPTH) {
                Some(whole) => self.found(&whole.into(), name),
                None => Found::Type(VALUE),
            };
        }
        for either in ["oneOf", "anyOf"] {
            if let Some(branches) = keywords.get(either).and_then(Value::as_array) {
                return self.either(keywords, branches, name);
            }
        }
        if let Some(words) = listed(node) {
            return Found::Shape(Shape::Words(words_of(words)));
        }
        if keywords.contains_key("enum") || keywords.contains_key("const") {
            return Found::Type(VALUE);
        }
        match keywords.get("type") {
            Some(Value::String(kind)) => self.typed(kind, keywords, name),
            Some(Value::Array(kinds)) => {
                let rest: Vec<&Value> = kinds.iter().filter(|it| *it != "null").collect();
                let ([Value::String(kind)], true) = (rest.as_slice(), kinds.len() > rest.len())
                else {
                    return Found::Type(VALUE);
                };
                let mut one = keywords.clone();
                one.insert("type".to_owned(), kind.as_str().into());
                Found::Type(nullable(self.of(&one.into(), name)))
            }
            _ if keywords.contains_key("properties") => self.typed("object", keywords, name),
            _ => Found::Type(VALUE),
        }
    }

    fn typed(&mut self, kind: &str, keywords: &Map<String, Value>, name: &str) -> Found {
        Found::Type(match kind {
            "null" => Type::Plain("()"),
            "boolean" => Type::Plain("bool"),
            "string" => {
                let rules = text(keywords);
                let pattern = rules.patterns.first();
                let pattern = pattern.filter(|it| regex::Regex::new(it).is_ok());
                let is_time = rules.formats.contains(&"date-time");
                if rules.least == 0 && rules.most.is_none() && pattern.is_none() {
                    if is_time { TIME } else { STRING }
                } else {
                    let pattern = pattern.map(|it| (*it).to_owned());
                    return Found::Shape(Shape::Text(rules.least, rules.most, pattern, is_time));
                }
            }
            "integer" => return whole(keywords),
            "number" => {
                let rules = range(keywords, false);
                let end = |end: Option<(Num, bool)>| match end
                    .and_then(|it| Some((it.0.value()?.as_f64()?, it.1)))
                {
                    None => "None".to_owned(),
                    Some((end, out)) => format!("Some(({end:?}, {out}))"),
                };
                match (rules.low, rules.high) {
                    (None, None) => Type::Plain("serde_json::Number"),
                    (low, high) => return Found::Shape(Shape::Real(end(low), end(high))),
                }
            }
            "array" => {
                let item = keywords.get("items").cloned().unwrap_or(Value::Bool(true));
                let of = self.of(&item, &format!("{name}Item"));
                let rules = list(keywords);
                if rules.least > 0 || rules.most.is_some() || rules.unique {
                    let shape = Shape::List(of, rules.least, rules.most, rules.unique);
                    return Found::Shape(shape);
                }
                Type::List(Box::new(of))
            }
            "object" if keywords.get("properties").is_some_and(Value::is_object) => {
                return Found::Shape(self.object(keywords, name));
            }
            "object" => match keywords.get("additionalProperties") {
                Some(of @ Value::Object(_)) => {
                    Type::Map(Box::new(self.of(of, &format!("{name}Value"))))
                }
                Some(Value::Bool(false)) => return Found::Shape(Shape::Object(Vec::new(), None)),
                _ => Type::Map(Box::new(VALUE)),
            },
            _ => VALUE,
        })
    }

    fn object(&mut self, keywords: &Map<String, Value>, name: &str) -> Shape {
        let members = keywords.get("properties").and_then(Value::as_object);
        let members: BTreeMap<&String, &Value> = members.into_iter().flatten().collect();
        let required = keywords.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
        let mut taken = BTreeSet::from(["extra".to_owned()]);
        let mut fields = Vec::new();
        for (json, node) in members {
            fields.push(Field {
                json: json.clone(),
                name: unique(field_name(json), &mut taken),
                of: self.of(node, &format!("{name}{}", type_name(json))),
                is_required: is_required(json),
                about: about(node),
            });
        }
        let others = match keywords.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(of @ Value::Object(_)) => Some(self.of(of, &format!("{name}Other"))),
            _ => Some(VALUE),
        };
        Shape::Object(fields, others)
    }

    /// Whether anything fits `node`: no word is asked for that its own rules refuse.
    fn is_possible(&self, node: &Value, depth: usize) -> bool {
        let target = node.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|it| self.root.pointer(it.strip_prefix('#')?));
        let node = target.unwrap_or(node);
        if depth == 0 || node.get("const").is_some() {
            return listed(node).is_none_or(|words| !words.is_empty());
        }
        let required = node.get("required").and_then(Value::as_array);
        let mut members = required.into_iter().flatten().filter_map(|name| {
            let properties = node.get("properties")?;
            properties.get(name.as_str()?)
        });
        members.all(|it| self.is_possible(it, depth - 1))
    }

    fn either(&mut self, keywords: &Map<String, Value>, branches: &[Value], name: &str) -> Found {
        let branches: Vec<&Value> = branches
            .iter()
            .filter(|it| self.is_possible(it, DEPTH))
            .collect();
        let rest: Vec<&Value> = branches.iter().copied().filter(|it| !is_null(it)).collect();
        if rest.len() < branches.len() {
            let of = match rest.as_slice() {
                [] => Type::Plain("()"),
                [one] => self.of(one, name),
                some => self.of(&json!({ "oneOf": some }), name),
            };
            return Found::Type(nullable(of));
        }
        if let [one] = rest.as_slice() {
            return Found::Type(self.of(one, name));
        }
        let words: Option<Vec<_>> = rest.iter().map(|it| listed(it)).collect();
        if let Some(words) = words {
            return Found::Shape(Shape::Words(words_of(words.concat())));
        }
        let parts: Option<Vec<Map<String, Value>>> = rest
            .iter()
            .map(|part| {
                let mut whole = keywords.clone();
                whole.remove("oneOf");
                whole.remove("anyOf");
                whole.remove("description");
                self.merged(&json!({ "allOf": [part, whole] }), DEPTH)
            })
            .collect();
        if let Some((tag, words)) = parts.as_ref().and_then(|parts| tag(self.root, parts)) {
            let mut taken = BTreeSet::from(["Unknown".to_owned()]);
            let mut variants = Vec::new();
            for (mut part, word) in parts.into_iter().flatten().zip(words) {
                let variant = unique(type_name(&word), &mut taken);
                if let Some(Value::Object(members)) = part.get_mut("properties") {
                    members.remove(&tag);
                }
                if let Some(Value::Array(required)) = part.get_mut("required") {
                    required.retain(|it| *it != tag.as_str());
                }
                let of = self.of(&part.into(), &format!("{name}{variant}"));
                variants.push(Variant {
                    name: variant,
                    word,
                    of,
                    about: String::new(),
                });
            }
            return Found::Shape(Shape::Kinds(tag, variants));
        }
        if keywords.contains_key("properties") {
            return Found::Type(VALUE);
        }
        let mut taken = BTreeSet::new();
        let mut variants = Vec::new();
        for (n, branch) in rest.iter().enumerate() {
            let of = self.of(branch, &format!("{name}{}", n + 1));
            let wish = match &of {
                Type::Named(name) => name.clone(),
                Type::Plain(path) => type_name(path.rsplit(':').next().unwrap_or(path)),
                Type::List(_) => "List".to_owned(),
                Type::Map(_) => "Object".to_owned(),
                _ => format!("Option{}", n + 1),
            };
            let name = unique(wish, &mut taken);
            variants.push(Variant {
                name,
                word: String::new(),
                of,
                about: about(branch),
            });
        }
        // What takes anything would hide those after it.
        variants.sort_by_key(|it| it.of == VALUE);
        Found::Shape(Shape::Either(variants))
    }

    /// The object that `node` describes in parts.
    fn merged(&self, node: &Value, depth: usize) -> Option<Map<String, Value>> {
        let mut keywords = node.as_object()?.clone();
        let reference = keywords
            .get("$ref")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let mut parts = match keywords.remove("allOf") {
            Some(Value::Array(parts)) => parts,
            _ => Vec::new(),
        };
        if let Some(there) = reference {
            keywords.remove("$ref");
            parts.push(self.root.pointer(there.strip_prefix('#')?)?.clone());
        }
        if depth == 0 {
            return None;
        }
        for part in parts {
            for (key, value) in self.merged(&part, depth - 1)? {
                match (keywords.get_mut(&key), value) {
                    (Some(Value::Object(own)), Value::Object(more)) if key == "properties" => {
                        own.extend(more);
                    }
                    (Some(Value::Array(own)), Value::Array(more)) if key == "required" => {
                        own.extend(more);
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        keywords.insert(key, value);
                    }
                }
            }
        }
        Some(keywords)
    }
}
