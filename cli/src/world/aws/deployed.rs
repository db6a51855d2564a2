//! Whom to ask, and what is deployed there.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;

use super::stacks::{self, Found};
use crate::shop::parameters::WHAT_BECAME_OF_TRIES;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;

/// The region the emulator plays.
pub const EMULATED_REGION: &str = "us-east-1";

/// The configuration for an emulator at `endpoint`: fixed region, the
/// credentials every emulator takes.
#[must_use]
pub fn emulated(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(EMULATED_REGION))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            Credentials::new("test", "test", None, None, "emulator"),
        ))
        .build()
}

/// The ordinary configuration chain: environment, profiles, SSO, instance roles.
/// An `endpoint` that is named goes before every one that is configured, for
/// every client made from this.
///
/// # Errors
/// [`Problem`] when no region is configured.
pub async fn ordinary(endpoint: Option<&str>) -> Outcome<SdkConfig> {
    // An account's limits are shared with its functions: who is throttled slows down.
    let patient = RetryConfig::adaptive().with_max_attempts(6);
    let mut chain = aws_config::defaults(BehaviorVersion::latest()).retry_config(patient);
    if let Some(endpoint) = endpoint {
        chain = chain.endpoint_url(endpoint);
    }
    let config = chain.load().await;
    match config.region() {
        Some(_) => Ok(config),
        None => Err(Problem::environment("no AWS region is configured")
            .hint("set AWS_REGION, or the region of your profile with `aws configure`")),
    }
}

/// The stack called `stack`, when it is whole; `None` when there is no such stack.
///
/// # Errors
/// [`Problem`] when CloudFormation does not answer, or the stack is not usable.
pub async fn complete(config: &SdkConfig, stack: &str) -> Outcome<Option<Found>> {
    let client = aws_sdk_cloudformation::Client::new(config);
    let Some(found) = stacks::find(&client, stack).await? else {
        return Ok(None);
    };
    let status = &found.status;
    if !matches!(
        status.as_str(),
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE"
    ) {
        return Err(Problem::environment(format!("stack {stack} is {status}"))
            .hint("wait until it is complete; an emulator begins anew with `duet down --on local` and `duet up --on local`"));
    }
    Ok(Some(found))
}

/// The outputs of the stack called `stack`; `None` when there is no such stack.
///
/// # Errors
/// As [`complete`].
pub async fn outputs(config: &SdkConfig, stack: &str) -> Outcome<Option<BTreeMap<String, String>>> {
    Ok(complete(config, stack).await?.map(|found| found.outputs))
}

/// The patience of a stack with `outputs`. An older one counted tries; what its
/// tries come to is the default of today, nearly.
pub(super) fn patience(stack: &str, outputs: &BTreeMap<String, String>) -> Outcome<u32> {
    match outputs.get("PatienceSeconds") {
        Some(seconds) => seconds.parse().map_err(|e| {
            Problem::environment(format!("output PatienceSeconds of stack {stack}: {e}"))
        }),
        None => {
            tell(&format!(
                "stack {stack} is of an older version, which `duet up` brings up to date: {WHAT_BECAME_OF_TRIES}"
            ));
            Ok(OLD_PATIENCE)
        }
    }
}

/// What a stack said of its variants before they described themselves. Without
/// their own words, executions and orders in flight could be overlooked.
pub(super) const SAID_BEFORE: [&str; 2] = ["OrderMachine", "OrderQueueUrl"];

/// About how long a stack that counted tries was patient, in seconds.
const OLD_PATIENCE: u32 = 60;
