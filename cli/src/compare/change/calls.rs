//! What the definitions of a variant call, and what they hand over.

use std::collections::BTreeSet;

use duet_lab::{Definitions, bundled};
use serde_json::Value;

use super::{Field, own};
use crate::shop::variant::Description;
use crate::terminal::exit::{Outcome, Problem};

/// A call of a task in a definition: the definition's name, the service that it
/// calls, and the data that it hands over.
struct Call {
    definition: String,
    service: String,
    data: Value,
}

/// The calls of the definitions of the variant of `description`.
fn calls(definitions: &Definitions, description: &Description) -> Outcome<Vec<Call>> {
    let files = bundled();
    let mut calls = Vec::new();
    for machine in own(definitions, description)? {
        let Some(file) = machine.properties["DefinitionS3Location"].as_str() else {
            continue;
        };
        let folder = machine
            .template
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let text = files.get(&format!("{folder}/{file}"));
        let definition = serde_json::from_str(text.map_or("null", String::as_str));
        let mut open: Vec<Value> = vec![definition.map_err(Problem::environment)?];
        while let Some(value) = open.pop() {
            let arguments = &value["Arguments"];
            if let Some(function) = arguments["FunctionName"].as_str() {
                let name = function.trim_start_matches("${").trim_end_matches('}');
                let put_in = machine.properties["DefinitionSubstitutions"][name].as_str();
                let mut known = definitions.functions.iter();
                let known = known.find(|it| put_in.is_some_and(|at| it.arn == at || it.name == at));
                calls.extend(known.map(|it| Call {
                    definition: file.split('.').next().unwrap_or_default().to_owned(),
                    service: it.service.clone(),
                    data: arguments["Payload"]["data"].clone(),
                }));
            }
            match value {
                Value::Object(members) => open.extend(members.into_iter().map(|(_, it)| it)),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }
    Ok(calls)
}

/// The services that the definitions `edited` tell what is owed.
pub(super) fn told_what_is_owed(
    definitions: &Definitions,
    description: &Description,
    edited: &[String],
) -> Outcome<BTreeSet<String>> {
    let told = calls(definitions, description)?.into_iter();
    let told = told.filter(|it| edited.contains(&it.definition) && !it.data["owed"].is_null());
    Ok(told.map(|it| it.service).collect())
}

/// The definitions that hand the field beside `field` on to who reads it, by name.
pub(super) fn hands_on(
    definitions: &Definitions,
    description: &Description,
    field: &Field,
) -> Outcome<BTreeSet<String>> {
    let handed = calls(definitions, description)?.into_iter();
    let handed =
        handed.filter(|it| it.service == field.read_by && !it.data[&field.beside].is_null());
    Ok(handed.map(|it| it.definition).collect())
}
