//! CloudFormation templates: reading them, and working out what they deploy.
//!
//! Owns the template language: parameters, conditions, mappings, intrinsic
//! functions, nested stacks and their outputs. It must not know what a queue
//! or a rule does; [`definitions`](crate::definitions) reads that.
//!
//! Physical ids follow the resources' own name properties; `Ref` and
//! `Fn::GetAtt` give what the CloudFormation user guide's resource reference
//! says for each type in use, and refuse a type or attribute they do not know.

mod intrinsics;
mod needs;
mod reading;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use self::reading::read;
use crate::definitions::{ALIAS, VERSION};

/// The account that the lab plays.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region that the lab plays.
pub(crate) const REGION: &str = "us-east-1";

/// The text of the files that are deployed, by path from the repository's root.
pub type Files = BTreeMap<String, String>;

/// Why the definitions cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct DefinitionError {
    /// Which file, stack or resource.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

const NO_FILE: &str = "no such file among the definitions";

impl DefinitionError {
    /// The file that is missing among the definitions, if that is what is wrong.
    #[must_use]
    pub fn missing_file(&self) -> Option<&str> {
        (self.problem == NO_FILE).then_some(self.place.as_str())
    }

    pub(crate) fn new(place: impl ToString, problem: impl ToString) -> Self {
        Self {
            place: place.to_string(),
            problem: problem.to_string(),
        }
    }
}

type Resolved<T> = Result<T, DefinitionError>;

/// A stack: a template with its parameters.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) path: String,
    /// The logical ids of the stacks it is in, and its own; none for the root.
    within: Vec<String>,
    files: Arc<Files>,
    template: Arc<Value>,
    parameters: BTreeMap<String, Value>,
    children: RefCell<BTreeMap<String, Rc<Stack>>>,
}

/// A resource of a stack, with everything in it resolved.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) logical: String,
    pub(crate) kind: String,
    pub(crate) properties: Value,
}

impl Stack {
    /// The root stack, called `name`, from the template at `path`.
    pub(crate) fn new(
        files: &Arc<Files>,
        path: &str,
        name: &str,
        given: &BTreeMap<String, Value>,
    ) -> Resolved<Self> {
        Self::nested_in(Vec::new(), files, path, name, given)
    }

