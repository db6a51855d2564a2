//! Words of schemas: tags, enumerations, what is said of a type.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Found, STRING, Shape, Type, VALUE, Variant};
use crate::bindings::names::{type_name, unique};
use crate::keywords::{range, text};
use crate::number::{Num, of_format};

/// The member that says what each of `parts` is, and its words.
pub(super) fn tag(root: &Value, parts: &[Map<String, Value>]) -> Option<(String, Vec<String>)> {
    let first = parts.first()?.get("properties")?.as_object()?;
    let words = |name: &str| {
        let each = parts.iter().map(|part| {
            let required = part.get("required")?.as_array()?;
            required.iter().find(|it| *it == name)?;
            let node = part.get("properties")?.get(name)?;
            let target = node.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|it| root.pointer(it.strip_prefix('#')?));
            match listed(target.unwrap_or(node))?.as_slice() {
                [(word, _)] => Some(word.clone()),
                _ => None,
            }
        });
        let words: Option<Vec<String>> = each.collect();
        words.filter(|words| words.iter().collect::<BTreeSet<_>>().len() == words.len())
    };
    let mut names: Vec<&String> = first.keys().collect();
    names.sort();
    names
        .into_iter()
        .find_map(|name| Some((name.clone(), words(name)?)))
}

/// The words that `node` lists, each with what is said of it, if it lists words.
pub(super) fn listed(node: &Value) -> Option<Vec<(String, String)>> {
    let about = about(node);
    // A word that the rules beside it refuse is never said.
    let rules = node.as_object().map(text).unwrap_or_default();
    let is_said = |word: &str| rules.has(word) != Some(false);
    if let Some(word) = node.get("const") {
        let word = word.as_str()?;
        let said = is_said(word).then(|| (word.to_owned(), about));
        return Some(said.into_iter().collect());
    }
    if let Some(branches) = node.get("oneOf").and_then(Value::as_array) {
        let each: Option<Vec<_>> = branches.iter().map(listed).collect();
        return each
            .map(|all| all.concat())
            .filter(|_| node.get("properties").is_none());
    }
    let words = node.get("enum")?.as_array()?;
    let words = words
        .iter()
        .map(|word| Some((word.as_str()?.to_owned(), String::new())));
    words
        .collect::<Option<Vec<_>>>()
        .filter(|words| !words.is_empty())
}

pub(super) fn words_of(words: Vec<(String, String)>) -> Vec<Variant> {
    let mut taken = BTreeSet::from(["Unknown".to_owned()]);
    let mut known = BTreeSet::new();
    let words = words
        .into_iter()
        .filter(|(word, _)| known.insert(word.clone()));
    let each = words.map(|(word, about)| Variant {
        name: unique(type_name(&word), &mut taken),
        word,
        of: STRING,
        about,
    });
    each.collect()
}

pub(super) fn is_null(node: &Value) -> bool {
    node.get("type") == Some(&json!("null"))
        || node.get("const") == Some(&Value::Null)
        || node.get("enum") == Some(&json!([null]))
}

pub(super) fn nullable(of: Type) -> Type {
    match of {
        of @ Type::Nullable(_) => of,
        of if of == VALUE => of,
        of => Type::Nullable(Box::new(of)),
    }
}

/// What a schema says of itself.
pub(in crate::bindings) fn about(node: &Value) -> String {
    let said = node.get("description").and_then(Value::as_str);
    said.unwrap_or_default().trim().to_owned()
}

/// The type of a whole number: the narrowest that its format asks for, with what its
/// rules take from that.
pub(super) fn whole(keywords: &Map<String, Value>) -> Found {
    let rules = range(keywords, true);
    let end = |end: Option<(Num, bool)>| match end.map(|it| it.0) {
        Some(Num::Whole(end)) => Some(end),
        _ => None,
    };
    let format = keywords.get("format").and_then(Value::as_str);
    let bounds = format.and_then(of_format);
    let natives = [
        ("u8", of_format("uint8")),
        ("u16", of_format("uint16")),
        ("u32", of_format("uint32")),
        ("i8", of_format("int8")),
        ("i16", of_format("int16")),
        ("i32", of_format("int32")),
        ("u64", of_format("uint64")),
        ("i64", of_format("int64")),
    ];
    let named = natives
        .iter()
        .find(|(_, own)| bounds.is_some() && *own == bounds);
    let (low, high) = (end(rules.low), end(rules.high));
    let plain = if low.is_some_and(|low| low >= 0) {
        natives[6]
    } else {
        natives[7]
    };
    let (native, own) = *named.unwrap_or(&plain);
    let (least, most) = own.unwrap_or((i128::MIN, i128::MAX));
    let (low, high) = (
        low.unwrap_or(least).max(least),
        high.unwrap_or(most).min(most),
    );
    let of = match rules.multiples.first() {
        Some(Num::Whole(of)) => *of,
        _ => 1,
    };
    if (low, high) == (least, most) && of <= 1 {
        return Found::Type(Type::Plain(native));
    }
    Found::Shape(Shape::Whole(native, low, high, of))
}
