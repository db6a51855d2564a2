//! The entries on the Lambda runtime, over real clients.
//!
//! Which entry runs is the environment's choice (`DUET_ENTRY`), made at cold
//! start, never guessed from a payload. What a function will certainly use is
//! made ready before it first asks for work, the rest when it is needed.

mod aws;
mod engine;
mod schedules;
mod start;

use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use duet_core::store::{Key, Store};
use duet_core::sweep::Sweep;
use duet_core::{Clock, Environment, Service, SystemClock, Timestamp};
use futures_util::future::{join, join_all, select};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

use self::aws::Aws;
use self::engine::{StepFunctions, Workflows, doors};
use self::schedules::{Scheduler, eventbridge};
use crate::dynamo::Dynamo;
use crate::intake::{self, Delivery, Failures, InvalidBatch, Stub};
use crate::log::Stdout;
use crate::panics;
use crate::queue;
use crate::records;
use crate::sdk::Deadline;
use crate::sweep::{self, Ways};
use crate::task::{self, Asker, TaskError};
use crate::wires::Renderings;

pub use lambda_runtime::Error;

/// A function's configuration and clients.
#[derive(Debug, Clone)]
pub struct Edge {
    config: SdkConfig,
    connector: SharedHttpConnector,
    deadline: Deadline,
    dynamodb: aws_sdk_dynamodb::Client,
    scheduler: Option<Arc<dyn Scheduler>>,
    workflows: Option<Arc<dyn Workflows>>,
}

impl Environment for Edge {
    type Table = Dynamo;
    type Clock = SystemClock;
    type Error = Error;

    fn table(&self, variable: &str) -> Result<Dynamo, Error> {
        let name = required(variable)?;
        Ok(Dynamo::new(self.dynamodb.clone(), name).until(self.deadline.clone()))
    }

    fn setting<T: FromStr<Err: std::fmt::Display>>(&self, variable: &str) -> Result<T, Error> {
        let text = required(variable)?;
        text.parse()
            .map_err(|e| format!("environment variable {variable} is unusable: {e}").into())
    }

    fn clock(&self) -> SystemClock {
        SystemClock
    }
}