    fn nested_in(
        within: Vec<String>,
        files: &Arc<Files>,
        path: &str,
        name: &str,
        given: &BTreeMap<String, Value>,
    ) -> Resolved<Self> {
        let text = files
            .get(path)
            .ok_or_else(|| DefinitionError::new(path, NO_FILE))?;
        let template = read(path, text)?;
        let mut parameters = BTreeMap::new();
        let declared = template["Parameters"].as_object();
        for (parameter, declaration) in declared.into_iter().flatten() {
            let value = given.get(parameter).or_else(|| declaration.get("Default"));
            let value = value.ok_or_else(|| {
                DefinitionError::new(path, format!("parameter {parameter} has no value"))
            })?;
            allowed(declaration, value).map_err(|why| {
                DefinitionError::new(path, format!("parameter {parameter}: {why}"))
            })?;
            parameters.insert(parameter.clone(), value.clone());
        }
        if let Some(unknown) = given.keys().find(|name| !parameters.contains_key(*name)) {
            let known: Vec<_> = parameters.keys().map(String::as_str).collect();
            let why = format!(
                "there is no parameter {unknown}; there are {}",
                known.join(", ")
            );
            return Err(DefinitionError::new(path, why));
        }
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            within,
            files: files.clone(),
            template,
            parameters,
            children: RefCell::default(),
        })
    }

    /// Its parameters as text.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let all = self.parameters.iter();
        all.map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// The file `name`, from the directory of the stack's template.
    pub(crate) fn file(&self, name: &str) -> Resolved<&str> {
        let path = self.sibling(name);
        self.files
            .get(&path)
            .map(String::as_str)
            .ok_or_else(|| DefinitionError::new(path, NO_FILE))
    }

    /// The path of the file `name`, which is relative to this template.
    pub(crate) fn sibling(&self, name: &str) -> String {
        let directory = self.path.rsplit_once('/').map(|(directory, _)| directory);
        let mut path: Vec<&str> = directory.into_iter().flat_map(|it| it.split('/')).collect();
        for part in name.split('/') {
            match part {
                "." => {}
                // Above the root there is nothing: what is left over names no file.
                ".." if !path.is_empty() => _ = path.pop(),
                part => path.push(part),
            }
        }
        path.join("/")
    }

    /// The resources whose conditions hold and whose type is in `kinds`; of every
    /// type if it is empty.
    pub(crate) fn resources(&self, kinds: &[&str]) -> Resolved<Vec<Resource>> {
        let mut found = Vec::new();
        for (logical, resource) in self.template["Resources"].as_object().into_iter().flatten() {
            let kind = resource["Type"].as_str().unwrap_or_default();
            let wanted = kinds.is_empty() || kinds.contains(&kind);
            if !wanted || !self.is_deployed(resource)? {
                continue;
            }
            found.push(Resource {
                logical: logical.clone(),
                kind: kind.to_owned(),
                properties: self.properties(resource)?,
            });
        }
        Ok(found)
    }

    /// The nested stacks.
    pub(crate) fn nested(&self) -> Resolved<Vec<Rc<Stack>>> {
        let mut found = Vec::new();
        for (logical, resource) in self.template["Resources"].as_object().into_iter().flatten() {
            if resource["Type"] == "AWS::CloudFormation::Stack" && self.is_deployed(resource)? {
                found.push(self.child(logical)?);
            }
        }
        Ok(found)
    }

    /// The outputs whose conditions hold.
    pub(crate) fn outputs(&self) -> Resolved<BTreeMap<String, String>> {
        let mut outputs = BTreeMap::new();
        for (name, output) in self.template["Outputs"].as_object().into_iter().flatten() {
            if self.is_deployed(output)?
                && let Some(value) = self.resolve(&output["Value"])?
            {
                outputs.insert(name.clone(), text(&value));
            }
        }
        Ok(outputs)
    }

    /// What `Ref` gives for a resource of this stack.
    pub(crate) fn reference(&self, logical: &str) -> Resolved<String> {
        let resource = self.resource(logical)?;
        let kind = resource["Type"].as_str().unwrap_or_default();
        let name = self.physical_name(logical)?;
        Ok(match kind {
            "AWS::SQS::Queue" => queue_url(&name),
            "AWS::SNS::Topic" => self.attribute(logical, "TopicArn")?,
            "AWS::StepFunctions::StateMachine"
            | "AWS::StepFunctions::Activity"
            | "AWS::StepFunctions::StateMachineVersion"
            | "AWS::StepFunctions::StateMachineAlias"
            | "AWS::CloudFormation::Stack" => self.attribute(logical, "Arn")?,
            _ => name,
        })
    }

    /// What `Fn::GetAtt` gives.
    pub(crate) fn attribute(&self, logical: &str, attribute: &str) -> Resolved<String> {
        let resource = self.resource(logical)?;
        let kind = resource["Type"].as_str().unwrap_or_default();
        let unknown = || {
            let why = format!("{kind} has no attribute {attribute} that is known here");
            DefinitionError::new(format!("{}: {logical}", self.path), why)
        };
        if let Some(output) = attribute.strip_prefix("Outputs.") {
            let child = self.child(logical)?;
            return child.outputs()?.remove(output).ok_or_else(|| {
                DefinitionError::new(&child.path, format!("no output {output} is deployed"))
            });
        }
        let name = self.physical_name(logical)?;
        let arn = |service: &str, resource: String| {
            format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
        };
        Ok(match (kind, attribute) {
            ("AWS::Serverless::Function", "Arn") => arn("lambda", format!("function:{name}")),
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", format!("table/{name}")),
            ("AWS::SQS::Queue", "Arn") => arn("sqs", name),
            ("AWS::SQS::Queue", "QueueName") => name,
            ("AWS::SNS::Topic", "TopicArn") => arn("sns", name),
            ("AWS::Events::EventBus", "Arn") => arn("events", format!("event-bus/{name}")),
            ("AWS::Events::Archive", "Arn") => arn("events", format!("archive/{name}")),
            ("AWS::Events::Rule", "Arn") => {
                let bus = self.resolve(&resource["Properties"]["EventBusName"])?;
                match bus
                    .filter(|bus| !bus.is_null())
                    .map(|bus| text(&bus))
                    .filter(|bus| !bus.is_empty() && bus != "default")
                {
                    Some(bus) => arn("events", format!("rule/{bus}/{name}")),
                    None => arn("events", format!("rule/{name}")),
                }
            }
            ("AWS::StepFunctions::StateMachine", "Arn") => {
                arn("states", format!("stateMachine:{name}"))
            }
            ("AWS::StepFunctions::StateMachine", "Name") => name,
            ("AWS::StepFunctions::Activity", "Arn") => arn("states", format!("activity:{name}")),
            ("AWS::StepFunctions::Activity" | ALIAS, "Name") => name,
            // What is published at the first deployment has this number.
            (VERSION, "Arn") => format!("{}:1", self.machine_of(resource)?),
            (ALIAS, "Arn") => format!("{}:{name}", self.machine_of(resource)?),
            ("AWS::Scheduler::ScheduleGroup", "Arn") => {
                arn("scheduler", format!("schedule-group/{name}"))
            }
            ("AWS::EventSchemas::Registry", "RegistryName") => name,
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", format!("log-group:{name}:*")),
            ("AWS::Logs::DeliveryDestination", "Arn") => {
                arn("logs", format!("delivery-destination:{name}"))
            }
            ("AWS::CloudFormation::Stack", "Arn") => {
                arn("cloudformation", format!("stack/{name}/{logical}"))
            }
            _ => return Err(unknown()),
        })
    }

    /// The ARN of the state machine that a version or an alias is of.
    fn machine_of(&self, resource: &Value) -> Resolved<String> {
        let properties = self.properties(resource)?;
        let routes = &properties["RoutingConfiguration"][0];
        let preference = &properties["DeploymentPreference"];
        let version = [routes, preference].map(|it| it["StateMachineVersionArn"].as_str());
        let version = version.into_iter().flatten().next();
        // A version's ARN is its machine's with a number behind it.
        let machine = version.and_then(|arn| Some(arn.rsplit_once(':')?.0.to_owned()));
        Ok(machine.unwrap_or_else(|| text(&properties["StateMachineArn"])))
    }

    fn physical_name(&self, logical: &str) -> Resolved<String> {
        let resource = self.resource(logical)?;
        let property = match resource["Type"].as_str().unwrap_or_default() {
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::Events::EventBus"
            | "AWS::Events::Rule"
            | "AWS::StepFunctions::Activity"
            | ALIAS
            | "AWS::Scheduler::ScheduleGroup"
            | "AWS::Logs::DeliveryDestination" => "Name",
            "AWS::Events::Archive" => "ArchiveName",
            "AWS::StepFunctions::StateMachine" => "StateMachineName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::EventSchemas::Registry" => "RegistryName",
            "AWS::EventSchemas::Schema" => "SchemaName",
            _ => "",
        };
        let named = self.resolve(&resource["Properties"][property])?;
        // Without a name of its own, CloudFormation makes one up from these two.
        Ok(named
            .filter(|name| !name.is_null())
            .map_or_else(|| format!("{}-{logical}", self.name), |name| text(&name)))
    }

    fn resource(&self, logical: &str) -> Resolved<&Value> {
        let resource = &self.template["Resources"][logical];
        if resource.is_null() {
            return Err(DefinitionError::new(
                &self.path,
                format!("there is no resource {logical}"),
            ));
        }
        Ok(resource)
    }

    fn properties(&self, resource: &Value) -> Resolved<Value> {
        let written = self.written(resource);
        Ok(self.resolve(&written)?.unwrap_or_else(|| json!({})))
    }

    /// The properties of a resource, with everything in them resolved.
    pub(crate) fn properties_of(&self, logical: &str) -> Resolved<Value> {
        self.properties(self.resource(logical)?)
    }

    /// The properties as they are written, with what SAM adds to them.
    fn written(&self, resource: &Value) -> Value {
        let own = resource
            .get("Properties")
            .cloned()
            .unwrap_or_else(|| json!({}));
        match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => merged(&self.template["Globals"]["Function"], own),
            _ => own,
        }
    }

    fn child(&self, logical: &str) -> Resolved<Rc<Stack>> {
        if let Some(child) = self.children.borrow().get(logical) {
            return Ok(child.clone());
        }
        let properties = self.properties(self.resource(logical)?)?;
        let template = properties["TemplateURL"].as_str().unwrap_or_default();
        let parameters = properties["Parameters"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let name = format!("{}-{logical}", self.name);
        let mut within = self.within.clone();
        within.push(logical.to_owned());
        let child = Self::nested_in(
            within,
            &self.files,
            &self.sibling(template),
            &name,
            &parameters.into_iter().collect(),
        )?;
        let child = Rc::new(child);
        self.children
            .borrow_mut()
            .insert(logical.to_owned(), child.clone());
        Ok(child)
    }

    fn is_deployed(&self, resource: &Value) -> Resolved<bool> {
        match resource.get("Condition").and_then(Value::as_str) {
            Some(condition) => self.condition(condition),
            None => Ok(true),
        }
    }
}

