//! Whether all that one schema lets somebody write is what another one reads.
//!
//! "Yes" is a proof, piece by piece. "No" comes with a document that is written so
//! and not read so. What is neither is not known.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::accept::Example;
use crate::node::{Document, List, Nodes, Object, Piece, Union};
use crate::number::Num;

/// How many nested members are compared.
const DEPTH: usize = 24;

/// A place at which what is written is not what is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gap {
    /// The field, as a dotted path; that of a list's elements is the list's own.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) why: String,
    /// What is written there and not read; `None` where that is only possible.
    pub(crate) example: Option<Value>,
}

/// What is compared with what: what is written, and what is read.
pub(crate) struct Pair<'a> {
    /// The writer's.
    pub(crate) writer: Document<'a>,
    /// The reader's.
    pub(crate) reader: Document<'a>,
    /// Nodes that are being compared: what contains itself fits as long as nothing
    /// else in it does not.
    seen: BTreeSet<Vec<usize>>,
}

impl<'a> Pair<'a> {
    /// Where what `writer` has at its root is not in what `reader` has.
    pub(crate) fn gaps(
        writer: Document<'a>,
        of: &'a Value,
        reader: Document<'a>,
        to: &'a Value,
    ) -> Vec<Gap> {
        let mut pair = Self {
            writer,
            reader,
            seen: BTreeSet::new(),
        };
        let mut gaps = pair.nodes(&vec![of], &vec![to], "", DEPTH);
        // An example is believed when it is held against both as a whole.
        for gap in &mut gaps {
            let is_one = |example: &Value| {
                writer.fits(&[of], example) == Some(true)
                    && reader.fits(&[to], example) == Some(false)
            };
            gap.example = gap.example.take().filter(is_one);
        }
        if !gaps.is_empty() && writer.example(&[of]) == Example::Never {
            gaps.clear();
        }
        gaps
    }

    fn nodes(&mut self, of: &Nodes<'a>, to: &Nodes<'a>, field: &str, depth: usize) -> Vec<Gap> {
        let gap = |why: &str| Gap {
            field: field.to_owned(),
            why: why.to_owned(),
            example: None,
        };
        if depth == 0 {
            return vec![gap("nested more deeply than is compared")];
        }
        let at = |node: &&'a Value| std::ptr::from_ref(*node) as usize;
        let (own, others) = (of.iter().map(at), to.iter().map(at));
        let key: Vec<usize> = own.chain([0]).chain(others).collect();
        if !self.seen.insert(key.clone()) {
            return Vec::new();
        }
        let written = self.writer.union(of);
        let read = self.reader.union(to);
        let mut gaps = Vec::new();
        for piece in &written.pieces {
            gaps.extend(self.piece(piece, &read, field, depth));
        }
        if gaps.is_empty() && !read.unknown.is_empty() && !self.is_same(of, to) {
            let names: Vec<&str> = read.unknown.iter().map(String::as_str).collect();
            gaps.push(gap(&format!("{} is not understood", names.join(", "))));
        }
        self.seen.remove(&key);
        gaps
    }

    /// Whether both say the same, word for word, in documents that define the same.
    fn is_same(&self, of: &Nodes<'a>, to: &Nodes<'a>) -> bool {
        let (writer, reader) = (self.writer.root, self.reader.root);
        let places = ["$defs", "definitions", "components"];
        of == to
            && places
                .iter()
                .all(|place| writer.get(place) == reader.get(place))
    }

