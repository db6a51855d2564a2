//! Test files of state machines: what passes, what does not and why, what is covered.

use crate::world::{CALLBACK, LAMBDA, machine};
use duet_asl::suite::{CaseReport, Family, Suite, SuiteReport, mermaid};
use duet_asl::{StateMachine, Status};
use serde_json::{Value, json};
use std::sync::Arc;

/// Pays, with a retrier and a catcher; screens large orders in two branches; asks a person.
fn shop() -> Arc<StateMachine> {
    machine(&json!({"StartAt": "Pay", "States": {
        "Pay": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "pay", "Payload.$": "$"}, "ResultPath": "$.pay",
            "Retry": [{"ErrorEquals": ["Never"], "MaxAttempts": 0}, {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["Declined", "Busy"], "ResultPath": "$.why", "Next": "Refuse"}], "Next": "IsLarge"},
        "IsLarge": {"Type": "Choice", "Choices": [{"Variable": "$.total", "NumericGreaterThan": 100, "Next": "Both"}], "Default": "Done"},
        "Both": {"Type": "Parallel", "Branches": [
            {"StartAt": "Screen", "States": {"Screen": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "screen"}, "End": true}}},
            {"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": CALLBACK, "TimeoutSeconds": 60,
                "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}}, "End": true}}}],
            "Next": "Done"},
        "Refuse": {"Type": "Fail", "Error": "Refused", "Cause": "declined"},
        "Done": {"Type": "Succeed"}}}))
}

fn suite(cases: Value) -> Suite {
    serde_json::from_value(json!({
        "mocks": {"Pay": {"returns": {"paid": true}}},
        "cases": cases,
    }))
    .unwrap()
}

fn ran(cases: Value) -> SuiteReport {
    suite(cases).run(&shop(), &|_| true).unwrap()
}

fn one(case: Value) -> CaseReport {
    ran(json!([case])).cases.remove(0)
}

fn problems(cases: Value) -> Vec<String> {
    suite(cases).run(&shop(), &|_| true).unwrap_err()
}

/// The places of what was not as expected.
fn places(case: Value) -> Vec<String> {
    let report = one(case);
    assert_eq!(report.stopped, None);
    report.differences.into_iter().map(|it| it.place).collect()
}

#[test]
fn what_is_expected_and_comes_passes() {
    let report = ran(json!([
        {"name": "paid", "input": {"total": 1}, "expect": {
            "output": {"total": 1, "pay": {"paid": true}}, "path": ["Pay", "IsLarge", "Done"],
            "calls": {"Pay": [{"FunctionName": "pay", "Payload": {"total": 1}}], "Ask": 0},
            "duration": 0, "transitions": 3}},
        {"name": "busy", "input": {"total": 1},
            "mocks": {"Pay": [{"throws": {"error": "Busy"}, "times": 2, "after": 1.5}, {"returns": {}, "times": "always"}]},
            "expect": {"calls": {"Pay": 3}, "duration": 9, "transitions": {"$between": [5, 5]}}},
        {"name": "declined", "mocks": {"Pay": {"throws": {"error": "Declined"}}},
            "expect": {"error": "Refused", "cause": {"$matches": "^decl"}}},
        {"name": "silence", "input": {"total": 101}, "mocks": {"Screen": {"returns": 1}, "Ask": {"never": true}},
            "expect": {"error": "States.Timeout", "duration": 60, "path": ["Pay", "IsLarge", "Both", "Screen", "Ask"]}},
        {"name": "a late verdict", "input": {"total": 101}, "mocks": {"Screen": {"returns": 1}, "Ask": {"returns": "yes", "after": 59}},
            "expect": {"output": [1, "yes"], "duration": 59}},
    ]));
    for case in &report.cases {
        assert!(case.passed(), "{case:?}");
    }
    assert_eq!(report.cases[3].status, Some(Status::Failed));
}

