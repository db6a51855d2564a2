//! Reading a template: YAML, its short forms written out.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use super::{DefinitionError, Resolved};
use crate::definitions::bundled;

/// The text of a template that is built in, and what was read of it.
type Kept = (String, OnceLock<Arc<Value>>);

/// The templates that are built in, by path, each read once: a shop has twenty stacks
/// of the same few, and is read again for each set of parameters.
static BUILT_IN: LazyLock<BTreeMap<String, Kept>> = LazyLock::new(|| {
    let files = bundled().into_iter();
    files
        .map(|(path, text)| (path, (text, OnceLock::new())))
        .collect()
});

/// The template `text`, which is at `path`, without short forms.
pub(super) fn read(path: &str, text: &str) -> Resolved<Arc<Value>> {
    let parse = || {
        let wrong = |why: String| DefinitionError::new(path, why);
        let yaml: Yaml = serde_norway::from_str(text).map_err(|e| wrong(e.to_string()))?;
        long_form(&yaml).map(Arc::new).map_err(wrong)
    };
    let kept = BUILT_IN.get(path).filter(|(known, _)| known == text);
    let Some((_, kept)) = kept else {
        return parse();
    };
    if let Some(template) = kept.get() {
        return Ok(template.clone());
    }
    let template = parse()?;
    Ok(kept.get_or_init(|| template).clone())
}

/// YAML with CloudFormation's short tags as the JSON with long ones.
fn long_form(yaml: &Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(it) => (*it).into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(real)) => real.into(),
            (None, None) => Value::Null,
        },
        Yaml::String(text) => text.clone().into(),
        Yaml::Sequence(items) => {
            Value::Array(items.iter().map(long_form).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                let name = match long_form(name)? {
                    Value::String(name) => name,
                    other => other.to_string(),
                };
                object.insert(name, long_form(member)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let argument = long_form(&tagged.value)?;
            match tag {
                "Ref" | "Condition" => json!({ tag: argument }),
                "GetAtt" => {
                    let dotted = argument
                        .as_str()
                        .ok_or("!GetAtt takes Resource.Attribute")?;
                    let (logical, attribute) = dotted
                        .split_once('.')
                        .ok_or("!GetAtt takes Resource.Attribute")?;
                    json!({ "Fn::GetAtt": [logical, attribute] })
                }
                _ => json!({ format!("Fn::{tag}"): argument }),
            }
        }
    })
}
