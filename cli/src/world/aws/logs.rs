//! The functions' logs, out of CloudWatch Logs.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use duet_core::Timestamp;
use futures_util::{StreamExt, TryStreamExt, stream};

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