#[test]
fn what_differs_is_named_by_its_place() {
    let paid = |expect: Value| json!({"name": "n", "input": {"total": 1, "a": [1, {"b": "x"}]}, "expect": expect});
    for (expect, expected) in [
        (json!({"status": "TIMED_OUT"}), vec!["status"]),
        (
            json!({"output": {"total": 1}}),
            vec!["output.a", "output.pay"],
        ),
        (
            json!({"output": {"$contains": {"total": 2, "a": [1, {}], "no": 1}}}),
            vec!["output.no", "output.total"],
        ),
        (
            json!({"output": {"$at": {"$.a[1].b": "y", "$.a[7]": {"$absent": true}, "$.total": {"$not": 1}}}}),
            vec!["output.a[1].b", "output.total"],
        ),
        (
            json!({"output": {"$at": {"$.a": {"$contains": {"b": "z"}}}}}),
            vec!["output.a"],
        ),
        (
            json!({"output": {"$at": {"$.a": {"$contains": {"b": "x"}}, "$.total": {"$type": "string"}}}}),
            vec!["output.a", "output.total"],
        ),
        (
            json!({"output": {"$at": {"$.gone": {"$any": true}, "$.pay": {"$equals": {"paid": 1}}}}}),
            vec!["output.gone", "output.pay"],
        ),
        (json!({"path": ["Pay", "Done"]}), vec!["path[1]"]),
        (
            json!({"path": ["Pay", "IsLarge", "Done", "Done"]}),
            vec!["path[3]"],
        ),
        (
            json!({"calls": {"Pay": 2, "Ask": 1}}),
            vec!["calls.Ask", "calls.Pay"],
        ),
        (
            json!({"calls": {"Pay": [{"$contains": {"FunctionName": "x"}}]}}),
            vec!["calls.Pay[0].FunctionName"],
        ),
        (json!({"calls": {"Pay": []}}), vec!["calls.Pay"]),
        (
            json!({"duration": {"$between": [1, 2]}, "transitions": 4}),
            vec!["duration", "transitions"],
        ),
        (json!({"error": "E"}), vec!["status", "error"]),
    ] {
        let mut got = places(paid(expect.clone()));
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        got.sort();
        expected.sort();
        assert_eq!(got, expected, "{expect}");
    }
    let report = one(paid(json!({"output": {"$at": {"$.total": 2}}})));
    let it = &report.differences[0];
    assert_eq!((&*it.expected, &*it.got), ("2", "1"));
}

