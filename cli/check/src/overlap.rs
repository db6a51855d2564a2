//! Event patterns against each other, and against what is known of an event.
//!
//! Two patterns take the same event if one can be shown: it is made of values
//! that they ask for, and tried on both with `duet-pattern`. They take none if a
//! field that is always a single text (the envelope's) cannot suit both. All else
//! is not known: a field of `detail` may be a list, of which each pattern matches
//! another element.

use std::collections::{BTreeMap, BTreeSet};

use duet_pattern::Pattern;
use serde_json::{Map, Value, json};

use crate::node::{Kind, Node};
use crate::yaml;

/// How many alternatives of `$or` are looked at.
const MOST: usize = 256;
/// The fields of an event that are always one text.
const SINGLE: [&str; 7] = [
    "source",
    "detail-type",
    "account",
    "region",
    "id",
    "time",
    "version",
];

/// Whether two patterns take the same event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Overlap {
    /// They do: such an event.
    Surely(Value),
    /// They do not.
    Never,
    /// It is not known: why.
    Perhaps(String),
}

/// Whether a pattern takes an event of which only the source and the detail-type
/// are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Takes {
    Never,
    /// It depends on the rest of the event, or of the pattern.
    Perhaps,
    Surely,
}

/// A field's tests, by its dotted path, of one alternative of a pattern.
type Fields = BTreeMap<String, Tests>;

#[derive(Debug, Clone, PartialEq)]
struct Tests {
    list: Vec<Value>,
    is_known: bool,
}

impl Tests {
    /// Whether a field that holds `value`, or is not there, is taken.
    fn accept(&self, value: Option<&Value>) -> bool {
        let pattern = Pattern::from_value(&json!({ "f": self.list }));
        let event = value.map_or_else(|| json!({}), |value| json!({ "f": value }));
        pattern.is_ok_and(|it| it.matches(&event))
    }
}

/// Whether `one` and `other` take the same event.
pub(crate) fn overlap(one: &Node, other: &Node) -> Overlap {
    let [Some(mine), Some(yours)] = [one, other].map(alternatives) else {
        return Overlap::Perhaps("a pattern cannot be read before deployment".to_owned());
    };
    let mut answer = Overlap::Never;
    for (a, b) in mine.iter().flat_map(|a| yours.iter().map(move |b| (a, b))) {
        match pair(a, b) {
            Overlap::Never => {}
            Overlap::Surely(event) => return Overlap::Surely(event),
            perhaps => answer = perhaps,
        }
    }
    answer
}

fn pair(a: &Fields, b: &Fields) -> Overlap {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut event = Map::new();
    let mut doubt = None;
    for name in names {
        let tests: Vec<&Tests> = [a.get(name), b.get(name)].into_iter().flatten().collect();
        if tests.iter().any(|it| !it.is_known) {
            doubt = Some(format!("`{name}` is not known before deployment"));
            continue;
        }
        let mut tried = candidates(&tests).into_iter();
        let suits = |value: Option<&Value>| tests.iter().all(|it| it.accept(value));
        match tried.find(|value| suits(value.as_ref())) {
            Some(Some(value)) => put(&mut event, name, value),
            Some(None) => {}
            None if SINGLE.contains(&name.as_str()) && apart(&tests) => return Overlap::Never,
            None => doubt = Some(format!("only if `{name}` suits both, as a list may")),
        }
    }
    match doubt {
        Some(why) => Overlap::Perhaps(why),
        None => {
            let event = Value::Object(event);
            let both = [a, b].map(|it| pattern(it).is_some_and(|it| it.matches(&event)));
            match both {
                [true, true] => Overlap::Surely(event),
                _ => Overlap::Perhaps("no event for both was found".to_owned()),
            }
        }
    }
}

/// Whether `pattern` takes an event with this source and detail-type, as far as
/// they are known.
pub(crate) fn takes(pattern: &Node, source: Option<&str>, detail_type: Option<&str>) -> Takes {
    let Some(all) = alternatives(pattern) else {
        return Takes::Perhaps;
    };
    let one = |fields: &Fields| {
        let each = fields.iter().map(|(name, tests)| {
            let value = match name.as_str() {
                "source" => source,
                "detail-type" => detail_type,
                _ => None,
            };
            match value {
                Some(value) if tests.is_known => match tests.accept(Some(&value.into())) {
                    true => Takes::Surely,
                    false => Takes::Never,
                },
                _ => Takes::Perhaps,
            }
        });
        each.min().unwrap_or(Takes::Surely)
    };
    all.iter().map(one).max().unwrap_or(Takes::Never)
}

