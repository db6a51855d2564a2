//! A world reached through AWS's APIs: AWS itself, or an emulator.

pub mod account;
pub(crate) mod bus;
mod deployed;
mod doors;
mod error;
mod history;
mod logs;
mod operate;
mod replay;
pub mod stacks;
mod sync;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use duet_core::id::further_execution;
use duet_core::{Clock, CommandMessage, SystemClock, Timestamp};
use duet_edge::dynamo::Dynamo;
use serde_json::json;

pub use self::deployed::{EMULATED_REGION, complete, emulated, ordinary, outputs};
use self::deployed::{SAID_BEFORE, patience};
use self::error::unreachable;
use self::history::happened;
use super::port::express;
use super::{Answer, Commanded, DeadLetter, Deployment, Execution, HistoryEvent, Submitted, World};
use crate::shop::parameters::Fraud;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::{Description, Door, Entry, Variant, shared_dead_letters};
use crate::terminal::exit::{Outcome, Problem};

/// A deployed stack and the clients to reach it.
#[derive(Debug, Clone)]
pub struct Aws {
    outputs: BTreeMap<String, String>,
    described: Vec<&'static Description>,
    deployment: Deployment,
    tables: BTreeMap<TableOf, Dynamo>,
    pub(super) workflows: aws_sdk_sfn::Client,
    /// The same for who waits for an execution's end.
    waiting: aws_sdk_sfn::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(super) topics: aws_sdk_sns::Client,
    pub(super) functions: aws_sdk_lambda::Client,
    pub(crate) buses: aws_sdk_eventbridge::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
}

impl Aws {
    /// Opens the stack called `stack`.
    ///
    /// # Errors
    /// [`Problem`] when there is no such stack, or it is not one of this system.
    pub async fn open(config: &SdkConfig, stack: &str) -> Outcome<Self> {
        let outputs = outputs(config, stack).await?.ok_or_else(|| {
            Problem::environment(format!("there is no stack {stack}"))
                .hint("run `duet up --on local` first, or `duet up --on aws --deploy`")
        })?;
        let output = |name: &str| {
            outputs.get(name).cloned().ok_or_else(|| {
                Problem::environment(format!(
                    "stack {stack} has no output {name}: it is not a stack of this version"
                ))
                .hint("run `duet up` with the same --on to bring it up to date")
            })
        };
        let dynamodb = aws_sdk_dynamodb::Client::new(config);
        let tables = TableOf::ALL
            .into_iter()
            .map(|of| Ok((of, Dynamo::new(dynamodb.clone(), output(of.output())?))))
            .collect::<Outcome<_>>()?;
        let described = Description::all(&outputs)?;
        if described.is_empty() && SAID_BEFORE.iter().any(|name| outputs.contains_key(*name)) {
            return Err(Problem::environment(format!(
                "stack {stack} is of an earlier version: it does not describe its variants"
            ))
            .hint("docs/aws.md, \"A stack of 0.1.0\", says how it is brought up to date"));
        }
        let fraud = Fraud::of(|name| outputs.get(name).cloned());
        let fraud = fraud.map_or_else(|| output("Fraud").map(|_| Fraud::Off), Ok)?;
        let deployment = Deployment {
            variants: described.iter().map(|one| one.variant.name).collect(),
            fraud,
            with_fraud: fraud == Fraud::On,
            patience_seconds: patience(stack, &outputs)?,
        };
        Ok(Self {
            deployment,
            described,
            tables,
            workflows: aws_sdk_sfn::Client::new(config),
            waiting: sync::client(config),
            queues: aws_sdk_sqs::Client::new(config),
            topics: aws_sdk_sns::Client::new(config),
            functions: aws_sdk_lambda::Client::new(config),
            buses: aws_sdk_eventbridge::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            outputs,
        })
    }

    pub(crate) fn output(&self, name: &str) -> Outcome<&str> {
        let found = self.outputs.get(name).map(String::as_str);
        found.ok_or_else(|| Problem::environment(format!("the stack has no output {name}")))
    }

    /// What the names of the stack's own resources begin with, by one of them.
    pub(crate) fn prefix(&self) -> Option<String> {
        let table = self.output(TableOf::Order.output()).ok()?;
        Some(table.strip_suffix("order")?.to_owned())
    }

    /// The dead-letter queues that no variant has to itself, by URL.
    pub(super) fn shared_dead_letters(&self) -> impl Iterator<Item = &str> {
        shared_dead_letters(&self.outputs)
    }

