//! The state machines that a template on disk deploys, as they are once
//! everything is put in: any template, not only ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use duet_asl::MachineType;
use duet_lab::{Deployed, Files, deployed};
use serde_json::Value;

use crate::terminal::exit::{Outcome, Problem};

/// What the template at hand is called among its files.
const ROOT: &str = "template.yaml";
/// The types of resources that are state machines.
const KINDS: [&str; 2] = [
    "AWS::StepFunctions::StateMachine",
    "AWS::Serverless::StateMachine",
];

/// A state machine of a template.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its place: its logical id, after those of the stacks it is in.
    pub place: String,
    /// Its definition, with what the template substitutes.
    pub definition: String,
    /// The rules its executions follow.
    pub kind: MachineType,
}

/// The state machines that the template at `path` deploys with `parameters`, in
/// nested stacks, too.
///
/// # Errors
/// [`Problem`] naming the file or resource that cannot be read or worked out.
pub fn of(path: &Path, parameters: &BTreeMap<String, String>) -> Outcome<Vec<Machine>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|e| Problem::usage(format!("{} cannot be read: {e}", path.display())))
    };
    let mut files = Files::from([(ROOT.to_owned(), read(path)?)]);
    // Templates name the files of nested stacks: each that is missed is read.
    let found = loop {
        let found = match deployed(&files, "stack", parameters, &KINDS) {
            Ok(found) => found,
            Err(why) => {
                let missing = why.missing_file().filter(|it| !files.contains_key(*it));
                let Some(missing) = missing.map(str::to_owned) else {
                    return Err(Problem::usage(why));
                };
                let text = read(&folder.join(&missing))?;
                files.insert(missing, text);
                continue;
            }
        };
        break found;
    };
    found
        .iter()
        .map(|it| {
            let within = Path::new(&it.template).parent();
            machine(it, &folder.join(within.unwrap_or(Path::new(""))))
        })
        .collect()
}

/// What `it` deploys, whose definition's file is looked for in `folder`.
fn machine(it: &Deployed, folder: &Path) -> Outcome<Machine> {
    let wrong = |why: String| Problem::usage(format!("{}: {why}", it.place));
    let has = |names: [&str; 2]| {
        let values = names.map(|name| &it.properties[name]);
        values.into_iter().find(|value| !value.is_null())
    };
    let written = match (
        has(["Definition", "DefinitionString"]),
        has(["DefinitionUri", "DefinitionS3Location"]),
    ) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(object), _) => object.to_string(),
        (None, Some(Value::String(file))) => {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|e| wrong(format!("{}: {e}", path.display())))?
        }
        (None, Some(_)) => {
            return Err(wrong(
                "its definition is in a bucket, and not a file".to_owned(),
            ));
        }
        (None, None) => return Err(wrong("it has no definition".to_owned())),
    };
    let values = &it.properties["DefinitionSubstitutions"];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let filled = duet_asl::substitute(&written, |name| values.get(name).map(text));
    let definition =
        filled.map_err(|names| wrong(format!("nothing is put in for {}", names.join(", "))))?;
    let kind = has(["StateMachineType", "Type"]).and_then(Value::as_str);
    Ok(Machine {
        place: it.place.clone(),
        definition,
        kind: kind.unwrap_or("STANDARD").parse().map_err(wrong)?,
    })
}
