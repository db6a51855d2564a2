//! What is refused, where, and under which code.

use crate::world::{CALLBACK, FUNCTION};
use duet_asl::{MachineType, Severity, StateMachine, validate, validate_as};
use serde_json::{Value, json};

pub(crate) fn found(definition: &Value) -> Vec<(String, String, String)> {
    validate(&definition.to_string())
        .into_iter()
        .map(|f| (f.code.to_owned(), f.path, f.message))
        .collect()
}

pub(crate) fn only(definition: &Value, code: &str, path: &str, message: &str) {
    let found = found(definition);
    assert!(
        found.len() == 1
            && found[0].0 == code
            && found[0].1 == path
            && found[0].2.contains(message),
        "expected {code} at {path}: {message}\nfound {found:#?}"
    );
}

pub(crate) fn state(state: Value) -> Value {
    json!({"StartAt": "S", "States": {"S": state}})
}

const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
const TARGET: &str = "MISSING_TRANSITION_TARGET";

#[test]
fn texts_that_are_no_definition() {
    for (text, code, path) in [
        ("", SCHEMA, ""),
        ("not a definition", "INVALID_JSON_DESCRIPTION", ""),
        ("[]", SCHEMA, ""),
        ("{}", SCHEMA, "/"),
        (r#"{"States": {"A": {"Type": "Succeed"}}}"#, SCHEMA, "/"),
    ] {
        let findings = validate(text);
        assert_eq!(
            (findings[0].code, findings[0].path.as_str()),
            (code, path),
            "{text}"
        );
    }
    assert_eq!(
        validate("{}")[0].message,
        "These fields are required: [States, StartAt]"
    );
}

/// Measured on AWS, shape by shape.
#[test]
fn graphs() {
    let pass = |next: &str| json!({"Type": "Pass", "Next": next});
    let end = json!({"Type": "Pass", "End": true});
    let graph = |states: Value| json!({"StartAt": "A", "States": states});
    only(
        &graph(json!({"A": pass("B"), "B": pass("A")})),
        "MISSING_END_STATE",
        "",
        "Workflow has no terminal state",
    );
    only(
        &graph(json!({"A": pass("B"), "B": pass("A"), "D": pass("A")})),
        "MISSING_END_STATE",
        "",
        "",
    );
    only(
        &graph(json!({"A": pass("B"), "B": pass("A"), "C": end})),
        TARGET,
        "/States/C",
        "State \"C\" is not reachable.",
    );
    let dangling = found(&graph(json!({"A": pass("NOPE")})));
    assert_eq!(
        dangling.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(),
        [TARGET, "MISSING_END_STATE"]
    );
    assert_eq!(
        (dangling[0].1.as_str(), dangling[0].2.as_str()),
        ("/States/A/Next", "Missing 'Next' target: NOPE")
    );
    let choice = |next: &str, default: &str| {
        json!({"Type": "Choice", "Default": default,
        "Choices": [{"Variable": "$.x", "IsNull": true, "Next": next}]})
    };
    only(
        &graph(json!({"A": choice("X", "B"), "B": end})),
        TARGET,
        "/States/A/Choices[0]/Next",
        "Missing 'Next' target: X",
    );
    only(
        &graph(json!({"A": choice("B", "X"), "B": end})),
        TARGET,
        "/States/A/Default",
        "Missing 'Next' target: X",
    );
}

#[test]
fn a_start_that_does_not_exist_names_both() {
    let found = found(&json!({"StartAt": "Q", "States": {"A": {"Type": "Succeed"}}}));
    assert_eq!(
        found.iter().map(|f| f.1.as_str()).collect::<Vec<_>>(),
        ["/StartAt", "/States/A"]
    );
}

/// Measured on AWS: which type takes which field.
#[test]
fn fields_by_type() {
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "S"}]);
    for kind in ["Pass", "Wait", "Succeed", "Fail"] {
        for (field, value) in [
            ("TimeoutSeconds", json!(1)),
            ("Retry", json!([])),
            ("Catch", catch.clone()),
        ] {
            let mut s = json!({"Type": kind, field: value});
            match kind {
                "Pass" => s["End"] = json!(true),
                "Wait" => {
                    s["End"] = json!(true);
                    s["Seconds"] = json!(1)
                }
                _ => {}
            }
            only(
                &state(s),
                SCHEMA,
                "/States/S",
                &format!("Field '{field}' is not supported"),
            );
        }
    }
    let branches = json!([{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]);
    only(
        &state(json!({"Type": "Parallel", "Branches": branches, "TimeoutSeconds": 1, "End": true})),
        SCHEMA,
        "/States/S",
        "'TimeoutSeconds'",
    );
    only(
        &state(json!({"Type": "Pass", "Colour": 1, "End": true})),
        SCHEMA,
        "/States/S",
        "Field 'Colour' is not supported",
    );
}

