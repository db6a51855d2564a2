//! The optimized integrations: which actions, which patterns, which members they cannot do
//! without.
//!
//! Source: Step Functions developer guide, "Integrating optimized services" and each
//! service's page, as of November 2026. Held against what AWS publishes in two packages
//! (`tests/integrations/`), as far as that goes.

/// An action: its patterns besides request-response, and the members it requires.
#[derive(Clone, Copy)]
pub(super) struct Action {
    sync: bool,
    token: bool,
    /// `.sync:2`, whose answer is JSON.
    parsed: bool,
    pub(super) required: &'static [&'static str],
}

/// Request-response only.
const PLAIN: Action = Action {
    sync: false,
    token: false,
    parsed: false,
    required: &[],
};
/// Also `.sync`.
const JOB: Action = Action {
    sync: true,
    ..PLAIN
};
/// Also `.waitForTaskToken`.
const ASK: Action = Action {
    token: true,
    ..PLAIN
};
/// All three.
const BOTH: Action = Action { token: true, ..JOB };

impl Action {
    const fn with(self, required: &'static [&'static str]) -> Self {
        Self { required, ..self }
    }

    /// Whether it has the pattern that `suffix` stands for.
    pub(super) fn has(self, suffix: &str) -> bool {
        match suffix {
            "" => true,
            "sync" => self.sync,
            "sync:2" => self.parsed,
            "waitForTaskToken" => self.token,
            _ => false,
        }
    }
}

/// Of each service its actions, by what they have in common.
static KNOWN: &[(&str, &[&str], Action)] = &[
    (
        "apigateway",
        &["invoke"],
        ASK.with(&["ApiEndpoint", "Method"]),
    ),
    (
        "athena",
        &["startQueryExecution"],
        JOB.with(&["QueryString"]),
    ),
    (
        "athena",
        &["stopQueryExecution", "getQueryExecution", "getQueryResults"],
        PLAIN.with(&["QueryExecutionId"]),
    ),
    (
        "batch",
        &["submitJob"],
        JOB.with(&["JobDefinition", "JobName", "JobQueue"]),
    ),
    ("bedrock", &["invokeModel"], ASK.with(&["ModelId"])),
    ("bedrock", &["createModelCustomizationJob"], BOTH),
    (
        "codebuild",
        &["startBuild", "startBuildBatch"],
        JOB.with(&["ProjectName"]),
    ),
    ("codebuild", &["retryBuildBatch"], JOB),
    (
        "codebuild",
        &[
            "stopBuild",
            "batchDeleteBuilds",
            "batchGetReports",
            "stopBuildBatch",
            "deleteBuildBatch",
        ],
        PLAIN,
    ),
    ("databrew", &["startJobRun"], JOB.with(&["Name"])),
    (
        "dynamodb",
        &["getItem", "updateItem", "deleteItem"],
        PLAIN.with(&["Key", "TableName"]),
    ),
    ("dynamodb", &["putItem"], PLAIN.with(&["Item", "TableName"])),
    ("ecs", &["runTask"], BOTH.with(&["TaskDefinition"])),
    (
        "eks",
        &[
            "createCluster",
            "deleteCluster",
            "createNodegroup",
            "deleteNodegroup",
            "createFargateProfile",
            "deleteFargateProfile",
        ],
        JOB,
    ),
    // The guide gives the service callbacks, and does not say for which of its actions.
    ("eks", &["runJob"], BOTH),
    ("eks", &["call"], ASK),
    (
        "elasticmapreduce",
        &["createCluster", "terminateCluster", "addStep"],
        JOB,
    ),
    (
        "elasticmapreduce",
        &[
            "cancelStep",
            "setClusterTerminationProtection",
            "modifyInstanceFleetByName",
            "modifyInstanceGroupByName",
        ],
        PLAIN,
    ),
    ("emr-containers", &["createVirtualCluster"], PLAIN),
    (
        "emr-containers",
        &["deleteVirtualCluster", "startJobRun"],
        JOB,
    ),
    (
        "emr-serverless",
        &[
            "createApplication",
            "startApplication",
            "stopApplication",
            "deleteApplication",
            "startJobRun",
            "cancelJobRun",
        ],
        JOB,
    ),
    ("events", &["putEvents"], ASK.with(&["Entries"])),
    ("glue", &["startJobRun"], JOB.with(&["JobName"])),
    ("http", &["invoke"], PLAIN.with(&["ApiEndpoint", "Method"])),
    ("lambda", &["invoke"], ASK.with(&["FunctionName"])),
    ("mediaconvert", &["createJob"], JOB),
    (
        "sagemaker",
        &[
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createProcessingJob",
            "createTrainingJob",
            "createTransformJob",
        ],
        JOB,
    ),
    (
        "sagemaker",
        &[
            "createEndpoint",
            "createEndpointConfig",
            "createModel",
            "updateEndpoint",
        ],
        PLAIN,
    ),
    ("sns", &["publish"], ASK.with(&["Message"])),
    (
        "sqs",
        &["sendMessage"],
        ASK.with(&["MessageBody", "QueueUrl"]),
    ),
    (
        "states",
        &["startExecution"],
        Action {
            parsed: true,
            ..BOTH.with(&["StateMachineArn"])
        },
    ),
];

