//! What a workflow asks of services other than functions.
//!
//! Owns which calls there are, the form of their answers, and the names of errors. What
//! a call does is the business of the modules for queues, topics, buses, tables and
//! executions; whether the machine's role may do it is asked nowhere.
//!
//! Both forms of an integration are taken: the optimized one (`sqs:sendMessage`) and that
//! of the SDK (`aws-sdk:sqs:sendMessage`). They name errors differently, and the optimized
//! one takes JSON where the API takes text, and tells of the HTTP answer. Sources: Step
//! Functions developer guide, each service's page; recorded executions, 2023-05-12 to
//! 2024-04-18.

mod engine;
mod expression;
mod items;
mod messages;
mod values;

use std::sync::Arc;

use duet_asl::{Millis, TaskCall, TaskError, TaskId};
use serde_json::{Map, Value, json};

use crate::lab::{Action, Lab};
use crate::meter::Owner;
use crate::profile::Hop;
use crate::random::{mix, uuid};

/// A call under way.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) run: usize,
    pub(crate) task: TaskId,
    call: Call,
    arguments: duet_asl::Data,
    ident: u64,
    owner: Owner,
    /// The state that calls.
    step: Arc<str>,
}

/// A call of a service, in one of its two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    action: Verb,
    optimized: bool,
    /// `.sync`: the task is to wait for what the call starts.
    waits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    SendMessage,
    Publish,
    PutEvents,
    GetItem,
    PutItem,
    UpdateItem,
    DeleteItem,
    StartExecution,
}

/// Why a service refuses a call.
#[derive(Debug)]
struct Refusal {
    /// The exception, where the API has one for it.
    exception: Option<&'static str>,
    code: &'static str,
    status: u16,
    message: String,
}

impl Refusal {
    /// With an exception of its own, which is named as its code is.
    fn named(exception: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exception: Some(exception),
            ..Self::plain(code, message)
        }
    }

    fn plain(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exception: None,
            code,
            status: 400,
            message: message.into(),
        }
    }
}

/// What comes of a call: its answer, or the error of the task.
type Answer = Result<Value, TaskError>;

impl Call {
    fn read(service: &str, action: &str) -> Option<Self> {
        let (verb, suffix) = action.split_once('.').unwrap_or((action, ""));
        let action = match (service, verb) {
            ("sqs" | "aws-sdk:sqs", "sendMessage") => Verb::SendMessage,
            ("sns" | "aws-sdk:sns", "publish") => Verb::Publish,
            ("events" | "aws-sdk:eventbridge", "putEvents") => Verb::PutEvents,
            ("dynamodb" | "aws-sdk:dynamodb", "getItem") => Verb::GetItem,
            ("dynamodb" | "aws-sdk:dynamodb", "putItem") => Verb::PutItem,
            ("dynamodb" | "aws-sdk:dynamodb", "updateItem") => Verb::UpdateItem,
            ("dynamodb" | "aws-sdk:dynamodb", "deleteItem") => Verb::DeleteItem,
            ("states" | "aws-sdk:sfn", "startExecution") => Verb::StartExecution,
            _ => return None,
        };
        let optimized = !service.starts_with("aws-sdk:");
        Some(Self {
            action,
            optimized,
            waits: suffix.starts_with("sync"),
        })
    }

    fn hop(self) -> Hop {
        match self.action {
            Verb::SendMessage => Hop::CallQueue,
            Verb::Publish => Hop::CallTopic,
            Verb::PutEvents => Hop::CallBus,
            Verb::GetItem => Hop::StoreRead,
            Verb::PutItem | Verb::UpdateItem | Verb::DeleteItem => Hop::StoreWrite,
            Verb::StartExecution => Hop::CallEngine,
        }
    }

