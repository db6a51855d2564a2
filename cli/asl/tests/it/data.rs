//! Input and output processing, variables, choices and maps on JSONPath.

use crate::world::{FUNCTION, LAMBDA, World, failure, output, single};
use serde_json::{Value, json};

#[test]
fn paths_shape_what_goes_in_and_out() {
    let definition = single(
        "JSONPath",
        json!({
            "Type": "Task", "Resource": FUNCTION,
            "InputPath": "$.in", "Parameters": {"a.$": "$.x", "fixed": [1, {"b.$": "$.x"}], "id.$": "$$.State.Name"},
            "ResultSelector": {"kept.$": "$.a"}, "ResultPath": "$.out.here", "OutputPath": "$.out"
        }),
    );
    let mut world = World::start(&definition, json!({"in": {"x": 5}, "rest": 1}));
    let call = world.call();
    assert_eq!(
        *call.arguments,
        json!({"a": 5, "fixed": [1, {"b": 5}], "id": "S"})
    );
    world
        .run
        .complete_task(call.id, Ok(json!({"a": 9, "noise": 0})), world.now)
        .unwrap();
    assert_eq!(world.output(), json!({"here": {"kept": 9}}));
}

#[test]
fn null_paths_discard() {
    for (field, value, expect) in [
        ("InputPath", Value::Null, json!({})),
        ("OutputPath", Value::Null, json!({})),
        ("ResultPath", Value::Null, json!({"x": 1})),
        ("ResultPath", json!("$.r"), json!({"x": 1, "r": {"x": 1}})),
        ("OutputPath", json!("$.x"), json!(1)),
    ] {
        let definition = single("JSONPath", json!({"Type": "Pass", field: value}));
        assert_eq!(output(&definition, json!({"x": 1})), expect, "{field}");
    }
}

#[test]
fn a_pass_may_have_a_fixed_result() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Pass", "Result": {"v.$": "$.x"}, "ResultPath": "$.r"}),
    );
    assert_eq!(
        output(&definition, json!({"x": 1})),
        json!({"x": 1, "r": {"v.$": "$.x"}})
    );
}

#[test]
fn what_is_not_there_is_named() {
    let state = json!({"Type": "Pass", "Parameters": {"address.$": "$.application.address"}});
    let (error, cause) = failure(&single("JSONPath", state), json!({"flagged": false}));
    assert_eq!(error, "States.Runtime");
    assert_eq!(
        cause,
        "An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath \
         '$.application.address' specified for the field 'address.$' could not be found in the input \
         '{\"flagged\":false}'"
    );
    // Measured on AWS: past the end of an array is null.
    let state = json!({"Type": "Pass", "Parameters": {"v.$": "$.a[3]"}});
    assert_eq!(
        output(&single("JSONPath", state), json!({"a": []})),
        json!({"v": null})
    );
}

#[test]
fn a_result_path_that_does_not_fit_can_be_caught() {
    let definition = json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": FUNCTION, "ResultPath": "$.a.b", "End": true,
            "Catch": [{"ErrorEquals": ["States.ResultPathMatchFailure"], "Next": "C"}]},
        "C": {"Type": "Pass", "End": true}
    }});
    let mut world = World::start(&definition, json!({"a": "text"}));
    world.succeed(json!(1));
    assert_eq!(world.output()["Error"], "States.ResultPathMatchFailure");
}

#[test]
fn variables_are_read_as_they_were_on_entry() {
    for (language, swap) in [
        ("JSONata", json!({"x": "{% $y %}", "y": "{% $x %}"})),
        ("JSONPath", json!({"x.$": "$y", "y.$": "$x"})),
    ] {
        let read = if language == "JSONata" {
            json!({"Type": "Pass", "Output": ["{% $x %}", "{% $y %}"], "End": true})
        } else {
            json!({"Type": "Pass", "Parameters": {"v.$": "States.Array($x, $y)"}, "OutputPath": "$.v", "End": true})
        };
        let definition = json!({"QueryLanguage": language, "StartAt": "A", "States": {
            "A": {"Type": "Pass", "Assign": {"x": 3, "y": 6}, "Next": "B"},
            "B": {"Type": "Pass", "Assign": swap, "Next": "C"}, "C": read}});
        assert_eq!(output(&definition, json!({})), json!([6, 3]), "{language}");
    }
}