    /// Looks into a dead-letter queue without taking anything out: what was
    /// received is made visible again at once.
    async fn peek(&self, queue: &str) -> Outcome<Vec<DeadLetter>> {
        let place = queue.rsplit('/').next().unwrap_or(queue).to_owned();
        let mut letters = BTreeMap::new();
        let mut receipts = Vec::new();
        // Bounded: an empty answer ends it, and no queue of a run is longer.
        for _ in 0..100 {
            let answer = self
                .queues
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(10)
                .visibility_timeout(20)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .map_err(|error| unreachable("SQS", &error))?;
            if answer.messages().is_empty() {
                break;
            }
            for message in answer.messages() {
                receipts.extend(message.receipt_handle().map(str::to_owned));
                let id = message.message_id().unwrap_or_default().to_owned();
                let body = message.body().unwrap_or_default().to_owned();
                letters.insert(
                    id.clone(),
                    DeadLetter {
                        place: place.clone(),
                        id,
                        cause: None,
                        body,
                    },
                );
            }
        }
        for receipt in receipts {
            let shown = self
                .queues
                .change_message_visibility()
                .queue_url(queue)
                .receipt_handle(receipt);
            shown
                .visibility_timeout(0)
                .send()
                .await
                .map_err(|error| unreachable("SQS", &error))?;
        }
        Ok(letters.into_values().collect())
    }

    async fn failed_execution(&self, machine: &str, marker: &str) -> Outcome<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        for status in [
            ExecutionStatus::Failed,
            ExecutionStatus::TimedOut,
            ExecutionStatus::Aborted,
        ] {
            let mut pages = self
                .workflows
                .list_executions()
                .state_machine_arn(machine)
                .status_filter(status)
                .into_paginator()
                .items()
                .send();
            while let Some(found) = pages.next().await {
                let found = found.map_err(|error| unreachable("Step Functions", &error))?;
                if !found.name().contains(marker) {
                    continue;
                }
                let described = self
                    .workflows
                    .describe_execution()
                    .execution_arn(found.execution_arn())
                    .send()
                    .await;
                let described = described.map_err(|error| unreachable("Step Functions", &error))?;
                letters.push(DeadLetter {
                    place: machine.rsplit(':').next().unwrap_or(machine).to_owned(),
                    id: found.name().to_owned(),
                    cause: described.error().map(str::to_owned),
                    body: String::new(),
                });
            }
        }
        Ok(letters)
    }

    /// The execution called `name` on `machine`, if there is one.
    async fn one_execution(&self, machine: &str, name: &str) -> Outcome<Option<Execution>> {
        let arn = execution_arn(machine, name);
        let described = match self
            .workflows
            .describe_execution()
            .execution_arn(&arn)
            .send()
            .await
        {
            Ok(described) => described,
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => return Ok(None),
            Err(error) => return Err(unreachable("Step Functions", &error)),
        };
        let mut states = Vec::new();
        let mut events = self
            .workflows
            .get_execution_history()
            .execution_arn(&arn)
            .into_paginator()
            .items()
            .send();
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| unreachable("Step Functions", &error))?;
            // Every kind of state has an Entered event of its own.
            if event.r#type().as_str().ends_with("StateEntered") {
                states.extend(
                    event
                        .state_entered_event_details()
                        .map(|details| details.name().to_owned()),
                );
            }
        }
        Ok(Some(Execution {
            name: name.to_owned(),
            machine: machine.rsplit(':').next().unwrap_or(machine).to_owned(),
            status: described.status().as_str().to_owned(),
            ended: described
                .stop_date()
                .and_then(|at| at.to_millis().ok())
                .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            error: described.error().map(str::to_owned),
            arn,
            states,
        }))
    }
}

impl World for Aws {
    type Table = Dynamo;

    fn deployment(&self) -> Deployment {
        self.deployment.clone()
    }

