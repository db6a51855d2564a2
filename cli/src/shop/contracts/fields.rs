//! The fields of the contracts: which schema knows a field, by the path it has
//! in what travels. Reads the generated schemas; knows no target.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::terminal::exit::{Outcome, Problem};

/// How deep a schema that contains itself is followed.
const DEPTH: usize = 8;

/// Whether `path` is `field`, or lies inside it.
#[must_use]
pub fn within(field: &str, path: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The schemas in which `field`, a dotted path, occurs: files, from the
/// project's root. A fact's own fields begin with `detail.data`, as on a bus;
/// a command's with `data`, as in a message.
///
/// # Errors
/// [`Problem`] when the schemas cannot be generated.
pub fn schemas_with(field: &str) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for (file, text) in super::files()? {
        let Some(name) = file.strip_prefix(super::SCHEMAS) else {
            continue;
        };
        let base = match name.trim_start_matches('/') {
            name if name.starts_with("events/") => "detail.data",
            name if name.starts_with("commands/") => "data",
            "metadata.json" => "detail.metadata",
            _ => "",
        };
        let schema: Value = serde_json::from_str(&text).map_err(Problem::environment)?;
        let mut paths = BTreeSet::new();
        fields(&schema, &schema, base, DEPTH, &mut paths);
        if paths.iter().any(|path| within(field, path)) {
            found.push(file);
        }
    }
    Ok(found)
}

/// Gathers the paths of all fields that `schema`, a part of `root`, describes.
/// The elements of a list have the list's own path, as in an event pattern.
fn fields(root: &Value, schema: &Value, path: &str, depth: usize, found: &mut BTreeSet<String>) {
    if depth == 0 {
        return;
    }
    let mut go = |schema: &Value, path: &str| fields(root, schema, path, depth - 1, found);
    if let Some(there) = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
        go(root.pointer(there).unwrap_or(&Value::Null), path);
    }
    for either in ["oneOf", "anyOf", "allOf"] {
        for one in schema[either].as_array().into_iter().flatten() {
            go(one, path);
        }
    }
    if schema["items"].is_object() {
        go(&schema["items"], path);
    }
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        fields(root, of, &path, depth - 1, found);
        found.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(field: &str) -> Vec<String> {
        schemas_with(field).unwrap()
    }

    #[test]
    fn a_field_is_found_in_the_schemas_that_have_it_and_in_no_other() {
        let kind = with("detail.data.kind");
        let name = |fact: &str| format!("infra/schemas/events/{fact}.json");
        assert!(kind.contains(&name("NoFraudDetected")) && kind.contains(&name("PossibleFraud")));
        assert!(!kind.contains(&name("NewOrder")) && !kind.iter().any(|f| f.contains("commands")));
        // In a list, behind a reference, and as a whole.
        assert!(with("detail.data.lines.sku").contains(&name("NewOrder")));
        assert!(with("detail.data.amount.currency").contains(&name("PaymentRefunded")));
        assert!(with("detail.data.owed").contains(&name("OrderNeedsAttention")));
        let commands = with("data.payment_token");
        assert!(commands.contains(&"infra/schemas/commands/order.PlaceOrder.json".to_owned()));
        assert_eq!(
            with("detail.metadata.variant"),
            ["infra/schemas/metadata.json"]
        );
        assert_eq!(with("reply_to"), ["infra/schemas/command-message.json"]);
        assert!(with("detail.data.kin").is_empty() && with("nothing").is_empty());
    }
}