#[test]
fn fields_by_language() {
    only(
        &state(json!({"Type": "Pass", "Output": {}, "End": true})),
        SCHEMA,
        "/States/S",
        "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
    );
    for field in [
        "InputPath",
        "OutputPath",
        "ResultPath",
        "Parameters",
        "Result",
    ] {
        let mut s = json!({"Type": "Pass", "QueryLanguage": "JSONata", "End": true});
        s[field] = json!("$");
        only(
            &state(s),
            SCHEMA,
            "/States/S",
            &format!("but field '{field}' is only supported for the 'JSONPath'"),
        );
    }
    let mut machine =
        state(json!({"Type": "Pass", "QueryLanguage": "JSONPath", "Parameters": {}, "End": true}));
    machine["QueryLanguage"] = json!("JSONata");
    only(
        &machine,
        SCHEMA,
        "/States/S",
        "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
    );
    only(
        &state(json!({"Type": "Pass", "QueryLanguage": "jsonpath", "End": true})),
        SCHEMA,
        "/States/S/QueryLanguage",
        "Value should be one of the following: [JSONPath, JSONata]",
    );
    // What is inside a Map falls back to the machine's language, not to the Map's.
    let inner = json!({"Type": "Map", "QueryLanguage": "JSONata", "Items": [1], "End": true, "ItemProcessor":
        {"StartAt": "P", "States": {"P": {"Type": "Pass", "Output": 1, "End": true}}}});
    only(
        &state(inner),
        SCHEMA,
        "/States/S/ItemProcessor/States/P",
        "field 'Output'",
    );
}

#[test]
fn expressions() {
    let pass = |text: &str| {
        state(
            json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"v": format!("{{% {text} %}}")}, "End": true}),
        )
    };
    for (text, message) in [
        (
            "\"open",
            "String literal must be terminated by a matching quote",
        ),
        ("1 +", "Unexpected end of expression"),
        ("$x :=", "Unexpected end of expression"),
        ("a[1,2)", ""),
    ] {
        only(
            &pass(text),
            "INVALID_JSONATA_EXPRESSION",
            "/States/S/Output/v",
            message,
        );
    }
    for (text, message) in [
        (
            "phone",
            "Reference to 'phone' at the top level is not supported.",
        ),
        ("$$", "Reference to '$$' is not supported."),
        (
            "$map($states.input.a, function($x) { b })",
            "Reference to 'b' at the top level",
        ),
        ("$states.errorOutput.Error", "'$states.errorOutput'"),
    ] {
        only(
            &pass(text),
            "UNSUPPORTED_JSONATA_EXPRESSION",
            "/States/S/Output/v",
            message,
        );
    }
    for fine in [
        "$states.input.items[value > 3]",
        "$states.input.items.(a & b)",
        "$states.input{name: value}",
        "$x.y ~> $sum()",
    ] {
        assert_eq!(found(&pass(fine)), [], "{fine}");
    }
}

