//! Where a resource has its place among all stacks, and what must be there
//! before it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::intrinsics::{function, sub};
use super::{Resolved, Stack, text};

impl Stack {
    /// The place of a resource among all stacks: `Nested/Resource`.
    pub(crate) fn place(&self, logical: &str) -> String {
        let mut place = self.within.clone();
        place.push(logical.to_owned());
        place.join("/")
    }

    /// The place of this stack in the one around it; `None` for the root.
    pub(crate) fn own_place(&self) -> Option<String> {
        (!self.within.is_empty()).then(|| self.within.join("/"))
    }

    /// The logical ids and types of the resources whose conditions hold.
    pub(crate) fn deployed(&self) -> Resolved<Vec<(&str, &str)>> {
        let mut found = Vec::new();
        for (logical, resource) in self.template["Resources"].as_object().into_iter().flatten() {
            if self.is_deployed(resource)? {
                let kind = resource["Type"].as_str().unwrap_or_default();
                found.push((logical.as_str(), kind));
            }
        }
        Ok(found)
    }

    /// The resources of this stack that must be there before `logical` is: what
    /// it refers to, and what it says it depends on.
    pub(crate) fn needs(&self, logical: &str) -> Resolved<BTreeSet<String>> {
        let resource = self.resource(logical)?;
        let mut needs = BTreeSet::new();
        self.references(&self.written(resource), &mut needs)?;
        match &resource["DependsOn"] {
            Value::Array(several) => needs.extend(several.iter().map(text)),
            Value::Null => {}
            one => _ = needs.insert(text(one)),
        }
        let mut deployed = BTreeSet::new();
        for need in needs {
            // CloudFormation overlooks a DependsOn whose condition does not hold.
            if self.is_deployed(self.resource(&need)?)? {
                deployed.insert(need);
            }
        }
        Ok(deployed)
    }

    /// Adds the resources that `value`, as it is written, refers to.
    fn references(&self, value: &Value, found: &mut BTreeSet<String>) -> Resolved<()> {
        let mut named = |name: &str| {
            let is_resource = !self.parameters.contains_key(name)
                && self.template["Resources"].get(name).is_some();
            if is_resource {
                found.insert(name.to_owned());
            }
        };
        match (function(value), value) {
            (Some(("Ref", name)), _) => named(name.as_str().unwrap_or_default()),
            (Some(("Fn::GetAtt", path)), _) => named(path[0].as_str().unwrap_or_default()),
            (Some(("Fn::Sub", argument)), _) => {
                let (template, variables) = sub(argument);
                let placeholders = template.split("${").skip(1);
                let names = placeholders.filter_map(|rest| rest.split('}').next());
                for name in names.filter(|name| variables.get(name).is_none()) {
                    named(name.split('.').next().unwrap_or_default());
                }
                self.references(variables, found)?;
            }
            (Some(("Fn::If", branches)), _) => {
                let holds = self.condition(branches[0].as_str().unwrap_or_default())?;
                self.references(&branches[if holds { 1 } else { 2 }], found)?;
            }
            (Some((_, argument)), _) => self.references(argument, found)?,
            (None, Value::Array(items)) => {
                for item in items {
                    self.references(item, found)?;
                }
            }
            (None, Value::Object(members)) => {
                for member in members.values() {
                    self.references(member, found)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
