//! The normal form of a schema: a union of pieces, each of one JSON type.
//!
//! A set of nodes stands for what fits each of them: a `$ref` with keywords beside
//! it, or `allOf`. A piece keeps its members and elements as such sets, so a schema
//! that contains itself is unfolded only as far as somebody looks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::keywords::{list, object, range, text};
use crate::number::Range;
use crate::text::Text;

/// How deep references and combinations are followed.
const DEPTH: usize = 32;
/// The most pieces that a schema is taken apart into.
const PIECES: usize = 256;

/// Nodes of a schema, for what fits each of them.
pub(crate) type Nodes<'a> = Vec<&'a Value>;

/// What no value fits.
static NEVER: Value = Value::Bool(false);

/// A document that holds a schema, and how it is read where it does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    /// What references begin at.
    pub(crate) root: &'a Value,
    /// Whether an object may have members that its schema does not name.
    pub(crate) open: bool,
}

/// The values of one JSON type that fit.
#[derive(Debug, Clone)]
pub(crate) enum Piece<'a> {
    /// These and no others.
    Finite(Vec<&'a Value>),
    /// Numbers.
    Number(Range),
    /// Strings.
    Text(Text<'a>),
    /// Lists.
    List(List<'a>),
    /// Objects.
    Object(Object<'a>),
}

/// Lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct List<'a> {
    /// What each element fits.
    pub(crate) items: Nodes<'a>,
    /// The fewest elements.
    pub(crate) least: usize,
    /// The most elements.
    pub(crate) most: Option<usize>,
    /// Whether no two are equal.
    pub(crate) unique: bool,
}

/// Members that no schema names.
#[derive(Debug, Clone, Default)]
pub(crate) enum Others<'a> {
    /// Nothing is said of them.
    #[default]
    Unsaid,
    /// They fit these.
    Fit(Nodes<'a>),
}

/// Objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<'a> {
    /// Members by name, and what each fits.
    pub(crate) members: BTreeMap<&'a str, Nodes<'a>>,
    /// Those that are always there.
    pub(crate) required: BTreeSet<&'a str>,
    /// All others.
    pub(crate) others: Others<'a>,
    /// Whether members are named at all.
    pub(crate) named: bool,
}

impl<'a> Object<'a> {
    /// What a member called `name` fits; `None` where there may be none.
    pub(crate) fn member(&self, document: &Document<'a>, name: &str) -> Option<Nodes<'a>> {
        let found = self.members.get(name).cloned();
        let found = found.or_else(|| self.rest(document));
        found.filter(|nodes| !nodes.iter().any(|node| **node == NEVER))
    }

    /// What members that are not named fit; `None` where there may be none. A
    /// schema that names no members and says nothing of others is that of any object.
    pub(crate) fn rest(&self, document: &Document<'a>) -> Option<Nodes<'a>> {
        match &self.others {
            Others::Unsaid if document.open || !self.named => Some(Vec::new()),
            Others::Unsaid => None,
            Others::Fit(nodes) if nodes.iter().any(|node| **node == NEVER) => None,
            Others::Fit(nodes) => Some(nodes.clone()),
        }
    }

    fn and(mut self, other: Self) -> Self {
        let beyond = |of: &Self, name: &str| match &of.others {
            Others::Fit(nodes) if !of.members.contains_key(name) => nodes.clone(),
            _ => Vec::new(),
        };
        let names: BTreeSet<&str> = self
            .members
            .keys()
            .chain(other.members.keys())
            .copied()
            .collect();
        let mut members = BTreeMap::new();
        for name in names {
            let mut nodes = self.members.get(name).cloned().unwrap_or_default();
            nodes.extend(other.members.get(name).into_iter().flatten());
            nodes.extend(beyond(&self, name));
            nodes.extend(beyond(&other, name));
            members.insert(name, nodes);
        }
        self.members = members;
        self.required.extend(other.required);
        self.named |= other.named;
        self.others = match (self.others, other.others) {
            (Others::Fit(mut a), Others::Fit(b)) => {
                a.extend(b);
                Others::Fit(a)
            }
            (Others::Unsaid, said) | (said, Others::Unsaid) => said,
        };
        self
    }
}

/// The normal form.
#[derive(Debug, Clone)]
pub(crate) struct Union<'a> {
    /// What fits, type by type.
    pub(crate) pieces: Vec<Piece<'a>>,
    /// Whether all that the pieces have does fit. Where not, the schema says
    /// something that is not understood here, and this is what.
    pub(crate) unknown: BTreeSet<String>,
}

impl<'a> Union<'a> {
    fn any() -> Self {
        static SCALARS: [Value; 3] = [Value::Null, Value::Bool(false), Value::Bool(true)];
        Self {
            pieces: vec![
                Piece::Finite(SCALARS.iter().collect()),
                Piece::Number(Range::default()),
                Piece::Text(Text::default()),
                Piece::List(List::default()),
                Piece::Object(Object::default()),
            ],
            unknown: BTreeSet::new(),
        }
    }

    fn and(self, other: Self, document: &Document<'a>) -> Self {
        let mut both = Self {
            pieces: Vec::new(),
            unknown: self.unknown,
        };
        both.unknown.extend(other.unknown);
        for a in &self.pieces {
            for b in &other.pieces {
                both.pieces.extend(meet(a, b, document, &mut both.unknown));
            }
        }
        if both.pieces.len() > PIECES {
            both.unknown
                .insert("more alternatives than are followed".to_owned());
            both.pieces.truncate(PIECES);
        }
        both
    }
}

/// What is in both pieces, if anything can be.
fn meet<'a>(
    a: &Piece<'a>,
    b: &Piece<'a>,
    document: &Document<'a>,
    unknown: &mut BTreeSet<String>,
) -> Option<Piece<'a>> {
    let piece = match (a, b) {
        (Piece::Finite(values), other) | (other, Piece::Finite(values)) => {
            let mut left = Vec::new();
            for value in values {
                match other.has(document, value) {
                    Some(false) => {}
                    Some(true) => left.push(*value),
                    None => {
                        unknown.insert("a format of a listed value".to_owned());
                        left.push(*value);
                    }
                }
            }
            return (!left.is_empty()).then_some(Piece::Finite(left));
        }
        (Piece::Number(a), Piece::Number(b)) => Piece::Number(a.clone().and(b.clone())),
        (Piece::Text(a), Piece::Text(b)) => Piece::Text(a.clone().and(b.clone())),
        (Piece::List(a), Piece::List(b)) => Piece::List(List {
            items: a.items.iter().chain(&b.items).copied().collect(),
            least: a.least.max(b.least),
            most: match (a.most, b.most) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            unique: a.unique || b.unique,
        }),
        (Piece::Object(a), Piece::Object(b)) => Piece::Object(a.clone().and(b.clone())),
        _ => return None,
    };
    Some(piece)
}

