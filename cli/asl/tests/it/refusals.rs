//! What AWS refuses when it reads a definition: integrations, credentials, names, texts.

use crate::world::{FUNCTION, LAMBDA};
use duet_asl::{Severity, validate};
use serde_json::{Value, json};

/// Code, place and message of each error.
fn errors(text: &str) -> Vec<(&'static str, String, String)> {
    validate(text)
        .into_iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| (f.code, f.path, f.message))
        .collect()
}

fn state(state: Value) -> String {
    json!({"StartAt": "S", "States": {"S": state}}).to_string()
}

fn task(resource: &str) -> String {
    state(json!({"Type": "Task", "Resource": resource, "End": true}))
}

#[test]
fn integrations_are_those_aws_has() {
    for wrong in [
        "dynamodb:query",
        "dynamodb:getItem.sync",
        "lambda:invoek",
        "lambda:invoke.sync",
        "sqs:receiveMessage",
        "sns:publish.sync:2",
        "batch:submitJob.sync:2",
        "http:invoke.waitForTaskToken",
        "nosuch:thing",
        "aws-sdk:s3:PutObject",
        "aws-sdk:s3:putObject.sync",
    ] {
        let found = errors(&task(&format!("arn:aws:states:::{wrong}")));
        let [(code, path, message)] = &found[..] else {
            panic!("{wrong}: {found:?}");
        };
        assert_eq!(
            (*code, path.as_str()),
            ("SCHEMA_VALIDATION_FAILED", "/States/S/Resource"),
            "{wrong}"
        );
        assert!(message.contains("is not recognized"), "{wrong}: {message}");
    }
    for fine in [
        "dynamodb:getItem",
        "lambda:invoke.waitForTaskToken",
        "batch:submitJob.sync",
        "ecs:runTask.sync",
        "glue:startJobRun.sync",
        "states:startExecution",
        "events:putEvents.waitForTaskToken",
        "http:invoke",
        "aws-sdk:s3:putObject",
        "aws-sdk:sfn:startSyncExecution",
        "bedrock:invokeModel",
    ] {
        assert_eq!(errors(&task(&format!("arn:aws:states:::{fine}"))), []);
    }
    assert_eq!(
        errors(&task("arn:${AWS::Partition}:states:::${Service}:${Action}")),
        []
    );
}

#[test]
fn integrations_have_members_they_require() {
    for (action, given, missing) in [
        (
            "lambda:invoke",
            json!({"Payload": {}}),
            &["FunctionName"][..],
        ),
        ("http:invoke", json!({}), &["ApiEndpoint", "Method"]),
        (
            "sqs:sendMessage",
            json!({"QueueUrl": "q"}),
            &["MessageBody"],
        ),
        (
            "dynamodb:putItem",
            json!({"TableName.$": "$.t", "Item": {}}),
            &[],
        ),
        ("lambda:invoke", json!({"FunctionName.$": "$.f"}), &[]),
        (
            "states:startExecution",
            json!({"Input": {}}),
            &["StateMachineArn"],
        ),
    ] {
        let resource = format!("arn:aws:states:::{action}");
        let found = errors(&state(
            json!({"Type": "Task", "Resource": resource, "Parameters": given, "End": true}),
        ));
        let wanted: Vec<_> = missing
            .iter()
            .map(|member| {
                (
                    "SCHEMA_VALIDATION_FAILED",
                    "/States/S/Parameters".to_owned(),
                    format!("The field '{member}' is required but was missing"),
                )
            })
            .collect();
        assert_eq!(found, wanted, "{action}");
    }
}

#[test]
fn credentials_name_a_role() {
    let with = |credentials: Value, language: &str| {
        errors(&state(
            json!({"Type": "Task", "Resource": FUNCTION, "QueryLanguage": language,
            "Credentials": credentials, "End": true}),
        ))
    };
    for (credentials, language, place) in [
        (json!({}), "JSONPath", Some("/States/S/Credentials")),
        (
            json!({"Role": "r"}),
            "JSONata",
            Some("/States/S/Credentials"),
        ),
        (json!("r"), "JSONPath", Some("/States/S/Credentials")),
        (
            json!({"RoleArn.$": "$.[r"}),
            "JSONPath",
            Some("/States/S/Credentials/RoleArn.$"),
        ),
        (
            json!({"RoleArn": "arn:aws:iam::123456789012:role/r"}),
            "JSONPath",
            None,
        ),
        (json!({"RoleArn.$": "$.r"}), "JSONPath", None),
        (json!({"RoleArn": "{% $states.input.r %}"}), "JSONata", None),
    ] {
        let found = with(credentials.clone(), language);
        assert_eq!(found.first().map(|f| f.1.as_str()), place, "{credentials}");
    }
}

