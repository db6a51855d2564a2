//! The order workflow run by the tests themselves: its very definition, with the
//! deployed functions answering. So all of it can be counted and repeated,
//! which an emulator's history does not allow.

use std::sync::Arc;

use duet_asl::{
    DEFAULT_START, Effect, Execution, ExecutionOptions, StateMachine, Status, TaskError, substitute,
};
use serde_json::{Value, json};

use super::{Shop, string};
use crate::harness::text;

/// The workflow's definition, run by the tests with the deployed functions
/// answering.
pub(crate) struct Driven {
    /// How it ended.
    pub(crate) status: Status,
    /// Billed state transitions.
    pub(crate) transitions: u64,
    /// Every state entered, those inside a Parallel too.
    pub(crate) states: Vec<String>,
    /// Every call: a function's name and the command message it got.
    pub(crate) calls: Vec<(String, Value)>,
}

impl Shop {
    /// Runs the order workflow's definition here, for the execution called
    /// `id`: its tasks call the deployed functions, its waits take no time.
    pub(crate) async fn drive(&self, id: &str, input: Value) -> Driven {
        let definition = substitute(&text("infra/orchestration/order.asl.json"), |name| {
            Some(match name {
                "Partition" => "aws".to_owned(),
                "PatienceSeconds" => self.output("PatienceSeconds").to_owned(),
                function => self
                    .output(&function.replace("Function", "TaskFunction"))
                    .to_owned(),
            })
        });
        let machine = Arc::new(StateMachine::parse(&definition.unwrap()).unwrap());
        let arn: Vec<&str> = self.order_machine().split(':').collect();
        let options = ExecutionOptions {
            name: id.to_owned(),
            machine_name: arn[6].to_owned(),
            region: arn[3].to_owned(),
            account: arn[4].to_owned(),
            ..ExecutionOptions::default()
        };
        let (mut now, mut calls) = (DEFAULT_START, Vec::new());
        let mut run = Execution::start(&machine, input, &options, now);
        while run.status() == Status::Running {
            let before = calls.len();
            for effect in run.take_effects() {
                let Effect::Invoke(call) = effect else {
                    continue;
                };
                let function = string(&call.arguments["FunctionName"]);
                let message = call.arguments["Payload"].clone();
                let answer = match self.invoke(&function, &message).await {
                    Ok(reply) => Ok(json!({ "Payload": reply, "StatusCode": 200 })),
                    Err((name, text)) => {
                        let cause = json!({ "errorType": name, "errorMessage": text });
                        Err(TaskError::new(name, cause.to_string()))
                    }
                };
                // A sibling's failure may have cancelled the call: then the answer is not wanted.
                let _ = run.complete_task(call.id, answer, now);
                calls.push((function, message));
            }
            if calls.len() == before && run.status() == Status::Running {
                now = run.next_wake().expect("something falls due");
                run.advance(now);
            }
        }
        let history = serde_json::to_value(run.history()).unwrap();
        let entered = history
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["stateEnteredEventDetails"]["name"]);
        Driven {
            status: run.status(),
            transitions: run.transitions(),
            states: entered
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            calls,
        }
    }
}
