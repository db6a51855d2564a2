//! Load, decide, save.

use duet_core::store::{Key, Store};
use duet_core::{Clock, CustomerId, Desk, Event, Failure, Handled, Request, Service};

use crate::command::Command;
use crate::domain;

/// The customer service over its table.
#[derive(Debug, Clone)]
pub struct Customers<S, C> {
    desk: Desk<S, C>,
}

impl<S: Store, C: Clock> Customers<S, C> {
    /// The service over `store`.
    pub fn new(store: S, clock: C) -> Self {
        Self {
            desk: Desk::new("customer", store, clock),
        }
    }
}

/// Where customer `id` is kept: a [`domain::Customer`].
pub fn key(id: impl ToString) -> Key {
    Key::new(id, "customer")
}

impl Command {
    fn customer(&self) -> &CustomerId {
        match self {
            Self::RegisterCustomer(c) => &c.customer,
            Self::ActivateCustomer(c) => &c.customer,
            Self::BlockCustomer(c) => &c.customer,
        }
    }
}

impl<S: Store, C: Clock> Service for Customers<S, C> {
    const NAME: &'static str = "customer";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        ("RegisterCustomer", &["NewCustomer"]),
        ("ActivateCustomer", &["CustomerActivated"]),
        ("BlockCustomer", &["CustomerBlocked"]),
    ];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let customer = command.customer();
        let ticket = self.desk.ticket(&command, customer.as_str(), "");
        self.desk
            .once(&ticket, &context, &key(customer), |state, now| {
                domain::decide(state, &command, &context.message.variant, now)
            })
            .await
    }

    fn policy(event: &Event) -> Option<Command> {
        crate::policy::command(event)
    }
}
