//! A stack as CloudFormation knows it: found, told to be ours or somebody's, and
//! deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use duet_core::Timestamp;

use super::error::unreachable;
use crate::terminal::exit::{Outcome, Problem};

/// Outputs that every version of the template has had. Only a stack of this
/// system says all of them.
pub const ALWAYS_SAID: [&str; 6] = [
    "CustomerTable",
    "OrderTable",
    "PaymentTable",
    "ProviderLedger",
    "CarrierLedger",
    "NoticeTopic",
];

/// How the template's description has always begun. A stack that failed while it
/// was made says nothing else of itself.
pub const DESCRIBED: &str = "duet: one order system under two coordination styles.";

/// How often a stack is looked at while it is being deleted: at first, and at
/// last. Each wait is twice the one before.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How often it is told that the deletion goes on.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// A stack.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its ARN. A stack that is deleted can be asked for by this only.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `CREATE_COMPLETE`, `DELETE_FAILED`, …
    pub status: String,
    /// Why it is so, where CloudFormation says.
    pub reason: Option<String>,
    /// Its template's description.
    pub description: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// When it was last updated; made, if never.
    pub updated: Option<Timestamp>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

impl Found {
    /// Whether it says that it is a stack of this system.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let says = |name: &&str| self.outputs.contains_key(*name);
        ALWAYS_SAID.iter().all(says) || self.description.starts_with(DESCRIBED)
    }

    /// Whether it was deleted: by its ARN it can be asked for still.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status == "DELETE_COMPLETE"
    }

    /// Whether there is nothing in it yet: a change set was made and never used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status == "REVIEW_IN_PROGRESS"
    }
}

/// The stack with this name or ARN; `None` when there is none.
///
/// # Errors
/// [`Problem`] when CloudFormation does not answer.
pub async fn find(client: &Client, stack: &str) -> Outcome<Option<Found>> {
    let answer = match client.describe_stacks().stack_name(stack).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ValidationError") => return Ok(None),
        Err(error) => return Err(unreachable("CloudFormation", &error)),
    };
    let found = answer.stacks().first();
    Ok(found.map(|found| Found {
        id: found.stack_id().unwrap_or(stack).to_owned(),
        name: found.stack_name().unwrap_or(stack).to_owned(),
        status: found
            .stack_status()
            .map_or("UNKNOWN", |status| status.as_str())
            .to_owned(),
        reason: found.stack_status_reason().map(str::to_owned),
        description: found.description().unwrap_or_default().to_owned(),
        parameters: found
            .parameters()
            .iter()
            .filter_map(|p| {
                Some((
                    p.parameter_key()?.to_owned(),
                    p.parameter_value()?.to_owned(),
                ))
            })
            .collect(),
        updated: found
            .last_updated_time()
            .or(found.creation_time())
            .and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok()),
        outputs: found
            .outputs()
            .iter()
            .filter_map(|o| Some((o.output_key()?.to_owned(), o.output_value()?.to_owned())))
            .collect(),
    }))
}

/// Deletes the stack and waits until it is gone, at most for `limit`. Says every
/// half a minute to `tell` that it is not yet.
///
/// # Errors
/// [`Problem`] with the reasons when something of it could not be deleted; when
/// it is refused; or when it takes longer.
pub async fn delete(
    client: &Client,
    found: &Found,
    limit: Duration,
    tell: impl Fn(&str),
) -> Outcome<()> {
    let name = &found.name;
    let asked = client.delete_stack().stack_name(&found.id).send().await;
    asked.map_err(|error| unreachable("CloudFormation", &error))?;
    let (mut wait, longest) = LOOK_EVERY;
    let (began, mut told) = (Instant::now(), Duration::ZERO);
    loop {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
        let there = find(client, &found.id).await?;
        let Some(now) = there.filter(|now| !now.is_gone()) else {
            return Ok(());
        };
        // Any other may be older than the request.
        if now.status == "DELETE_FAILED" {
            let mut why = reasons(client, &found.id).await;
            if why.is_empty() {
                why.extend(now.reason);
            }
            return Err(Problem::environment(format!(
                "stack {name} is DELETE_FAILED; what could not be deleted is still there:\n  {}",
                why.join("\n  ")
            ))
            .hint("remove what is in the way, then run the same command again"));
        }
        let elapsed = began.elapsed();
        if elapsed >= limit {
            return Err(Problem::environment(format!(
                "stack {name} is {} after {} s; the deletion goes on without this command",
                now.status,
                elapsed.as_secs()
            ))
            .hint("the same command waits for it again"));
        }
        if elapsed >= told + TELL_EVERY {
            told = elapsed;
            tell(&format!(
                "stack {name}: {} after {} s",
                now.status,
                elapsed.as_secs()
            ));
        }
    }
}

/// Why the last deletion of this stack failed, resource by resource, those of
/// nested stacks too. Empty where that cannot be told.
async fn reasons(client: &Client, stack: &str) -> Vec<String> {
    let mut why = Vec::new();
    let mut open = vec![stack.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(stack) = open.pop() {
        if !seen.insert(stack.clone()) {
            continue;
        }
        let events = client.describe_stack_events().stack_name(&stack);
        let mut pages = events.into_paginator().items().send();
        // The newest is first; what was before this deletion does not count.
        while let Some(Ok(event)) = pages.next().await {
            let of = event.physical_resource_id().unwrap_or_default();
            let status = event.resource_status().map_or("", |it| it.as_str());
            match (status, of == stack) {
                ("DELETE_IN_PROGRESS", true) => break,
                ("DELETE_FAILED", false)
                    if event.resource_type() == Some("AWS::CloudFormation::Stack") =>
                {
                    open.push(of.to_owned());
                }
                ("DELETE_FAILED", false) => why.push(format!(
                    "{} ({}): {}",
                    event.logical_resource_id().unwrap_or(of),
                    event.resource_type().unwrap_or("unknown"),
                    event.resource_status_reason().unwrap_or("no reason given")
                )),
                _ => {}
            }
        }
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(outputs: &[&str], description: &str) -> Found {
        let outputs = outputs
            .iter()
            .map(|name| ((*name).to_owned(), String::new()));
        Found {
            id: "arn".to_owned(),
            name: "duet".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            reason: None,
            description: description.to_owned(),
            parameters: BTreeMap::new(),
            updated: None,
            outputs: outputs.collect(),
        }
    }

    #[test]
    fn ours_is_what_says_so_by_all_its_outputs_or_by_its_description() {
        assert!(stack(&ALWAYS_SAID, "").is_ours());
        assert!(
            stack(
                &[],
                "duet: one order system under two coordination styles. This"
            )
            .is_ours()
        );
        assert!(!stack(&ALWAYS_SAID[1..], "").is_ours());
        assert!(!stack(&["OrderTable", "Vpc"], "an order system").is_ours());
        assert!(!stack(&[], "").is_ours());
    }
}