#[test]
fn every_task_without_a_mock_is_named_at_once() {
    let report = one(json!({"name": "n", "input": {"total": 101}, "expect": {}}));
    let why = report.stopped.unwrap();
    assert!(
        why.contains("'Screen' calls arn:aws:states:::lambda:invoke"),
        "{why}"
    );
    assert!(why.ends_with("may come after it: Ask"), "{why}");
    let none: Suite =
        serde_json::from_value(json!({"cases": [{"name": "n", "expect": {}}]})).unwrap();
    let report = none.run(&shop(), &|_| true).unwrap();
    let why = report.cases[0].stopped.clone().unwrap();
    assert!(why.ends_with("may come after it: Screen, Ask"), "{why}");
    let short =
        one(json!({"name": "n", "mocks": {"Pay": [{"throws": {"error": "Busy"}}]}, "expect": {}}));
    assert!(short.stopped.unwrap().starts_with("call 2 of state 'Pay'"));
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_nothing_is_run() {
    let case = |more: Value| {
        let mut case = json!({"name": "n", "expect": {}});
        for (name, value) in more.as_object().unwrap() {
            case[name] = value.clone();
        }
        json!([case])
    };
    for (cases, expected) in [
        (json!([]), "cases: there is none"),
        (
            json!([{"name": "n", "expect": {}}, {"name": "n", "expect": {}}]),
            "cases[1].name: another case",
        ),
        (
            case(json!({"mocks": {"Pai": {"returns": 1}}})),
            "cases[0].mocks.Pai: the definition has no state",
        ),
        (
            case(json!({"mocks": {"Done": {"returns": 1}}})),
            "cases[0].mocks.Done: state 'Done' is no Task",
        ),
        (
            case(json!({"mocks": {"Pay": [{"returns": 1}, {}]}})),
            "cases[0].mocks.Pay[1]: exactly one of",
        ),
        (
            case(json!({"mocks": {"Pay": [{"returns": 1, "times": "always"}, {"returns": 2}]}})),
            "cases[0].mocks.Pay[0].times: always",
        ),
        (
            case(json!({"mocks": {"Pay": {"returns": 1, "after": -1}}})),
            "cases[0].mocks.Pay.after: a number",
        ),
        (
            case(json!({"expect": {"path": ["X"]}})),
            "cases[0].expect.path[0]: the definition has no state",
        ),
        (
            case(json!({"expect": {"calls": {"X": 1}}})),
            "cases[0].expect.calls.X: the definition has no state",
        ),
        (
            case(json!({"expect": {"calls": {"Pay": "1"}}})),
            "cases[0].expect.calls.Pay: a number of calls",
        ),
        (
            case(json!({"expect": {"status": "RUNNING"}})),
            "cases[0].expect.status",
        ),
        (
            case(json!({"expect": {"output": {"a": {"$like": 1}}}})),
            "cases[0].expect.output.a.$like: no matcher",
        ),
        (
            case(json!({"expect": {"output": {"$matches": "("}}})),
            "cases[0].expect.output.$matches: no regular",
        ),
        (
            case(json!({"expect": {"output": {"$at": {"$$.x": 1}}}})),
            "cases[0].expect.output.$at.$$.x: a path begins",
        ),
        (
            case(json!({"expect": {"output": {"$any": true, "b": 1}}})),
            "cases[0].expect.output: a matcher",
        ),
    ] {
        let found = problems(cases.clone());
        assert!(
            found.iter().any(|it| it.starts_with(expected)),
            "{cases}: {found:?}"
        );
    }
}

#[test]
fn members_that_nobody_knows_are_refused() {
    for unknown in [
        json!({"cases": [{"name": "n", "expect": {}, "colour": 1}]}),
        json!({"cases": [{"name": "n", "expect": {"colour": 1}}]}),
        json!({"cases": [{"name": "n", "expect": {}, "mocks": {"Pay": {"gives": 1}}}]}),
        json!({"cases": [{"name": "n", "expect": {}, "mocks": {"Pay": {"returns": 1, "times": 0}}}]}),
        json!({"cases": [], "colour": 1}),
    ] {
        assert!(
            serde_json::from_value::<Suite>(unknown.clone()).is_err(),
            "{unknown}"
        );
    }
}

#[test]
fn coverage_counts_what_the_engine_took() {
    let missed = |cases: Value| -> Vec<String> {
        let report = ran(cases);
        report
            .coverage
            .missed()
            .map(|it| format!("{it} {}", it.possible.place))
            .collect()
    };
    let busy = json!({"throws": {"error": "Busy"}});
    let report =
        ran(json!([{"name": "n", "mocks": {"Pay": busy}, "expect": {"error": "Refused"}}]));
    assert_eq!(report.coverage.counts(Some(Family::States)), (2, 7));
    // Tried again and given up by the second retrier; the first never.
    assert_eq!(report.coverage.counts(Some(Family::Retriers)), (2, 3));
    assert_eq!(report.coverage.counts(Some(Family::Catchers)), (1, 1));
    assert_eq!(report.coverage.counts(Some(Family::Choices)), (0, 2));
    assert!((report.coverage.percent() - 500.0 / 13.0).abs() < 1e-9);
    // A catcher that is reached without its retrier; the default without the rule.
    let cases = json!([
        {"name": "a", "mocks": {"Pay": {"throws": {"error": "Declined"}}}, "expect": {"error": "Refused"}},
        {"name": "b", "input": {"total": 1}, "expect": {}}
    ]);
    assert_eq!(
        missed(cases),
        [
            "Pay given up after Never /States/Pay/Retry[0]",
            "Pay tried again after Busy /States/Pay/Retry[1]",
            "Pay given up after Busy /States/Pay/Retry[1]",
            "IsLarge chose by rule 0 /States/IsLarge/Choices[0]",
            "state Both /States/Both",
            "state Screen /States/Both/Branches[0]/States/Screen",
            "state Ask /States/Both/Branches[1]/States/Ask",
        ]
    );
}

#[test]
fn a_picture_marks_the_ways_taken() {
    let report = one(
        json!({"name": "n", "mocks": {"Pay": {"throws": {"error": "Busy"}}}, "expect": {"error": "Refused"}}),
    );
    let picture = mermaid(&shop(), &report.taken);
    for line in [
        "    s0 --> s0 : 2x again after Busy",
        "    s0 --> s3 : 1x caught Declined, Busy",
        "    s1 --> s4 : default",
        "    state \"Both\" as s2 {",
        "        [*] --> s5",
        "        --",
        "    class s0,s3 taken",
    ] {
        assert!(picture.lines().any(|it| it == line), "{line} in\n{picture}");
    }
}

#[test]
fn the_same_file_gives_the_same_results() {
    let jittered = machine(
        &json!({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": LAMBDA,
        "Parameters": {"FunctionName": "f"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60, "JitterStrategy": "FULL"}], "End": true}}}),
    );
    let elapsed = |seed: u64| {
        let suite: Suite = serde_json::from_value(json!({"seed": seed, "cases": [{"name": "n",
            "mocks": {"A": {"throws": {"error": "E"}}}, "expect": {"error": "E"}}]}))
        .unwrap();
        suite.run(&jittered, &|_| true).unwrap().cases[0].elapsed
    };
    assert_eq!(elapsed(1), elapsed(1));
    assert_ne!(elapsed(1), elapsed(2));
}
