//! Runs a state machine whose tasks are answered by a function, each after virtual time.

use std::sync::Arc;

use duet_asl::{DEFAULT_START, ExecutionOptions, Reply, StateMachine, TaskError, drive};
use serde_json::json;

const ORDER: &str = r#"{
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": { "FunctionName": "charge", "Payload.$": "$" },
            "OutputPath": "$.Payload",
            "Retry": [{ "ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 2 }],
            "Next": "Wait"
        },
        "Wait": { "Type": "Wait", "Seconds": 86400, "End": true }
    }
}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let machine = StateMachine::parse(ORDER).map_err(|findings| format!("{findings:?}"))?;
    let mut calls = 0;
    // Busy twice, and a second and a half each time.
    let mut answer = |call: &duet_asl::TaskCall| {
        calls += 1;
        println!("call {calls} of {}: {}", call.state, call.arguments);
        let result = match calls {
            1 | 2 => Err(TaskError::new("Busy", "try again")),
            _ => Ok(json!({"Payload": {"charge": "ch-1"}})),
        };
        Ok(Reply::After(1_500, result))
    };
    let options = ExecutionOptions::default();
    let report = drive(
        &Arc::new(machine),
        json!({"total": 20}),
        &options,
        DEFAULT_START,
        &mut answer,
    )?;
    println!(
        "{:?} with {} after {} virtual seconds",
        report.status,
        report.output.unwrap_or_default(),
        report.elapsed / 1_000
    );
    Ok(())
}
