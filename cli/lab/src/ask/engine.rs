//! `states:startExecution` that is not waited for.

use duet_asl::{Status, TaskError};
use serde_json::json;

use super::{Answer, Asked, Refusal};
use crate::lab::Lab;
use crate::random::{mix, uuid};
use crate::workflow::{Start, Started};

impl Lab {
    pub(super) fn ask_engine(&mut self, asked: &Asked) -> Answer {
        let arguments = &asked.arguments;
        let machine = arguments["StateMachineArn"].as_str().unwrap_or_default();
        let given = asked.call.text(arguments, "Input")?;
        let input = match given.as_deref().map(serde_json::from_str) {
            None => json!({}),
            Some(Ok(input)) => input,
            Some(Err(why)) => {
                return asked.refuse(Refusal::named(
                    "InvalidExecutionInputException",
                    "InvalidExecutionInput",
                    format!("Invalid State Machine Execution Input: '{why}'"),
                ));
            }
        };
        let drawn = uuid(mix(asked.ident, 0x5f));
        let name = arguments["Name"].as_str().unwrap_or(&drawn);
        if asked.call.waits && self.is_there(machine) {
            // The engine waits for Standard ones by itself.
            return Err(TaskError::new(
                "States.TaskFailed",
                format!("the lab waits for Standard executions, and {machine} is Express"),
            ));
        }
        if !self.is_taken(machine, name, asked.owner) {
            let arn = machine.replacen(":stateMachine:", ":express:", 1);
            return Ok(asked.answer(json!({
                "ExecutionArn": format!("{arn}:{name}:{}", uuid(mix(asked.ident, 0x5e))),
                "StartDate": self.now as f64 / 1_000.0,
            })));
        }
        let begun = match machine.starts_with("arn:") {
            true => self
                .begin_execution(machine, name, &input, Start::Async)
                .ok(),
            false => None,
        };
        let Some((run, started)) = begun else {
            return asked.refuse(Refusal::named(
                "StateMachineDoesNotExistException",
                "StateMachineDoesNotExist",
                format!("State Machine Does Not Exist: '{machine}'"),
            ));
        };
        let standing = self.standing(&self.runs[run]);
        // The same name and input: the one that runs is told of again.
        let again = started == Started::Already && standing.status == Status::Running;
        if started != Started::New && !again {
            return asked.refuse(Refusal::named(
                "ExecutionAlreadyExistsException",
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: '{}'", standing.arn),
            ));
        }
        Ok(asked.answer(json!({
            "ExecutionArn": standing.arn,
            "StartDate": standing.started.as_millisecond() as f64 / 1_000.0,
        })))
    }
}
