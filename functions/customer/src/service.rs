//! Load, decide, save.

use duet_core::service::Reaction;
use duet_core::store::{Key, Store};
use duet_core::{
    Clock, CustomerId, Desk, Environment, Failure, Handled, ParseError, Received, Request, Service,
};

use crate::command::Command;
use crate::domain;

/// The customer service over its table.
#[derive(Debug, Clone)]
pub struct Customers<S, C> {
    desk: Desk<S, C>,
    awaits_clearance: bool,
}

impl<S: Store, C: Clock> Customers<S, C> {
    /// The service over `store`. Where nobody says whether a registration waits
    /// for a clearance, it does if `awaits_clearance`.
    pub fn new(store: S, clock: C, awaits_clearance: bool) -> Self {
        Self {
            desk: Desk::new("customer", store, clock),
            awaits_clearance,
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
            Self::ActivateUnscreened(c) => &c.customer,
            Self::ActivateCustomer(c) => &c.customer,
            Self::BlockCustomer(c) => &c.customer,
        }
    }
}

/// The customer service, as its environment says.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment>(env: &E) -> Result<Customers<E::Table, E::Clock>, E::Error> {
    let awaits_clearance = env.setting("DUET_AWAITS_CLEARANCE")?;
    Ok(Customers::new(
        env.table("DUET_TABLE")?,
        env.clock(),
        awaits_clearance,
    ))
}

impl<S: Store, C: Clock> Service for Customers<S, C> {
    const NAME: &'static str = "customer";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        ("RegisterCustomer", &["NewCustomer"]),
        ("ActivateUnscreened", &["CustomerActivated"]),
        ("ActivateCustomer", &["CustomerActivated"]),
        ("BlockCustomer", &["CustomerBlocked"]),
    ];
    const BEGINS: &'static [&'static str] = &["RegisterCustomer"];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let customer = command.customer();
        let ticket = self.desk.ticket(&context, &command, customer.as_str(), "");
        let handled = self
            .desk
            .once(&context)
            .run(&ticket, &key(customer), |state| {
                let now = self.desk.clock.now();
                domain::decide(state, &command, &context, now, self.awaits_clearance)
            })
            .await?;
        Ok(match &command {
            Command::RegisterCustomer(_) => handled.for_mark(context.clearance),
            _ => handled,
        })
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }
}