    /// The gaps between one piece that is written and all that is read.
    fn piece(
        &mut self,
        piece: &Piece<'a>,
        read: &Union<'a>,
        field: &str,
        depth: usize,
    ) -> Vec<Gap> {
        let (writer, reader) = (self.writer, self.reader);
        if let Piece::Finite(values) = piece {
            return values
                .iter()
                .filter_map(|value| match read.has(&reader, value) {
                    Some(true) => None,
                    Some(false) => Some(Gap {
                        field: field.to_owned(),
                        why: format!("may be {value}, which is not read"),
                        example: Some((*value).clone()),
                    }),
                    None if read.unknown.is_empty() => Some(Gap {
                        field: field.to_owned(),
                        why: format!("whether {value} is read is not known"),
                        example: None,
                    }),
                    None => None,
                })
                .collect();
        }
        let near = read
            .pieces
            .iter()
            .filter(|it| !writer.apart(piece, &reader, it));
        let near: Vec<Piece<'a>> = near.cloned().collect();
        let example = match writer.example_of(piece) {
            Example::Never => return Vec::new(),
            Example::Is(value) => Some(value),
            Example::Unknown => None,
        };
        let mut best: Option<Vec<Gap>> = None;
        let mut tried: Vec<Gap> = Vec::new();
        for to in &near {
            let gaps = match (piece, to) {
                (Piece::Number(of), Piece::Number(to)) if of.within(to) => return Vec::new(),
                (Piece::Number(of), Piece::Number(to)) => {
                    let samples = of.samples(Some(to)).into_iter().filter_map(Num::value);
                    self.scalar(samples, read, field, "numbers")
                }
                (Piece::Text(of), Piece::Text(to)) if of.within(to) => return Vec::new(),
                (Piece::Text(of), Piece::Text(to)) => {
                    self.scalar(of.samples(Some(to)), read, field, "strings")
                }
                (Piece::List(of), Piece::List(to)) => self.list(of, to, field, depth),
                (Piece::Object(of), Piece::Object(to)) => self.object(of, to, field, depth),
                (_, Piece::Finite(_)) => self.scalar(self.samples(piece), read, field, "values"),
                _ => continue,
            };
            if gaps.is_empty() {
                return gaps;
            }
            tried.extend(gaps.iter().cloned());
            if best.as_ref().is_none_or(|best| gaps.len() < best.len()) {
                best = Some(gaps);
            }
        }
        let Some(mut gaps) = best else {
            let why = format!("may be {}, which is not read", kind(piece));
            return vec![Gap {
                field: field.to_owned(),
                why,
                example,
            }];
        };
        if near.len() > 1 {
            // What one alternative does not read another one may.
            let refused = |gap: &Gap| {
                let refused = |it: &Value| read.has(&reader, it) == Some(false);
                gap.example.as_ref().is_some_and(refused)
            };
            if tried.iter().any(refused) {
                tried.retain(refused);
                gaps = tried;
            } else {
                for gap in &mut gaps {
                    gap.example = None;
                }
            }
        }
        gaps
    }

    /// Values of a piece that has no members.
    fn samples(&self, piece: &Piece<'a>) -> Vec<Value> {
        match piece {
            Piece::Number(range) => range.values(),
            Piece::Text(text) => text.samples(None),
            other => match self.writer.example_of(other) {
                Example::Is(value) => vec![value],
                _ => Vec::new(),
            },
        }
    }

    /// A gap for the first of `samples` that is not read; one that is only possible
    /// when all are.
    fn scalar(
        &self,
        samples: impl IntoIterator<Item = Value>,
        read: &Union<'a>,
        field: &str,
        what: &str,
    ) -> Vec<Gap> {
        let reader = self.reader;
        let refused = |value: &Value| read.has(&reader, value) == Some(false);
        let example = samples.into_iter().find(refused);
        let why = match &example {
            Some(value) => format!("may be {}, which is not read", short(value)),
            None => format!("whether all {what} that are written are read is not known"),
        };
        vec![Gap {
            field: field.to_owned(),
            why,
            example,
        }]
    }

    fn list(&mut self, of: &List<'a>, to: &List<'a>, field: &str, depth: usize) -> Vec<Gap> {
        let writer = self.writer;
        let example = |many: usize| match writer.list_of(of, many) {
            Example::Is(value) => Some(Some(value)),
            Example::Unknown => Some(None),
            Example::Never => None,
        };
        let mut gaps = Vec::new();
        let mut gap = |why: String, example: Option<Value>| {
            gaps.push(Gap {
                field: field.to_owned(),
                why,
                example,
            });
        };
        if of.least < to.least
            && let Some(example) = example(of.least)
        {
            gap(
                format!("may have {} elements, fewer than are read", of.least),
                example,
            );
        }
        if let Some(most) = to.most
            && of.most.is_none_or(|own| own > most)
            && let Some(example) = example(of.least.max(most.saturating_add(1)))
        {
            gap(format!("may have more than {most} elements"), example);
        }
        if to.unique
            && !of.unique
            && let Some(example) = example(of.least.max(2))
        {
            gap("may have the same element twice".to_owned(), example);
        }
        if of.most == Some(0) {
            return gaps;
        }
        for mut inner in self.nodes(&of.items, &to.items, field, depth - 1) {
            let many = of.least.max(1);
            inner.example = inner.example.and_then(|it| match example(many)?? {
                Value::Array(mut all) => {
                    *all.first_mut()? = it;
                    Some(all.into())
                }
                _ => None,
            });
            gaps.push(inner);
        }
        gaps
    }

