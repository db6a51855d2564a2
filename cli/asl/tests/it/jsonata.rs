//! JSONata fields: what they see, how they fail, and that shortcuts change nothing.

use crate::world::{LAMBDA, World, failure, output, single};
use serde_json::{Value, json};

fn pass(expression: &str, input: Value) -> Value {
    let state = json!({"Type": "Pass", "Output": {"v": format!("{{% {expression} %}}")}});
    output(&single("JSONata", state), input)["v"].clone()
}

/// Wrapping a path so that the shortcut does not apply must not change its value.
#[test]
fn walking_a_path_equals_evaluating_it() {
    let input = json!({
        "a": {"b": {"c": 1, "d": [{"e": 1}, {"e": 2}], "n": null, "one": [5], "none": []}},
        "s": "x", "t": true, "f": 1.5, "nested": [[1], [2, 3]]
    });
    for path in [
        "$states.input",
        "$states.input.a",
        "$states.input.a.b.c",
        "$states.input.a.b.d.e",
        "$states.input.a.b.d",
        "$states.input.a.b.n",
        "$states.input.a.b.one",
        "$states.input.a.b.none",
        "$states.input.s",
        "$states.input.t",
        "$states.input.f",
        "$states.input.nested",
    ] {
        let plain = pass(path, input.clone());
        let wrapped = pass(&format!("( $v := {path}; $v )"), input.clone());
        assert_eq!(plain, wrapped, "{path}");
    }
}

/// Only part of the input is converted; no expression may notice.
#[test]
fn pruning_is_invisible() {
    let input = json!({"a": {"x": 1, "y": 2}, "items": [{"n": 1, "k": {"p": 1}}, {"n": 5, "k": {"p": 2}}], "z": "q"});
    for (expression, expect) in [
        ("$keys($states.input)", json!(["a", "items", "z"])),
        ("$keys($states.input.a)", json!(["x", "y"])),
        ("$states.input.*.x", json!(1)),
        ("$count($states.input.**)", json!(13)),
        ("$states.input.items[n > 2].k.p", json!(2)),
        ("$states.input.items.(n * 2)", json!([2, 10])),
        ("$states.input.items.k.(p + %.n)", json!([2, 7])),
        (
            "$states.input.items{$string(n): k.p}",
            json!({"1": 1, "5": 2}),
        ),
        (
            "$merge([$states.input.a, {'y': 3}])",
            json!({"x": 1, "y": 3}),
        ),
        (
            "$states.input ~> |a|{'x': 9}| ~> $lookup('a')",
            json!({"x": 9, "y": 2}),
        ),
        (
            "$map($states.input.items, function($i) { $i.n + $states.input.a.x })",
            json!([2, 6]),
        ),
        ("$states.input.items^(>n).n", json!([5, 1])),
        (
            "$states.input.items@$i.{'n': $i.n, 'z': $states.input.z}",
            json!([{"n": 1, "z": "q"}, {"n": 5, "z": "q"}]),
        ),
        ("($x := $states.input.a; $x.y)", json!(2)),
        ("$string($states.input.a)", json!("{\"x\":1,\"y\":2}")),
    ] {
        assert_eq!(pass(expression, input.clone()), expect, "{expression}");
    }
}

#[test]
fn integers_stay_exact_on_a_plain_path() {
    let big = json!({"n": 9_007_199_254_740_993_i64});
    assert_eq!(
        pass("$states.input.n", big),
        json!(9_007_199_254_740_993_i64)
    );
}

#[test]
fn null_is_a_value_and_nothing_is_a_failure() {
    assert_eq!(pass("$states.input.n", json!({"n": null})), Value::Null);
    let state = json!({"Type": "Pass", "Output": {"a": [{"b": "{% $states.input.absent %}"}]}});
    let (error, cause) = failure(&single("JSONata", state), json!({}));
    assert_eq!(error, "States.QueryEvaluationError");
    assert_eq!(
        cause,
        "An error occurred while executing the state 'S' (entered at the event id #2). \
         The JSONata expression '$states.input.absent' specified for the field 'Output/a[0]/b' \
         returned nothing (undefined)."
    );
}

