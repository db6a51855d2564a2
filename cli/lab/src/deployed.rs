//! What templates deploy, resource by resource: for whoever asks about kinds
//! that the lab does not model, such as roles and their policies.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use crate::template::{DefinitionError, Files, Stack};

/// A resource whose condition holds, with everything in it worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// Its place among all stacks: `Nested/Resource`.
    pub place: String,
    /// The template that declares it, from the repository's root.
    pub template: String,
    /// Its type.
    pub kind: String,
    /// What `Ref` gives for it.
    pub reference: String,
    /// Its ARN, of a kind whose ARN is known.
    pub arn: Option<String>,
    /// Its properties; of a function, with what `Globals` says.
    pub properties: Value,
}

/// The resources of a type in `kinds`, or of every type if there are none, that
/// `files` deploy as a stack called `stack`, with `parameters` in place of the root template's defaults.
///
/// # Errors
/// [`DefinitionError`] naming the file or resource that cannot be worked out.
pub fn deployed(
    files: &Files,
    stack: &str,
    parameters: &BTreeMap<String, String>,
    kinds: &[&str],
) -> Result<Vec<Deployed>, DefinitionError> {
    let mut found = Vec::new();
    for stack in family(&Arc::new(files.clone()), stack, parameters)? {
        for resource in stack.resources(kinds)? {
            let logical = &resource.logical;
            found.push(Deployed {
                place: stack.place(logical),
                template: stack.path.clone(),
                reference: stack.reference(logical)?,
                arn: stack.attribute(logical, "Arn").ok(),
                kind: resource.kind,
                properties: resource.properties,
            });
        }
    }
    Ok(found)
}

/// A stack: the root, or one that is nested in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// What the places of its resources begin with.
    pub place: String,
    /// Its template, from the repository's root.
    pub template: String,
    /// What it says of itself.
    pub outputs: BTreeMap<String, String>,
}

/// The stacks that `files` deploy, the root first; see [`deployed`].
///
/// # Errors
/// [`DefinitionError`] naming the file or resource that cannot be worked out.
pub fn stacks(
    files: &Files,
    stack: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Vec<Nested>, DefinitionError> {
    let family = family(&Arc::new(files.clone()), stack, parameters)?;
    let tell = |stack: &Rc<Stack>| {
        Ok(Nested {
            place: stack.place(""),
            template: stack.path.clone(),
            outputs: stack.outputs()?,
        })
    };
    family.iter().map(tell).collect()
}

/// The root stack, called `name`, and all that are nested in it: each before those
/// in it, and these before the next, as one would read the templates.
pub(crate) fn family(
    files: &Arc<Files>,
    name: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Vec<Rc<Stack>>, DefinitionError> {
    let given = parameters
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    let mut open = vec![Rc::new(Stack::new(files, "template.yaml", name, &given)?)];
    let mut stacks = Vec::new();
    while let Some(stack) = open.pop() {
        open.extend(stack.nested()?.into_iter().rev());
        stacks.push(stack);
    }
    Ok(stacks)
}
