//! No definition, path or expression makes the reader panic, and none that is taken makes its run panic.

use duet_asl::{RunOptions, StateMachine, run, substitute, validate};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

#[path = "../../../../tests/garble.rs"]
mod garble;

use garble::{Garbler, Shown};

const PIECES: [&str; 40] = [
    "$.a",
    "$.a[0]",
    "$['a']",
    "$.a[?(@.b > 1)]",
    "$..b",
    "$$.Execution.Input",
    "$.a[1:3]",
    "[-1]",
    "[*]",
    ".length()",
    "States.Format('{}', $.a)",
    "States.ArrayPartition($.a, 2)",
    "States.MathRandom(1, 2)",
    "States.JsonMerge($, $, false)",
    "States.ArrayRange(1, 9, 2)",
    "States.Base64Decode('YQ==')",
    "States.Hash($.a, 'SHA-1')",
    "States.StringSplit('a,b', ',')",
    "{% $states.input %}",
    "{% $states.input.a[0] & 'x' %}",
    "{% $sum($states.input.a.b) %}",
    "{% $map([1..9], function($x){$x*$x}) %}",
    "{% $partition([1..9], 2) %}",
    "{% $parse('[1]') %}",
    "{% $random() %}",
    "{% $toMillis('2026-01-01') %}",
    "{% /a+/ %}",
    "States.ALL",
    "States.Timeout",
    "QueryLanguage",
    "JSONata",
    "JSONPath",
    "Retry",
    "Catch",
    "Next",
    "End",
    "Assign",
    "Output",
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
];

/// The cases, our own definitions, and one with a state of each kind.
fn definitions(seed: u64) -> Garbler {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        own.join("tests/cases"),
        own.join("../../infra/orchestration"),
    ];
    let mut texts = Vec::new();
    for entry in folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
    {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // What is refused already is seldom taken for being damaged.
        match substitute(&text, |_| Some("30".into())) {
            Ok(text) if StateMachine::parse(&text).is_ok() => texts.push(text),
            _ => {}
        }
    }
    texts.sort_unstable();
    assert!(texts.len() > 10, "{} definitions", texts.len());
    let jsonpath = json!({"StartAt": "Pass", "States": {
        "Pass": {"Type": "Pass", "Parameters": {"a.$": "$.a[?(@.b > 1)]", "t.$": "States.Format('{}', $.n)"}, "ResultPath": "$.p", "Next": "Wait"},
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Choice"},
        "Choice": {"Type": "Choice", "Choices": [{"And": [{"Variable": "$.n", "NumericGreaterThan": 1}, {"Not": {"Variable": "$.t", "StringMatches": "a*"}}], "Next": "Map"}], "Default": "Task"},
        "Map": {"Type": "Map", "ItemsPath": "$.a", "ItemSelector": {"i.$": "$$.Map.Item.Value"}, "MaxConcurrency": 1,
            "ItemProcessor": {"StartAt": "Each", "States": {"Each": {"Type": "Pass", "End": true}}}, "ResultPath": "$.m", "Next": "Task"},
        "Task": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f", "Payload.$": "$"}, "TimeoutSeconds": 5,
            "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 2}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail"}], "Next": "Parallel"},
        "Parallel": {"Type": "Parallel", "Branches": [{"StartAt": "One", "States": {"One": {"Type": "Succeed"}}}], "Next": "Done"},
        "Fail": {"Type": "Fail", "Error": "E"}, "Done": {"Type": "Succeed", "OutputPath": "$"}}});
    let jsonata = json!({"QueryLanguage": "JSONata", "StartAt": "Pass", "States": {
        "Pass": {"Type": "Pass", "Assign": {"x": "{% $states.input.n + 1 %}"}, "Output": {"a": "{% $states.input.a.b %}", "x": "{% $x %}"}, "Next": "Choice"},
        "Choice": {"Type": "Choice", "Choices": [{"Condition": "{% $x > 1 and $exists($states.input.a) %}", "Next": "Map"}], "Default": "Done"},
        "Map": {"Type": "Map", "Items": "{% [1, 2] %}", "ItemProcessor": {"StartAt": "Each", "States": {"Each": {"Type": "Wait", "Seconds": "{% 1 %}", "End": true}}}, "Next": "Task"},
        "Task": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
            "Output": "{% $states.result.Payload %}", "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Done"}], "Next": "Done"},
        "Done": {"Type": "Succeed", "Output": "{% $states.input %}"}}});
    texts.extend([jsonpath.to_string(), jsonata.to_string()]);
    Garbler::new(seed, texts, &PIECES)
}

/// A Pass state that reads a path, an intrinsic function or an expression.
fn around(text: &str) -> Value {
    let pass = match text.len() % 4 {
        0 => json!({"InputPath": text}),
        1 => json!({"Parameters": {"x.$": text}}),
        2 => json!({"QueryLanguage": "JSONata", "Output": format!("{{% {text} %}}")}),
        _ => {
            json!({"Parameters": {"x.$": format!("States.Array({text})")}, "OutputPath": "$.x[0]"})
        }
    };
    let mut state = json!({"Type": "Pass", "End": true});
    state
        .as_object_mut()
        .unwrap()
        .extend(pass.as_object().unwrap().clone());
    json!({"StartAt": "A", "States": {"A": state}})
}

/// Whether the definition was taken. If so, it is run.
fn read(text: &str) -> bool {
    let _shown = Shown(text);
    assert!(validate(text).len() < 10_000);
    let Ok(machine) = StateMachine::parse(text) else {
        return false;
    };
    let options = RunOptions {
        task_echo: true,
        ..RunOptions::default()
    };
    let input = json!({"a": [{"b": 1}, {"b": 2, "c": "é"}], "n": 7, "t": "text", "x": null});
    // An execution that nobody answers is no execution; all else has an end.
    let _ = run(&Arc::new(machine), input, options);
    true
}

fn all(count: u64) {
    let mut definitions = definitions(3);
    let whole = (0..count).filter(|_| read(&definitions.next())).count() as u64;
    let mut small = Garbler::new(4, PIECES.map(str::to_owned).into(), &PIECES);
    let paths = (0..count)
        .filter(|nth| {
            let text = if nth % 2 == 0 {
                small.next()
            } else {
                small.phrase(4)
            };
            read(&around(&text).to_string())
        })
        .count() as u64;
    println!(
        "{count} definitions, {whole} taken and run; {count} paths and expressions, {paths} taken"
    );
    // What is refused at once shows little.
    assert!(whole > count / 50 && paths > count / 50, "{whole}, {paths}");
}

#[test]
fn nothing_makes_a_reader_panic() {
    all(2_000);
}

#[test]
#[ignore = "takes long: cargo test -p duet-asl --test it -- fuzz --ignored --nocapture"]
fn not_one_in_ten_million_makes_a_reader_panic() {
    all(5_000_000);
}