/// What is known of the action `verb` of a service, if AWS has it.
pub(super) fn known(service: &str, verb: &str) -> Option<Action> {
    let found = KNOWN
        .iter()
        .find(|(of, verbs, _)| *of == service && verbs.contains(&verb));
    found.map(|(_, _, action)| *action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Of what AWS publishes, what is no integration of a task here, and why.
    const NO_TASK: &[(&str, &str)] = &[
        ("s3:getObject", "reads a Map's items (ItemReader)"),
        ("s3:listObjectsV2", "reads a Map's items (ItemReader)"),
        ("s3:putObject", "writes a Map's results (ResultWriter)"),
    ];

    /// What stands here and in neither package, and where it is from: the guide's table
    /// of patterns, or the page of the service.
    const BY_THE_GUIDE: &[(&str, &str)] = &[
        ("bedrock:invokeModel.waitForTaskToken", "table"),
        (
            "bedrock:createModelCustomizationJob.waitForTaskToken",
            "table",
        ),
        ("codebuild:batchDeleteBuilds", "connect-codebuild"),
        ("codebuild:batchGetReports", "connect-codebuild"),
        ("codebuild:deleteBuildBatch", "connect-codebuild"),
        ("codebuild:retryBuildBatch", "connect-codebuild"),
        ("codebuild:retryBuildBatch.sync", "connect-codebuild"),
        ("codebuild:stopBuild", "connect-codebuild"),
        ("codebuild:stopBuildBatch", "connect-codebuild"),
        ("eks:call.waitForTaskToken", "table"),
        ("eks:createCluster", "connect-eks"),
        ("eks:createCluster.sync", "connect-eks"),
        ("eks:createFargateProfile", "connect-eks"),
        ("eks:createFargateProfile.sync", "connect-eks"),
        ("eks:createNodegroup", "connect-eks"),
        ("eks:createNodegroup.sync", "connect-eks"),
        ("eks:deleteCluster", "connect-eks"),
        ("eks:deleteCluster.sync", "connect-eks"),
        ("eks:deleteFargateProfile", "connect-eks"),
        ("eks:deleteFargateProfile.sync", "connect-eks"),
        ("eks:deleteNodegroup", "connect-eks"),
        ("eks:deleteNodegroup.sync", "connect-eks"),
        ("eks:runJob", "connect-eks"),
        ("eks:runJob.sync", "connect-eks"),
        ("eks:runJob.waitForTaskToken", "table"),
        ("emr-serverless:cancelJobRun", "connect-emr-serverless"),
        ("emr-serverless:cancelJobRun.sync", "connect-emr-serverless"),
        ("emr-serverless:createApplication", "connect-emr-serverless"),
        (
            "emr-serverless:createApplication.sync",
            "connect-emr-serverless",
        ),
        ("emr-serverless:deleteApplication", "connect-emr-serverless"),
        (
            "emr-serverless:deleteApplication.sync",
            "connect-emr-serverless",
        ),
        ("emr-serverless:startApplication", "connect-emr-serverless"),
        (
            "emr-serverless:startApplication.sync",
            "connect-emr-serverless",
        ),
        ("emr-serverless:startJobRun", "connect-emr-serverless"),
        ("emr-serverless:startJobRun.sync", "connect-emr-serverless"),
        ("emr-serverless:stopApplication", "connect-emr-serverless"),
        (
            "emr-serverless:stopApplication.sync",
            "connect-emr-serverless",
        ),
        ("sagemaker:createProcessingJob", "connect-sagemaker"),
        ("sagemaker:createProcessingJob.sync", "connect-sagemaker"),
        ("states:startExecution.sync:2", "connect-stepfunctions"),
    ];

    fn names(all: &[(&str, &str)]) -> BTreeSet<String> {
        all.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    /// Every difference between the list and what AWS publishes is one of those above.
    #[test]
    fn the_list_is_held_against_what_aws_publishes() {
        let text = include_str!("../../tests/integrations/published.json");
        let published: Value = serde_json::from_str(text).unwrap();
        let sources = published["sources"].as_object().unwrap();
        assert_eq!(sources.len(), 2);
        for source in sources.values() {
            assert!(source["version"].is_string() && source["published"].is_string());
        }
        let published = published["integrations"].as_object().unwrap();
        let published: BTreeSet<String> = published.keys().cloned().collect();
        assert!(published.len() > 70, "{}", published.len());
        let mut here = BTreeSet::new();
        for (service, verbs, action) in KNOWN {
            for verb in *verbs {
                for suffix in ["", "sync", "sync:2", "waitForTaskToken"] {
                    if action.has(suffix) {
                        let dot = if suffix.is_empty() { "" } else { "." };
                        let new = here.insert(format!("{service}:{verb}{dot}{suffix}"));
                        assert!(new, "{service}:{verb} stands twice");
                    }
                }
            }
        }
        let only_there: BTreeSet<_> = published.difference(&here).cloned().collect();
        assert_eq!(only_there, names(NO_TASK));
        let only_here: BTreeSet<_> = here.difference(&published).cloned().collect();
        assert_eq!(only_here, names(BY_THE_GUIDE));
    }
}
