//! An operator's work behind AWS's APIs.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionRedriveStatus, ExecutionStatus};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName,
};
use duet_core::Timestamp;
use duet_edge::wires::{QUEUE, REASON};

use super::error::unreachable;
use super::logs;
use super::replay::{ALL, VISIBLE};
use super::{Aws, execution_arn};
use crate::shop::services::TableOf;
use crate::shop::variant::Description;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::express;
use crate::world::port::operate::{
    Attribute, FailedExecution, Held, Operate, Redriven, RunningExecution, is_in_order, under_way,
};

/// The attributes a bus adds to what it could not deliver (EventBridge user
/// guide, "Using dead-letter queues"), a schedule to what it could not send
/// (EventBridge Scheduler user guide, "Configuring a schedule's dead-letter
/// queue"), and a service to what nobody will ever handle. They tell of the failure and are no part of the message: on its way
/// home it does not carry them.
const ADDED: [&str; 12] = [
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "EXECUTION_ID",
    "EXHAUSTED_RETRY_CONDITION",
    "IS_PAYLOAD_TRUNCATED",
    "RETRY_ATTEMPTS",
    "RULE_ARN",
    "SCHEDULED_TIME",
    "SCHEDULE_ARN",
    "TARGET_ARN",
    REASON,
    QUEUE,
];

/// How long a receive waits for messages, in seconds.
const LONG_POLL_SECONDS: i32 = 2;

/// So many empty answers, one after the other, say that there is nothing more.
const SILENT: u32 = 3;

/// What the name of a service's table ends with while the service is out of
/// order: a table that is not there.
const OUT_OF_ORDER: &str = "-out-of-order";

/// How often a function's state is looked at while it changes, in milliseconds.
const LOOK_EVERY: u64 = 200;

/// How often at most.
const LOOKS: u32 = 300;

impl Operate for Aws {
    fn dead_letter_queues(&self) -> Vec<String> {
        let described = self.described();
        let own = described.iter().flat_map(|one| one.dead_letters());
        let own = own.map(String::as_str);
        own.chain(self.shared_dead_letters())
            .map(str::to_owned)
            .collect()
    }