#[test]
fn a_name_stands_once_in_its_object() {
    for (text, code, place) in [
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"A":{"Type":"Pass","End":true}}}"#,
            "DUPLICATE_STATE_NAME",
            "/States/A",
        ),
        (
            r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{
                "A":{"Type":"Succeed"},"A":{"Type":"Succeed"}}}}}}"#,
            "DUPLICATE_STATE_NAME",
            "/States/M/ItemProcessor/States/A",
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Parameters":{"a":1,"a":2}}}}"#,
            "INVALID_JSON_DESCRIPTION",
            "/States/A/Parameters/a",
        ),
        (
            r#"{"StartAt":"A","StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#,
            "INVALID_JSON_DESCRIPTION",
            "/StartAt",
        ),
    ] {
        let found = errors(text);
        assert!(
            found.iter().any(|f| f.0 == code && f.1 == place),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn texts_that_look_like_expressions_are_whole_ones() {
    let pass = |text: &str| {
        errors(&state(
            json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"v": text}, "End": true}),
        ))
    };
    for text in ["{% 1", "1 %}", " {% 1 %}", "{% 1 %} "] {
        let found = pass(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(
            (found[0].0, found[0].1.as_str()),
            ("INVALID_JSONATA_EXPRESSION", "/States/S/Output/v")
        );
    }
    for (text, symbol) in [("{% $x ?? 1 %}", "?"), ("{% $x ?: 1 %}", ":")] {
        let found = pass(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(
            found[0].2,
            format!("The symbol \"{symbol}\" cannot be used as a unary operator")
        );
    }
    for fine in ["{% $x ? 1 : 2 %}", "a {% 1 %} b", "100%"] {
        assert_eq!(pass(fine), [], "{fine}");
    }
}

#[test]
fn escapes_timestamps_and_delays() {
    let pass = |text: &str| {
        errors(&state(
            json!({"Type": "Pass", "Parameters": {"v.$": text}, "End": true}),
        ))
    };
    for wrong in [
        r"States.Format('a\n')",
        r#"States.Format('\"{}\"', $.a)"#,
        r"States.Array('\t')",
    ] {
        assert_eq!(pass(wrong).len(), 1, "{wrong}");
    }
    assert_eq!(pass(r"States.Format('\{ \} \\ \' {}', $.a)"), []);
    let wait = |timestamp: &str| {
        errors(&state(
            json!({"Type": "Wait", "Timestamp": timestamp, "End": true}),
        ))
    };
    for wrong in [
        "{% $now() %}",
        "tomorrow",
        "2026-03-14",
        "2026-03-14T01:59Z",
        "2026-03-14 01:59:00Z",
    ] {
        assert_eq!(wait(wrong).len(), 1, "{wrong}");
    }
    assert_eq!(wait("2026-03-14T01:59:00.123+01:00"), []);
    let retry = |retrier: Value| {
        let mut retrier = retrier;
        retrier["ErrorEquals"] = json!(["X"]);
        errors(&state(
            json!({"Type": "Task", "Resource": LAMBDA, "Retry": [retrier], "End": true}),
        ))
    };
    for wrong in [
        json!({"MaxDelaySeconds": 31_622_401}),
        json!({"MaxDelaySeconds": 0}),
        json!({"IntervalSeconds": 10, "MaxDelaySeconds": 10}),
        json!({"MaxDelaySeconds": "10"}),
        json!({"JitterStrategy": "full"}),
        json!({"JitterStrategy": null}),
    ] {
        assert!(!retry(wrong.clone()).is_empty(), "{wrong}");
    }
    assert_eq!(
        retry(json!({"MaxDelaySeconds": 31_622_400, "JitterStrategy": "FULL"})),
        []
    );
}

#[test]
fn lists_are_not_empty_and_definitions_not_endless() {
    let found = errors(&state(
        json!({"Type": "Parallel", "Branches": [], "End": true}),
    ));
    assert_eq!(found[0].1, "/States/S/Branches");
    let long = state(json!({"Type": "Pass", "Result": "x".repeat(1_100_000), "End": true}));
    assert_eq!(errors(&long).len(), 1);
}
