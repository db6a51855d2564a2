//! The schema registries that the templates deploy, as EventBridge would hold them.
//!
//! Nothing in the lab reads a schema, so they are worked out when they are asked for.

use serde_json::Value;

use super::Definitions;
use crate::deployed::deployed;
use crate::template::{DefinitionError, text};

const REGISTRY: &str = "AWS::EventSchemas::Registry";
const SCHEMA: &str = "AWS::EventSchemas::Schema";

/// The types that a registry takes ([CreateSchema]).
///
/// [CreateSchema]: https://docs.aws.amazon.com/eventbridge/latest/schema-reference/v1-registries-name-registryname-schemas-name-schemaname.html
const TYPES: [&str; 2] = ["JSONSchemaDraft4", "OpenApi3"];

/// A schema in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registered {
    /// The registry's name.
    pub registry: String,
    /// The schema's name.
    pub name: String,
    /// `JSONSchemaDraft4` or `OpenApi3`.
    pub kind: String,
    /// What it says of itself.
    pub description: String,
    /// The schema, as text.
    pub content: String,
}

impl Definitions {
    /// The schemas in the registries that are deployed, by registry and name.
    ///
    /// # Errors
    /// [`DefinitionError`] for what EventBridge would refuse: a schema without its
    /// registry, of another type, or that is no JSON.
    pub fn registered(&self) -> Result<Vec<Registered>, DefinitionError> {
        let kinds = [REGISTRY, SCHEMA];
        let all = deployed(&self.files, &self.stack, &self.parameters, &kinds)?;
        let (registries, schemas): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|it| it.kind == REGISTRY);
        let mut found = Vec::new();
        for schema in schemas {
            let property = |name: &str| match &schema.properties[name] {
                Value::Null => String::new(),
                value => text(value),
            };
            let refused = |why: String| Err(DefinitionError::new(&schema.place, why));
            let registry = property("RegistryName");
            if !registries.iter().any(|it| it.reference == registry) {
                return refused(format!("there is no registry {registry}"));
            }
            let kind = property("Type");
            if !TYPES.contains(&kind.as_str()) {
                return refused(format!("{kind} is none of {}", TYPES.join(", ")));
            }
            let content = property("Content");
            if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(&content) {
                return refused(format!("its Content is no JSON: {e}"));
            }
            found.push(Registered {
                registry,
                name: schema.reference.clone(),
                kind,
                description: property("Description"),
                content,
            });
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use duet_core::Vocabulary as _;

    use super::*;
    use crate::definitions::bundled;

    fn read(parameters: &[(&str, &str)], from: &str, to: &str) -> Definitions {
        let mut files = bundled();
        let template = files.get_mut("infra/registry/template.yaml").unwrap();
        assert!(template.contains(from), "{from}");
        *template = template.replacen(from, to, 1);
        let given: BTreeMap<String, String> = parameters
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Definitions::read(files, "shop", &given).unwrap()
    }

    #[test]
    fn the_registry_has_every_fact_but_on_an_emulator() {
        let all = read(&[], "", "").registered().unwrap();
        assert_eq!(all.len(), duet_core::Fact::NAMES.len());
        assert!(all.iter().all(|it| it.registry == "shop-facts"));
        let placed = all
            .iter()
            .find(|it| it.name == "duet.order@NewOrder")
            .unwrap();
        let schema: Value = serde_json::from_str(&placed.content).unwrap();
        assert_eq!(schema["x-amazon-events-source"], "duet.order");
        assert_eq!(placed.description, "An order was taken on.");
        let emulated = read(&[("Emulated", "true")], "", "");
        assert!(emulated.registered().unwrap().is_empty());
    }

    #[test]
    fn what_eventbridge_would_refuse_is_refused() {
        for (from, to, says) in [
            ("Type: JSONSchemaDraft4", "Type: Avro", "Avro is none of"),
            ("Content: |\n        {", "Content: |\n        [", "no JSON"),
            (
                "RegistryName: !GetAtt Registry.RegistryName\n      SchemaName",
                "RegistryName: other\n      SchemaName",
                "no registry other",
            ),
        ] {
            let refused = read(&[], from, to).registered().unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }

    /// It costs by the event: somebody has to want it.
    #[test]
    fn events_are_discovered_only_where_that_was_asked_for() {
        let discoverers = |parameters: &[(&str, &str)]| {
            let definitions = read(parameters, "", "");
            definitions.declares("AWS::EventSchemas::Discoverer")
        };
        assert!(!discoverers(&[]));
        assert!(discoverers(&[("DiscoverSchemas", "true")]));
        for without in [("WithChoreography", "false"), ("Emulated", "true")] {
            assert!(!discoverers(&[("DiscoverSchemas", "true"), without]));
        }
    }
}
