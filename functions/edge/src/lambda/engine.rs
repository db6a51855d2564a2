//! Step Functions, as a sweep asks it.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use duet_core::sweep::Execution;
use duet_core::{Failure, Timestamp};

use crate::sdk;
use crate::sweep::Engine;

/// The engine, reached by a client.
#[derive(Debug, Clone)]
pub(super) struct StepFunctions {
    client: Client,
}

impl StepFunctions {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Engine for StepFunctions {
    async fn running(&self, machine: &str) -> Result<Vec<String>, Failure> {
        let mut pages = self
            .client
            .list_executions()
            .state_machine_arn(machine)
            .status_filter(ExecutionStatus::Running)
            .into_paginator()
            .items()
            .send();
        let mut names = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| sdk::failure("the workflow", &error))?;
            names.push(found.name);
        }
        Ok(names)
    }

    async fn execution(&self, machine: &str, name: &str) -> Result<Option<Execution>, Failure> {
        let sent = self
            .client
            .describe_execution()
            .execution_arn(execution_arn(machine, name))
            .send()
            .await;
        let found = match sent {
            Ok(found) => found,
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(DescribeExecutionError::ExecutionDoesNotExist(_))
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(sdk::failure("the workflow", &error)),
        };
        let ended = match found.status {
            ExecutionStatus::Running | ExecutionStatus::PendingRedrive => None,
            // One that ended says when.
            _ => Some(
                found
                    .stop_date
                    .and_then(|at| at.to_millis().ok())
                    .and_then(|millis| Timestamp::from_millisecond(millis).ok())
                    .ok_or_else(|| Failure::transient("an execution ended, but not when"))?,
            ),
        };
        Ok(Some(Execution {
            name: found.name.unwrap_or_default(),
            ended,
        }))
    }
}

/// The ARN of the execution `name` of a machine (Step Functions developer guide:
/// `stateMachine` is `execution` there, and the name follows).
fn execution_arn(machine: &str, name: &str) -> String {
    format!(
        "{}:{name}",
        machine.replacen(":stateMachine:", ":execution:", 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_found_by_its_machine_and_name() {
        assert_eq!(
            execution_arn(
                "arn:aws:states:eu-north-1:1:stateMachine:duet-order",
                "o-1__2"
            ),
            "arn:aws:states:eu-north-1:1:execution:duet-order:o-1__2"
        );
    }
}