#[test]
fn the_context_object_is_there() {
    let mut world = World::start(
        &single(
            "JSONata",
            json!({"Type": "Task", "Resource": LAMBDA, "Arguments": {
            "FunctionName": "f",
            "Payload": {
                "id": "{% $states.context.Execution.Id %}",
                "name": "{% $states.context.State.Name %}",
                "retries": "{% $states.context.State.RetryCount %}",
                "started": "{% $states.context.Execution.StartTime %}",
                "input": "{% $states.context.Execution.Input.x %}",
                "machine": "{% $states.context.StateMachine.Name %}"
            }}}),
        ),
        json!({"x": 4}),
    );
    let call = world.call();
    assert_eq!(
        call.arguments["Payload"],
        json!({
            "id": "arn:aws:states:us-east-1:123456789012:execution:machine:execution",
            "name": "S", "retries": 0, "started": "2026-01-01T00:00:00.000Z", "input": 4, "machine": "machine"
        })
    );
}

#[test]
fn result_input_and_error_output_where_they_exist() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": LAMBDA, "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
            "Assign": {"status": "{% $states.result.StatusCode %}"},
            "Output": {"was": "{% $states.input.x %}", "got": "{% $states.result.Payload.y %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C",
                "Assign": {"why": "{% $states.errorOutput.Cause %}"},
                "Output": {"error": "{% $states.errorOutput %}", "input": "{% $states.input %}"}}],
            "Next": "P"},
        "P": {"Type": "Pass", "Output": "{% $merge([$states.input, {'status': $status}]) %}", "End": true},
        "C": {"Type": "Succeed", "Output": "{% $merge([$states.input, {'why': $why}]) %}"}
    }});
    let mut world = World::start(&definition, json!({"x": 1}));
    world.succeed(json!({"StatusCode": 200, "Payload": {"y": 2}}));
    assert_eq!(world.output(), json!({"was": 1, "got": 2, "status": 200}));
    let mut world = World::start(&definition, json!({"x": 1}));
    world.fail("Boom");
    assert_eq!(
        world.output(),
        json!({
            "error": {"Error": "Boom", "Cause": "Boom happened"}, "input": {"x": 1}, "why": "Boom happened"
        })
    );
}

#[test]
fn languages_mix_state_by_state() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"n": "{% $states.input.n * 2 %}"},
            "Output": {"m": "{% $states.input.n + 1 %}"}, "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"n.$": "$n", "m.$": "$.m", "f.$": "States.Format('{}!', $n)"}, "End": true}
    }});
    assert_eq!(
        output(&definition, json!({"n": 4})),
        json!({"n": 8, "m": 5, "f": "8!"})
    );
}

#[test]
fn conditions_must_be_boolean() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n %}", "Next": "D"}], "Default": "D"},
        "D": {"Type": "Succeed"}
    }});
    let (error, cause) = failure(&definition, json!({"n": 1}));
    assert_eq!(error, "States.QueryEvaluationError");
    assert!(
        cause.contains("'Choices[0]/Condition'") && cause.contains("Expected 'boolean'"),
        "{cause}"
    );
}

#[test]
fn a_choice_assigns_by_rule_or_by_default() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "C", "States": {
        "C": {"Type": "Choice", "Assign": {"tier": "standard"}, "Default": "D", "Choices": [
            {"Condition": "{% $states.input > 100 %}", "Assign": {"tier": "premium"}, "Output": "rule", "Next": "D"}]},
        "D": {"Type": "Succeed", "Output": "{% [$tier, $states.input] %}"}
    }});
    assert_eq!(output(&definition, json!(200)), json!(["premium", "rule"]));
    assert_eq!(output(&definition, json!(5)), json!(["standard", 5]));
}

#[test]
fn the_context_object_can_be_given() {
    use duet_asl::{ExecutionOptions, RunOptions, run};
    let definition = single(
        "JSONata",
        json!({"Type": "Pass", "Output": ["{% $states.context.Execution.Name %}",
        "{% $states.context.Execution.RedriveCount %}", "{% $states.context.Mine.x %}"]}),
    );
    let context = json!({"Execution": {"Name": "given"}, "Mine": {"x": 7}});
    let execution = ExecutionOptions {
        context: context.as_object().cloned(),
        ..ExecutionOptions::default()
    };
    let options = RunOptions {
        execution,
        ..RunOptions::default()
    };
    let report = run(&crate::world::machine(&definition), json!({}), options).unwrap();
    assert_eq!(*report.output.unwrap(), json!(["given", 0, 7]));
}