    /// The service as it stands before an error's name, in the error's text, and in the
    /// exception of what has none of its own.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match (self.action, self.optimized) {
            (Verb::SendMessage, true) => ("SQS", "AmazonSQS", "AmazonSQSException"),
            (Verb::SendMessage, false) => ("Sqs", "Sqs", "SqsException"),
            (Verb::Publish, true) => ("SNS", "AmazonSNS", "AmazonSNSException"),
            (Verb::Publish, false) => ("Sns", "Sns", "SnsException"),
            (Verb::PutEvents, true) => (
                "EventBridge",
                "AmazonEventBridge",
                "AmazonEventBridgeException",
            ),
            (Verb::PutEvents, false) => ("EventBridge", "EventBridge", "EventBridgeException"),
            (Verb::StartExecution, true) => (
                "StepFunctions",
                "AWSStepFunctions",
                "AWSStepFunctionsException",
            ),
            (Verb::StartExecution, false) => ("Sfn", "Sfn", "SfnException"),
            (_, true) => ("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
            (_, false) => ("DynamoDb", "DynamoDb", "DynamoDbException"),
        }
    }

    /// The task's error: a v1 SDK's text for the optimized form, a v2 SDK's for the other.
    fn error(self, refusal: &Refusal, ident: u64) -> TaskError {
        let (prefix, service, otherwise) = self.names();
        let Refusal {
            exception,
            code,
            status,
            message,
        } = refusal;
        let request = uuid(mix(ident, 0xe5));
        let cause = match self.optimized {
            true => format!(
                "{message} (Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {request}; Proxy: null)"
            ),
            false => format!(
                "{message} (Service: {service}, Status Code: {status}, Request ID: {request})"
            ),
        };
        TaskError::new(
            format!("{prefix}.{}", exception.unwrap_or(otherwise)),
            cause,
        )
    }

    /// The answer's members, with what the optimized form tells of the HTTP answer: here
    /// without its headers.
    fn answer(self, mut members: Map<String, Value>, ident: u64) -> Value {
        if self.optimized && self.action != Verb::PutEvents {
            let request = uuid(mix(ident, 0xa5));
            members.insert(
                "SdkHttpMetadata".to_owned(),
                json!({ "HttpStatusCode": 200 }),
            );
            members.insert(
                "SdkResponseMetadata".to_owned(),
                json!({ "RequestId": request }),
            );
        }
        Value::Object(members)
    }

    /// A text of the request. The optimized form writes JSON as text.
    fn text(self, arguments: &Value, name: &str) -> Result<Option<String>, TaskError> {
        match &arguments[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other if self.optimized => Ok(Some(other.to_string())),
            _ => Err(malformed(name, "a STRING")),
        }
    }
}

/// What Step Functions itself refuses: no service hears of it.
fn malformed(name: &str, what: &str) -> TaskError {
    TaskError::new(
        "States.Runtime",
        format!(
            "The Parameters could not be used to start the Task: [The value for the field '{name}' must be {what}]"
        ),
    )
}

impl Lab {
    /// A workflow calls a service. `false` where the lab has no such call.
    pub(crate) fn plan_ask(
        &mut self,
        (run, owner, ident): (usize, Owner, u64),
        call: &TaskCall,
        gap: Millis,
    ) -> bool {
        let Some(known) = Call::read(&call.resource.service, &call.resource.action) else {
            return false;
        };
        let wait = gap + self.time(known.hop(), 0, ident);
        let asked = Asked {
            run,
            task: call.id,
            call: known,
            arguments: call.arguments.clone(),
            // A state may be entered many times, in a Map at once.
            ident: mix(ident, call.id.0),
            owner,
            step: call.state.clone(),
        };
        self.after(wait, Action::Ask(Box::new(asked)));
        true
    }

    /// The call reaches the service, which answers at once.
    pub(crate) fn ask(&mut self, asked: Asked) {
        let answer = match asked.call.action {
            Verb::SendMessage => self.ask_queue(&asked),
            Verb::Publish => self.ask_topic(&asked),
            Verb::PutEvents => self.ask_bus(&asked),
            Verb::StartExecution => self.ask_engine(&asked),
            Verb::GetItem => self.ask_get(&asked),
            Verb::PutItem | Verb::UpdateItem | Verb::DeleteItem => self.ask_write(&asked),
        };
        self.answer_task(asked.run, asked.task, answer);
    }
}

impl Asked {
    fn refuse<T>(&self, refusal: Refusal) -> Result<T, TaskError> {
        Err(self.call.error(&refusal, self.ident))
    }

    /// The answer, of these members.
    fn answer(&self, members: Value) -> Value {
        match members {
            Value::Object(members) => self.call.answer(members, self.ident),
            other => other,
        }
    }
}
