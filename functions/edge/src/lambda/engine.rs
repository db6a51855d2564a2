//! Step Functions: the tasks that wait for an answer, the machines that are started with
//! one, and what a sweep asks.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use aws_sdk_sfn::types::ExecutionStatus;
use duet_core::sweep::Execution;
use duet_core::{Failure, Reply, Timestamp};
use serde_json::Value;

use super::schedules::Call;
use crate::door::{Door, Start};
use crate::sdk::{self, Deadline};
use crate::sweep::Engine;

/// Workflows that wait. Behind a pointer, so that the binary of a service that
/// answers none has no client for one.
pub(super) trait Workflows: fmt::Debug + Send + Sync {
    /// Answers the task that `reply` is for, or starts the machine.
    fn answer<'a>(&'a self, reply: &'a Reply) -> Call<'a>;
}

/// The real ones. The client is built when it is first used: few messages are
/// answered late.
#[derive(Debug)]
struct Doors {
    config: SdkConfig,
    deadline: Deadline,
    built: OnceLock<Client>,
}

/// Workflows, answered by task token or by starting them.
pub(super) fn doors(config: SdkConfig, deadline: Deadline) -> Arc<dyn Workflows> {
    Arc::new(Doors {
        config,
        deadline,
        built: OnceLock::new(),
    })
}

impl Doors {
    fn client(&self) -> &Client {
        self.built.get_or_init(|| {
            let config = aws_sdk_sfn::config::Builder::from(&self.config);
            Client::from_conf(config.interceptor(self.deadline.clone()).build())
        })
    }
}

impl Workflows for Doors {
    fn answer<'a>(&'a self, reply: &'a Reply) -> Call<'a> {
        Box::pin(async move {
            match Door::of(reply) {
                Door::Token(token) => self.send(token, reply).await,
                Door::Machine(start) => self.start(start).await,
            }
        })
    }
}

impl Doors {
    async fn send(&self, token: &str, reply: &Reply) -> Result<(), Failure> {
        let sent = self
            .client()
            .send_task_success()
            .task_token(token)
            .output(reply.value.to_string())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Answered before, or nobody waits any more: done all the same.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(
                        SendTaskSuccessError::TaskTimedOut(_)
                            | SendTaskSuccessError::TaskDoesNotExist(_)
                    )
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(sdk::failure("the workflow", &error)),
        }
    }

    /// StartExecution. Of an Express machine any number may be called the same, so a
    /// repeat is one execution more, which changes nothing.
    async fn start(&self, start: Start) -> Result<(), Failure> {
        let sent = self
            .client()
            .start_execution()
            .state_machine_arn(start.machine)
            .name(start.name)
            .input(Value::Object(start.input).to_string())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(sdk::failure("the workflow", &error)),
        }
    }
}

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