#[test]
fn retriers_and_catchers() {
    let task = |extra: Value| {
        let mut s = json!({"Type": "Task", "Resource": FUNCTION, "End": true});
        s.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        state(s)
    };
    for (retry, path, message) in [
        (
            json!([{"ErrorEquals": ["States.ALL", "A"]}]),
            "[0]/ErrorEquals",
            "must appear alone",
        ),
        (
            json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]),
            "[0]/ErrorEquals",
            "last Retrier",
        ),
        (json!([{"ErrorEquals": []}]), "[0]/ErrorEquals", "non-empty"),
        (json!([{"IntervalSeconds": 1}]), "[0]", "ErrorEquals"),
        (
            json!([{"ErrorEquals": ["A"], "IntervalSeconds": 0}]),
            "[0]/IntervalSeconds",
            "Minimum value is 1",
        ),
        (
            json!([{"ErrorEquals": ["A"], "BackoffRate": 0.5}]),
            "[0]/BackoffRate",
            "Minimum value is 1.0",
        ),
        (
            json!([{"ErrorEquals": ["A"], "IntervalSeconds": 5, "MaxDelaySeconds": 5}]),
            "[0]/MaxDelaySeconds",
            "greater",
        ),
        (
            json!([{"ErrorEquals": ["A"], "JitterStrategy": "SOME"}]),
            "[0]/JitterStrategy",
            "[NONE, FULL]",
        ),
    ] {
        only(
            &task(json!({"Retry": retry})),
            SCHEMA,
            &format!("/States/S/Retry{path}"),
            message,
        );
    }
    only(
        &task(json!({"Catch": [{"ErrorEquals": ["A"], "Next": "X"}]})),
        TARGET,
        "/States/S/Catch[0]/Next",
        "X",
    );
    only(
        &task(json!({"Catch": [{"ErrorEquals": ["A"], "Next": "S", "Output": 1}]})),
        SCHEMA,
        "/States/S/Catch[0]",
        "'Output'",
    );
    only(
        &task(json!({"TimeoutSeconds": 5, "HeartbeatSeconds": 5})),
        SCHEMA,
        "/States/S/HeartbeatSeconds",
        "smaller",
    );
    only(
        &task(json!({"TimeoutSeconds": 0})),
        SCHEMA,
        "/States/S/TimeoutSeconds",
        "Minimum value is 1",
    );
    only(
        &task(json!({"Next": "S"})),
        SCHEMA,
        "/States/S",
        "only be one of",
    );
}

#[test]
fn a_resource_names_a_function_an_activity_or_an_integration() {
    let task = |arn: &str| state(json!({"Type": "Task", "Resource": arn, "End": true}));
    only(
        &task("arn:aws:states:us-east-1:123456789012:activity:"),
        "INVALID_RESOURCE",
        "/States/S/Resource",
        "activity",
    );
    only(
        &task("FunctionName"),
        "INVALID_RESOURCE",
        "/States/S/Resource",
        "",
    );
    for fine in [
        "${ReserveStockArn}",
        "arn:${AWS::Partition}:states:::lambda:invoke",
        "arn:aws:states:::aws-sdk:dynamodb:putItem",
        "arn:aws:states:::states:startExecution.sync",
        "arn:aws:states:::states:startExecution.sync:2",
    ] {
        assert_eq!(found(&task(fine)), [], "{fine}");
    }
}

#[test]
fn express_has_no_callbacks() {
    let definition = state(json!({"Type": "Task", "Resource": CALLBACK, "End": true})).to_string();
    assert_eq!(validate(&definition), []);
    let findings = validate_as(&definition, MachineType::Express);
    assert_eq!(findings[0].path, "/States/S/Resource");
    assert_eq!(
        findings[0].message,
        "Express state machine does not support '.waitForTaskToken' service integration"
    );
}

