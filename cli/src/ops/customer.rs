//! Registering customers.

use duet_core::store::Store;
use duet_customer::command::{Command, RegisterCustomer};
use duet_customer::domain::{Customer, Status};
use serde::Serialize;

use crate::ops::wait::until;
use crate::shop::message;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::world::{Submitted, World};

/// The customer called `id`, if the customer service knows them.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn find<W: World>(world: &W, id: &str) -> Outcome<Option<Customer>> {
    let found = world
        .table(TableOf::Customer)
        .load(&[duet_customer::key(id)])
        .await?
        .pop()
        .flatten();
    Ok(found.map(|item| item.read()).transpose()?)
}

/// A registration, as far as it is known.
#[derive(Debug, Serialize)]
pub struct Registered {
    /// The customer's id.
    pub customer: String,
    /// The variant it runs under.
    pub variant: &'static str,
    /// Whether the account may be used; absent until somebody waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// Registers a customer under `variant` and, if `wait` says how many seconds,
/// follows the registration until it is decided.
///
/// # Errors
/// [`Problem`] when the id is taken, or the decision takes too long.
pub async fn register<W: World>(
    world: &W,
    variant: &'static Variant,
    command: &RegisterCustomer,
    wait: Option<u64>,
) -> Outcome<Registered> {
    let id = command.customer.as_str();
    let taken = || {
        Problem::failed(format!(
            "customer {id} was registered before with other content"
        ))
    };
    if let Some(there) = find(world, id).await? {
        let was = (
            &there.variant[..],
            &there.name,
            &there.registered.email,
            &there.registered.country,
        );
        if was
            != (
                variant.name,
                &command.name,
                &command.email,
                &command.country,
            )
        {
            return Err(taken().hint("choose another id"));
        }
    } else {
        let message = message::command(
            &Command::from(command.clone()),
            id,
            variant.name,
            world.now(),
        );
        if world.submit(variant, Subject::Customer, &message).await? == Submitted::Clashes {
            return Err(taken().hint("choose another id"));
        }
    }
    let status = match wait {
        Some(seconds) => Some(decided(world, id, seconds).await?),
        None => None,
    };
    Ok(Registered {
        customer: id.to_owned(),
        variant: variant.name,
        status,
    })
}

async fn decided<W: World>(world: &W, id: &str, seconds: u64) -> Outcome<Status> {
    let decided = until(world, seconds, async || {
        Ok(match find(world, id).await? {
            Some(customer) if customer.status != Status::Pending => Ok(customer.status),
            _ => Err(()),
        })
    });
    let late = || Problem::failed(format!("customer {id} is not decided after {seconds} s"));
    decided.await?.map_err(|()| late())
}

impl Report for Registered {
    fn text(&self) -> String {
        let how = match self.status {
            Some(Status::Active) => "Active",
            Some(Status::Blocked) => "Blocked",
            Some(Status::Pending) | None => "submitted",
        };
        format!("{} {} {how}", self.customer, self.variant)
    }

    fn exit(&self) -> Exit {
        if self.status == Some(Status::Blocked) {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}
