//! Facts as CloudEvents 1.0 in structured JSON mode ([JSON event format]): the
//! envelope's attributes are CloudEvents' already, so an event is laid flat and
//! nothing is made up.
//!
//! [JSON event format]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

use duet_core::{Fact, Timestamp, Vocabulary as _};
use serde_json::{Map, Value, json};

use super::super::{samples, sorted};
use super::Published;
use crate::terminal::exit::{Outcome, Problem};

/// When the examples are said: at the beginning of 2026.
const SAID: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An example of each fact, and of each kind of it.
///
/// # Errors
/// [`Problem`] for a fact that no sample fits.
pub fn examples(shop: &Published) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    for name in Fact::NAMES {
        let said = shop.facts.iter().find(|it| it.name == *name);
        for (kind, mut event) in samples(name)? {
            let by = said.map_or("cli", |it| it.by);
            event.metadata.source = format!("duet.{by}");
            let subject = &event.metadata.subject;
            event.metadata.id = match kind {
                Some(kind) => format!("{by}/{subject}/{name}/{kind}"),
                None => format!("{by}/{subject}/{name}"),
            };
            event.metadata.late = false;
            event.metadata.time = SAID;
            let variant = shop.variants.iter().find(|it| it.has_facts);
            event.metadata.variant = variant.map_or("sample", |it| it.name).to_owned();
            // The same each time.
            event.metadata.traceparent = None;
            let metadata = serde_json::to_value(&event.metadata);
            let metadata = metadata.map_err(Problem::environment)?;
            all.push(flat(&metadata, &event.data())?);
        }
    }
    Ok(all)
}

/// An event as a bus has it, with `source`, `detail-type` and `detail`, or a fact
/// alone, with `metadata` and `data`.
///
/// # Errors
/// What is missing, for what is neither.
pub fn converted(event: &Value) -> Result<Value, String> {
    let inner = event.get("detail").unwrap_or(event);
    if let (Some(metadata), Some(data)) = (inner.get("metadata"), inner.get("data"))
        && metadata["id"].is_string()
    {
        return flat(metadata, data).map_err(|e| e.to_string());
    }
    // Nobody's envelope but the bus's own.
    let mut whole = Map::new();
    whole.insert("specversion".to_owned(), "1.0".into());
    whole.insert("datacontenttype".to_owned(), "application/json".into());
    for (attribute, member) in [("id", "id"), ("source", "source"), ("type", "detail-type")] {
        let value = event[member].as_str().filter(|it| !it.is_empty());
        let value = value.ok_or_else(|| format!("it has no {member}"))?;
        whole.insert(attribute.to_owned(), value.into());
    }
    if let Some(time) = event["time"].as_str() {
        whole.insert("time".to_owned(), time.into());
    }
    let detail = event.get("detail");
    let detail = detail.ok_or_else(|| "it has no detail".to_owned())?;
    whole.insert("data".to_owned(), detail.clone());
    Ok(sorted(whole.into()))
}

/// `metadata` as attributes, beside `data`. An attribute has a value or is not there.
fn flat(metadata: &Value, data: &Value) -> Outcome<Value> {
    let members = metadata.as_object();
    let members = members.ok_or_else(|| Problem::usage("its metadata is no object"))?;
    let mut whole = Map::new();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let fits = name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !fits || value.is_object() || value.is_array() || name == "data" {
            return Err(Problem::usage(format!(
                "its metadata has {name}, which cannot be an attribute of a CloudEvent"
            )));
        }
        whole.insert(name.clone(), value.clone());
    }
    for required in ["id", "source", "type"] {
        let there = whole.get(required).and_then(Value::as_str);
        if there.is_none_or(str::is_empty) {
            return Err(Problem::usage(format!("its metadata has no {required}")));
        }
    }
    whole.insert("specversion".to_owned(), json!("1.0"));
    whole.insert("datacontenttype".to_owned(), json!("application/json"));
    whole.insert("data".to_owned(), data.clone());
    Ok(sorted(whole.into()))
}
