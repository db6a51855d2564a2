//! Whether a value fits a schema, and a value that does.

use serde_json::{Map, Value, json};

use crate::node::{Document, List, Nodes, Object, Piece, Union};
use crate::number::{Num, both};

/// How deep an example may be.
const DEPTH: usize = 12;
/// How long a list may be that is made to try a bound.
const LONGEST: usize = 1_024;

/// A value that fits, if there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Example {
    /// This one does.
    Is(Value),
    /// Nothing does.
    Never,
    /// It was not found out.
    Unknown,
}

impl<'a> Document<'a> {
    /// Whether `value` fits all of `nodes`; `None` when that is not known.
    pub(crate) fn fits(&self, nodes: &[&'a Value], value: &Value) -> Option<bool> {
        self.union(nodes).has(self, value)
    }

    /// A value that fits all of `nodes`.
    pub(crate) fn example(&self, nodes: &[&'a Value]) -> Example {
        self.example_at(nodes, DEPTH)
    }

    fn example_at(&self, nodes: &[&'a Value], depth: usize) -> Example {
        if depth == 0 {
            return Example::Unknown;
        }
        let union = self.union(nodes);
        let mut none = Example::Never;
        for piece in &union.pieces {
            match self.of_piece(piece, depth) {
                Example::Is(value) if union.has(self, &value) == Some(true) => {
                    return Example::Is(value);
                }
                Example::Never => {}
                _ => none = Example::Unknown,
            }
        }
        none
    }

    /// A value of `piece`.
    pub(crate) fn example_of(&self, piece: &Piece<'a>) -> Example {
        self.of_piece(piece, DEPTH)
    }

    fn of_piece(&self, piece: &Piece<'a>, depth: usize) -> Example {
        let first = |values: Vec<Value>, empty: bool| match values.into_iter().next() {
            Some(value) => Example::Is(value),
            None if empty => Example::Never,
            None => Example::Unknown,
        };
        match piece {
            Piece::Finite(values) => first(values.iter().map(|it| (*it).clone()).collect(), true),
            Piece::Number(range) => first(range.values(), range.is_empty()),
            Piece::Text(text) => first(text.samples(None), text.is_empty()),
            Piece::List(list) => self.list(list, list.least, depth),
            Piece::Object(object) => self.object(object, depth),
        }
    }

    /// A list of so many elements.
    pub(crate) fn list_of(&self, list: &List<'a>, many: usize) -> Example {
        self.list(list, many, DEPTH)
    }

    fn list(&self, list: &List<'a>, many: usize, depth: usize) -> Example {
        if list.most.is_some_and(|most| many > most) {
            return Example::Never;
        }
        if many == 0 {
            return Example::Is(json!([]));
        }
        match self.example_at(&list.items, depth - 1) {
            Example::Is(_) if list.unique && many > 1 => self.different(list, many),
            Example::Is(_) if many > LONGEST => Example::Unknown,
            Example::Is(value) => Example::Is(vec![value; many].into()),
            none => none,
        }
    }

    /// A list of so many elements of which no two are equal.
    fn different(&self, list: &List<'a>, many: usize) -> Example {
        let mut values: Vec<Value> = Vec::new();
        for piece in self.union(&list.items).pieces {
            let more = match piece {
                Piece::Finite(some) => some.into_iter().cloned().collect(),
                Piece::Number(range) => range.values(),
                Piece::Text(text) => text.samples(None),
                _ => Vec::new(),
            };
            for value in more {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        if values.len() < many {
            return Example::Unknown;
        }
        values.truncate(many);
        Example::Is(values.into())
    }

    fn object(&self, object: &Object<'a>, depth: usize) -> Example {
        let mut members = Map::new();
        for name in &object.required {
            let member = match object.member(self, name) {
                None => Example::Never,
                Some(nodes) => self.example_at(&nodes, depth - 1),
            };
            match member {
                Example::Is(value) => members.insert((*name).to_owned(), value),
                none => return none,
            };
        }
        Example::Is(members.into())
    }
}

impl<'a> Union<'a> {
    /// Whether `value` is in it; `None` when that is not known.
    pub(crate) fn has(&self, document: &Document<'a>, value: &Value) -> Option<bool> {
        let mut found = Some(false);
        for piece in &self.pieces {
            match piece.has(document, value) {
                Some(true) => {
                    found = Some(true);
                    break;
                }
                Some(false) => {}
                None => found = None,
            }
        }
        match found {
            Some(true) if !self.unknown.is_empty() => None,
            found => found,
        }
    }
}

impl<'a> Piece<'a> {
    /// Whether `value` is in it; `None` when that is not known.
    pub(crate) fn has(&self, document: &Document<'a>, value: &Value) -> Option<bool> {
        match (self, value) {
            (Self::Finite(values), value) => Some(values.iter().any(|it| equal(it, value))),
            (Self::Number(range), value @ Value::Number(_)) => range.has(Num::of(value)?),
            (Self::Text(text), Value::String(value)) => text.has(value),
            (Self::List(list), Value::Array(values)) => {
                let many = values.len();
                if many < list.least || list.most.is_some_and(|most| many > most) {
                    return Some(false);
                }
                if list.unique && (1..many).any(|n| values[..n].contains(&values[n])) {
                    return Some(false);
                }
                let fit = values.iter().map(|it| document.fits(&list.items, it));
                fit.reduce(both).unwrap_or(Some(true))
            }
            (Self::Object(object), Value::Object(members)) => {
                if !object
                    .required
                    .iter()
                    .all(|name| members.contains_key(*name))
                {
                    return Some(false);
                }
                let fit = members.iter().map(|(name, value)| {
                    let nodes: Option<Nodes<'_>> = object.member(document, name);
                    nodes.map_or(Some(false), |nodes| document.fits(&nodes, value))
                });
                fit.reduce(both).unwrap_or(Some(true))
            }
            _ => Some(false),
        }
    }
}

/// Whether two values are equal, `1` and `1.0` too.
fn equal(a: &Value, b: &Value) -> bool {
    match (Num::of(a), Num::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
