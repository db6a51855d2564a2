//! The functions' logs, and those of Express machines, out of CloudWatch Logs.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use duet_core::Timestamp;
use duet_lab::LogRecord;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::error::unreachable;
use crate::terminal::exit::Outcome;

/// How many log groups are read at once: FilterLogEvents has a low quota.
const AT_ONCE: usize = 4;

/// What the functions among a stack's `outputs` logged since `since` that has
/// `about` in it.
pub(super) async fn of_functions(
    client: &Client,
    outputs: &BTreeMap<String, String>,
    about: &str,
    since: Timestamp,
) -> Outcome<Vec<String>> {
    let functions = outputs
        .iter()
        .filter(|(name, _)| name.ends_with("Function"));
    let reads: Vec<_> = functions
        .map(|(_, function)| {
            let group = format!("/aws/lambda/{function}");
            of_group(client.clone(), group, about.to_owned(), since)
        })
        .collect();
    let lines: Vec<Vec<String>> = stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(lines.concat())
}

/// The types of the records that tell of an execution that did not succeed.
const FAILED: [&str; 3] = ["ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"];

/// What the log group of Express machines has of the executions about `id`, in order;
/// without one, of those that did not succeed.
pub(super) async fn of_executions(
    client: &Client,
    group: &str,
    id: Option<&str>,
) -> Outcome<Vec<LogRecord>> {
    let mut records = Vec::new();
    for about in id.map_or(&FAILED[..], |_| &[""]) {
        let about = id.unwrap_or(about).to_owned();
        let lines = of_group(
            client.clone(),
            group.to_owned(),
            about,
            Timestamp::UNIX_EPOCH,
        );
        let lines = lines.await?;
        records.extend(lines.iter().filter_map(|line| record(group, line)));
    }
    records.sort_by_key(|record: &LogRecord| (record.at, record.id));
    Ok(records)
}

/// A record as Step Functions writes it: numbers are texts (developer guide, "Using
/// CloudWatch Logs to log execution history").
fn record(group: &str, line: &str) -> Option<LogRecord> {
    let said: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| match &said[name] {
        Value::String(text) => text.parse::<u64>().ok(),
        other => other.as_u64(),
    };
    let details = &said["details"];
    let word = |name: &str| details[name].as_str().map(str::to_owned);
    let millis = i64::try_from(number("event_timestamp")?).ok()?;
    Some(LogRecord {
        group: group.into(),
        arn: said["execution_arn"].as_str()?.into(),
        at: Timestamp::from_millisecond(millis).ok()?,
        id: number("id")?,
        previous: number("previous_event_id").unwrap_or_default(),
        kind: said["type"].as_str()?.to_owned(),
        state: word("name"),
        resource: word("resourceType"),
        error: word("error"),
    })
}

async fn of_group(
    client: Client,
    group: String,
    about: String,
    since: Timestamp,
) -> Outcome<Vec<String>> {
    // Quoted, it is looked for as it stands (CloudWatch Logs user guide, "Filter
    // pattern syntax"). Emulators know no more than that of the syntax; what it
    // finds is looked at again here.
    let mut pages = client
        .filter_log_events()
        .log_group_name(group)
        .filter_pattern(format!("\"{about}\""))
        .start_time(since.as_millisecond())
        .into_paginator()
        .send();
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                let events = page.events.unwrap_or_default();
                lines.extend(events.into_iter().filter_map(|event| event.message));
            }
            // A function that was never called may have no group yet.
            Err(error) if error.code() == Some("ResourceNotFoundException") => break,
            Err(error) => return Err(unreachable("CloudWatch Logs", &error)),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let line = r#"{"id":"7","type":"TaskFailed","details":{"error":"Transient","resource":"invoke","resourceType":"lambda"},"previous_event_id":"6","event_timestamp":"1767225600123","execution_arn":"arn:aws:states:eu-north-1:1:express:duet-express-order:o-1:u:v","redrive_count":"0"}"#;
        let read = record("g", line).unwrap();
        assert_eq!((read.id, read.previous, &*read.kind), (7, 6, "TaskFailed"));
        assert_eq!(read.error.as_deref(), Some("Transient"));
        assert_eq!(read.resource.as_deref(), Some("lambda"));
        assert_eq!(read.at.as_millisecond(), 1_767_225_600_123);
        assert_eq!(record("g", "START RequestId: 1"), None);
    }
}
