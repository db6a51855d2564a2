//! Schemas inferred from events, as EventBridge's discoverer does it: OpenAPI 3 for
//! each source and detail-type, with no value of any event in it ([discovery]).
//!
//! A member that one of several events lacks is not required; types that differ are
//! joined. The same events give the same schemas, in whatever order they come.
//!
//! [discovery]: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-schema-discovery.html

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Why an event has no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event}: {why}")]
pub struct Unfit {
    /// Which, counted from 1.
    pub event: usize,
    /// What it lacks.
    pub why: String,
}

/// What was seen in one place.
#[derive(Debug, Default)]
struct Shape {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    /// Whether there was text, and whether all of it was a date and time.
    text: Option<bool>,
    list: Option<Box<Shape>>,
    object: Option<Members>,
}

/// The members of the objects that were seen in one place.
#[derive(Debug, Default)]
struct Members {
    /// How many objects.
    objects: usize,
    /// In how many of them a member was, and what it was.
    all: BTreeMap<String, (usize, Shape)>,
}

impl Shape {
    fn see(&mut self, value: &Value) {
        match value {
            Value::Null => self.null = true,
            Value::Bool(_) => self.boolean = true,
            Value::Number(number) if number.is_f64() => self.number = true,
            Value::Number(_) => self.integer = true,
            Value::String(text) => {
                let dated = is_date_time(text);
                self.text = Some(dated && self.text.unwrap_or(true));
            }
            Value::Array(list) => {
                let items = self.list.get_or_insert_default();
                list.iter().for_each(|it| items.see(it));
            }
            Value::Object(members) => {
                let seen = self.object.get_or_insert_default();
                seen.objects += 1;
                for (name, value) in members {
                    let (times, shape) = seen.all.entry(name.clone()).or_default();
                    *times += 1;
                    shape.see(value);
                }
            }
        }
    }

    fn schema(&self) -> Value {
        let mut each = Vec::new();
        if self.boolean {
            each.push(json!({ "type": "boolean" }));
        }
        match (self.number, self.integer) {
            (true, _) => each.push(json!({ "type": "number" })),
            (false, true) => each.push(json!({ "type": "integer" })),
            (false, false) => {}
        }
        match self.text {
            Some(true) => each.push(json!({ "type": "string", "format": "date-time" })),
            Some(false) => each.push(json!({ "type": "string" })),
            None => {}
        }
        if let Some(items) = &self.list {
            each.push(json!({ "type": "array", "items": items.schema() }));
        }
        if let Some(members) = &self.object {
            each.push(members.schema());
        }
        // OpenAPI 3.0 knows no null but beside a type; of null alone nothing is known.
        if self.null {
            let each = each.iter_mut().filter_map(Value::as_object_mut);
            each.for_each(|it| _ = it.insert("nullable".to_owned(), true.into()));
        }
        match each.len() {
            0 => json!({}),
            1 => each.swap_remove(0),
            _ => json!({ "anyOf": each }),
        }
    }
}

impl Members {
    fn schema(&self) -> Value {
        let properties = self.all.iter();
        let properties: Map<String, Value> = properties
            .map(|(name, (_, shape))| (name.clone(), shape.schema()))
            .collect();
        let always = self.all.iter().filter(|(_, (n, _))| *n == self.objects);
        let always: Vec<&String> = always.map(|(name, _)| name).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        // OpenAPI 3.0 has no list of nothing that is required.
        if !always.is_empty() {
            schema["required"] = json!(always);
        }
        schema
    }
}

/// The schemas of `events`, each as a bus has it, by the name that the registry
/// gives: `source@DetailType`.
///
/// # Errors
/// [`Unfit`] for what has no source, detail-type or detail, or whose name another
/// detail-type has.
pub fn discovered(events: &[Value]) -> Result<BTreeMap<String, Value>, Unfit> {
    let mut found: BTreeMap<String, (&str, &str, Shape)> = BTreeMap::new();
    for (n, event) in events.iter().enumerate() {
        let unfit = |why: String| Unfit { event: n + 1, why };
        let word = |member: &str| {
            let there = event[member].as_str().filter(|it| !it.is_empty());
            there.ok_or_else(|| unfit(format!("it has no {member}")))
        };
        let (source, detail_type) = (word("source")?, word("detail-type")?);
        let detail = event.get("detail").filter(|it| it.is_object());
        let detail = detail.ok_or_else(|| unfit("its detail is no object".to_owned()))?;
        let name = format!("{source}@{}", joined(detail_type));
        let seen = found.entry(name.clone());
        let (_, known, shape) = seen.or_insert((source, detail_type, Shape::default()));
        if *known != detail_type {
            let why = format!("'{known}' and '{detail_type}' would both be called {name}");
            return Err(unfit(why));
        }
        shape.see(detail);
    }
    let documents = found
        .into_iter()
        .map(|(name, (source, detail_type, shape))| (name, document(source, detail_type, &shape)));
    Ok(documents.collect())
}