#[test]
fn what_dollar_means_in_assign_depends_on_the_state() {
    let definition = json!({"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Result": {"r": 1}, "Assign": {"pass.$": "$.r"}, "ResultPath": null, "Next": "T"},
        "T": {"Type": "Task", "Resource": FUNCTION, "ResultSelector": {"s.$": "$.t"}, "Assign": {"task.$": "$.t"},
            "ResultPath": null, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 1, "InputPath": "$.in", "Assign": {"wait.$": "$.w"}, "Next": "E"},
        "E": {"Type": "Pass", "Parameters": {"v.$": "States.Array($pass, $task, $wait)"}, "End": true}
    }});
    let mut world = World::start(&definition, json!({"in": {"w": 3}}));
    world.succeed(json!({"t": 2})).wake();
    assert_eq!(world.output(), json!({"v": [1, 2, 3]}));
}

#[test]
fn branches_see_outer_variables_and_keep_their_own() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"outer": 10}, "Next": "M"},
        "M": {"Type": "Map", "Items": [1, 2, 3], "Next": "Z", "ItemProcessor": {"StartAt": "X", "States": {
            "X": {"Type": "Pass", "Assign": {"mine": "{% $states.input + $outer %}"}, "Next": "Y"},
            "Y": {"Type": "Pass", "Output": "{% $mine * 2 %}", "End": true}}}},
        "Z": {"Type": "Pass", "Output": {"r": "{% $states.input %}", "gone": "{% $exists($mine) %}"}, "End": true}
    }});
    assert_eq!(
        output(&definition, json!({})),
        json!({"r": [22, 24, 26], "gone": false})
    );
}

#[test]
fn a_map_keeps_its_items_order_and_its_limit() {
    let definition = single(
        "JSONPath",
        json!({
            "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2,
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "all.$": "$.tag"},
            "ItemProcessor": {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": FUNCTION, "End": true}}}
        }),
    );
    let mut world = World::start(
        &definition,
        json!({"items": ["a", "b", "c", "d"], "tag": "t"}),
    );
    assert_eq!(world.calls.len(), 2);
    assert_eq!(
        *world.calls[1].arguments,
        json!({"i": 1, "v": "b", "all": "t"})
    );
    // The second is done first; the third takes its place.
    world.calls.swap(0, 1);
    world.succeed(json!("B"));
    assert_eq!(world.calls.len(), 2);
    world
        .succeed(json!("A"))
        .succeed(json!("C"))
        .succeed(json!("D"));
    assert_eq!(world.output(), json!(["A", "B", "C", "D"]));
}

#[test]
fn maps_over_nothing_objects_and_old_iterators() {
    let empty = single(
        "JSONPath",
        json!({"Type": "Map", "Iterator": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}),
    );
    assert_eq!(output(&empty, json!([])), json!([]));
    let legacy = single(
        "JSONPath",
        json!({"Type": "Map", "Parameters": {"v.$": "$$.Map.Item.Value"},
        "Iterator": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}),
    );
    assert_eq!(output(&legacy, json!([1])), json!([{"v": 1}]));
    let object = single(
        "JSONata",
        json!({"Type": "Map", "Items": "{% $states.input %}",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "Output": "{% $states.input.Key & $states.context.Map.Item.Key %}", "End": true}}}}),
    );
    assert_eq!(
        output(&object, json!({"a": 1, "b": 2})),
        json!(["aa", "bb"])
    );
    let (error, _) = failure(&empty, json!("text"));
    assert_eq!(error, "States.Runtime");
}

#[test]
fn parallel_branches_share_an_input_and_answer_in_order() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Parallel", "Parameters": {"n.$": "$.x"}, "ResultPath": "$.r", "Branches": [
            {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 5, "End": true}}},
            {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": LAMBDA, "OutputPath": "$.Payload", "End": true}}}
        ]}),
    );
    let mut world = World::start(&definition, json!({"x": 1}));
    world.succeed(json!({"Payload": "late?"})).wake();
    assert_eq!(world.output(), json!({"x": 1, "r": [{"n": 1}, "late?"]}));
}

