//! Schemas as they are handed in.

use serde::Serialize;
use serde_json::Value;

/// Why something is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct Refused {
    /// Where it is from.
    pub file: String,
    /// What is wrong with it.
    pub why: String,
}

/// Who is strict about what a contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An event: whoever says it says what is agreed and no more; whoever hears it
    /// passes over what it does not know.
    Fact,
    /// A command: both are strict.
    Command,
}

/// The schema of one event or command.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// What it is called.
    pub name: String,
    /// Fact or command.
    pub kind: Kind,
    /// The document it stands in.
    pub root: Value,
    /// Where in the document it stands, as a JSON pointer.
    pub at: String,
    /// Who sends the event, where the document says so.
    pub source: Option<String>,
    /// What EventBridge calls the event, where the document says so.
    pub detail_type: Option<String>,
}

impl Contract {
    /// The schema itself.
    #[must_use]
    pub fn schema(&self) -> &Value {
        self.root.pointer(&self.at).unwrap_or(&Value::Null)
    }
}

/// The contracts in one file: `path` names it, for what it is called and for whether
/// it is a command (a file in a folder `commands`, or `strict`), and `text` is what
/// it says.
///
/// It may be a JSON Schema, an OpenAPI 3 or Draft 4 document of EventBridge's schema
/// registry with the event's envelope in it, or what `aws schemas export-schema` and
/// `describe-schema` print, which has that as text in `Content`
/// ([schema registry](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-schema.html)).
///
/// # Errors
/// [`Refused`] for what is no JSON, or no schema.
pub fn read(path: &str, text: &str, strict: bool) -> Result<Vec<Contract>, Refused> {
    let refused = |why: String| Refused {
        file: path.to_owned(),
        why,
    };
    let mut root: Value =
        serde_json::from_str(text).map_err(|e| refused(format!("is no JSON: {e}")))?;
    let mut parts = path.rsplit(['/', '\\', ':']);
    let file = parts.next().unwrap_or(path);
    let mut name = file.strip_suffix(".json").unwrap_or(file).to_owned();
    let is_command = strict || name == "command-message" || parts.any(|it| it == "commands");
    let kind = if is_command {
        Kind::Command
    } else {
        Kind::Fact
    };
    if let Some(content) = root.get("Content").and_then(Value::as_str) {
        let inner = serde_json::from_str(content);
        let inner = inner.map_err(|e| refused(format!("its Content is no JSON: {e}")))?;
        if let Some(own) = root.get("SchemaName").and_then(Value::as_str) {
            own.clone_into(&mut name);
        }
        root = inner;
    }
    if !root.is_object() && !root.is_boolean() {
        return Err(refused(
            "is no schema: that is an object or a boolean".to_owned(),
        ));
    }
    let found = if root.get("openapi").is_some() {
        components(&root, kind)
    } else if let Some(event) = enveloped(&root, "", kind) {
        vec![event]
    } else {
        vec![Contract {
            name: name.clone(),
            kind,
            at: String::new(),
            source: None,
            detail_type: None,
            root,
        }]
    };
    if found.is_empty() {
        return Err(refused("has no schema in components.schemas".to_owned()));
    }
    Ok(found)
}

/// The contracts of an OpenAPI document: the event in its envelope, or every schema
/// where there is none.
fn components(root: &Value, kind: Kind) -> Vec<Contract> {
    let schemas = root
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    let names = || schemas.into_iter().flat_map(|it| it.keys());
    let at = |name: &String| format!("/components/schemas/{}", escaped(name));
    let events: Vec<Contract> = names()
        .filter_map(|name| enveloped(root, &at(name), kind))
        .collect();
    if !events.is_empty() {
        return events;
    }
    let all = names().map(|name| Contract {
        name: name.clone(),
        kind,
        root: root.clone(),
        at: at(name),
        source: None,
        detail_type: None,
    });
    all.collect()
}

/// The event inside the envelope that the schema at `at` is, if it is one: it has
/// `detail`, and says what its `detail-type` is.
fn enveloped(root: &Value, at: &str, kind: Kind) -> Option<Contract> {
    let envelope = root.pointer(at)?;
    let members = envelope.get("properties")?.as_object()?;
    let detail = members.get("detail")?;
    if !members.contains_key("detail-type") && envelope.get(DETAIL_TYPE).is_none() {
        return None;
    }
    // The envelope's own word, or what its member is bound to.
    let said = |key: &str, member: &str| {
        let own = envelope.get(key).and_then(Value::as_str);
        let bound = members.get(member);
        let only = || {
            let listed = bound?.get("enum")?.as_array()?;
            let one = (listed.len() == 1).then(|| listed.first())?;
            one.or_else(|| bound?.get("const"))?.as_str()
        };
        own.or_else(only).map(str::to_owned)
    };
    let reference = detail.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|to| to.strip_prefix('#'));
    let detail_type = said(DETAIL_TYPE, "detail-type");
    let name = match target.and_then(|to| to.rsplit('/').next()) {
        Some(name) => name.replace("~1", "/").replace("~0", "~"),
        None => detail_type.clone().unwrap_or_else(|| "Detail".to_owned()),
    };
    Some(Contract {
        name,
        kind,
        root: root.clone(),
        at: target.map_or_else(|| format!("{at}/properties/detail"), str::to_owned),
        source: said(SOURCE, "source"),
        detail_type,
    })
}

/// Where a schema of the registry says what the event is called.
const DETAIL_TYPE: &str = "x-amazon-events-detail-type";
/// Where it says who sends it.
const SOURCE: &str = "x-amazon-events-source";

/// `name` as a step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
