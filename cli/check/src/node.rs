//! A value of a template or a definition, and the line it stands on.

use std::ops::Index;

use serde_json::{Map, Number, Value};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The line in its file, from 1.
    pub(crate) line: usize,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Nothing: also what is not there.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// What only deployment knows; the text has `${..}` for the parts that are
    /// not known.
    Unknown(String),
    /// A list.
    List(Vec<Node>),
    /// Members in the order they are written.
    Map(Vec<Member>),
}

/// A member of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The line of the name.
    pub(crate) line: usize,
    pub(crate) value: Node,
}

static NOTHING: Node = Node {
    line: 0,
    kind: Kind::Null,
};

impl Node {
    pub(crate) fn new(line: usize, kind: Kind) -> Self {
        Self { line, kind }
    }

    pub(crate) fn text(line: usize, text: impl Into<String>) -> Self {
        Self::new(line, Kind::Text(text.into()))
    }

    pub(crate) fn unknown(line: usize, what: impl Into<String>) -> Self {
        Self::new(line, Kind::Unknown(what.into()))
    }

    /// The same at another line.
    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }

    /// Its members; none if it is no map.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    /// Its items; none if it is no list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Its items, or itself where a list of one may be written without its brackets.
    pub(crate) fn one_or_more(&self) -> &[Self] {
        match &self.kind {
            Kind::Null => &[],
            Kind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The text, if that is known.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, also if it is written as text, as parameters hand it down.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match &self.kind {
            Kind::Number(number) => number.as_f64(),
            Kind::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.kind, Kind::Unknown(_))
    }

    /// Whether it, or anything in it, is not known.
    pub(crate) fn has_unknown(&self) -> bool {
        match &self.kind {
            Kind::Unknown(_) => true,
            Kind::List(items) => items.iter().any(Self::has_unknown),
            Kind::Map(members) => members.iter().any(|it| it.value.has_unknown()),
            _ => false,
        }
    }

    /// A scalar as it reads, known or not; `None` of nothing, a list or a map.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(it) => Some(it.to_string()),
            Kind::Number(number) => Some(number.to_string()),
            Kind::Text(text) | Kind::Unknown(text) => Some(text.clone()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The same as JSON; what is not known is its text.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(it) => (*it).into(),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) | Kind::Unknown(text) => text.clone().into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(members) => {
                let pairs = members
                    .iter()
                    .map(|it| (it.name.clone(), it.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// Whether it has a member called `name`, be it nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members().iter().any(|it| it.name == name)
    }

    /// The line of the member called `name`, or its own.
    pub(crate) fn line_of(&self, name: &str) -> usize {
        let member = self.members().iter().find(|it| it.name == name);
        member.map_or(self.line, |it| it.line)
    }
}

impl Index<&str> for Node {
    type Output = Self;

    /// The member called `name`; nothing if there is none. Of what is not known no
    /// member is.
    fn index(&self, name: &str) -> &Self {
        if self.is_unknown() {
            return self;
        }
        let member = self.members().iter().find(|it| it.name == name);
        member.map_or(&NOTHING, |it| &it.value)
    }
}

impl Index<usize> for Node {
    type Output = Self;

    fn index(&self, at: usize) -> &Self {
        self.items().get(at).unwrap_or(&NOTHING)
    }
}