/// Whether `value` may be given for the parameter.
fn allowed(declaration: &Value, value: &Value) -> Result<(), String> {
    let given = text(value);
    if let Some(values) = declaration["AllowedValues"].as_array()
        && !values.iter().any(|one| text(one) == given)
    {
        let values: Vec<_> = values.iter().map(text).collect();
        return Err(format!("{given:?} is none of {}", values.join(", ")));
    }
    if declaration["Type"] == "Number" {
        let number: f64 = given
            .parse()
            .map_err(|_| format!("{given:?} is no number"))?;
        let least = declaration["MinValue"].as_f64().unwrap_or(f64::MIN);
        let most = declaration["MaxValue"].as_f64().unwrap_or(f64::MAX);
        if !(least..=most).contains(&number) {
            return Err(format!("{given} is not between {least} and {most}"));
        }
    }
    Ok(())
}

/// The URL of the queue called `name`.
pub(crate) fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

/// A scalar as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `own` over `defaults`, objects member by member (SAM's `Globals`).
fn merged(defaults: &Value, own: Value) -> Value {
    match (defaults, own) {
        (Value::Object(defaults), Value::Object(mut own)) => {
            for (name, default) in defaults {
                let mine = own.remove(name);
                let both = mine.map_or_else(|| default.clone(), |mine| merged(default, mine));
                own.insert(name.clone(), both);
            }
            Value::Object(own)
        }
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests;
