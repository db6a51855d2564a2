//! What a task calls: a function, or a service integration.
//!
//! Which optimized integrations there are is the list's in [`super::known`]. An action of
//! an AWS SDK integration (`aws-sdk:service:action`) is not looked up: there are thousands.

use super::known::known;
use super::{Compiler, Object};
use crate::jsonata::delimited;
use crate::model::{Language, MachineType, Pattern, Resource};
use crate::parse::state::Site;
use crate::validate::codes;
use serde_json::Value;
use std::sync::Arc;

/// Whether AWS has the integration at all.
pub(super) fn exists(service: &str, verb: &str, suffix: &str) -> bool {
    if service.starts_with("aws-sdk:") {
        // Actions are in camel case, and there is no job to wait for.
        return verb.starts_with(|c: char| c.is_ascii_lowercase())
            && verb.chars().all(|c| c.is_ascii_alphanumeric())
            && matches!(suffix, "" | "waitForTaskToken");
    }
    known(service, verb).is_some_and(|action| action.has(suffix))
}

impl Compiler {
    /// Reads what a task calls. A substitution (`${Name}`) that stands for the
    /// whole ARN counts as a function.
    pub(super) fn resource(&mut self, fields: &Object, site: &Site<'_>) -> Option<Resource> {
        let at = site.at;
        let here = format!("{at}/Resource");
        let Some(arn) = fields.get("Resource") else {
            self.schema(at, "These fields are required: [Resource]");
            return None;
        };
        let Some(arn) = arn.as_str() else {
            self.schema(&here, "Expected value of type [STRING]");
            return None;
        };
        let plain = without_substitutions(arn);
        let parts: Vec<&str> = plain.splitn(6, ':').collect();
        let function = Resource {
            arn: arn.into(),
            service: "lambda".into(),
            action: arn.into(),
            pattern: Pattern::Function,
        };
        if plain == "_" {
            return Some(function);
        }
        let [scheme, _, owner, _, _, rest] = parts[..] else {
            return self.invalid_resource(&here, arn);
        };
        if scheme != "arn" && scheme != "_" {
            return self.invalid_resource(&here, arn);
        }
        if owner == "lambda" && rest.starts_with("function:") {
            return Some(function);
        }
        if owner != "states" {
            return self.invalid_resource(&here, arn);
        }
        if let Some(name) = rest.strip_prefix("activity:") {
            return self.activity(&here, arn, name);
        }
        self.integration(fields, site, arn, rest)
    }

    /// The rest of an integration's ARN: `service:action`, with its pattern behind a dot.
    fn integration(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        arn: &str,
        rest: &str,
    ) -> Option<Resource> {
        let here = format!("{}/Resource", site.at);
        let (service, action) = match rest.strip_prefix("aws-sdk:") {
            Some(sdk) => {
                let (service, action) = sdk.split_once(':').unwrap_or((sdk, ""));
                (format!("aws-sdk:{service}"), action)
            }
            None => {
                let (service, action) = rest.split_once(':').unwrap_or((rest, ""));
                (service.to_owned(), action)
            }
        };
        let (verb, suffix) = action.split_once('.').unwrap_or((action, ""));
        if verb.is_empty() {
            return self.invalid_resource(&here, arn);
        }
        let pattern = match suffix {
            "" => Pattern::RequestResponse,
            "waitForTaskToken" => Pattern::TaskToken,
            "sync" | "sync:2" => Pattern::Sync,
            _ => return self.invalid_resource(&here, arn),
        };
        // What a template puts in is not known yet.
        if !rest.contains('_') && !exists(&service, verb, suffix) {
            self.schema(
                &here,
                format!("The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not available in this region."),
            );
            return None;
        }
        self.required_members(fields, site, &service, action, pattern);
        if self.kind == MachineType::Express && pattern != Pattern::RequestResponse {
            self.schema(
                &here,
                format!("Express state machine does not support '.{suffix}' service integration"),
            );
        }
        Some(Resource {
            arn: arn.into(),
            service: service.into(),
            action: Arc::from(action),
            pattern,
        })
    }

    /// A task that a worker takes. Express workflows have none (Step Functions developer
    /// guide, Choosing workflow type).
    fn activity(&mut self, here: &str, arn: &str, name: &str) -> Option<Resource> {
        if name.is_empty() {
            return self.invalid_resource(here, arn);
        }
        if self.kind == MachineType::Express {
            self.schema(here, "Express state machine does not support activities");
        }
        Some(Resource {
            arn: arn.into(),
            service: "activity".into(),
            action: arn.into(),
            pattern: Pattern::Activity,
        })
    }

    fn invalid_resource(&mut self, at: &str, arn: &str) -> Option<Resource> {
        self.error(
            codes::INVALID_RESOURCE,
            at,
            format!("'{arn}' is not the ARN of a function, an activity or a service integration"),
        );
        None
    }

    /// What the call of an integration cannot do without, where its arguments are written out.
    pub(super) fn required_members(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        service: &str,
        action: &str,
        pattern: Pattern,
    ) {
        let name = match site.language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        let (Some(Value::Object(given)), true) = (fields.get(name), pattern != Pattern::Function)
        else {
            return;
        };
        let verb = action.split_once('.').map_or(action, |(verb, _)| verb);
        let Some(action) = known(service, verb) else {
            return;
        };
        for member in action.required {
            if !given.contains_key(*member) && !given.contains_key(&format!("{member}.$")) {
                self.schema(
                    &format!("{}/{name}", site.at),
                    format!("The field '{member}' is required but was missing"),
                );
            }
        }
    }

    /// `Credentials` names a role.
    pub(super) fn credentials(&mut self, fields: &Object, site: &Site<'_>) {
        let at = format!("{}/Credentials", site.at);
        match fields.get("Credentials") {
            None => {}
            Some(Value::Object(given)) => {
                if !given.contains_key("RoleArn") && !given.contains_key("RoleArn.$") {
                    self.schema(&at, "These fields are required: [RoleArn]");
                }
                self.field(fields, "Credentials", site);
            }
            Some(Value::String(text))
                if site.language == Language::Jsonata && delimited(text).is_some() =>
            {
                self.field(fields, "Credentials", site);
            }
            Some(_) => self.schema(&at, "Expected value of type [OBJECT]"),
        }
    }
}

/// `arn` with each `${...}` replaced by one character, for those hold colons.
pub(super) fn without_substitutions(arn: &str) -> String {
    let mut out = String::new();
    let mut rest = arn;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else {
            break;
        };
        out.push_str(&rest[..start]);
        out.push('_');
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    out
}