    /// By long polling, for a short poll asks a few of a queue's servers only (SQS
    /// developer guide, "Short and long polling"), until as many are held as the
    /// queue says that it has.
    async fn hold(&self, queue: &str, seconds: i32) -> Outcome<Vec<Held>> {
        let there = self.count(queue, &VISIBLE).await?;
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        let mut silent = 0;
        loop {
            let is_all = held.len() as u64 >= there;
            let answer = self
                .queues
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(10)
                .wait_time_seconds(if is_all { 0 } else { LONG_POLL_SECONDS })
                .visibility_timeout(seconds)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|error| unreachable("SQS", &error))?;
            let known = held.len();
            for message in answer.messages() {
                let one = of_message(queue, message);
                held.insert(one.id.clone(), one);
            }
            // An empty answer, or only what is held already.
            silent = if held.len() == known { silent + 1 } else { 0 };
            // The queue's own count is about right, and others may look, too.
            if silent >= SILENT || (silent > 0 && is_all) {
                return Ok(held.into_values().collect());
            }
        }
    }

    async fn release(&self, held: &[Held]) -> Outcome<()> {
        let mut by_queue: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
        for one in held {
            by_queue.entry(&one.queue).or_default().push(one);
        }
        for (queue, held) in by_queue {
            for batch in held.chunks(10) {
                let entries = batch.iter().enumerate().map(|(n, one)| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(n.to_string())
                        .receipt_handle(&one.receipt)
                        .visibility_timeout(0)
                        .build()
                });
                let entries = entries.collect::<Result<_, _>>();
                let shown = self.queues.change_message_visibility_batch();
                let shown = shown
                    .queue_url(queue)
                    .set_entries(Some(entries.map_err(Problem::environment)?))
                    .send()
                    .await
                    .map_err(|error| unreachable("SQS", &error))?;
                // What is not shown now shows itself when the hold runs out.
                if let Some(failed) = shown.failed().first() {
                    return Err(Problem::environment(format!(
                        "SQS does not let go of {} messages in {}: {}",
                        shown.failed().len(),
                        name_of(queue),
                        failed.code()
                    )));
                }
            }
        }
        Ok(())
    }

    async fn forward(&self, held: &Held, home: &str) -> Outcome<String> {
        let url = self.homes().remove(home).ok_or_else(|| {
            Problem::failed(format!(
                "{} stays: {home} is no queue of this stack",
                held.id
            ))
        })?;
        let carried = held.carried.iter();
        let own = carried.filter(|(name, _)| !ADDED.contains(&name.as_str()));
        let own = own
            .map(|(name, value)| Ok((name.clone(), on_the_way(value)?)))
            .collect::<Outcome<_>>()?;
        let sent = self
            .queues
            .send_message()
            .queue_url(url)
            .message_body(&held.body)
            .set_message_attributes(Some(own))
            .set_message_group_id(held.group.clone())
            // It was said before: as what it was then, FIFO would drop it.
            .set_message_deduplication_id(held.group.is_some().then(|| held.id.clone()))
            .send()
            .await;
        let sent = sent.map_err(|error| unreachable("SQS", &error))?;
        self.discard(held).await?;
        Ok(sent.message_id.unwrap_or_else(|| held.id.clone()))
    }

    async fn discard(&self, held: &Held) -> Outcome<()> {
        let deleted = self
            .queues
            .delete_message()
            .queue_url(&held.queue)
            .receipt_handle(&held.receipt);
        deleted
            .send()
            .await
            .map(drop)
            .map_err(|error| unreachable("SQS", &error))
    }

    async fn failed_executions(&self) -> Outcome<Vec<FailedExecution>> {
        let mut all = Vec::new();
        for one in self.described() {
            if let Some(logs) = one.logs() {
                let records = logs::of_executions(&self.logs, &logs.group, None).await?;
                all.extend(express::failed(&records, one));
            }
        }
        for (variant, machine) in self.all_machines() {
            for status in [
                ExecutionStatus::Failed,
                ExecutionStatus::TimedOut,
                ExecutionStatus::Aborted,
            ] {
                let found = self.executions_on(machine, status).await?;
                all.extend(found.into_iter().map(|found| FailedExecution {
                    arn: found.execution_arn().to_owned(),
                    name: found.name().to_owned(),
                    machine: name_of(machine),
                    variant,
                    status: found.status().as_str().to_owned(),
                    error: None,
                    started_at: instant(Some(found.start_date())),
                    ended_at: instant(found.stop_date()),
                    redrivable: None,
                }));
            }
        }
        Ok(all)
    }

    async fn explained(&self, failed: FailedExecution) -> Outcome<FailedExecution> {
        // What is known of an Express execution is said already.
        if !self.variant(failed.variant)?.keeps_executions {
            return Ok(failed);
        }
        let described = self.workflows.describe_execution();
        let described = described.execution_arn(&failed.arn).send().await;
        let described = described.map_err(|error| unreachable("Step Functions", &error))?;
        Ok(FailedExecution {
            error: described.error().map(str::to_owned),
            redrivable: described
                .redrive_status()
                .map(|status| *status == ExecutionRedriveStatus::Redrivable),
            ..failed
        })
    }

    async fn running_executions(&self) -> Outcome<Vec<RunningExecution>> {
        let mut all = Vec::new();
        for (_, machine) in self.all_machines() {
            let running = self.executions_on(machine, ExecutionStatus::Running);
            all.extend(running.await?.iter().map(|found| RunningExecution {
                name: found.name().to_owned(),
                machine: name_of(machine),
            }));
        }
        Ok(all)
    }

    async fn messages(&self, queue: &str) -> Outcome<Option<u64>> {
        match self.queue_named(queue).await? {
            Some(url) => self.count(&url, &ALL).await.map(Some),
            None => Ok(None),
        }
    }

    async fn redrive(&self, arn: &str) -> Outcome<Redriven> {
        let sent = self
            .workflows
            .redrive_execution()
            .execution_arn(arn)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Redriven::Yes),
            Err(error) => match error.code() {
                Some("InvalidAction" | "UnknownOperationException") => Ok(Redriven::Unsupported),
                Some("ExecutionNotRedrivable" | "ExecutionLimitExceeded") => Ok(Redriven::Refused(
                    error.message().unwrap_or_default().to_owned(),
                )),
                _ => Err(unreachable("Step Functions", &error)),
            },
        }
    }

    async fn start_again(&self, failed: &FailedExecution) -> Outcome<String> {
        let there = self.workflows.describe_execution();
        let there = there.execution_arn(&failed.arn).send().await;
        let there = there.map_err(|error| unreachable("Step Functions", &error))?;
        let mut n = 2;
        loop {
            let name = failed.next(n);
            let arn = execution_arn(there.state_machine_arn(), &name);
            let earlier = self.workflows.describe_execution();
            match earlier.execution_arn(arn).send().await {
                Ok(earlier) if *earlier.status() == ExecutionStatus::Running => {
                    return Err(under_way(&name));
                }
                Ok(_) => {
                    n += 1;
                    continue;
                }
                Err(error) if error.code() == Some("ExecutionDoesNotExist") => {}
                Err(error) => return Err(unreachable("Step Functions", &error)),
            }
            let started = self
                .workflows
                .start_execution()
                .state_machine_arn(there.state_machine_arn())
                .name(&name)
                .set_input(there.input().map(str::to_owned))
                .send()
                .await;
            return started
                .map(|_| name)
                .map_err(|error| unreachable("Step Functions", &error));
        }
    }

    /// The service's functions are pointed at a table that is not there: each
    /// command then fails as transient, is tried again as the style does that,
    /// and dies when its tries are spent. (With a reserved concurrency of 0, the
    /// usual switch, the emulator stops reading the queue: its messages wait and
    /// none dies.) What was changed stands in the function itself, so anybody
    /// can take it back.
    async fn outage(&self, service: TableOf, down: bool) -> Outcome<()> {
        for output in service.functions() {
            // A style that is not deployed has no function.
            if let Ok(function) = self.output(&output) {
                self.point(function, down).await?;
            }
        }
        Ok(())
    }
}