impl Edge {
    /// Reads the AWS part of the environment and builds what every function needs.
    ///
    /// # Errors
    /// When a variable that the Lambda runtime sets is missing.
    pub fn start() -> Result<Self, Error> {
        let connector = start::connector();
        let endpoint = optional("AWS_ENDPOINT_URL");
        let config = start::config(required("AWS_REGION")?, endpoint, connector.clone());
        let deadline = Deadline::default();
        let dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&config).interceptor(deadline.clone());
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            config,
            connector,
            deadline,
            scheduler: None,
            workflows: None,
        })
    }

    /// … with EventBridge Scheduler for timers that are far off, where the
    /// environment says how (`DUET_SCHEDULES`). For a service that has such
    /// timers; where nothing is said, they travel on its queue.
    ///
    /// # Errors
    /// When what it says cannot be read.
    pub fn with_scheduler(mut self) -> Result<Self, Error> {
        if let Some(text) = optional("DUET_SCHEDULES") {
            let kept = serde_json::from_str(&text)
                .map_err(|e| format!("environment variable DUET_SCHEDULES is unusable: {e}"))?;
            let (config, deadline) = (self.config.clone(), self.deadline.clone());
            self.scheduler = Some(eventbridge(config, deadline, kept));
        }
        Ok(self)
    }

    /// … with Step Functions. For a service that answers a workflow late, or starts one.
    #[must_use]
    pub fn with_workflows(mut self) -> Self {
        let (config, deadline) = (self.config.clone(), self.deadline.clone());
        self.workflows = Some(doors(config, deadline));
        self
    }

    /// What further clients are built from.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// What bounds the calls of further clients: an interceptor for each.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline.clone()
    }

    /// Opens the connections that the first invocation will use: to the table,
    /// by reading what cannot be there (ids have no `#`), which also goes once
    /// through all that a call takes; and to the hosts of `wires`.
    async fn open(&self, wires: Vec<String>) {
        let table = async {
            if let Ok(table) = self.table("DUET_TABLE") {
                let _ = table.load(&[Key::new("#", "#")]).await;
            }
        };
        let wires = wires.iter().map(|url| start::open(&self.connector, url));
        start::patiently(join(table, join_all(wires))).await;
    }

    /// Runs `service` until the runtime ends the process.
    ///
    /// # Errors
    /// When the environment is incomplete, or the runtime API fails.
    pub async fn run<S: Service>(self, service: S) -> Result<(), Error> {
        let (aws, log) = self.wires::<S>()?;
        let deadline = self.deadline.clone();
        match required("DUET_ENTRY")?.as_str() {
            "task" => {
                self.open(Vec::new()).await;
                let handler = |event: LambdaEvent<Value>| {
                    deadline.set(ends(&event));
                    Box::pin(task(service.clone(), aws.clone(), log.clone(), event))
                };
                lambda_runtime::run(service_fn(handler)).await
            }
            "verdict" => {
                self.open(aws.hosts().await).await;
                let handler = |event: LambdaEvent<Value>| {
                    deadline.set(ends(&event));
                    Box::pin(verdict(service.clone(), aws.clone(), log.clone(), event))
                };
                lambda_runtime::run(service_fn(handler)).await
            }
            "queue" => {
                self.open(aws.hosts().await).await;
                let handler = |event: LambdaEvent<Value>| {
                    deadline.set(ends(&event));
                    Box::pin(messages(service.clone(), aws.clone(), log.clone(), event))
                };
                lambda_runtime::run(service_fn(handler)).await
            }
            other => {
                Err(format!("DUET_ENTRY is {other:?}; it is `task`, `verdict` or `queue`").into())
            }
        }
    }

    /// What every entry of `S` speaks by.
    fn wires<S: Service>(&self) -> Result<(Aws, Stdout), Error> {
        panics::hush(S::NAME, |line| println!("{line}"));
        let carriers: Renderings = read("DUET_CARRIERS")?;
        let carriers = Arc::new(carriers);
        let log = Stdout {
            namespace: required("DUET_METRICS")?.into(),
            deployed: carriers.clone(),
        };
        let (config, deadline) = (self.config.clone(), self.deadline.clone());
        let (scheduler, workflows) = (self.scheduler.clone(), self.workflows.clone());
        let timers = optional("DUET_TIMERS");
        let aws = Aws::new(config, deadline, carriers, timers, scheduler, workflows);
        Ok((aws, log))
    }

    /// Runs the sweep of `S` until the runtime ends the process. Whatever the
    /// invocation carries, one is one sweep.
    ///
    /// # Errors
    /// When the environment is incomplete, or the runtime API fails.
    pub async fn sweep<S: Sweep>(self) -> Result<(), Error> {
        let (aws, log) = self.wires::<S>()?;
        let ways: Ways = read("DUET_SWEEP")?;
        let ways = Arc::new(ways);
        let (table, deadline) = (self.table("DUET_TABLE")?, self.deadline.clone());
        let engine = aws_sdk_sfn::config::Builder::from(&self.config).interceptor(deadline.clone());
        let engine = StepFunctions::new(aws_sdk_sfn::Client::from_conf(engine.build()));
        let handler = |event: LambdaEvent<Value>| {
            deadline.set(ends(&event));
            let (table, engine, aws) = (table.clone(), engine.clone(), aws.clone());
            let (log, ways) = (log.clone(), ways.clone());
            Box::pin(async move {
                let clock = SystemClock;
                let swept = sweep::sweep::<S>(&table, &engine, &aws, &clock, &log, &ways).await;
                swept.map_err(|failure| failed(&failure))
            })
        };
        lambda_runtime::run(service_fn(handler)).await
    }

    /// Runs the sweep of kept outcomes until the runtime ends the process, over
    /// the tables that `DUET_TABLES` names. Whatever the invocation carries, one
    /// is one sweep.
    ///
    /// # Errors
    /// When the environment is incomplete, or the runtime API fails.
    pub async fn records(self) -> Result<(), Error> {
        panics::hush("records", |line| println!("{line}"));
        let names: Vec<String> = read("DUET_TABLES")?;
        let (client, deadline) = (&self.dynamodb, &self.deadline);
        let table = |name| Dynamo::new(client.clone(), name).until(deadline.clone());
        let tables: Arc<[Dynamo]> = names.into_iter().map(table).collect();
        let handler = |event: LambdaEvent<Value>| {
            deadline.set(ends(&event));
            let tables = tables.clone();
            Box::pin(async move {
                let swept = records::sweep(&tables, &SystemClock).await;
                let swept = swept.map_err(|failure| failed(&failure))?;
                println!("{}", records::line(&swept, SystemClock.now()));
                Ok::<_, Diagnostic>(swept)
            })
        };
        lambda_runtime::run(service_fn(handler)).await
    }
}