impl<'a> Document<'a> {
    /// The normal form of what fits all of `nodes`.
    pub(crate) fn union(&self, nodes: &[&'a Value]) -> Union<'a> {
        self.union_at(nodes, DEPTH)
    }

    fn union_at(&self, nodes: &[&'a Value], depth: usize) -> Union<'a> {
        let one = |node: &&'a Value| self.of(node, depth);
        let all = nodes.iter().map(one);
        all.reduce(|a, b| a.and(b, self)).unwrap_or_else(Union::any)
    }

    fn of(&self, node: &'a Value, depth: usize) -> Union<'a> {
        let mut union = Union::any();
        let keywords = match node {
            Value::Bool(true) => return union,
            Value::Bool(false) => {
                union.pieces.clear();
                return union;
            }
            Value::Object(keywords) => keywords,
            _ => {
                union
                    .unknown
                    .insert("a schema that is no object".to_owned());
                return union;
            }
        };
        if depth == 0 {
            union
                .unknown
                .insert("references that go on and on".to_owned());
            return union;
        }
        union = self.own(keywords);
        if let Some(there) = keywords.get("$ref").and_then(Value::as_str) {
            match self.at(there) {
                Some(found) => union = union.and(self.of(found, depth - 1), self),
                None => {
                    union.unknown.insert(format!("$ref {there}"));
                }
            }
        }
        for either in ["anyOf", "oneOf"] {
            let Some(branches) = keywords.get(either).and_then(Value::as_array) else {
                continue;
            };
            let branches: Vec<Union<'a>> = branches
                .iter()
                .map(|branch| self.of(branch, depth - 1))
                .collect();
            let mut all = Union {
                pieces: Vec::new(),
                unknown: BTreeSet::new(),
            };
            if either == "oneOf" && self.overlap(&branches) {
                all.unknown
                    .insert("oneOf whose branches may overlap".to_owned());
            }
            for branch in branches {
                all.pieces.extend(branch.pieces);
                all.unknown.extend(branch.unknown);
            }
            union = union.and(all, self);
        }
        for part in keywords
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            union = union.and(self.of(part, depth - 1), self);
        }
        if keywords.get("nullable") == Some(&Value::Bool(true)) {
            static NULL: Value = Value::Null;
            union.pieces.push(Piece::Finite(vec![&NULL]));
        }
        union
    }

    /// What `reference` names.
    pub(crate) fn at(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// Whether two of `branches` may have a value in common.
    fn overlap(&self, branches: &[Union<'a>]) -> bool {
        branches.iter().enumerate().any(|(n, a)| {
            branches[n + 1..].iter().any(|b| {
                let mut pairs = a
                    .pieces
                    .iter()
                    .flat_map(|a| b.pieces.iter().map(move |b| (a, b)));
                pairs.any(|(a, b)| !self.apart(a, self, b))
            })
        })
    }

    /// Whether no value is surely in both, `a` of this document and `b` of `other`.
    pub(crate) fn apart(&self, a: &Piece<'a>, other: &Document<'a>, b: &Piece<'a>) -> bool {
        match (a, b) {
            (Piece::Finite(values), it) => values
                .iter()
                .all(|value| it.has(other, value) == Some(false)),
            (it, Piece::Finite(values)) => values
                .iter()
                .all(|value| it.has(self, value) == Some(false)),
            (Piece::Number(a), Piece::Number(b)) => a.clone().and(b.clone()).is_empty(),
            (Piece::Text(_), Piece::Text(_)) | (Piece::List(_), Piece::List(_)) => false,
            (Piece::Object(a), Piece::Object(b)) => {
                // A member that both always have, and that names the kind.
                let kinds = |document: &Document<'a>, object: &Object<'a>, name: &str| {
                    let nodes = object.members.get(name)?;
                    let union = document.union_at(nodes, 4);
                    let pieces = union.pieces.into_iter();
                    let values = pieces.map(|piece| match piece {
                        Piece::Finite(values) => Some(values),
                        _ => None,
                    });
                    let values: Option<Vec<_>> = values.collect();
                    values.map(|values| values.concat())
                };
                let mut shared = a.required.intersection(&b.required);
                shared.any(|name| {
                    let both = kinds(self, a, name).zip(kinds(other, b, name));
                    both.is_some_and(|(a, b)| !a.iter().any(|value| b.contains(value)))
                })
            }
            _ => true,
        }
    }

    /// What the keywords of one node say, without references and combinations.
    fn own(&self, keywords: &'a Map<String, Value>) -> Union<'a> {
        let mut union = Union::any();
        for name in keywords.keys() {
            if !UNDERSTOOD.contains(&name.as_str()) && !name.starts_with("x-") {
                union.unknown.insert(format!("`{name}`"));
            }
        }
        let types: Option<Vec<&str>> = keywords.get("type").map(|types| match types {
            Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        });
        let has = |name: &str| types.as_ref().is_none_or(|types| types.contains(&name));
        let mut pieces = Vec::new();
        for piece in union.pieces {
            match piece {
                Piece::Finite(values) => {
                    let kept = values.into_iter().filter(|value| match value {
                        Value::Null => has("null"),
                        _ => has("boolean"),
                    });
                    pieces.push(Piece::Finite(kept.collect()));
                }
                Piece::Number(_) if has("number") || has("integer") => {
                    pieces.push(Piece::Number(range(keywords, !has("number"))));
                }
                Piece::Text(_) if has("string") => pieces.push(Piece::Text(text(keywords))),
                Piece::List(_) if has("array") => pieces.push(Piece::List(list(keywords))),
                Piece::Object(_) if has("object") => {
                    pieces.push(Piece::Object(object(keywords)));
                }
                _ => {}
            }
        }
        pieces.retain(|piece| !matches!(piece, Piece::Finite(values) if values.is_empty()));
        union.pieces = pieces;
        let listed = keywords.get("enum").and_then(Value::as_array);
        let listed = listed.map(|values| values.iter().collect());
        let only = keywords.get("const").map(|value| vec![value]);
        for values in [listed, only].into_iter().flatten() {
            let these = Union {
                pieces: vec![Piece::Finite(values)],
                unknown: BTreeSet::new(),
            };
            union = union.and(these, self);
        }
        union
    }
}

/// The keywords that are understood, and those that bound nothing.
const UNDERSTOOD: [&str; 46] = [
    "type",
    "enum",
    "const",
    "nullable",
    "$ref",
    "anyOf",
    "oneOf",
    "allOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "$defs",
    "definitions",
    "components",
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
    "xml",
    "externalDocs",
    "openapi",
    "info",
    "paths",
];
