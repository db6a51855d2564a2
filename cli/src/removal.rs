//! Deleting what is on AWS, or behind an endpoint somebody named: only what says
//! that it is this system's, only when a person or a script said so, and told
//! where.

use std::io::{BufRead, IsTerminal as _};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;

use crate::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::account::Account;
use crate::world::stacks::{self, Found};

/// How long a deletion may take. Tables, functions and log groups go in minutes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Who says that something may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Whoever wrote `--yes`.
    Given,
    /// Whoever sits at the terminal, by typing the stack's name.
    Asked,
}

impl Consent {
    /// What there is of it on this command line.
    ///
    /// # Errors
    /// [`Problem`] when nobody said so and nobody can be asked.
    pub fn of(yes: bool) -> Outcome<Self> {
        match (yes, std::io::stdin().is_terminal()) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Asked),
            (false, false) => Err(Problem::usage(
                "nothing was deleted: standard input is no terminal, so nobody can confirm it",
            )
            .hint("add --yes to delete without being asked")),
        }
    }

    /// Has the person at the terminal type the name of `stack`, unless consent
    /// was given.
    fn obtain(self, stack: &str, typed: &mut impl BufRead) -> Outcome<()> {
        if self == Self::Given {
            return Ok(());
        }
        tell(&format!("type {stack} to delete it:"));
        let mut answer = String::new();
        typed
            .read_line(&mut answer)
            .map_err(|e| Problem::environment(format!("standard input cannot be read: {e}")))?;
        if answer.trim() == stack {
            return Ok(());
        }
        Err(Problem::usage(
            "nothing was deleted: that is not the stack's name",
        ))
    }
}

/// Deletes the stack called `stack` with all that is in it, and waits until it is
/// gone. Gives what happened, in a sentence.
///
/// # Errors
/// [`Problem`] when it is not this system's, was not confirmed, or could not be
/// deleted whole.
pub async fn delete(
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
    consent.obtain(&found.name, &mut std::io::stdin().lock())?;
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
pub async fn may_deploy(config: &SdkConfig, account: &Account, stack: &str) -> Outcome<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn only_the_stacks_name_is_a_confirmation() {
        let typed = |text: &str| Consent::Asked.obtain("shop", &mut text.as_bytes());
        assert!(typed("shop\n").is_ok());
        assert!(typed(" shop ").is_ok());
        for other in ["", "\n", "y\n", "yes\n", "sho\n", "shop2\n"] {
            let refused = typed(other).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{other:?}");
            assert!(refused.to_string().contains("nothing was deleted"));
        }
        // Nobody is asked where consent was given.
        let mut unread = "no\n".as_bytes();
        assert!(Consent::Given.obtain("shop", &mut unread).is_ok());
        assert_eq!(unread, b"no\n");
    }
}
