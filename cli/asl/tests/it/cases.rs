//! Small definitions with what is right for each, from a file.

use duet_asl::{MockConfig, RunError, RunOptions, Severity, StateMachine, Status, run, validate};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What is not as AWS is said to answer, with its reason in docs/lab.md.
const OTHERWISE: &[&str] = &["a11-infinity.json"];

#[test]
fn every_case_is_answered_as_written() {
    let mut wrong = Vec::new();
    for line in read("cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let file = case["file"].as_str().unwrap();
        let outcome = match case["kind"].as_str().unwrap() {
            "asl-validate" => {
                let findings = validate(&read(file));
                let valid = findings.iter().all(|f| f.severity != Severity::Error);
                if valid == case["want"]["valid"] {
                    Ok(())
                } else {
                    Err(format!("valid: {valid} {findings:?}"))
                }
            }
            "asl-run" => runs(file, &case),
            kind => panic!("{kind} is no kind of case"),
        };
        if OTHERWISE.contains(&file) {
            assert_eq!(case["sure"], false, "{file} is sure");
            continue;
        }
        if let Err(why) = outcome {
            wrong.push(format!("{file}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn input(case: &Value) -> Value {
    if let Some(bytes) = case["make"]["input_text_bytes"].as_u64() {
        return json!({"text": "x".repeat(bytes as usize - 11)});
    }
    match &case["input"] {
        Value::String(name) if name.ends_with(".json") => {
            serde_json::from_str(&read(name)).unwrap()
        }
        input => input.clone(),
    }
}

fn runs(file: &str, case: &Value) -> Result<(), String> {
    let want = &case["want"];
    let machine = match StateMachine::parse(&read(file)) {
        Ok(machine) => Arc::new(machine),
        Err(findings) => return Err(format!("refused: {findings:?}")),
    };
    let mocks = case["make"]["task_answer_bytes"].as_u64().map(|bytes| {
        let config = json!({
            "StateMachines": {"m": {"TestCases": {"t": {"T": "Large"}}}},
            "MockedResponses": {"Large": {"0": {"Return": "x".repeat(bytes as usize)}}}
        });
        let config = MockConfig::parse(&config.to_string()).unwrap();
        config.case(None, "t").unwrap()
    });
    let options = RunOptions {
        mocks,
        ..RunOptions::default()
    };
    let report = match run(&machine, input(case), options) {
        Ok(report) => report,
        Err(RunError::InputTooLarge { .. }) if want["refused"] == true => return Ok(()),
        Err(why) => return Err(why.to_string()),
    };
    let history = serde_json::to_string(&report.history).unwrap();
    let status = serde_json::to_value(report.status).unwrap();
    let as_wanted = want["status"] == status
        && want
            .get("output")
            .is_none_or(|output| report.output.as_deref() == Some(output))
        && want
            .get("error")
            .is_none_or(|error| report.error.as_deref() == error.as_str())
        && want["history_has"]
            .as_str()
            .is_none_or(|event| history.contains(event));
    if as_wanted {
        return Ok(());
    }
    let shown = if report.status == Status::Succeeded {
        format!("{:?}", report.output)
    } else {
        format!("{:?} {:?}", report.error, report.cause)
    };
    Err(format!(
        "{status} {}",
        shown.chars().take(300).collect::<String>()
    ))
}