#[test]
fn every_choice_operator() {
    let decide = |rule: Value, input: &Value| {
        let mut rule = rule;
        rule["Next"] = json!("Yes");
        let definition = json!({"StartAt": "C", "States": {
            "C": {"Type": "Choice", "Choices": [rule], "Default": "No"},
            "Yes": {"Type": "Pass", "Result": true, "End": true}, "No": {"Type": "Pass", "Result": false, "End": true}}});
        output(&definition, input.clone())
    };
    let input = json!({"s": "beta", "n": 5, "f": 5.0, "b": true, "t": "2026-03-14T01:59:00Z", "z": null, "other": "beta", "m": 7,
        "t2": "2026-03-14T02:59:00+01:00"});
    for (variable, operator, value, expect) in [
        ("$.s", "StringEquals", json!("beta"), true),
        ("$.s", "StringLessThan", json!("gamma"), true),
        ("$.s", "StringGreaterThanEquals", json!("beta"), true),
        ("$.s", "StringEqualsPath", json!("$.other"), true),
        ("$.s", "StringMatches", json!("b*a"), true),
        ("$.n", "StringEquals", json!("5"), false),
        ("$.n", "NumericEquals", json!(5.0), true),
        ("$.f", "NumericEquals", json!(5), true),
        ("$.n", "NumericLessThanPath", json!("$.m"), true),
        ("$.n", "NumericGreaterThan", json!(5), false),
        ("$.n", "NumericLessThanEquals", json!(5), true),
        ("$.b", "BooleanEquals", json!(true), true),
        ("$.t", "TimestampEqualsPath", json!("$.t2"), true),
        (
            "$.t",
            "TimestampLessThan",
            json!("2027-01-01T00:00:00Z"),
            true,
        ),
        ("$.z", "IsNull", json!(true), true),
        ("$.q", "IsPresent", json!(false), true),
        ("$.s", "IsPresent", json!(true), true),
        ("$.n", "IsNumeric", json!(true), true),
        ("$.n", "IsString", json!(true), false),
        ("$.b", "IsBoolean", json!(true), true),
        ("$.t", "IsTimestamp", json!(true), true),
        ("$.s", "IsTimestamp", json!(false), true),
    ] {
        let rule = json!({"Variable": variable, operator: value});
        assert_eq!(decide(rule, &input), expect, "{variable} {operator}");
    }
    let yes = json!({"Variable": "$.n", "NumericEquals": 5});
    let no = json!({"Variable": "$.n", "NumericEquals": 6});
    assert_eq!(decide(json!({"And": [yes, no]}), &input), false);
    assert_eq!(decide(json!({"Or": [no, yes]}), &input), true);
    assert_eq!(decide(json!({"Not": no}), &input), true);
    // IsPresent guards what follows it.
    let guard = json!({"And": [{"Variable": "$.q", "IsPresent": true}, {"Variable": "$.q", "StringEquals": "x"}]});
    assert_eq!(decide(guard, &input), false);
}

#[test]
fn a_choice_that_leads_nowhere_says_so_in_aws_words() {
    let definition = json!({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "D"}]},
        "D": {"Type": "Succeed"}}});
    assert_eq!(
        failure(&definition, json!({"n": 2})),
        (
            "States.Runtime".into(),
            "An error occurred while executing the state 'C' (entered at the event id #2). \
         Failed to transition out of the state. The state does not point to a next state."
                .into()
        )
    );
    let (error, cause) = failure(&definition, json!({}));
    assert_eq!(error, "States.Runtime");
    assert!(
        cause.ends_with(
            "Invalid path '$.n': The choice state's condition path references an invalid value."
        ),
        "{cause}"
    );
}

#[test]
fn a_fail_state_names_its_error_in_either_language() {
    let fixed = single(
        "JSONPath",
        json!({"Type": "Fail", "Error": "E", "Cause": "C"}),
    );
    assert_eq!(failure(&fixed, json!({})), ("E".into(), "C".into()));
    let path = single(
        "JSONPath",
        json!({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('why: {}', $.c)"}),
    );
    assert_eq!(
        failure(&path, json!({"e": "X", "c": 1})),
        ("X".into(), "why: 1".into())
    );
    let jsonata = single(
        "JSONata",
        json!({"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'c:' & $states.input.e %}"}),
    );
    assert_eq!(
        failure(&jsonata, json!({"e": "Y"})),
        ("Y".into(), "c:Y".into())
    );
}