#[test]
fn variables_have_names_and_scopes() {
    let pass = |assign: Value| json!({"Type": "Pass", "Assign": assign, "End": true});
    only(
        &state(pass(json!({"states": 1}))),
        SCHEMA,
        "/States/S/Assign/states",
        "reserved",
    );
    only(
        &state(pass(json!({"x.y": 1}))),
        SCHEMA,
        "/States/S/Assign/x.y",
        "not a variable name",
    );
    let nested = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"},
        "M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "P", "States": {"P": pass(json!({"x": 2}))}}}}});
    only(
        &nested,
        SCHEMA,
        "/States/M/ItemProcessor",
        "variable 'x' is assigned in an outer scope too",
    );
}

#[test]
fn names_are_unique_across_the_machine() {
    let twice = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true,
        "ItemProcessor": {"StartAt": "M", "States": {"M": {"Type": "Succeed"}}}}}});
    only(
        &twice,
        "DUPLICATE_STATE_NAME",
        "/States/M/ItemProcessor/States/M",
        "M",
    );
    let long = "x".repeat(81);
    only(
        &json!({"StartAt": long.as_str(), "States": {long.as_str(): {"Type": "Succeed"}}}),
        "INVALID_STATE_NAME",
        &format!("/States/{long}"),
        "80",
    );
}

#[test]
fn warnings_do_not_refuse() {
    let definition =
        state(json!({"Type": "Pass", "Parameters": {"v": "$.x"}, "End": true})).to_string();
    let findings = validate(&definition);
    assert_eq!(
        (findings[0].code, findings[0].severity),
        ("NO_DOLLAR", Severity::Warning)
    );
    assert!(StateMachine::parse(&definition).is_ok());
    let fixed = state(json!({"Type": "Pass", "Result": {"v.$": "$.x"}, "End": true})).to_string();
    assert_eq!(validate(&fixed)[0].code, "PASS_RESULT_IS_STATIC");
}

#[test]
fn paths_and_functions_are_read_when_the_definition_is() {
    for (field, value, path) in [
        ("InputPath", json!("x"), "/States/S/InputPath"),
        ("ResultPath", json!("$.a[*]"), "/States/S/ResultPath"),
        ("ResultPath", json!("$$.a"), "/States/S/ResultPath"),
        (
            "Parameters",
            json!({"v.$": "States.Nope()"}),
            "/States/S/Parameters/v.$",
        ),
        (
            "Parameters",
            json!({"v.$": "States.Format()"}),
            "/States/S/Parameters/v.$",
        ),
        ("Parameters", json!({"v.$": 5}), "/States/S/Parameters/v.$"),
        (
            "Parameters",
            json!({"v.$": "States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array(States.Array()))))))))))"}),
            "/States/S/Parameters/v.$",
        ),
    ] {
        let mut s = json!({"Type": "Pass", "End": true});
        s[field] = value;
        only(&state(s), SCHEMA, path, "");
    }
}

#[test]
fn findings_serialise() {
    let finding = &validate("{}")[0];
    assert_eq!(
        serde_json::to_value(finding).unwrap(),
        json!({
        "path": "/", "severity": "ERROR", "code": SCHEMA, "message": "These fields are required: [States, StartAt]"})
    );
    assert_eq!(
        finding.to_string(),
        "error: SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"
    );
}

#[test]
fn a_machine_tells_what_it_names() {
    let machine = StateMachine::parse(
        &json!({"Comment": "c", "TimeoutSeconds": 9, "StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": FUNCTION, "End": true, "Retry": [{"ErrorEquals": ["A"]}],
            "Catch": [{"ErrorEquals": ["B"], "Next": "F"}]}, "F": {"Type": "Fail"}}})
        .to_string(),
    )
    .unwrap();
    assert_eq!(machine.tasks().collect::<Vec<_>>(), [("T", FUNCTION)]);
    assert_eq!(
        machine.error_names().collect::<Vec<_>>(),
        [("T", "A"), ("T", "B")]
    );
    assert_eq!(machine.state_names().collect::<Vec<_>>(), ["T", "F"]);
    assert_eq!(
        (machine.comment(), machine.timeout_seconds()),
        (Some("c"), Some(9))
    );
}
