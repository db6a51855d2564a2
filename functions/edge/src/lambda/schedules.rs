//! EventBridge Scheduler: timers that are far off.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::SdkError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode,
    RetryPolicy, Target,
};
use duet_core::{Failure, Timestamp};

use crate::sdk::{self, Deadline};
use crate::timers::{MAX_AGE_SECONDS, MAX_ATTEMPTS, Schedules, scheduled};

/// A call under way.
pub(super) type Call<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// A scheduler. Behind a pointer, so that the binary of a service that gives
/// none has no client for one.
pub(super) trait Scheduler: fmt::Debug + Send + Sync {
    /// Has `body` put on `queue` (its ARN) at `due`, by a schedule called `name`.
    fn create<'a>(
        &'a self,
        name: &'a str,
        queue: &'a str,
        body: String,
        due: Timestamp,
    ) -> Call<'a>;

    /// Takes back the schedule called `name`.
    fn delete<'a>(&'a self, name: &'a str) -> Call<'a>;
}

/// The real one. Its client is built when it is first used: few messages set
/// such a timer.
#[derive(Debug)]
struct EventBridge {
    config: SdkConfig,
    deadline: Deadline,
    kept: Schedules,
    client: OnceLock<Client>,
}

/// EventBridge Scheduler, for schedules that are `kept` so.
pub(super) fn eventbridge(
    config: SdkConfig,
    deadline: Deadline,
    kept: Schedules,
) -> Arc<dyn Scheduler> {
    Arc::new(EventBridge {
        config,
        deadline,
        kept,
        client: OnceLock::new(),
    })
}

impl EventBridge {
    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = aws_sdk_scheduler::config::Builder::from(&self.config);
            Client::from_conf(config.interceptor(self.deadline.clone()).build())
        })
    }

    fn target(&self, queue: &str, body: String) -> Result<Target, Failure> {
        let retries = RetryPolicy::builder()
            .maximum_event_age_in_seconds(MAX_AGE_SECONDS as i32)
            .maximum_retry_attempts(MAX_ATTEMPTS as i32);
        let undelivered = DeadLetterConfig::builder().arn(&self.kept.dead_letters);
        Target::builder()
            .arn(queue)
            .role_arn(&self.kept.role)
            .input(body)
            .retry_policy(retries.build())
            .dead_letter_config(undelivered.build())
            .build()
            .map_err(Failure::invalid)
    }
}

impl Scheduler for EventBridge {
    fn create<'a>(
        &'a self,
        name: &'a str,
        queue: &'a str,
        body: String,
        due: Timestamp,
    ) -> Call<'a> {
        Box::pin(async move {
            let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
            let sent = self
                .client()
                .create_schedule()
                .group_name(&self.kept.group)
                .name(name)
                .schedule_expression(expression(due))
                .schedule_expression_timezone("UTC")
                .flexible_time_window(window.build().map_err(Failure::invalid)?)
                .action_after_completion(ActionAfterCompletion::Delete)
                .target(self.target(queue, body)?)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(()),
                // Set before: by this message, at an earlier delivery.
                Err(SdkError::ServiceError(answer)) if answer.err().is_conflict_exception() => {
                    Ok(())
                }
                // Whatever it says, the message has no part in it: the name and
                // the time are fit. A role that may not be taken on is told so.
                Err(error) => Err(match sdk::failure("the scheduler", &error) {
                    Failure::Invalid(text) => Failure::Misconfigured(text),
                    other => other,
                }),
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Call<'a> {
        Box::pin(async move {
            let sent = self
                .client()
                .delete_schedule()
                .group_name(&self.kept.group)
                .name(name)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(()),
                // It has come, or was taken back before.
                Err(SdkError::ServiceError(answer))
                    if answer.err().is_resource_not_found_exception() =>
                {
                    Ok(())
                }
                Err(error) => Err(sdk::failure("the scheduler", &error)),
            }
        })
    }
}

/// When, as a schedule says it: `at(2026-01-02T03:04:05)`, in the time zone that
/// is named beside it.
fn expression(due: Timestamp) -> String {
    let second = scheduled(due).to_string();
    format!("at({})", second.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_whole_seconds() {
        let due = "2026-01-02T03:04:05.000000001Z".parse().unwrap();
        assert_eq!(expression(due), "at(2026-01-02T03:04:06)");
    }
}
