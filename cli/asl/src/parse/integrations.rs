//! What a task calls: a function, or a service integration.
//!
//! Owns the list of optimized integrations: which actions, which patterns, which members they cannot do without.
//!
//! Source: Step Functions developer guide, "Integrating services" and each service's page, as of November 2026.
//! An action of an AWS SDK integration (`aws-sdk:service:action`) is not looked up: there are thousands.

use super::{Compiler, Object};
use crate::jsonata::delimited;
use crate::model::{Language, MachineType, Pattern, Resource};
use crate::parse::state::Site;
use crate::validate::codes;
use serde_json::Value;
use std::sync::Arc;

/// An action: its patterns besides request-response, and the members it requires.
struct Action {
    sync: bool,
    token: bool,
    required: &'static [&'static str],
}

/// Request-response only.
const PLAIN: Action = action(false, false, &[]);
/// Also `.sync`.
const JOB: Action = action(true, false, &[]);

const fn action(sync: bool, token: bool, required: &'static [&'static str]) -> Action {
    Action {
        sync,
        token,
        required,
    }
}

fn known(service: &str, verb: &str) -> Option<Action> {
    Some(match (service, verb) {
        ("apigateway", "invoke") => action(false, true, &["ApiEndpoint", "Method"]),
        ("athena", "startQueryExecution") => action(true, false, &["QueryString"]),
        ("athena", "stopQueryExecution" | "getQueryExecution" | "getQueryResults") => {
            action(false, false, &["QueryExecutionId"])
        }
        ("batch", "submitJob") => action(true, true, &["JobDefinition", "JobName", "JobQueue"]),
        ("bedrock", "invokeModel") => action(false, true, &["ModelId"]),
        ("bedrock", "createModelCustomizationJob") => action(true, true, &[]),
        ("codebuild", "startBuild" | "startBuildBatch") => action(true, false, &["ProjectName"]),
        ("codebuild", "retryBuildBatch") => JOB,
        (
            "codebuild",
            "stopBuild" | "batchDeleteBuilds" | "batchGetReports" | "stopBuildBatch"
            | "deleteBuildBatch",
        ) => PLAIN,
        ("databrew", "startJobRun") => action(true, false, &["Name"]),
        ("dynamodb", "getItem" | "updateItem" | "deleteItem") => {
            action(false, false, &["Key", "TableName"])
        }
        ("dynamodb", "putItem") => action(false, false, &["Item", "TableName"]),
        ("ecs", "runTask") => action(true, true, &["TaskDefinition"]),
        (
            "eks",
            "createCluster"
            | "deleteCluster"
            | "createNodegroup"
            | "deleteNodegroup"
            | "createFargateProfile"
            | "deleteFargateProfile"
            | "runJob",
        ) => JOB,
        ("eks", "call") => PLAIN,
        ("elasticmapreduce", "createCluster" | "terminateCluster" | "addStep") => JOB,
        (
            "elasticmapreduce",
            "cancelStep"
            | "setClusterTerminationProtection"
            | "modifyInstanceFleetByName"
            | "modifyInstanceGroupByName",
        ) => PLAIN,
        ("emr-containers", "createVirtualCluster") => PLAIN,
        ("emr-containers", "deleteVirtualCluster" | "startJobRun") => JOB,
        (
            "emr-serverless",
            "createApplication" | "startApplication" | "stopApplication" | "deleteApplication"
            | "startJobRun" | "cancelJobRun",
        ) => JOB,
        ("events", "putEvents") => action(false, true, &["Entries"]),
        ("glue", "startJobRun") => action(true, false, &["JobName"]),
        ("http", "invoke") => action(false, false, &["ApiEndpoint", "Method"]),
        ("lambda", "invoke") => action(false, true, &["FunctionName"]),
        ("mediaconvert", "createJob") => JOB,
        (
            "sagemaker",
            "createHyperParameterTuningJob"
            | "createLabelingJob"
            | "createProcessingJob"
            | "createTrainingJob"
            | "createTransformJob",
        ) => JOB,
        (
            "sagemaker",
            "createEndpoint" | "createEndpointConfig" | "createModel" | "updateEndpoint",
        ) => PLAIN,
        ("sns", "publish") => action(false, true, &["Message"]),
        ("sqs", "sendMessage") => action(false, true, &["MessageBody", "QueueUrl"]),
        ("states", "startExecution") => action(true, true, &["StateMachineArn"]),
        _ => return None,
    })
}

/// Whether AWS has the integration at all.
pub(super) fn exists(service: &str, verb: &str, suffix: &str) -> bool {
    if service.starts_with("aws-sdk:") {
        // Actions are in camel case, and there is no job to wait for.
        return verb.starts_with(|c: char| c.is_ascii_lowercase())
            && verb.chars().all(|c| c.is_ascii_alphanumeric())
            && matches!(suffix, "" | "waitForTaskToken");
    }
    known(service, verb).is_some_and(|action| match suffix {
        "" => true,
        "sync" => action.sync,
        "sync:2" => service == "states",
        _ => action.token,
    })
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