/// Whether `text` has the form of a date and time as RFC 3339 has it, with `T`.
fn is_date_time(text: &str) -> bool {
    let form = |text: &str, form: &str| {
        let same = |(c, f): (char, char)| match f {
            '0' => c.is_ascii_digit(),
            f => c == f,
        };
        text.len() == form.len() && text.chars().zip(form.chars()).all(same)
    };
    let Some((moment, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = rest == "Z" || form(rest, "+00:00") || form(rest, "-00:00");
    form(moment, "0000-00-00T00:00:00") && zone
}

/// A detail-type as one word: what is neither letter nor digit goes, and what comes
/// after it begins with a capital.
fn joined(detail_type: &str) -> String {
    let words = detail_type.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|it| !it.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    let whole: String = words.collect();
    match whole.is_empty() {
        true => "Event".to_owned(),
        false => whole,
    }
}

/// The document of one event, as the registry has it.
fn document(source: &str, detail_type: &str, detail: &Shape) -> Value {
    let name = match joined(detail_type) {
        // The name of what is around it.
        name if name == ENVELOPE => format!("{name}Detail"),
        name => name,
    };
    let text = json!({ "type": "string" });
    json!({
        "openapi": "3.0.0",
        "info": { "version": "1.0.0", "title": name },
        "paths": {},
        "components": { "schemas": {
            ENVELOPE: {
                "type": "object",
                "required": ["detail-type", "resources", "detail", "id", "source", "time", "region", "version", "account"],
                "x-amazon-events-detail-type": detail_type,
                "x-amazon-events-source": source,
                "properties": {
                    "detail": { "$ref": format!("#/components/schemas/{name}") },
                    "account": text, "detail-type": text, "id": text, "region": text,
                    "source": text, "version": text,
                    "resources": { "type": "array", "items": text },
                    "time": { "type": "string", "format": "date-time" },
                },
            },
            name: detail.schema(),
        } },
    })
}

/// What the registry calls what is around an event.
const ENVELOPE: &str = "AWSEvent";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::read;

    fn event(detail: Value) -> Value {
        json!({ "source": "my.shop", "detail-type": "Order placed-again", "detail": detail })
    }

    fn detail(events: &[Value]) -> Value {
        let mut all = discovered(events).unwrap();
        let document = all.remove("my.shop@OrderPlacedAgain").unwrap();
        assert!(all.is_empty());
        document["components"]["schemas"]["OrderPlacedAgain"].clone()
    }

    #[test]
    fn what_one_event_lacks_is_optional_and_types_are_joined() {
        let one = event(
            json!({ "id": 1, "at": "2026-01-01T00:00:00Z", "lines": [{ "sku": "a" }], "note": null, "x": "a" }),
        );
        let other = event(
            json!({ "id": 1.5, "at": "2026-01-01T00:00:00.123+01:00", "lines": [{ "n": 1 }, { "sku": "b" }], "note": "n", "x": true }),
        );
        let expected = json!({
            "type": "object",
            "required": ["at", "id", "lines", "note", "x"],
            "properties": {
                "at": { "type": "string", "format": "date-time" },
                "id": { "type": "number" },
                "lines": { "type": "array", "items": {
                    "type": "object", "properties": { "n": { "type": "integer" }, "sku": { "type": "string" } },
                } },
                "note": { "type": "string", "nullable": true },
                "x": { "anyOf": [{ "type": "boolean" }, { "type": "string" }] },
            },
        });
        assert_eq!(detail(&[one.clone(), other.clone()]), expected);
        // In whatever order they come.
        assert_eq!(detail(&[other, one]), expected);
        let less = detail(&[
            event(json!({ "a": 1, "b": "later" })),
            event(json!({ "a": [] })),
        ]);
        assert_eq!(less["required"], json!(["a"]));
        assert_eq!(
            less["properties"]["a"]["anyOf"][1],
            json!({ "type": "array", "items": {} })
        );
    }

    #[test]
    fn no_value_of_an_event_is_told() {
        let secret = event(json!({ "card": "4111", "deep": { "list": ["4111", { "n": 4111 }] } }));
        let all = discovered(&[secret]).unwrap();
        let text = serde_json::to_string(&all).unwrap();
        assert!(!text.contains("4111"), "{text}");
    }

    #[test]
    fn what_is_discovered_is_read_as_an_export() {
        let all = discovered(&[event(json!({ "a": 1 }))]).unwrap();
        let read = read(
            "x.json",
            &all["my.shop@OrderPlacedAgain"].to_string(),
            false,
        )
        .unwrap();
        assert_eq!((read[0].name.as_str(), read.len()), ("OrderPlacedAgain", 1));
        assert_eq!(read[0].detail_type.as_deref(), Some("Order placed-again"));
        assert_eq!(read[0].source.as_deref(), Some("my.shop"));
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_number() {
        let good = event(json!({}));
        let twin = json!({ "source": "my.shop", "detail-type": "OrderPlaced again", "detail": {} });
        for (event, says) in [
            (
                json!({ "source": "s", "detail": {} }),
                "event 2: it has no detail-type",
            ),
            (
                json!({ "source": "s", "detail-type": "t", "detail": [] }),
                "event 2: its detail is no object",
            ),
            (json!(1), "event 2: it has no source"),
            (
                twin,
                "event 2: 'Order placed-again' and 'OrderPlaced again' would both",
            ),
        ] {
            let refused = discovered(&[good.clone(), event]).unwrap_err().to_string();
            assert!(refused.starts_with(says), "{refused}");
        }
    }

    #[test]
    fn a_date_has_the_form_of_one() {
        for (text, is) in [
            ("2026-01-01T00:00:00Z", true),
            ("2026-01-01T00:00:00.5-08:00", true),
            ("2026-01-01", false),
            ("2026-01-01T00:00:00", false),
            ("2026-01-01T00:00:00ä", false),
            ("2026-01-01T00:00:0ä", false),
        ] {
            assert_eq!(is_date_time(text), is, "{text}");
        }
    }
}
