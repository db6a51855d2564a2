//! Deleting what is on AWS, or behind an endpoint somebody named: only what says
//! that it is this system's, only when a person or a script said so, and told
//! where.

use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;

use crate::terminal::consent::Consent;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::aws::account::Account;
use crate::world::aws::stacks::{self, Found};

/// How long a deletion may take. Tables, functions and log groups go in minutes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What is said when nobody agreed.
const NOTHING: &str = "nothing was deleted";

/// Whoever agrees that a stack is deleted.
///
/// # Errors
/// [`Problem`] when nobody did and nobody can be asked.
pub(super) fn consent(yes: bool) -> Outcome<Consent> {
    Consent::of(yes, NOTHING, "add --yes to delete without being asked")
}

/// Deletes the stack called `stack` with all that is in it, and waits until it is
/// gone. Gives what happened, in a sentence.
///
/// # Errors
/// [`Problem`] when it is not this system's, was not confirmed, or could not be
/// deleted whole.
pub(super) async fn delete(
    config: &SdkConfig,
    account: &Account,
    stack: &str,
    consent: Consent,
) -> Outcome<String> {
    let client = Client::new(config);
    let there = stacks::find(&client, stack).await?;
    let Some(found) = there.filter(|found| !found.is_gone()) else {
        return Ok(format!("there is no stack {stack}: nothing was deleted"));
    };
    if !found.is_ours() {
        return Err(strangers(&found, account)
            .hint("delete it with the tool that made it, if that is what you want"));
    }
    tell(&format!(
        "stack {stack} ({}) is to be deleted, with its tables and all that is in them",
        found.status
    ));
    let name = &found.name;
    consent.obtain(name, &format!("type {name} to delete it:"), NOTHING)?;
    let began = Instant::now();
    tell(&format!("stack {stack}: being deleted"));
    stacks::delete(&client, &found, LIMIT, tell).await?;
    Ok(format!(
        "stack {stack} is deleted, with its tables and all that was in them, after {:.1} s",
        began.elapsed().as_secs_f64()
    ))
}

/// Refuses to deploy over a stack of somebody else's: CloudFormation would
/// delete what the template does not have.
///
/// # Errors
/// [`Problem`] when there is such a stack, or CloudFormation does not answer.
pub(super) async fn may_deploy(config: &SdkConfig, account: &Account, stack: &str) -> Outcome<()> {
    match stacks::find(&Client::new(config), stack).await? {
        Some(found) if !found.is_ours() && !found.is_empty() => Err(strangers(&found, account)
            .hint("name another with --stack: deploying over this one would delete what is in it")),
        _ => Ok(()),
    }
}

fn strangers(found: &Found, account: &Account) -> Problem {
    Problem::usage(format!(
        "stack {} ({}) in {account} does not say that it is duet's: it is left as it is",
        found.name, found.status
    ))
}