    fn object(&mut self, of: &Object<'a>, to: &Object<'a>, field: &str, depth: usize) -> Vec<Gap> {
        let (writer, reader) = (self.writer, self.reader);
        let base = match writer.example_of(&Piece::Object(of.clone())) {
            Example::Is(Value::Object(members)) => Some(members),
            Example::Never => return Vec::new(),
            _ => None,
        };
        let mut gaps = Vec::new();
        let at = |name: &str| match field {
            "" => name.to_owned(),
            field => format!("{field}.{name}"),
        };
        let names: BTreeSet<&str> = of
            .members
            .keys()
            .chain(to.members.keys())
            .copied()
            .collect();
        for name in names {
            let Some(own) = of.member(&writer, name) else {
                continue;
            };
            let with = |value: Value| with(base.as_ref(), name, value);
            let Some(theirs) = to.member(&reader, name) else {
                let example = match writer.example(&own) {
                    Example::Never => continue,
                    Example::Is(value) => with(value),
                    Example::Unknown => None,
                };
                let why = "is written, and the reader takes no such member".to_owned();
                gaps.push(Gap {
                    field: at(name),
                    why,
                    example,
                });
                continue;
            };
            for mut gap in self.nodes(&own, &theirs, &at(name), depth - 1) {
                gap.example = gap.example.and_then(with);
                gaps.push(gap);
            }
        }
        gaps.extend(self.rest(of, to, base.as_ref(), field, depth));
        for name in to.required.difference(&of.required) {
            let mut without = base.clone();
            if let Some(members) = &mut without {
                members.remove(*name);
            }
            gaps.push(Gap {
                field: at(name),
                why: "may be missing, and the reader needs it".to_owned(),
                example: without.map(Value::Object),
            });
        }
        gaps
    }

    /// The gaps between members that neither names.
    fn rest(
        &mut self,
        of: &Object<'a>,
        to: &Object<'a>,
        base: Option<&Map<String, Value>>,
        field: &str,
        depth: usize,
    ) -> Vec<Gap> {
        let Some(own) = of.rest(&self.writer) else {
            return Vec::new();
        };
        // A name that neither has.
        let mut name = "other".to_owned();
        while of.members.contains_key(name.as_str()) || to.members.contains_key(name.as_str()) {
            name.push('_');
        }
        let inner = match to.rest(&self.reader) {
            None => match self.writer.example(&own) {
                Example::Never => Vec::new(),
                example => vec![Gap {
                    field: field.to_owned(),
                    why: "may have members of any name, which the reader does not take".to_owned(),
                    example: match example {
                        Example::Is(value) => Some(value),
                        _ => None,
                    },
                }],
            },
            Some(theirs) => self.nodes(&own, &theirs, field, depth - 1),
        };
        let inner = inner.into_iter().map(|mut gap| {
            gap.example = gap.example.and_then(|value| with(base, &name, value));
            gap
        });
        inner.collect()
    }
}

/// The object `base` with one member more.
fn with(base: Option<&Map<String, Value>>, name: &str, value: Value) -> Option<Value> {
    let mut members = base?.clone();
    members.insert(name.to_owned(), value);
    Some(members.into())
}

/// What a piece is called.
fn kind(piece: &Piece<'_>) -> &'static str {
    match piece {
        Piece::Finite(_) => "a listed value",
        Piece::Number(range) if range.whole => "an integer",
        Piece::Number(_) => "a number",
        Piece::Text(_) => "a string",
        Piece::List(_) => "a list",
        Piece::Object(_) => "an object",
    }
}

/// `value` as text, not longer than a line bears.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 {
        return text;
    }
    let begin: String = text.chars().take(24).collect();
    format!("{begin}... ({} characters)", text.chars().count())
}
