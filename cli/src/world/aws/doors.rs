//! By what commands come in: an execution, an invocation, a message.

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use duet_core::CommandMessage;
use serde_json::Value;

use super::error::unreachable;
use super::{Aws, execution_arn};
use crate::terminal::exit::{Outcome, Problem};
use crate::world::{Commanded, Submitted};

impl Aws {
    /// StartExecution of `machine`, named after its subject.
    pub(super) async fn start(
        &self,
        machine: &str,
        name: &str,
        input: &Value,
    ) -> Outcome<Submitted> {
        let sent = self
            .workflows
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input.to_string())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Submitted::Accepted),
            // AWS takes the same name with the same input as the same execution
            // while it runs; afterwards, and on emulators always, the name is taken.
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => {
                let arn = execution_arn(machine, name);
                let there = self
                    .workflows
                    .describe_execution()
                    .execution_arn(arn)
                    .send()
                    .await;
                let there = there.map_err(|error| unreachable("Step Functions", &error))?;
                let was: Option<Value> = there
                    .input()
                    .and_then(|text| serde_json::from_str(text).ok());
                let same = was.is_some_and(|was| was["data"] == input["data"]);
                Ok(if same {
                    Submitted::Already
                } else {
                    Submitted::Clashes
                })
            }
            Err(error) => Err(unreachable("Step Functions", &error)),
        }
    }

    /// Calls a function as a workflow does.
    pub(super) async fn invoke(
        &self,
        function: &str,
        message: &CommandMessage,
    ) -> Outcome<Commanded> {
        let payload = serde_json::to_vec(message).map_err(Problem::environment)?;
        let answer = self
            .functions
            .invoke()
            .function_name(function)
            .payload(payload.into())
            .send()
            .await
            .map_err(|error| unreachable("Lambda", &error))?;
        let Some(kind) = answer.function_error() else {
            return Ok(Commanded::Done);
        };
        let error: Value = answer
            .payload()
            .and_then(|body| serde_json::from_slice(body.as_ref()).ok())
            .unwrap_or_default();
        let word = |field: &str| error[field].as_str().map(str::to_owned);
        Ok(Commanded::Refused {
            name: word("errorType").unwrap_or_else(|| kind.to_owned()),
            text: word("errorMessage").unwrap_or_default(),
        })
    }

    /// SendMessage of `body`.
    pub(super) async fn send(&self, queue: &str, body: String) -> Outcome<()> {
        let sent = self
            .queues
            .send_message()
            .queue_url(queue)
            .message_body(body)
            .send()
            .await;
        sent.map(drop).map_err(|error| unreachable("SQS", &error))
    }
}