/// The detail-types that a pattern asks for by name, of events with these
/// sources; `None` if it asks for others, too.
pub(crate) fn asked_for(pattern: &Node) -> Option<Vec<(Vec<String>, String)>> {
    let texts = |tests: Option<&Tests>| -> Option<Vec<String>> {
        let tests = tests.filter(|it| it.is_known)?;
        let texts = tests.list.iter().map(|it| it.as_str().map(str::to_owned));
        texts.collect()
    };
    let mut all = Vec::new();
    for fields in alternatives(pattern)? {
        let sources = texts(fields.get("source"))?;
        let types = texts(fields.get("detail-type"))?;
        all.extend(types.into_iter().map(|it| (sources.clone(), it)));
    }
    Some(all)
}

/// The alternatives of a pattern, as JSON or as its text.
fn alternatives(pattern: &Node) -> Option<Vec<Fields>> {
    match &pattern.kind {
        Kind::Map(_) => flat(pattern, ""),
        Kind::Text(text) => flat(&yaml::parse(text).ok()?, ""),
        _ => None,
    }
}

fn flat(node: &Node, before: &str) -> Option<Vec<Fields>> {
    let mut all = vec![Fields::new()];
    for member in node.members() {
        let path = match before {
            "" => member.name.clone(),
            before => format!("{before}.{}", member.name),
        };
        let choices = match &member.value.kind {
            Kind::List(items) if member.name == "$or" => {
                let each = items.iter().map(|it| flat(it, before));
                each.collect::<Option<Vec<_>>>()?.concat()
            }
            Kind::List(items) => {
                let list = items.iter().map(Node::to_json).collect();
                let is_known = !member.value.has_unknown();
                vec![Fields::from([(path, Tests { list, is_known })])]
            }
            Kind::Map(_) => flat(&member.value, &path)?,
            _ => return None,
        };
        let with = |fields: &Fields| {
            let both = choices.iter().map(|it| {
                let mut fields = fields.clone();
                fields.extend(it.clone());
                fields
            });
            both.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
        if all.len() > MOST {
            return None;
        }
    }
    Some(all)
}

fn pattern(fields: &Fields) -> Option<Pattern> {
    let mut all = Map::new();
    for (name, tests) in fields {
        put(&mut all, name, tests.list.clone().into());
    }
    Pattern::from_value(&all.into()).ok()
}

/// Puts `value` at a dotted path.
fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => _ = map.insert(path.to_owned(), value),
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Values that may suit all of `tests`; `None` is none at all.
fn candidates(tests: &[&Tests]) -> Vec<Option<Value>> {
    let (mut found, mut starts, mut ends) = (Vec::new(), vec![String::new()], Vec::new());
    for test in tests.iter().flat_map(|it| &it.list) {
        let Some((operator, wanted)) = test.as_object().and_then(|it| it.iter().next()) else {
            found.push(Some(test.clone()));
            continue;
        };
        let text = wanted.as_str().or_else(|| {
            let nested = wanted.as_object()?.values().next()?;
            nested.as_str()
        });
        match (operator.as_str(), text) {
            ("prefix", Some(text)) => starts.push(text.to_owned()),
            ("suffix", Some(text)) => ends.push(text.to_owned()),
            ("wildcard", Some(text)) => found.push(Some(text.replace('*', "").into())),
            ("equals-ignore-case", Some(text)) => found.push(Some(text.into())),
            ("cidr", Some(text)) => {
                let address = text.split('/').next().unwrap_or_default();
                found.push(Some(address.into()));
            }
            ("exists", _) if wanted == &json!(false) => found.push(None),
            ("numeric", _) => found.extend(numbers(wanted).map(Some)),
            _ => {}
        }
    }
    ends.extend(["", "x"].map(str::to_owned));
    for start in &starts {
        let both = ends.iter().map(|end| format!("{start}{end}"));
        found.extend(both.map(|it| Some(it.into())));
    }
    // Something that nobody names.
    found.extend([
        Some(json!("something-else")),
        Some(json!(4_999_999_999_i64)),
    ]);
    found
}

/// Numbers at and around the bounds of a numeric test, and between them.
fn numbers(bounds: &Value) -> impl Iterator<Item = Value> {
    let bounds = bounds.as_array().into_iter().flatten();
    let bounds: Vec<f64> = bounds.filter_map(Value::as_f64).collect();
    let middle = bounds.iter().sum::<f64>() / bounds.len().max(1) as f64;
    let around = bounds.into_iter().flat_map(|it| [it, it - 1.0, it + 1.0]);
    let all = around.chain([middle]);
    all.map(|it| match it.fract() == 0.0 {
        true => json!(it as i64),
        false => json!(it),
    })
}

/// Whether no single text can suit two lists of tests, of which no candidate does:
/// a constant was tried as it is, and two beginnings or two ends that do not
/// contain each other exclude each other.
fn apart(tests: &[&Tests]) -> bool {
    let [a, b] = tests else {
        return false;
    };
    let plain = |test: &Value, operator: &str| test[operator].as_str().map(str::to_owned);
    let exclude = |one: &Value, other: &Value| {
        let both = |operator| plain(one, operator).zip(plain(other, operator));
        let starts = both("prefix").map(|(a, b)| !a.starts_with(&b) && !b.starts_with(&a));
        let ends = both("suffix").map(|(a, b)| !a.ends_with(&b) && !b.ends_with(&a));
        !one.is_object() || !other.is_object() || starts.or(ends).unwrap_or(false)
    };
    let mut pairs = a
        .list
        .iter()
        .flat_map(|x| b.list.iter().map(move |y| (x, y)));
    pairs.all(|(x, y)| exclude(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        yaml::parse(text).unwrap()
    }

    fn said(one: &str, other: &str) -> &'static str {
        match overlap(&node(one), &node(other)) {
            Overlap::Surely(_) => "surely",
            Overlap::Never => "never",
            Overlap::Perhaps(_) => "perhaps",
        }
    }

    #[test]
    fn patterns_overlap_or_not_or_nobody_knows() {
        for (one, other, expect) in [
            ("{source: [a]}", "{source: [a]}", "surely"),
            ("{source: [a]}", "{source: [b]}", "never"),
            ("{source: [a]}", "{detail-type: [X]}", "surely"),
            ("{source: [a, b]}", "{source: [{prefix: b}]}", "surely"),
            (
                "{source: [{prefix: shop.}]}",
                "{source: [{prefix: shop.order}]}",
                "surely",
            ),
            (
                "{source: [{prefix: shop.}]}",
                "{source: [{prefix: bank.}]}",
                "never",
            ),
            (
                "{source: [{prefix: shop.}]}",
                "{source: [{suffix: .order}]}",
                "surely",
            ),
            ("{source: [a]}", "{source: [{anything-but: [a]}]}", "never"),
            (
                "{source: [{anything-but: [a]}]}",
                "{source: [{anything-but: [b]}]}",
                "surely",
            ),
            (
                "{source: [{wildcard: \"a*\"}]}",
                "{source: [{prefix: b}]}",
                "perhaps",
            ),
            (
                "{detail: {n: [{numeric: [\">\", 5]}]}}",
                "{detail: {n: [{numeric: [\"<\", 7]}]}}",
                "surely",
            ),
            (
                "{detail: {s: [open]}}",
                "{detail: {s: [closed]}}",
                "perhaps",
            ),
            (
                "{detail: {s: [{exists: false}]}}",
                "{detail: {t: [1]}}",
                "surely",
            ),
            (
                "{$or: [{source: [a]}, {source: [b]}]}",
                "{source: [b], detail-type: [X]}",
                "surely",
            ),
            (
                "{$or: [{source: [a]}, {source: [b]}]}",
                "{source: [c]}",
                "never",
            ),
            ("'{\"source\": [\"a\"]}'", "{source: [a]}", "surely"),
        ] {
            assert_eq!(said(one, other), expect, "{one} and {other}");
            assert_eq!(said(other, one), expect, "{other} and {one}");
        }
    }

    #[test]
    fn what_only_deployment_knows_is_not_guessed() {
        let mut unknown = node("{source: [x]}");
        let Kind::Map(members) = &mut unknown.kind else {
            panic!("a map");
        };
        members[0].value = Node::new(1, Kind::List(vec![Node::unknown(1, "${Source}")]));
        let same = overlap(&unknown, &node("{source: [x]}"));
        assert!(matches!(same, Overlap::Perhaps(_)), "{same:?}");
        assert_eq!(takes(&unknown, Some("x"), Some("X")), Takes::Perhaps);
    }

    #[test]
    fn an_event_is_taken_by_its_source_and_type() {
        let pattern = node("{source: [a], detail-type: [X, Y]}");
        assert_eq!(takes(&pattern, Some("a"), Some("X")), Takes::Surely);
        assert_eq!(takes(&pattern, None, Some("X")), Takes::Perhaps);
        assert_eq!(takes(&pattern, Some("b"), Some("X")), Takes::Never);
        assert_eq!(takes(&pattern, None, Some("Z")), Takes::Never);
        let rest = node("{source: [a], detail: {s: [open]}}");
        assert_eq!(takes(&rest, Some("a"), Some("X")), Takes::Perhaps);
        let both = vec![
            (vec!["a".to_owned()], "X".to_owned()),
            (vec!["a".to_owned()], "Y".to_owned()),
        ];
        assert_eq!(asked_for(&pattern), Some(both));
        assert_eq!(asked_for(&rest), None);
    }
}