impl Aws {
    /// Every state machine whose executions can be listed, with its variant's name.
    fn all_machines(&self) -> Vec<(&'static str, &'static str)> {
        let of = |one: &'static Description| {
            let machines = one.all_machines();
            machines.map(|machine| (one.variant.name, machine))
        };
        let kept = self.described().into_iter();
        let kept = kept.filter(|one| one.variant.keeps_executions);
        kept.flat_map(of).collect()
    }

    /// The executions on `machine` that stand so.
    async fn executions_on(
        &self,
        machine: &str,
        status: ExecutionStatus,
    ) -> Outcome<Vec<ExecutionListItem>> {
        let listed = self.workflows.list_executions();
        let mut pages = listed
            .state_machine_arn(machine)
            .status_filter(status)
            .into_paginator()
            .items()
            .send();
        let mut all = Vec::new();
        while let Some(found) = pages.next().await {
            all.push(found.map_err(|error| unreachable("Step Functions", &error))?);
        }
        Ok(all)
    }

    /// Points `function` at a table that is not there, or back at its own.
    async fn point(&self, function: &str, down: bool) -> Outcome<()> {
        let lambda = |error| unreachable("Lambda", &error);
        let asked = self.functions.get_function_configuration();
        let there = asked.function_name(function).send().await.map_err(lambda)?;
        let mut variables = there
            .environment()
            .and_then(|environment| environment.variables().cloned())
            .unwrap_or_default();
        let Some(table) = variables.get("DUET_TABLE").cloned() else {
            return Err(Problem::environment(format!(
                "function {function} has no DUET_TABLE: it is not one of this version"
            )));
        };
        let own = table.strip_suffix(OUT_OF_ORDER).unwrap_or(&table);
        let wanted = match down {
            true => format!("{own}{OUT_OF_ORDER}"),
            false => own.to_owned(),
        };
        if wanted == table {
            return Ok(());
        }
        variables.insert("DUET_TABLE".to_owned(), wanted);
        let environment = Environment::builder().set_variables(Some(variables));
        let changed = self.functions.update_function_configuration();
        changed
            .function_name(function)
            .environment(environment.build())
            .send()
            .await
            .map_err(|error| unreachable("Lambda", &error))?;
        for _ in 0..LOOKS {
            let asked = self.functions.get_function_configuration();
            let there = asked.function_name(function).send().await.map_err(lambda)?;
            match there.last_update_status() {
                Some(LastUpdateStatus::InProgress) => self.pause(LOOK_EVERY).await,
                Some(LastUpdateStatus::Failed) => {
                    return Err(Problem::environment(format!(
                        "function {function} could not be changed: {}",
                        there
                            .last_update_status_reason()
                            .unwrap_or("no reason given")
                    )));
                }
                _ => return Ok(()),
            }
        }
        Err(Problem::environment(format!(
            "function {function} is still changing"
        )))
    }
}

fn of_message(queue: &str, message: &Message) -> Held {
    let own = |name| message.attributes()?.get(&name);
    let sent = own(MessageSystemAttributeName::SentTimestamp)
        .and_then(|millis| millis.parse().ok())
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let attributes = message.message_attributes().into_iter().flatten();
    Held {
        id: message.message_id().unwrap_or_default().to_owned(),
        queue: queue.to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        sent_at: sent,
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
            .collect(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        // A plain queue may have a group, too: for its fairness, not for an order.
        group: own(MessageSystemAttributeName::MessageGroupId)
            .filter(|_| is_in_order(queue))
            .cloned(),
        carried: message
            .message_attributes()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), as_it_came(value)))
            .collect(),
    }
}

fn as_it_came(value: &MessageAttributeValue) -> Attribute {
    Attribute {
        kind: value.data_type().to_owned(),
        text: value.string_value().map(str::to_owned),
        bytes: value.binary_value().map(|bytes| bytes.as_ref().to_vec()),
    }
}

fn on_the_way(attribute: &Attribute) -> Outcome<MessageAttributeValue> {
    MessageAttributeValue::builder()
        .data_type(&attribute.kind)
        .set_string_value(attribute.text.clone())
        .set_binary_value(attribute.bytes.clone().map(Blob::new))
        .build()
        .map_err(Problem::environment)
}

/// A machine's name, of its ARN.
fn name_of(machine: &str) -> String {
    machine.rsplit(':').next().unwrap_or(machine).to_owned()
}

fn instant(at: Option<&aws_sdk_sfn::primitives::DateTime>) -> Option<Timestamp> {
    let millis = at?.to_millis().ok()?;
    Timestamp::from_millisecond(millis).ok()
}