    fn described(&self) -> Vec<&'static Description> {
        self.described.clone()
    }

    fn table(&self, of: TableOf) -> &Dynamo {
        &self.tables[&of]
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn submit(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> Outcome<Submitted> {
        Ok(self.ask(variant, subject, message).await?.0)
    }

    async fn ask(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> Outcome<(Submitted, Option<Answer>)> {
        let name = &message.metadata.subject;
        let input = || json!({ "metadata": message.metadata, "data": message.data });
        match self.description(variant)?.entry(subject) {
            Entry::Machine(machine) => {
                let submitted = self.start(machine, name, &input()).await?;
                Ok((submitted, None))
            }
            Entry::SyncMachine(machine) => {
                let answer = sync::start(&self.waiting, machine, name, &input()).await?;
                Ok((Submitted::Accepted, Some(answer)))
            }
            Entry::Queue(queue) => {
                let body = serde_json::to_string(message).map_err(Problem::environment)?;
                self.send(queue, body).await?;
                Ok((Submitted::Accepted, None))
            }
        }
    }

    async fn submit_poison(&self, variant: &'static Variant, marker: &str) -> Outcome<()> {
        // An execution's input is JSON whatever one does; its data is nothing an order can be.
        let input = || {
            let metadata =
                crate::shop::message::metadata("Poison", marker, variant.name, self.now());
            json!({ "metadata": metadata, "data": { "poison": marker } })
        };
        match self.description(variant)?.entry(Subject::Order) {
            Entry::Machine(machine) => self.start(machine, marker, &input()).await.map(drop),
            Entry::SyncMachine(machine) => {
                let answer = sync::start(&self.waiting, machine, marker, &input()).await;
                answer.map(drop)
            }
            Entry::Queue(queue) => {
                let text = format!("{{\"poison\": \"{marker}\"");
                self.send(queue, text).await
            }
        }
    }

    async fn dead_letters(
        &self,
        variant: &'static Variant,
        marker: &str,
    ) -> Outcome<Vec<DeadLetter>> {
        let there = self.description(variant)?;
        let mut letters = Vec::new();
        for queue in there.dead_letters() {
            letters.extend(self.peek(queue).await?);
        }
        for queue in self.shared_dead_letters() {
            letters.extend(self.peek(queue).await?);
        }
        letters.retain(|letter| letter.body.contains(marker));
        if let Some(logs) = there.logs() {
            let records = logs::of_executions(&self.logs, &logs.group, None).await?;
            let failed = express::failed(&records, there).into_iter();
            let failed = failed.filter(|run| run.name.contains(marker));
            letters.extend(failed.map(|run| DeadLetter {
                place: run.machine,
                id: run.name,
                cause: run.error.or(Some(run.status)),
                body: String::new(),
            }));
            return Ok(letters);
        }
        for machine in there.all_machines() {
            letters.extend(self.failed_execution(machine, marker).await?);
        }
        Ok(letters)
    }

    async fn executions(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> Outcome<Vec<Execution>> {
        let there = self.deployed(variant);
        if let Some(logs) = there.and_then(Description::logs) {
            let records = logs::of_executions(&self.logs, &logs.group, Some(id)).await?;
            let mut all = express::executions(&records, id);
            let machines = there.map_or(&[][..], |there| there.machines(subject));
            let is_one = |arn: &String, name: &str| arn.rsplit(':').next() == Some(name);
            all.retain(|one| machines.iter().any(|arn| is_one(arn, &one.machine)));
            return Ok(all);
        }
        let mut all = Vec::new();
        for machine in self
            .deployed(variant)
            .map_or(&[][..], |there| there.machines(subject))
        {
            let mut name = id.to_owned();
            let mut n = 1;
            while let Some(execution) = self.one_execution(machine, &name).await? {
                all.push(execution);
                n += 1;
                name = further_execution(id, n);
            }
        }
        Ok(all)
    }

    async fn history(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> Outcome<Vec<HistoryEvent>> {
        if let Some(logs) = self.deployed(variant).and_then(Description::logs) {
            let records = logs::of_executions(&self.logs, &logs.group, Some(id)).await?;
            return Ok(express::history(&records, id));
        }
        let Some(execution) = self.execution(variant, subject, id).await? else {
            return Ok(Vec::new());
        };
        let mut pages = self
            .workflows
            .get_execution_history()
            .execution_arn(execution.arn)
            .into_paginator()
            .items()
            .send();
        let mut history = Vec::new();
        while let Some(event) = pages.next().await {
            match event {
                Ok(event) => history.push(happened(&event)),
                Err(error) if error.code() == Some("ExecutionDoesNotExist") => break,
                Err(error) => return Err(unreachable("Step Functions", &error)),
            }
        }
        Ok(history)
    }

    fn review_seconds(&self) -> Option<u32> {
        self.outputs.get("ReviewSeconds")?.parse().ok()
    }

    async fn command(
        &self,
        variant: &'static Variant,
        service: TableOf,
        message: &CommandMessage,
    ) -> Outcome<Commanded> {
        match self.description(variant)?.door(service) {
            Some(Door::Function(function)) => self.invoke(function, message).await,
            Some(Door::Queue(queue)) => {
                let body = serde_json::to_string(message).map_err(Problem::environment)?;
                self.send(queue, body).await?;
                Ok(Commanded::Sent)
            }
            None => Err(Problem::usage(format!(
                "{} takes no commands from outside under {}",
                service.name(),
                variant.name
            ))),
        }
    }

    async fn logs(&self, about: &str, since: Timestamp) -> Outcome<Vec<String>> {
        logs::of_functions(&self.logs, &self.outputs, about, since).await
    }

    async fn pause(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// The ARN of an execution, from its machine's and its name (Step Functions
/// API reference, ARN formats).
pub(super) fn execution_arn(machine: &str, name: &str) -> String {
    format!(
        "{}:{name}",
        machine.replacen(":stateMachine:", ":execution:", 1)
    )
}