/// A failure of a function that nobody but the clock invokes.
fn failed(failure: &duet_core::Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.name().to_owned(),
        error_message: failure.text().to_owned(),
    }
}

/// The task entry.
async fn task<S: Service>(
    service: S,
    aws: Aws,
    log: Stdout,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic> {
    let (asker, deadline) = (Asker::Workflow, ends(&event));
    task::perform(
        &service,
        &aws,
        &SystemClock,
        &log,
        asker,
        event.payload,
        deadline,
    )
    .await
    .map_err(refused)
}

/// The entry for a person's decisions.
async fn verdict<S: Service>(
    service: S,
    aws: Aws,
    log: Stdout,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic> {
    let (asker, deadline) = (Asker::Person, ends(&event));
    task::perform(
        &service,
        &aws,
        &SystemClock,
        &log,
        asker,
        event.payload,
        deadline,
    )
    .await
    .map_err(refused)
}

/// The error of whoever asked for a step.
fn refused(TaskError { name, text }: TaskError) -> Diagnostic {
    Diagnostic {
        error_type: name,
        error_message: text,
    }
}

/// The queue entry: each message of the batch gets its own time and its own
/// verdict, and only the failed ones are named in the answer (`ReportBatchItemFailures`).
async fn messages<S: Service>(
    service: S,
    aws: Aws,
    log: Stdout,
    event: LambdaEvent<Value>,
) -> Result<Failures, Diagnostic> {
    let stopped = ends(&event);
    let deadline = intake::deadline(SystemClock.now(), stopped);
    let invalid = |error: InvalidBatch| Diagnostic {
        error_type: "InvalidBatch".to_owned(),
        error_message: error.to_string(),
    };
    let deliveries = intake::deliveries(event.payload, deadline).map_err(invalid)?;
    let (service, aws, log) = (&service, &aws, &log);
    let receive = |delivery: Delivery| {
        let over = until(deadline);
        queue::receive(service, aws, &SystemClock, log, delivery, over)
    };
    let put_off = |stub: Stub, wait| async move {
        let Some(receipt) = &stub.receipt else { return };
        let hidden = pin!(aws.hide(&stub.source, receipt, wait));
        // The answer to the batch does not wait for it for ever.
        let _ = select(hidden, pin!(until(intake::deadline(deadline, stopped)))).await;
    };
    Ok(intake::run(deliveries, receive, put_off).await)
}

/// The time until `at`.
async fn until(at: Timestamp) {
    let left = at.duration_since(SystemClock.now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
}

/// When the invocation is stopped.
fn ends(event: &LambdaEvent<Value>) -> Timestamp {
    // Milliseconds since the epoch.
    i64::try_from(event.context.deadline)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or_else(|| SystemClock.now())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the composition root reads the environment, once"
)]
fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The environment variable `name`, which is JSON.
fn read<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, Error> {
    serde_json::from_str(&required(name)?)
        .map_err(|e| format!("environment variable {name} is unusable: {e}").into())
}

fn required(name: &str) -> Result<String, Error> {
    optional(name).ok_or_else(|| format!("environment variable {name} is missing").into())
}

#[cfg(test)]
mod tests;
