//! StartSyncExecution: an execution of an Express machine whose caller waits for its end.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfigBuilder;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sfn::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use serde_json::Value;

use super::error::unreachable;
use crate::terminal::exit::Outcome;
use crate::world::Answer;
use crate::world::port::ANSWERED_WITHIN;

/// A client for it. It asks once: whoever asks again starts another execution, which is
/// for the person who waits to decide.
pub(super) fn client(config: &SdkConfig) -> Client {
    let patient = TimeoutConfigBuilder::new()
        .read_timeout(ANSWERED_WITHIN)
        .build();
    let config = Builder::from(config)
        .timeout_config(patient)
        .retry_config(RetryConfig::disabled())
        // Nothing moves while an execution runs.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(OneHost);
    Client::from_conf(config.build())
}

/// Starts an execution of `machine` and gives its end.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when there is no answer. The execution may
/// have begun all the same.
pub(super) async fn start(
    client: &Client,
    machine: &str,
    name: &str,
    input: &Value,
) -> Outcome<Answer> {
    let started = client
        .start_sync_execution()
        .state_machine_arn(machine)
        .name(name)
        .input(input.to_string());
    let ended = started.send().await.map_err(|error| {
        let problem = unreachable("Step Functions", &error);
        match error.as_service_error() {
            Some(_) => problem,
            None => problem.hint(format!(
                "it may have begun all the same: `duet show {name}` tells, and to ask again under the same id is safe"
            )),
        }
    })?;
    Ok(Answer {
        status: ended.status().as_str().to_owned(),
        output: ended
            .output()
            .and_then(|text| serde_json::from_str(text).ok()),
        error: ended.error().map(str::to_owned),
    })
}

/// AWS has a host of its own for such calls, so its clients put `sync-` before whatever
/// host they ask. An endpoint that somebody named has but one.
#[derive(Debug)]
struct OneHost;

/// What AWS's own hosts for it begin with (AWS General Reference, Step Functions
/// endpoints).
const OF_AWS: &str = "sync-states.";

impl Intercept for OneHost {
    fn name(&self) -> &'static str {
        "OneHost"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = named(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

/// `uri` without the prefix, if it is not of one of AWS's own hosts.
fn named(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let host = rest.strip_prefix("sync-")?;
    (!rest.starts_with(OF_AWS)).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_awss_own_hosts_have_one_for_who_waits() {
        let uris = [
            (
                "http://sync-127.0.0.1:4566/",
                Some("http://127.0.0.1:4566/"),
            ),
            ("https://sync-states.eu-north-1.amazonaws.com/", None),
            ("http://127.0.0.1:4566/", None),
        ];
        for (uri, expected) in uris {
            assert_eq!(named(uri).as_deref(), expected, "{uri}");
        }
    }
}
